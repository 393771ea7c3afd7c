"""The database restarts, drops connections, forgets to wake: nothing acknowledged is lost."""

# ruff: noqa: ASYNC110  (a test may wait for its disk, and for a server of its own)

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from groups.groups import Group, GroupSettings
from kernel import db
from kernel.postgres import running
from kernel.schema.groups import Posts
from kernel.schema.posts import PostState
from kernel.schema.tables import posts, received
from moderation.standing import Speaker
from node import worker
from tests.conftest import TEMPLATE, migrated
from tests.faults import invariants
from tests.faults.load import Load
from tests.faults.world import rest
from tests.nodes import Node, NodeFactory, Nodes, settle
from tests.peer import Peer, PeerFactory

MINUTE, EVERY = 60.0, 5.0  # seconds


@asynccontextmanager
async def working(node: Node) -> AsyncIterator[None]:
    """The node's worker, as `serve` runs it."""
    stop = asyncio.Event()
    work = asyncio.create_task(worker.run(node.app, stop))
    try:
        yield
    finally:
        stop.set()
        await work


async def _load(node: Node, peer: Peer) -> Load:
    ana = await node.persona("ana")
    group = await node.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))
    authors = [peer.person(f"kim{number}") for number in range(3)]
    return Load(node, group, peer, authors)


async def _all_there(load: Load) -> None:
    """Everything that was answered 202 is kept once and shown once; every refusal was clear."""
    node = load.node
    await rest(node)
    assert load.odd == []
    async with node.engine.connect() as conn:
        shown = await conn.scalars(sa.select(posts.c.uri).where(posts.c.state == PostState.SHOWN))
        kept = await conn.scalar(sa.select(sa.func.count()).select_from(received))
        assert sorted(shown) == sorted(load.accepted)
        assert kept == len(load.accepted)
    await invariants.hold(node)


async def _under(load: Load, trouble: Callable[[], Awaitable[None]]) -> None:
    """The load runs, the node works, and there is trouble until it ends."""
    over = asyncio.Event()
    async with working(load.node):
        sending = asyncio.create_task(load.run(over))
        try:
            await trouble()
        finally:
            over.set()
            async with asyncio.timeout(120):
                await sending


@pytest.mark.slow
async def test_sec_I9_a_database_that_restarts_every_five_seconds_for_a_minute(
    folder: Path, quick_keys: None
) -> None:
    """Fast, immediate and by `kill -9`: the server is started again and the node finds it."""
    said: list[str] = []
    async with running(folder, say=said.append) as server:
        await migrated(server)
        nodes = Nodes(server, TEMPLATE, folder)
        alder = await nodes.start("alder.test", new_per_hour=0)  # all of it from one stranger
        peer = await Peer("good.test", alder.names).start()
        load = await _load(alder, peer)
        kinds = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
        ended = set()

        async def trouble() -> None:
            for number in range(int(MINUTE / EVERY)):
                await asyncio.sleep(EVERY)
                if server.process is not None and server.process.returncode is None:
                    server.process.send_signal(kinds[number % len(kinds)])
                    ended.add(server.process.pid)

        try:
            await _under(load, trouble)
            assert len(ended) >= 8
            assert len([line for line in said if "ended by itself" in line]) >= 8
            assert load.answers[503] > 0
            assert len(load.accepted) > 100
            async with asyncio.timeout(60):
                while not await server.answers():  # the last restart may still be under way
                    await asyncio.sleep(0.1)
            await _all_there(load)
        finally:
            await peer.stop()
            await nodes.stop()


@pytest.mark.slow
async def test_sec_I9_connections_that_end_at_random(node: NodeFactory, peer: PeerFactory) -> None:
    alder = await node("alder.test", new_per_hour=0)
    load = await _load(alder, await peer("good.test", alder))
    rng = Random(5)

    async def trouble() -> None:
        killer = db.connect(alder.engine.url.render_as_string(hide_password=False), pool_size=1)
        for _ in range(60):
            await asyncio.sleep(rng.uniform(0.02, 0.3))
            async with killer.connect() as conn:
                await conn.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                        "AND random() < 0.4"
                    )
                )
        await killer.dispose()

    await _under(load, trouble)
    assert len(load.accepted) > 50
    await _all_there(load)


async def test_a_wake_that_was_lost_is_made_up_for_by_the_sweep(
    node: NodeFactory, peer: PeerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens, so no NOTIFY is heard: what came and what must go are found all the same."""

    async def deaf(_engine: object, stop: asyncio.Event, _wakes: object) -> None:
        await stop.wait()

    monkeypatch.setattr(worker, "_listen", deaf)
    monkeypatch.setattr(worker, "SWEEP", 0.05)
    alder = await node("alder.test")
    good = await peer("good.test", alder)
    ana, kim = await alder.persona("ana"), good.person("kim")
    group = await alder.group("sleep", ana)
    async with working(alder):
        await good.follow(alder, kim, group.actor.uri)
        async with asyncio.timeout(20):
            while not good.got("Accept"):
                await asyncio.sleep(0.01)


async def test_a_clock_that_jumps_neither_loses_nor_storms(
    node: NodeFactory, peer: PeerFactory
) -> None:
    """A peer that is away is not asked once for every minute skipped, nor asked early."""
    alder = await node("alder.test")
    good = await peer("good.test", alder, "lemmy")
    ana, kim = await alder.persona("ana"), good.person("kim")
    group = await alder.group("sleep", ana)
    await good.follow(alder, kim, group.actor.uri)
    await settle(alder)
    good.inbox.clear()
    good.answers = [503] * 100
    uris = [await _said(alder, ana, group) for _ in range(3)]
    await settle(alder)
    tried = 100 - len(good.answers)

    alder.clock.forward(hours=-1)
    uris.append(await _said(alder, ana, group))
    await settle(alder)
    assert 100 - len(good.answers) == tried
    alder.clock.forward(days=1)
    await settle(alder)
    assert tried < 100 - len(good.answers) <= tried + len(uris)  # each thread's lane once

    good.answers = []
    alder.clock.forward(hours=-1)
    await settle(alder)
    for _ in range(5):
        alder.clock.forward(minutes=30)
        await settle(alder)
    arrived = [each["object"]["object"]["id"] for each in good.got("Announce", "Create")]
    assert sorted(arrived) == sorted(uris)
    await invariants.hold(alder)


async def _said(node: Node, speaker: Speaker, group: Group) -> str:
    return (await node.start(speaker, group.actor.uri, "A title", "Some words.")).uri
