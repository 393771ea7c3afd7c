"""What breaks its worker again and again is put aside, and everything else goes on (SEC-D17)."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub.state import CLIENT, DELIVERER
from activitypub.vocab import ActivityKind
from groups.groups import Group, GroupSettings
from groups.writing import Words
from inbox import gather as gathering
from inbox import process, said
from inbox.arrival import Arrival
from kernel.schema.groups import Posts
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import peers, received
from moderation.standing import Speaker
from node import worker
from tests.faults.world import rest
from tests.nodes import Node, NodeFactory, settle
from tests.peer import PUBLIC, Peer, PeerFactory
from tests.wire.world import reacted, waiting

DEATHS = 5


class Killed(BaseException):
    """As if the process had ended there: no handler of the product's sees it."""


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test")


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    return await alder.persona("ana")


@pytest.fixture
async def group(alder: Node, ana: Speaker) -> Group:
    return await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))


@pytest.fixture
async def good(peer: PeerFactory, alder: Node) -> Peer:
    return await peer("good.test", alder, "lemmy")


async def _die_and_come_back(node: Node) -> int:
    """Work until nothing is left to do; each time the worker dies, another one comes."""
    deaths = 0
    for _ in range(30):
        try:
            await worker.settle(node.app)
        except Killed:
            deaths += 1
        node.clock.forward(minutes=2)
    return deaths


async def _states(node: Node) -> dict[str, tuple[str, str]]:
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(received.c.activity_uri, received.c.state, received.c.reason)
        )
        return {uri: (state, reason) for uri, state, reason in rows}


@pytest.mark.parametrize("error", [Killed, RuntimeError])
async def test_sec_D17_an_arrival_that_breaks_its_worker_is_parked_and_the_queue_goes_on(
    alder: Node,
    ana: Speaker,
    group: Group,
    good: Peer,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    root = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    people = [good.person(f"kim{number}") for number in range(4)]
    likes = [good.activity("Like", person, root.uri) for person in people]
    handler = process.HANDLERS[ActivityKind.LIKE]
    tried = 0

    async def breaking(arrival: Arrival, /) -> None:
        nonlocal tried
        await handler(arrival)
        if arrival.activity.id == likes[1]["id"]:
            tried += 1
            raise error

    monkeypatch.setitem(process.HANDLERS, ActivityKind.LIKE, breaking)
    for like, person in zip(likes, people, strict=True):
        assert await good.send(alder, like, person) == 202
    deaths = await _die_and_come_back(alder)

    assert tried == DEATHS
    assert deaths == (DEATHS if error is Killed else 0)
    states = await _states(alder)
    assert states[likes[1]["id"]][0] == "parked"
    assert states[likes[1]["id"]][1]
    assert [states[like["id"]][0] for like in likes if like is not likes[1]] == ["done"] * 3
    assert await reacted(alder, root.uri, ReactionKind.LIKE) == 3


async def test_sec_D17_one_of_many_answers_that_ends_its_worker_stops_only_itself(
    alder: Node, ana: Speaker, group: Group, good: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    await settle(alder)
    to = [PUBLIC, group.actor.uri]
    people = [good.person(f"kim{number}") for number in range(6)]
    for person in people:  # from now on their server is known
        first = good.note(person, "hello", to=to, inReplyTo=root.uri)
        assert await good.send(alder, good.create(person, first), person) == 202
    await settle(alder)
    notes = [good.note(person, "again", to=to, inReplyTo=root.uri) for person in people]
    read = said.words_of

    def breaking(here: Any, note: Any, *, root: bool) -> Words:
        if note.id == notes[2]["id"]:
            raise Killed
        return read(here, note, root=root)

    monkeypatch.setattr(said, "words_of", breaking)
    creates = [good.create(person, note) for person, note in zip(people, notes, strict=True)]
    for create, person in zip(creates, people, strict=True):
        assert await good.send(alder, create, person) == 202
    assert await _die_and_come_back(alder) == DEATHS  # once together, then alone

    states = await _states(alder)
    assert [states[create["id"]][0] for create in creates] == [
        "done", "done", "parked", "done", "done", "done",
    ]  # fmt: skip
    assert len((await alder.thread(root.uri)).posts) == 1 + 6 + 5


async def test_sec_D17_a_peer_that_takes_nothing_slows_only_itself(
    alder: Node, ana: Speaker, group: Group, good: Peer, peer: PeerFactory
) -> None:
    bad = await peer("bad.test", alder, "lemmy")
    for server in (good, bad):
        await server.follow(alder, server.person("kim"), group.actor.uri)
    await settle(alder)
    good.inbox.clear()
    bad.answers = [503] * 1000
    uris = []
    for _ in range(5):
        uris.append((await alder.start(ana, group.actor.uri, "A title", "Some words.")).uri)
        await settle(alder)
        passed = good.got("Announce", "Create")
        assert [each["object"]["object"]["id"] for each in passed] == uris
    assert await waiting(alder, "good.test") == 0
    assert await waiting(alder, "bad.test") == 2 * len(uris)


async def test_a_worker_that_stood_still_marks_nothing_of_what_came(
    alder: Node, group: Group, good: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease is over and another one did the work: what it does then is undone."""
    kim = good.person("kim")
    await good.follow(alder, kim, group.actor.uri)
    stands_still, goes_on = asyncio.Event(), asyncio.Event()
    gather = gathering.gather

    async def stalling(*args: Any, **named: Any) -> Any:
        if not stands_still.is_set():
            stands_still.set()
            await goes_on.wait()
        return await gather(*args, **named)

    monkeypatch.setattr(process, "gather", stalling)
    stalled = asyncio.create_task(worker.settle(alder.app))
    await stands_still.wait()
    await settle(alder)
    assert good.got("Accept") == []  # nobody else takes what is held
    alder.clock.forward(minutes=2)
    await settle(alder)
    assert len(good.got("Accept")) == 1
    before = await _states(alder)

    goes_on.set()
    await stalled
    await rest(alder)
    assert await _states(alder) == before
    assert len(good.got("Accept")) == 1


async def test_a_sender_that_stood_still_marks_nothing_of_what_must_go(
    alder: Node, ana: Speaker, group: Group, good: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer took it from the stalled one, but the row by then is another sender's."""
    await good.follow(alder, good.person("kim"), group.actor.uri)
    await settle(alder)
    await alder.start(ana, group.actor.uri, "A title", "Some words.")
    stands_still, goes_on = asyncio.Event(), asyncio.Event()
    client = alder.app[CLIENT]
    send = client.post

    async def stalling(*args: Any, **named: Any) -> Any:
        if not stands_still.is_set():
            stands_still.set()
            await goes_on.wait()
        return await send(*args, **named)

    monkeypatch.setattr(client, "post", stalling)
    stalled = asyncio.create_task(alder.app[DELIVERER].deliver_one())
    await stands_still.wait()
    alder.clock.forward(minutes=2)
    good.answers = [503]
    await settle(alder)
    due = await waiting(alder, "good.test")
    assert due == 2
    before = await _peer(alder)

    goes_on.set()
    await stalled
    assert await waiting(alder, "good.test") == due
    assert await _peer(alder) == before
    await rest(alder)
    assert await waiting(alder, "good.test") == 0


async def _peer(node: Node) -> tuple[Any, ...]:
    async with node.engine.connect() as conn:
        found = await conn.execute(
            sa.select(peers.c.failures, peers.c.next_attempt, peers.c.lease).where(
                peers.c.host == "good.test"
            )
        )
        return tuple(found.one())
