"""After an outage everybody has what was said: for 30 days by delivery, then by reading."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from activitypub.client import FETCHES_PER_ACTIVITY
from activitypub.state import REMOTE, SETTINGS
from groups.groups import Group
from inbox import catch_up, due, errands
from kernel.schema.tables import errands as table
from kernel.schema.tables import node as node_table
from kernel.schema.tables import peers, refreshes
from moderation import domains
from moderation.standing import Speaker
from node import tidy
from tests.nodes import Node, NodeFactory, block, settle, words
from tests.pages.test_paging import counted
from tests.peer import PUBLIC, Document, Peer
from tests.wire.world import Club, Follower, waiting


async def stopped(node: Node) -> Callable[[NodeFactory], Awaitable[Node]]:
    """The node ends: nobody reaches it, and it does nothing. Gives back what starts it again."""
    url = node.engine.url.render_as_string(hide_password=False)
    await node.stop()

    async def start(nodes: NodeFactory) -> Node:
        data_dir = node.app[SETTINGS].data_dir
        return await nodes(node.name, database_url=url, data_dir=data_dir, port=node.port)

    return start


async def _planned(node: Node) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def _awake(node: Node, *minutes: int) -> None:
    """The worker's round of each minute, so many minutes later each."""
    for each in minutes:
        node.clock.forward(minutes=each)
        await catch_up.keep_watch(node.engine, node.here)


