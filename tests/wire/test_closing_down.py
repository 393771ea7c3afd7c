"""A node ends: notice, good-byes to every server, and 410 only afterwards (WIRE-Q11)."""

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub import outbox
from groups.groups import Group
from kernel import tombstone_log
from kernel.errors import Conflict, Malformed, NotFound
from kernel.schema.actors import ActorState
from kernel.schema.groups import Sees
from kernel.schema.node import Stage
from kernel.schema.pacts import PactState
from kernel.schema.posts import PostState
from kernel.schema.tables import activities, deliveries, metadata, pacts
from members import sessions
from moderation import peers
from node import closing_down, worker
from node.doctor import examine
from node.pages.memory import MEMORY, forget_site
from node.safekeeping.replay import replay
from tests.members.people import sign_up
from tests.nodes import Node, settle
from tests.operations.places import settings_of
from tests.pages.people import Browser, person
from tests.wire.test_pacts import agree

pytestmark = pytest.mark.usefixtures("described")


async def state(node: Node) -> closing_down.State:
    async with node.engine.connect() as conn:
        return await closing_down.state(conn)


async def announce(node: Node, days: int = 30) -> None:
    async with node.engine.begin() as conn:
        await closing_down.announce(conn, node.here, days=days)
    forget_site(node.app[MEMORY])


async def steps(node: Node) -> int:
    """As many as there are now; how many that was."""
    count = 0
    while await closing_down.step(node.engine, node.here):
        count += 1
    forget_site(node.app[MEMORY])
    return count


async def status(node: Node, path: str) -> int:
    return (await node.get(path)).status


async def inbox(node: Node, path: str = "/inbox") -> tuple[int, str]:
    async with node.session.post(
        f"http://127.0.0.1:{node.port}{path}",
        headers={"Host": node.name, "Content-Type": "application/activity+json"},
        data="{}",
    ) as answer:
        return answer.status, answer.headers.get("Retry-After", "")


async def left(node: Node) -> dict[str, int]:
    """How many rows there are still, by table."""
    async with node.engine.connect() as conn:
        found = {
            table.name: await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }
    return {name: count for name, count in found.items() if count}


@pytest.fixture
async def sleep(alder: Node) -> Group:
    return await alder.group("sleep", await alder.persona("ana"))


async def test_wire_Q11_everybody_hears_it_first_and_410_comes_only_afterwards(
    alder: Node, birch: Node, sleep: Group
) -> None:
    ana, ben = await alder.persona("andy"), await birch.persona("ben")
    await alder.join(ana, sleep.actor.uri)
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    post = await alder.start(ana, sleep.actor.uri, "Awake", "words that leave alder")
    await settle(alder, birch)
    assert await birch.post(post.uri) is not None
    member = (await sign_up(alder.engine, alder.here)).member
    await sessions.open(alder.engine, alder.here, member)
    await announce(alder)
    alder.clock.forward(days=30)

    async with alder.engine.begin() as conn:
        await peers.pause(conn, alder.here, "birch.test", "it cannot be told now")
    assert await steps(alder) > 4
    await settle(alder)
    found = await state(alder)
    assert (found.stage, found.people, found.speakers, found.servers) == (Stage.ENDING, 0, 0, 1)
    assert found.unsent > 3
    for path in ("/", "/u/andy", "/g/sleep", "/desk/sleep", "/desk/node"):
        key = await alder.get(path)
        assert key.status == 200, path
        assert "publicKey" in await key.json(content_type=None)
        assert await inbox(alder, f"{path.rstrip('/')}/inbox") == (503, "3600")
    assert await status(alder, f"/p/{post.id}") == 410
    assert {"accounts", "sessions"} & (await left(alder)).keys() == set()
    visitor = Browser(alder)
    front = await visitor.open("/")
    assert front.status == 200
    assert "This place has closed" in front.text
    for path in ("/sign-up", "/log-in", "/g/sleep", f"/t/{post.thread_id}", "/settings"):
        assert (await visitor.open(path)).status == 410, path
    assert (await visitor.send("POST", "/sign-up", {"login": "x"})).status == 410

    async with alder.engine.begin() as conn:
        await peers.resume(conn, alder.here, "birch.test")
    await settle(alder, birch)
    told = await birch.post(post.uri)
    assert told is not None
    assert told.state is PostState.DELETED
    async with birch.engine.connect() as conn:
        for uri in (f"{alder.origin}/", sleep.actor.uri, ana.actor.uri):
            actor = await actor_store.by_uri(conn, uri)
            assert actor is None or actor.state is ActorState.CLOSED, uri

    forget_site(alder.app[MEMORY])
    found = await state(alder)
    assert (found.stage, found.until) == (
        Stage.OVER, alder.clock().date() + closing_down.GONE_FOR
    )  # fmt: skip
    for path in (
        "/", "/u/andy", "/g/sleep", "/desk/node", f"/p/{post.id}", f"/t/{post.thread_id}",
        "/u/nobody", "/g/sleep/followers", "/nodeinfo/2.1",
        "/.well-known/webfinger?resource=acct:andy@alder.test",
    ):  # fmt: skip
        assert await status(alder, path) == 410, path
    assert await inbox(alder) == (410, "")
    assert await inbox(alder, "/g/sleep/inbox") == (410, "")
    assert (await visitor.open("/")).status == 200
    assert (await visitor.open("/help")).status == 200
    assert await left(alder) == {"node": 1, "actors": 1, "audit_chain": 3}
    assert await alder.mentions("words that leave alder") == []


