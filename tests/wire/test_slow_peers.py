"""Servers that take their time, all of them at once, and a node that goes on (SEC-R10)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from aiohttp import web

from activitypub import actors as actor_store
from activitypub import remote
from activitypub.state import CLIENT
from activitypub.vocab import ActorDocument
from groups.groups import Group
from inbox import claim, process
from kernel.schema.actors import FollowState
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import follows, received
from moderation.standing import Speaker
from node import worker
from tests.hostile import server as hostile
from tests.hostile.server import Server, answer
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Peer, PeerFactory
from tests.wire.world import last_received, said

SLOW_PEERS = 100
PATIENT = 40.0  # generous: until what must come has come
CUT = 10 * PATIENT  # seconds until a slow peer is cut off here: none is, while this looks

pytestmark = pytest.mark.slow


async def drip(_: str) -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 202 Accepted\r\nX-Slow: "
    while True:
        await asyncio.sleep(0.5)
        yield b"a"


@asynccontextmanager
async def dripping(node: Node) -> AsyncIterator[Server]:
    """A hundred servers whose headers never end."""
    async with hostile.serve(drip) as server:
        for number in range(SLOW_PEERS):
            node.names.ports[f"slow{number}.test"] = server.port
        yield server


@asynccontextmanager
async def working(app: web.Application) -> AsyncIterator[None]:
    """The worker as it runs in a node."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(app, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def follow(node: Node, good: Peer, group: Group) -> None:
    """Somebody on each of the slow servers follows the group."""
    ann = good.person("model")
    async with node.engine.begin() as conn:
        for number in range(SLOW_PEERS):
            origin = f"http://slow{number}.test"
            text = json.dumps(ann.document()).replace(good.origin, origin)
            found = ActorDocument.parse(json.loads(text))
            actor = await remote.store(conn, node.here, found)
            await conn.execute(
                follows.insert().values(
                    follower_id=actor.id,
                    followed_id=group.actor.id,
                    state=FollowState.ACCEPTED,
                    uri=f"{origin}/follow",
                )
            )


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the worker does on its own."""
    end = time.monotonic() + PATIENT
    while not await true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_sec_R10_a_hundred_slow_peers_hold_no_delivery_up(
    alder: Node, sleep: Group, ana: Speaker, good: Peer
) -> None:
    await follow(alder, good, sleep)
    await good.follow(alder, good.person("zoe"), sleep.actor.uri)
    await settle(alder)
    good.inbox.clear()
    client = alder.app[CLIENT]
    client._total_seconds = CUT
    async with working(alder.app), dripping(alder) as slow:

        async def heard(number: int) -> bool:
            return len(good.got("Announce", "")) >= number

        await alder.start(ana, sleep.actor.uri, "One", "Hello.")
        await until(lambda: heard(1))
        assert slow.connections  # they were asked, and none has answered
        await alder.start(ana, sleep.actor.uri, "Two", "Hello again.")
        await until(lambda: heard(2))


async def test_sec_R10_many_slow_answers_to_one_activity_end(
    alder: Node,
    sleep: Group,
    good: Peer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None is too slow for a request of its own, but together they would outlast the claim."""
    monkeypatch.setattr(process, "READING", 1)
    ann = good.person("ann")
    chain = [good.note(ann, str(n), to=[PUBLIC, sleep.actor.uri]) for n in range(40)]
    notes = {
        f"/notes/{n}": {
            **note,
            "id": f"http://slow0.test/notes/{n}",
            "attributedTo": "http://slow0.test/u/ann",
            "inReplyTo": f"http://slow0.test/notes/{n + 1}",
        }
        for n, note in enumerate(chain)
    }

    async def slowly(target: str) -> AsyncIterator[bytes]:
        await asyncio.sleep(0.2)
        if target in notes:
            yield answer(json.dumps(notes[target]).encode())
        else:
            text = json.dumps(ann.document()).replace(good.origin, "http://slow0.test")
            yield answer(text.encode())

    async with hostile.serve(slowly) as server:
        alder.names.ports["slow0.test"] = server.port
        leaf = good.note(
            ann, "leaf", to=[PUBLIC, sleep.actor.uri], inReplyTo="http://slow0.test/notes/0"
        )
        await said(alder, good, ann, leaf)
        assert await last_received(alder) == ("new", "Unreachable")
        assert len(server.heard) < 15
        async with alder.engine.connect() as conn:
            assert await actor_store.by_uri(conn, ann.uri) is not None


async def test_sec_R10_what_waits_for_a_slow_server_holds_up_no_other_server(
    alder: Node,
    sleep: Group,
    good: Peer,
    peer: PeerFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many actors of one server send answers to posts that drip in; another server's goes on."""
    monkeypatch.setattr(process, "READING", 5)
    evil = await peer("evil.test", alder)
    crowd = [evil.person(f"mal{number}") for number in range(6)]
    zoe = good.person("zoe")
    alder.app[CLIENT]._total_seconds = CUT
    async with dripping(alder) as slow:
        for person in crowd:  # together more than are looked at for one claim
            notes = [
                evil.note(
                    person,
                    "hello",
                    to=[PUBLIC, sleep.actor.uri],
                    inReplyTo=f"http://slow{number}.test/1",
                )
                for number in range(35)
            ]
            sent = [evil.send(alder, evil.create(person, note), person) for note in notes]
            assert set(await asyncio.gather(*sent)) == {202}
        async with working(alder.app):
            await until(lambda: _came(slow))
            assert await under_way(alder, evil) <= claim.ORIGIN_AT_ONCE
            await good.follow(alder, zoe, sleep.actor.uri)

            async def accepted() -> bool:
                return bool(good.got("Accept"))

            await until(accepted)
            assert await under_way(alder, evil) <= claim.ORIGIN_AT_ONCE
            assert len(slow.heard) < len(crowd) * 35  # the rest of theirs still waits


async def under_way(node: Node, peer: Peer) -> int:
    """How many activities of a server are being dealt with."""
    async with node.engine.connect() as conn:
        found = await conn.scalar(
            sa.select(sa.func.count()).where(
                received.c.origin == peer.origin,
                received.c.state == ReceivedState.NEW,
                received.c.leased_until > node.clock(),
            )
        )
    return found or 0


async def _came(server: Server) -> bool:
    return bool(server.heard)