@pytest.mark.parametrize("away", [timedelta(hours=1), timedelta(days=3), timedelta(days=29)])
async def test_wire_Q10b_a_node_that_was_away_up_to_thirty_days_is_told_everything_in_order(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, node: NodeFactory, away: timedelta
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    root = await alder.start(ana, sleep.actor.uri, "Before", "Before it.")
    await settle(alder, birch)
    said = ["Before it."]
    start = await stopped(birch)
    for number in range(30):
        if number % 10 == 0:
            said.append(f"Meanwhile {number}.")
            await alder.reply(ana, root.uri, said[-1])
            other = await alder.start(ana, sleep.actor.uri, f"Thread {number}", "Hello.")
        await settle(alder)
        assert await waiting(alder, "mastodon.test") == 0  # nobody else waits for it
        alder.clock.forward(seconds=away.total_seconds() / 30)
    await tidy.tidy(alder.engine, alder.here)
    assert await waiting(alder, "birch.test") == 9
    birch = await start(node)
    for _ in range(4):
        alder.clock.forward(hours=6)
        await settle(alder, birch)
    assert await waiting(alder, "birch.test") == 0
    page = await birch.thread(root.uri, ben.id)
    assert [each.removeprefix("<p>").removesuffix("</p>") for each in words(page)] == said
    assert await birch.post(other.uri) is not None


async def test_wire_Q10b_a_node_that_was_away_for_longer_reads_what_it_missed(
    alder: Node, ana: Speaker, sleep: Group, node: NodeFactory
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    root = await alder.start(ana, sleep.actor.uri, "Before", "Before it.")
    await settle(alder, birch)
    await _awake(birch, 1)
    start = await stopped(birch)
    alder.clock.forward(hours=1)
    await alder.reply(ana, root.uri, "Meanwhile.")
    new = await alder.start(ana, sleep.actor.uri, "A new thread", "Hello.")
    answer = await alder.reply(ana, new.uri, "An answer.")
    gone = await alder.start(ana, sleep.actor.uri, "Taken back", "Not for long.")
    await alder.delete(ana, gone.uri)
    for _ in range(31):
        await settle(alder)
        alder.clock.forward(days=1)
    await tidy.tidy(alder.engine, alder.here)
    assert await waiting(alder, "birch.test") == 0
    birch = await start(node)
    await settle(alder, birch)
    assert await birch.post(new.uri) is None  # nobody tells it any more

    await _awake(birch, 1)
    await settle(alder, birch)
    await _read_on(birch)
    page = await birch.thread(root.uri, ben.id)
    assert [each.removeprefix("<p>").removesuffix("</p>") for each in words(page)] == [
        "Before it.",
        "Meanwhile.",
    ]
    page = await birch.thread(new.uri, ben.id)
    assert [post.uri for post in page.posts] == [new.uri, answer.uri]
    assert await birch.post(gone.uri) is None
    assert await _planned(birch) == 0


async def _read_on(node: Node) -> None:
    """What was not read in one go follows."""
    for _ in range(4):
        node.clock.forward(minutes=20)
        await settle(node)


async def test_wire_Q10b_four_minutes_without_a_worker_are_an_absence(
    alder: Node, club: Club
) -> None:
    await _awake(alder, 0, 1, 1, 4, 1)
    assert await _planned(alder) == 0
    await _awake(alder, 5)
    assert await _planned(alder) == 1
    async with alder.engine.connect() as conn:
        awake = await conn.scalar(sa.select(node_table.c.awake))
    assert awake is not None
    assert (awake.second, awake.microsecond) == (0, 0)


async def test_wire_Q10b_a_server_that_comes_back_after_an_hour_is_asked_what_it_told(
    alder: Node, club: Club
) -> None:
    await _awake(alder, 0)
    host = sa.update(peers).where(peers.c.host == "club.test")
    async with alder.engine.begin() as conn:
        await conn.execute(host.values(failures=catch_up.FAILURES))
    await _awake(alder, 1)
    assert await _planned(alder) == 1
    club.peer.fetched.clear()
    await settle(alder)
    assert club.peer.fetched == []  # while it is away nobody asks
    async with alder.engine.begin() as conn:
        await conn.execute(host.values(failures=0))
    _outbox(club, [])
    await settle(alder)
    assert "/c/club/outbox" in club.peer.fetched
    assert await _planned(alder) == 0


def _outbox(club: Club, items: list[Document], **extra: object) -> None:
    club.peer.show(
        {
            "@context": ["https://www.w3.org/ns/activitystreams"],
            "id": f"{club.group.uri}/outbox",
            "type": "OrderedCollection",
            "totalItems": len(items),
            "orderedItems": items,
            **extra,
        }
    )


async def _absent(node: Node) -> None:
    await _awake(node, 0, 10)
    assert await _planned(node) == 1


def _told(club: Club, author_at: Peer, number: int) -> list[Document]:
    author = author_at.person("ann")
    notes = [
        author_at.note(author, f"Words {n}.", to=[PUBLIC, club.group.uri], name=f"Thread {n}")
        for n in range(number)
    ]
    creates = [author_at.create(author, note) for note in notes]
    return [club.peer.activity("Announce", club.group, create) for create in creates]


def _note_id(announce: Document) -> str:
    return str(announce["object"]["object"]["id"])


async def test_wire_Q10b_an_outbox_is_read_and_each_post_believed_from_its_own_server(
    alder: Node, club: Club, good: Peer
) -> None:
    told = _told(club, good, 3)
    forged = club.peer.note(good.person("eve"), "Forged.", to=[PUBLIC, club.group.uri])
    del club.peer.shown[forged["id"].removeprefix(club.peer.origin)]
    evil = club.peer.activity("Announce", club.group, club.peer.create(club.group, forged))
    foreign = {**_told(club, good, 1)[0], "actor": f"{good.origin}/c/other"}
    _outbox(club, [evil, foreign, "not an object", *reversed(told)])  # type: ignore[list-item]
    await _absent(alder)
    await settle(alder)
    for announce in told:
        assert await alder.post(_note_id(announce)) is not None
    assert await alder.post(forged["id"]) is None
    assert await alder.post(_note_id(foreign)) is None
    assert await _planned(alder) == 0


async def test_wire_Q10b_an_outbox_in_pages_is_read_from_its_first(
    alder: Node, club: Club, good: Peer
) -> None:
    told = _told(club, good, 1)
    page = f"{club.group.uri}/outbox/1"
    _outbox(club, [], orderedItems=None, first=page)
    club.peer.show(
        {
            "@context": ["https://www.w3.org/ns/activitystreams"],
            "id": page,
            "type": "OrderedCollectionPage",
            "orderedItems": told,
        }
    )
    await _absent(alder)
    await settle(alder)
    assert await alder.post(_note_id(told[0])) is not None


async def test_sec_D6_an_errand_has_a_budget_and_the_rest_is_read_later(
    alder: Node, club: Club, good: Peer
) -> None:
    told = _told(club, good, 48)
    _outbox(club, list(reversed(told)))
    await _absent(alder)
    good.fetched.clear()
    club.peer.fetched.clear()
    assert await errands.go(alder.engine, alder.here, alder.app[REMOTE])
    assert len(good.fetched) + len(club.peer.fetched) <= FETCHES_PER_ACTIVITY
    assert await _planned(alder) == 1
    await _read_on(alder)
    for announce in told:
        assert await alder.post(_note_id(announce)) is not None
    assert await _planned(alder) == 0


async def test_an_errand_asks_for_all_of_a_groups_threads_in_one_statement(
    alder: Node, club: Club
) -> None:
    told = _told(club, club.peer, 6)
    for number, announce in enumerate(told):
        note = announce["object"]["object"]
        note["context"] = f"{club.peer.origin}/t/{number}"
        club.peer.show(note)
        club.peer.collection(f"/t/{number}", [note["id"]])
    _outbox(club, list(reversed(told)))
    await _absent(alder)
    await settle(alder)
    await _read_on(alder)
    await _awake(alder, 0, 30)
    with counted(alder) as heard:
        assert await errands.go(alder.engine, alder.here, alder.app[REMOTE])
    assert sum(statement.startswith("INSERT INTO refreshes") for statement in heard) == 1
    async with alder.engine.connect() as conn:
        due = sa.select(sa.func.count()).select_from(refreshes).where(refreshes.c.due.is_not(None))
        assert await conn.scalar(due) == 6


async def test_an_errand_is_not_gone_on_to_a_blocked_server_nor_for_ever(
    alder: Node, club: Club
) -> None:
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "club.test")
    await _absent(alder)
    assert not await errands.go(alder.engine, alder.here, alder.app[REMOTE])
    async with alder.engine.begin() as conn:
        await domains.forget(conn, alder.here, "club.test")
    club.peer.shown["/c/club"] = 503
    tries = 0
    while await _planned(alder):
        tries += await errands.go(alder.engine, alder.here, alder.app[REMOTE])
        alder.clock.forward(hours=24)
    assert tries == due.TRIES
