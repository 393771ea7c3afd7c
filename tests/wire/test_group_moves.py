"""A group goes on at a peer, and its people decide for themselves (WIRE 2.4, WIRE-A15, SEC-S27)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from activitypub.actors import Actor
from activitypub.state import SETTINGS
from groups import browsing, new_host
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from kernel import tombstone_log
from kernel.errors import Conflict, Malformed, NotAllowed
from kernel.schema.groups import Posts, Sees
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import actors, group_moves, notices
from moderation import pacts
from moderation.visibility import Viewer
from node import closing_cli, closing_down, group_move_cli
from node.opening import Opened
from node.safekeeping import replay
from tests.nodes import Node, NodeFactory, settle, until_it_waits
from tests.pages.people import Answer, Person, person
from tests.pages.people import settle as described
from tests.peer import PUBLIC, Document, PeerFactory
from tests.wire import lemmy as lemmy_shapes
from tests.wire.mastodon import Mastodon
from tests.wire.test_pacts import agree
from tests.wire.world import followers, last_received

MOVE = "/g/sleep/desk/move"
OPEN = GroupSettings(posts=Posts.ANYONE)


@dataclass
class Two:
    """Two nodes with a pact: Olga founded a group at alder, Otto one at birch, Ana runs both."""

    alder: Node
    birch: Node
    olga: Person
    otto: Person
    ana: Person
    old: Group
    new: Group

    async def plan(self) -> Answer:
        return await self.olga.fill(MOVE, MOVE, move_to=f"@sleep@{self.birch.name}")

    async def agree(self) -> Answer:
        page = f"/settings/node/pacts/{self.birch.name}"
        return await self.ana.fill(page, f"{page}/groups")

    async def take_in(self) -> Answer:
        return await self.otto.fill(MOVE, MOVE, move_from=f"@sleep@{self.alder.name}")

    async def send(self) -> Answer:
        return await press(self.olga, "send")

    async def move(self) -> None:
        """All of it, as founders and administrators do it."""
        for step in (self.plan, self.take_in, self.agree, self.send):
            answer = await step()
            assert answer.status == 303, answer.text
            await settle(self.alder, self.birch)


async def press(who: Person, step: str) -> Answer:
    """Press the button of a step, where the page has it."""
    at = await who.open(MOVE)
    for form in at.page.forms:
        if ("step", step) in form.filled({}):
            return await who.submit(at, form)
    raise AssertionError(f"no button {step}: {at.text}")


async def document(node: Node) -> Document:
    response = await node.get("/g/sleep", headers={"Accept": "application/activity+json"})
    found: Document = await response.json(content_type=None)
    return found


async def told(node: Node) -> dict[str, NoticeKind]:
    """Who was told what about a group."""
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(actors.c.handle, notices.c.kind)
            .join(notices, notices.c.persona_id == actors.c.id)
            .where(notices.c.post_id.is_(None))
        )
        return {handle: NoticeKind(kind) for handle, kind in rows}


async def moved_to(node: Node, uri: str) -> str | None:
    async with node.engine.connect() as conn:
        found: str | None = await conn.scalar(
            sa.select(actors.c.moved_to).where(actors.c.uri == uri)
        )
        return found


@pytest.fixture
async def two(node: NodeFactory) -> Two:
    alder, birch = await node("alder.test"), await node("birch.test")
    await described(alder)
    await described(birch, name="Birch")
    ana, _ = await agree(alder, birch)
    olga, otto = await person(alder, "olga"), await person(birch, "otto")
    old = await alder.group("sleep", olga.speaker, settings=OPEN)
    new = await birch.group("sleep", otto.speaker, settings=OPEN)
    return Two(alder=alder, birch=birch, olga=olga, otto=otto, ana=ana, old=old, new=new)


async def test_wire_A15_a_group_goes_on_at_a_peer_and_its_people_choose(
    two: Two, node: NodeFactory, peer: PeerFactory
) -> None:
    """Everybody is told; who belongs to it here or at other nodes of ours joins by one press."""
    alder, birch = two.alder, two.birch
    cedar = await node("cedar.test")
    await described(cedar)
    kay, carl = await person(alder, "kay"), await person(cedar, "carl")
    for where, who in ((alder, kay), (cedar, carl)):
        await where.join(who.speaker, two.old.actor.uri)
    earlier = await alder.start(two.olga.speaker, two.old.actor.uri, "Earlier", "Said at alder.")
    await settle(alder, birch, cedar)

    assert (await two.plan()).status == 303
    preview = (await two.olga.open(MOVE)).text
    assert "2 names here get a notice" in preview
    assert "1 person elsewhere" in preview
    assert "1 server" in preview
    assert "have to agree first" in preview
    assert await told(alder) == {}
    assert "movedTo" not in await document(alder)

    assert (await two.take_in()).status == 303
    await settle(alder, birch, cedar)
    assert (await document(birch))["alsoKnownAs"] == [two.old.actor.uri]
    assert two.new.actor.uri in await followers(alder, two.old.actor.uri)
    assert (await two.agree()).status == 303
    assert (await two.send()).status == 303
    await settle(alder, birch, cedar)

    shown = await document(alder)
    assert shown["movedTo"] == two.new.actor.uri
    assert shown["postingRestrictedToMods"] is True
    assert await told(alder) == {"olga": NoticeKind.MOVED, "kay": NoticeKind.MOVED}
    assert await told(cedar) == {"carl": NoticeKind.MOVED}
    assert await told(birch) == {}
    assert await followers(birch, two.new.actor.uri) == {two.otto.actor.uri}  # nobody was moved

    for who, name in ((kay, "sleep"), (carl, "sleep@alder.test")):
        notice = await who.open("/notices")
        assert "goes on at another place" in notice.text
        at = await who.open(f"/g/{name}")
        joined = await who.submit(at, at.page.form(action="/g/sleep@birch.test/join"))
        assert joined.status == 303, joined.text
    for where in (alder, cedar):  # sent a little later, so that times say nothing
        where.clock.forward(minutes=10)
    await settle(alder, birch, cedar)
    here = {two.otto.actor.uri, kay.actor.uri, carl.actor.uri}
    assert await followers(birch, two.new.actor.uri) == here
    assert kay.actor.uri in await followers(alder, two.old.actor.uri)  # and can answer there

    async with birch.engine.connect() as conn:  # what was said before can be read at birch
        lines = await browsing.latest(
            conn, Viewer((two.otto.actor.id,), signed_in=True), group_id=two.new.id
        )
    assert ("Earlier", "sleep@alder.test") in {(line.title, line.group_address) for line in lines}
    there = await birch.post(earlier.uri)
    assert there is not None
    assert "Said at alder." in there.content
    await alder.delete(two.olga.speaker, earlier.uri)
    await settle(alder, birch)
    gone = await birch.post(earlier.uri)
    assert gone is None or not gone.shown  # what is taken back at home goes there as well


async def test_wire_2_4_the_old_group_takes_no_new_threads_and_says_why(two: Two) -> None:
    root = await two.alder.start(two.olga.speaker, two.old.actor.uri, "Earlier", "Some words.")
    await two.move()
    with pytest.raises(NotAllowed, match="another place"):
        await two.alder.start(two.olga.speaker, two.old.actor.uri, "Later", "Some words.")
    await two.alder.reply(two.olga.speaker, root.uri, "An answer.")
    page = await two.olga.open("/g/sleep")
    assert "This group goes on at another place" in page.text
    assert "Start a thread" not in page.text
    typed = await two.olga.fill("/g/sleep/new", title="Later", text="My words.")
    assert typed.status != 303
    assert "My words." in typed.html
    ben = await person(two.birch, "ben")
    await two.birch.join(ben.speaker, two.old.actor.uri)
    await settle(two.alder, two.birch)
    with pytest.raises(NotAllowed, match="another place"):
        await two.birch.start(ben.speaker, two.old.actor.uri, "From birch", "Some words.")


@pytest.fixture
async def mastodon(two: Two) -> AsyncIterator[Mastodon]:
    made = Mastodon("mastodon.test", two.alder.names, "mastodon")
    await made.start()
    yield made
    await made.stop()


async def test_wire_2_4_followers_at_mastodon_and_lemmy_hear_of_it_in_their_way(
    two: Two, mastodon: Mastodon, peer: PeerFactory
) -> None:
    lemmy = await peer("lemmy.test", two.alder, "lemmy")
    for each in (mastodon, lemmy):
        await each.follow(two.alder, each.person("fay"), two.old.actor.uri)
    await settle(two.alder)
    for each in (mastodon, lemmy):
        each.inbox.clear()
    await two.move()

    (move,) = mastodon.got("Move")
    assert {name: move[name] for name in ("actor", "object", "target", "to")} == {
        "actor": two.old.actor.uri,
        "object": two.old.actor.uri,
        "target": two.new.actor.uri,
        "to": [two.old.actor.followers_uri],
    }
    kinds = [each["type"] for each in mastodon.inbox]
    assert kinds.index("Update") < kinds.index("Move")
    pinned = mastodon.got("Add")[-1]["object"]
    assert "sleep@birch.test" in mastodon.statuses[pinned]["content"]
    (update,) = [it for it in mastodon.got("Update") if it["object"]["type"] == "Group"]
    assert update["object"]["movedTo"] == two.new.actor.uri

    (wrapped,) = [
        it["object"]
        for it in lemmy.got("Announce", "Update")
        if it["object"]["object"]["type"] == "Group"
    ]
    lemmy_shapes.check(wrapped["object"])
    assert wrapped["object"]["postingRestrictedToMods"] is True
    (said,) = [it["object"]["object"] for it in lemmy.got("Announce", "Create")]
    assert "sleep@birch.test" in said["content"]
    assert [it["object"]["object"] for it in lemmy.got("Announce", "Add")] == [said["id"]]

    fay = lemmy.person("fay")
    late = lemmy.note(fay, "words", to=[PUBLIC, two.old.actor.uri], name="Late")
    assert await lemmy.send(two.alder, lemmy.create(fay, late), fay) == 202
    await settle(two.alder)
    assert (await last_received(two.alder))[0] == "refused"


async def test_wire_4_5_a_group_goes_only_where_all_of_them_say_so(two: Two) -> None:
    """The new group, the administrators and a pact that stands: nothing without one of them."""
    assert (await two.plan()).status == 303
    await two.agree()
    refused = await two.send()
    assert "does not say yet" in refused.text
    assert (await two.take_in()).status == 303
    await settle(two.alder, two.birch)
    async with two.alder.engine.begin() as conn:
        await conn.execute(sa.update(group_moves).values(agreed=False))
    at = await two.olga.open(MOVE)
    assert "Tell everybody" not in at.text
    async with two.alder.engine.begin() as conn:
        await conn.execute(sa.update(group_moves).values(agreed=True))
        await pacts.freeze(conn, two.alder.here, "birch.test", frozen=True)
    assert "no pact with that place" in (await two.send()).text
    assert await moved_to(two.alder, two.old.actor.uri) is None
    assert await told(two.alder) == {}
    assert await two.alder.mentions('"Move"') == []


async def test_wire_2_4_administrators_agree_to_the_group_that_they_were_shown(two: Two) -> None:
    assert (await two.plan()).status == 303
    page = f"/settings/node/pacts/{two.birch.name}"
    shown = await two.ana.open(page)
    other = await two.birch.group("other", two.otto.speaker, settings=OPEN)
    assert (await press(two.olga, "call-off")).status == 303
    changed = await two.olga.fill(MOVE, MOVE, move_to="@other@birch.test")
    assert changed.status == 303, changed.text
    form = shown.page.form(action=f"{page}/groups")
    assert "Somebody else changed the plan" in (await two.ana.submit(shown, form)).text
    unseen = await two.ana.send("POST", f"{page}/groups", {"group": "sleep"})
    assert unseen.status == 409
    async with two.alder.engine.connect() as conn:
        plan = await new_host.planned(conn, two.old)
    assert plan is not None
    assert (plan.target.uri, plan.agreed) == (other.actor.uri, False)


async def test_wire_2_4_until_it_is_sent_all_of_it_can_be_taken_back(two: Two) -> None:
    for step in (two.plan, two.take_in, two.agree):
        assert (await step()).status == 303
        await settle(two.alder, two.birch)
    assert (await press(two.olga, "call-off")).status == 303
    assert (await press(two.otto, "not-after-all")).status == 303
    await settle(two.alder, two.birch)
    assert (await document(two.birch))["alsoKnownAs"] == []
    assert two.new.actor.uri not in await followers(two.alder, two.old.actor.uri)
    assert "movedTo" not in await document(two.alder)
    await two.alder.start(two.olga.speaker, two.old.actor.uri, "Still here", "Some words.")
    await two.move()  # and it can be planned again
    with pytest.raises(AssertionError, match="no button"):
        await press(two.olga, "call-off")


async def test_wire_2_4_only_founders_of_open_groups_name_an_open_group_at_a_peer(
    two: Two, peer: PeerFactory
) -> None:
    stranger = await peer("cedar.test", two.alder)
    far = stranger.person("far", kind="Group")
    one = stranger.person("one")
    await two.alder.meet(far.uri)
    await two.alder.meet(one.uri)

    async def plan(group: Group, uri: str) -> None:
        target = await two.alder.meet(uri)
        desk = await desk_of(two.alder, group)
        async with two.alder.engine.begin() as conn:
            await new_host.plan(conn, two.alder.here, group, desk, target)

    with pytest.raises(NotAllowed, match="no pact"):
        await plan(two.old, far.uri)
    with pytest.raises(Malformed):
        await plan(two.old, one.uri)
    closed = await two.alder.group(
        "closed", two.olga.speaker, settings=GroupSettings(sees=Sees.MEMBERS)
    )
    with pytest.raises(NotAllowed, match="told to everybody"):
        await plan(closed, two.new.actor.uri)
    helper = await person(two.alder, "hal")
    async with two.alder.engine.begin() as conn:
        await group_store.add_moderator(conn, two.alder.here, two.old.actor, helper.actor, 0)
    assert "Those who founded the group decide" in (await helper.open(MOVE)).text
    answer = await helper.send("POST", MOVE, {"step": "plan", "move_to": "@sleep@birch.test"})
    assert "Only those who founded" in answer.text
    assert (await (await person(two.alder, "zoe")).open(MOVE)).status == 404


@pytest.mark.parametrize("step", ["send", "call off"])
async def test_wire_2_4_a_move_is_sent_once_and_by_nobody_who_called_it_off(
    two: Two, step: str
) -> None:
    for each in (two.plan, two.take_in, two.agree):
        assert (await each()).status == 303
        await settle(two.alder, two.birch)
    here, engine = two.alder.here, two.alder.engine
    desk, target = await desk_of(two.alder, two.old), await two.alder.meet(two.new.actor.uri)

    async def send() -> None:
        async with engine.begin() as conn:
            await new_host.send(conn, here, two.old, desk, target, (two.old.actor.uri,))

    async with engine.begin() as conn, asyncio.timeout(30):
        if step == "send":
            await new_host.send(conn, here, two.old, desk, target, (two.old.actor.uri,))
        else:
            await new_host.call_off(conn, here, two.old, desk)
        sending = asyncio.create_task(send())
        await until_it_waits(two.alder, sending)
    with pytest.raises(Conflict, match="not planned any more"):
        await sending
    sent = await two.alder.mentions('"Move"')
    assert bool(sent) is (step == "send")
    assert await moved_to(two.alder, two.old.actor.uri) == (target.uri if sent else None)


async def desk_of(node: Node, group: Group) -> Actor:
    async with node.engine.connect() as conn:
        row = (await conn.execute(sa.select(actors).where(actors.c.id == group.desk_id))).one()
    return Actor.of(row)


async def test_wire_2_4_the_same_by_commands(two: Two) -> None:
    here, there = (Opened(node.engine, node.here) for node in (two.alder, two.birch))
    names = two.alder.names
    settings, others = (node.app[SETTINGS] for node in (two.alder, two.birch))
    assert (await group_move_cli.look(here, name="sleep"))[0] == "No move is planned."
    with pytest.raises(Malformed, match="Nobody answers"):
        await group_move_cli.say_where(
            here, settings, name="sleep", to="@nobody@birch.test", resolver=names
        )
    to = "@sleep@birch.test"
    lines = await group_move_cli.say_where(here, settings, name="sleep", to=to, resolver=names)
    assert lines[0] == f"It is to go on as {to}."
    assert "1 names here" in lines[1]
    assert await group_move_cli.call_off(here, name="sleep") == ["Sleep stays here."]
    with pytest.raises(Conflict, match="No move is planned"):
        await group_move_cli.send(here, settings, name="sleep", resolver=names)
    await group_move_cli.say_where(here, settings, name="sleep", to=to, resolver=names)
    old = "@sleep@alder.test"
    await group_move_cli.say_where(there, others, name="sleep", old=old, resolver=names)
    await settle(two.alder, two.birch)
    await group_move_cli.send(here, settings, name="@sleep", resolver=names)
    (gone,) = await group_move_cli.look(here, name="sleep")
    assert gone.endswith(two.new.actor.uri)


async def test_wire_2_4_a_group_that_came_is_where_it_is_and_a_plan_to_go_on_is_taken_back(
    two: Two,
) -> None:
    await two.move()
    there = Opened(two.birch.engine, two.birch.here)
    with pytest.raises(Conflict, match="told everybody already"):
        await group_move_cli.call_off(there, name="sleep")
    assert "told everybody already" in (await press(two.otto, "not-after-all")).text
    back = await two.birch.meet(two.old.actor.uri)
    desk = await desk_of(two.birch, two.new)
    async with two.birch.engine.begin() as conn:
        await new_host.plan(conn, two.birch.here, two.new, desk, back)
    assert await group_move_cli.call_off(there, name="sleep") == ["Sleep stays here."]
    assert (await group_move_cli.look(there, name="sleep"))[:2] == [
        f"It says that it was {two.old.actor.uri} before.",
        "No move is planned.",
    ]
    assert (await document(two.birch))["alsoKnownAs"] == [two.old.actor.uri]


async def test_wire_Q11_a_node_that_closes_says_which_groups_could_go_and_where_they_went(
    two: Two,
) -> None:
    here = Opened(two.alder.engine, two.alder.here)

    async def offers() -> bool:
        return any("hearthold group move" in line for line in await closing_cli.look(here))

    assert await offers()
    async with two.alder.engine.begin() as conn:
        await closing_down.announce(conn, two.alder.here, days=5)
    assert await offers()
    await two.move()
    assert not await offers()
    two.alder.clock.forward(days=5)
    async with two.alder.engine.begin() as conn:
        await closing_down.begin(conn, two.alder.here)
        (place,) = await closing_down.places(conn)
    assert (place.handle, place.address) == ("sleep", two.new.actor.uri)


async def test_sec_P4_a_group_that_moved_stays_moved_after_a_restore(two: Two) -> None:
    await two.move()
    lines = tombstone_log.read(two.alder.app[SETTINGS].tombstones.read_text())
    assert ("group moved", two.old.actor.uri, two.new.actor.uri) in lines
    target = await two.alder.meet(two.new.actor.uri)
    async with two.alder.engine.begin() as conn:  # as a backup of before has it
        await conn.execute(sa.update(actors).where(actors.c.id == two.old.id).values(moved_to=None))
        values = {"group_id": two.old.id, "target_id": target.id, "agreed": True}
        await conn.execute(sa.insert(group_moves).values(values))
        await replay.replay(conn, two.alder.here, lines)
    assert await moved_to(two.alder, two.old.actor.uri) == two.new.actor.uri
    desk = await desk_of(two.alder, two.old)
    async with two.alder.engine.begin() as conn:
        group = await group_store.get(conn, two.old.id)
        assert await new_host.planned(conn, group) is None
        was = (group.actor.uri,)
        with pytest.raises(Conflict, match="moved already"):
            await new_host.send(conn, two.alder.here, group, desk, target, was)


async def test_sec_P4_a_group_that_came_back_is_here_after_a_restore(two: Two) -> None:
    await two.move()
    here, there = (Opened(node.engine, node.here) for node in (two.alder, two.birch))
    names = two.alder.names
    settings, others = (node.app[SETTINGS] for node in (two.alder, two.birch))
    to, old = "@sleep@alder.test", "@sleep@birch.test"
    await group_move_cli.say_where(there, others, name="sleep", to=to, resolver=names)
    await group_move_cli.say_where(here, settings, name="sleep", old=old, resolver=names)
    await settle(two.alder, two.birch)
    await group_move_cli.send(there, others, name="sleep", resolver=names)
    await settle(two.alder, two.birch)
    assert await moved_to(two.alder, two.old.actor.uri) is None
    lines = tombstone_log.read(settings.tombstones.read_text())
    async with two.alder.engine.begin() as conn:
        await replay.replay(conn, two.alder.here, lines)
    assert await moved_to(two.alder, two.old.actor.uri) is None
    async with two.alder.engine.begin() as conn:  # as a backup from between has it
        moved = {"moved_to": two.new.actor.uri}
        await conn.execute(sa.update(actors).where(actors.c.id == two.old.id).values(moved))
        await replay.replay(conn, two.alder.here, lines)
    assert await moved_to(two.alder, two.old.actor.uri) is None


async def test_sec_S27_a_group_here_is_moved_to_by_none_but_the_one_that_it_names(
    two: Two, peer: PeerFactory
) -> None:
    cedar = await peer("cedar.test", two.birch, "lemmy")
    club = cedar.person("club", kind="Group", path="c")
    ben = await person(two.birch, "ben")
    await two.birch.join(ben.speaker, club.uri)
    await settle(two.birch)
    (follow,) = cedar.got("Follow")
    assert await cedar.send(two.birch, cedar.activity("Accept", club, follow), club) == 202
    await settle(two.birch)
    for target in (two.new.actor.uri, two.otto.actor.uri):
        move = cedar.activity("Move", club, club.uri, target=target)
        assert await cedar.send(two.birch, move, club) == 202
        await settle(two.birch)
        assert (await last_received(two.birch))[0] == "refused"
    assert await moved_to(two.birch, club.uri) is None
    assert NoticeKind.MOVED not in (await told(two.birch)).values()