async def _ends_unheard(alder: Node, birch: Node, sleep: Group) -> None:
    """Alder closes, and birch, where somebody follows its group, does not answer any more."""
    await birch.join(await birch.persona("ben"), sleep.actor.uri)
    await settle(alder, birch)
    await announce(alder, days=1)
    alder.clock.forward(days=1)
    await birch.stop()
    await settle(alder)
    await closing_down.work(alder.engine, alder.here)
    assert (await state(alder)).stage is Stage.ENDING


async def test_wire_Q11_who_never_answers_is_given_up_after_30_days(
    alder: Node, birch: Node, sleep: Group
) -> None:
    await _ends_unheard(alder, birch, sleep)
    says = {it.check: it.says for it in (await examine(settings_of(alder))).findings}
    assert "still to be sent to 1 servers" in says["closing"]
    alder.clock.forward(days=31)
    assert await closing_down.work(alder.engine, alder.here)
    await steps(alder)
    assert (await state(alder)).stage is Stage.OVER
    report = await examine(settings_of(alder), clock=alder.clock)
    assert "has to answer so until" in {it.check: it.says for it in report.findings}["closing"]
    assert not await worker.settle(alder.app)


async def test_wire_Q11_what_was_put_aside_keeps_no_node_from_closing(
    alder: Node, birch: Node, sleep: Group
) -> None:
    await _ends_unheard(alder, birch, sleep)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(deliveries).values(parked=outbox.ASIDE))
    await steps(alder)
    assert (await state(alder)).stage is Stage.OVER


class Killed(BaseException):
    """The process ends here."""


class Killer:
    """Ends whatever commits the so many-th time from now, just before it does."""

    def __init__(self, node: Node) -> None:
        self.left = 0
        sa.event.listen(node.engine.sync_engine, "commit", self)

    def __call__(self, _connection: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


async def test_wire_Q11_a_closing_that_was_killed_anywhere_goes_on(
    alder: Node, birch: Node, sleep: Group
) -> None:
    """Whatever was under way breaks before each commit; nobody says good-bye twice."""
    await birch.join(await birch.persona("ben"), sleep.actor.uri)
    await alder.persona("cem")
    await settle(alder, birch)
    await sign_up(alder.engine, alder.here)
    await announce(alder, days=1)
    alder.clock.forward(days=1)
    killer, going, killed = Killer(alder), True, 0
    while going:
        for commit in (1, 2, 0):
            killer.left = commit
            try:
                going = await closing_down.step(alder.engine, alder.here)
            except Killed:
                killed += 1
            assert killed < 50
    killer.left = 0
    assert killed > 6
    async with alder.engine.connect() as conn:
        said = await conn.execute(
            sa.select(activities.c.actor_uri, sa.func.count())
            .where(activities.c.kind == "Delete")
            .group_by(activities.c.actor_uri)
        )
        goodbyes: dict[str, int] = {row[0]: row[1] for row in said}
    speakers = ("/", "/desk/node", "/desk/sleep", "/g/sleep", "/u/ana", "/u/cem")
    assert goodbyes.items() >= {(f"{alder.origin}{each}", 1) for each in speakers}
    assert set(goodbyes.values()) == {1}
    await settle(alder, birch)
    assert (await state(alder)).stage is Stage.OVER


async def test_mod_5_6_pacts_end_when_a_node_closes(alder: Node, birch: Node) -> None:
    await agree(alder, birch)
    await announce(alder, days=1)
    assert (await state(alder)).pacts == 1
    alder.clock.forward(days=1)
    await settle(alder, birch)
    async with birch.engine.connect() as conn:
        (there,) = await conn.scalars(sa.select(pacts.c.state))
    assert there == PactState.ENDED
    assert (await state(alder)).stage is Stage.OVER


async def test_wire_Q11_until_the_day_it_can_be_taken_back_and_then_not(alder: Node) -> None:
    ana = await person(alder, "ana")
    assert "nobody has said that it closes" in (await ana.open("/closing")).text
    async with alder.engine.begin() as conn:
        with pytest.raises(Conflict, match="Nobody said"):
            await closing_down.cancel(conn, alder.here)
        with pytest.raises(Malformed):
            await closing_down.announce(conn, alder.here, days=0)
        with pytest.raises(Conflict, match="Announce first"):
            await closing_down.goes_to(conn, "sleep", "https://birch.example/g/sleep")
    await alder.group("sleep")
    await announce(alder)
    for path in ("/", "/groups", "/personas"):
        assert "This place closes on" in (await ana.open(path)).text, path
    async with alder.engine.begin() as conn:
        await closing_down.goes_to(conn, "sleep", "https://birch.example/g/sleep")
        with pytest.raises(NotFound):
            await closing_down.goes_to(conn, "nobody", "https://birch.example/")
        with pytest.raises(Malformed):
            await closing_down.goes_to(conn, "sleep", "javascript:alert(1)")
    page = await ana.open("/closing")
    assert "Save what you wrote" in page.text
    assert 'href="https://birch.example/g/sleep"' in page.html
    assert await steps(alder) == 0  # the day has not come

    async with alder.engine.begin() as conn:
        await closing_down.cancel(conn, alder.here)
    forget_site(alder.app[MEMORY])
    assert "This place closes on" not in (await ana.open("/")).text
    assert await steps(alder) == 0
    await announce(alder, days=2)
    async with alder.engine.begin() as conn:
        await closing_down.goes_to(conn, "sleep", "https://birch.example/g/sleep")
    alder.clock.forward(days=2)
    assert await steps(alder) > 3
    assert 'href="https://birch.example/g/sleep"' in (await ana.open("/g/sleep")).html
    async with alder.engine.begin() as conn:
        for late in (closing_down.cancel(conn, alder.here),
                     closing_down.announce(conn, alder.here)):  # fmt: skip
            with pytest.raises(Conflict, match="no way back"):
                await late


async def test_sec_P4_a_restored_notice_ends_nothing_that_was_taken_back(alder: Node) -> None:
    """The log knows only that a node closes, not that it does not after all."""
    await sign_up(alder.engine, alder.here)
    await announce(alder, days=7)
    async with alder.engine.begin() as conn:
        done = await replay(conn, alder.here, [])
    assert done.kept_open
    alder.clock.forward(days=8)
    assert await steps(alder) == 0
    assert (await state(alder)).stage is Stage.OPEN
    assert (await left(alder))["accounts"] == 1


async def test_sec_P4_a_backup_of_before_does_not_open_a_node_that_closed(alder: Node) -> None:
    await alder.persona("ana")
    closes = (tombstone_log.Act.NODE_CLOSES.value, alder.origin)
    async with alder.engine.begin() as conn:
        done = await replay(conn, alder.here, [(closes[0], "http://b.test")])
    assert not done.kept_open
    assert (await state(alder)).stage is Stage.OPEN
    await announce(alder)
    async with alder.engine.begin() as conn:
        done = await replay(conn, alder.here, [closes])
    assert not done.kept_open
    assert (await state(alder)).stage is Stage.ENDING
    await settle(alder)
    assert (await state(alder)).stage is Stage.OVER


async def test_sec_P4_a_restore_of_a_node_that_closes_goes_past_groups_that_are_gone(
    alder: Node, sleep: Group
) -> None:
    lines = [(tombstone_log.Act.SEES.value, sleep.actor.uri, Sees.MEMBERS.value)]
    await announce(alder)
    async with alder.engine.begin() as conn:
        await closing_down.begin(conn, alder.here)

    async def is_gone() -> bool:
        async with alder.engine.connect() as conn:
            found = await actor_store.by_uri(conn, sleep.actor.uri)
        assert found is not None
        return found.state is ActorState.CLOSED

    while not await is_gone():
        assert await closing_down.step(alder.engine, alder.here)
    closes = (tombstone_log.Act.NODE_CLOSES.value, alder.origin)
    async with alder.engine.begin() as conn:
        await replay(conn, alder.here, [*lines, closes])
    assert (await state(alder)).stage is Stage.ENDING
    assert await is_gone()
