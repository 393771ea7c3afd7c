"""A long list of servers: read, compared and tried, then taken; and how long a look-up takes.

A node that has heard of some thousands of servers, with ties to a part of them, takes a list of
ten thousand rows. The bars are the time that somebody waits for at a page (MOD-5.9).
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, Final, Self
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.audience import blocks_host
from activitypub.keys import generate
from bench import machine
from bench.report import Report
from kernel import db
from kernel.arrays import Rows
from kernel.clock import utcnow
from kernel.here import Here
from kernel.schema.tables import actors, domain_blocks, follows
from kernel.sealing import NodeKey
from members import node as node_store
from moderation import policy
from moderation.blocklist import Blocklist
from moderation.impact import Impact, Seen
from moderation.lists import reading, sources, taking, undoing
from node import keeping_away

ROWS: Final = 10_000
SERVERS: Final = 4_000  # that the node knows, one in two of them on the list,
TIED: Final = 400  # and so many of them with somebody whom a person here follows
LOOKS: Final = 100_000
LOOKS_IN_SQL: Final = 10_000

DRY_SECONDS: Final = 5.0  # bars
TAKE_SECONDS: Final = 15.0
LOOK_MICROSECONDS: Final = 20.0
STRETCH_MILLISECONDS: Final = 100.0
TICK: Final = 0.001  # seconds

DATABASE: Final = "lists"


async def run(report: Report, *, rows: int = ROWS) -> None:
    """Measure a dry run of a list, taking it, taking it back, and look-ups beside it."""
    async with machine.own_postgres() as (server, directory):
        await server.create_database(DATABASE)
        engine = db.connect(server.url(DATABASE))
        try:
            await db.migrate(engine)
            await _measure(report, engine, directory, rows)
        finally:
            await engine.dispose()


async def _measure(report: Report, engine: AsyncEngine, directory: Path, rows: int) -> None:
    here = Here(
        origin="https://alder.example",
        node_key=NodeKey.load(directory / "node.key"),
        clock=utcnow,
    )
    async with engine.begin() as conn:
        await node_store.found(conn, here, instance_keys=generate(), desk_keys=generate())
    await _people(engine)
    body = _list(rows)
    async with _Meanwhile() as meanwhile:
        started = perf_counter()
        would = await _try(engine, here, body)
        report.add("dry run", perf_counter() - started, "s", at_most=DRY_SECONDS)
        report.add("dry run, at a stretch", *meanwhile.stretch, at_most=STRETCH_MILLISECONDS)
        report.add("dry run, a page waits", *meanwhile.wait)
        meanwhile.longest, meanwhile.busiest = 0.0, 0.0
        started = perf_counter()
        await _take(engine, here, body, Seen(would.digest, looked=True))
        report.add("taken", perf_counter() - started, "s", at_most=TAKE_SECONDS)
        report.add("taken, at a stretch", *meanwhile.stretch, at_most=STRETCH_MILLISECONDS)
        report.add("taken, a page waits", *meanwhile.wait)
    report.add("ties cut", would.relations.all)
    blocklist = Blocklist(engine)
    await blocklist.policy_of("first.example")
    started, blocked = perf_counter(), 0
    for number in range(LOOKS):
        host = f"deep.below.server{number % rows}.test"
        blocked += (await blocklist.policy_of(host)).blocks
    spent = (perf_counter() - started) * 1_000_000 / LOOKS
    report.add("one look-up", spent, "us", at_most=LOOK_MICROSECONDS)
    report.add("of which blocked", blocked / LOOKS, at_least=0.1)
    report.add("one look-up in SQL", await _in_sql(engine, rows), "us", at_most=LOOK_MICROSECONDS)
    started = perf_counter()
    await keeping_away.undo_taking(engine, here, await _last(engine))
    report.add("taken back", perf_counter() - started, "s", at_most=TAKE_SECONDS)


async def _in_sql(engine: AsyncEngine, rows: int) -> float:
    """Microseconds a host, asked as the statement asks that writes what arrives."""
    asked = Rows("asked", host=sa.Text)
    hosts = asked.values(
        {"host": f"deep.below.server{number % rows}.test"} for number in range(LOOKS_IN_SQL)
    )
    blocked = sa.exists().where(blocks_host(asked.c.host)).correlate_except(domain_blocks)
    statement = sa.select(sa.func.count(asked.c.host)).where(blocked)
    async with engine.connect() as conn:
        for _ in range(2):  # the second time the statement is known
            started = perf_counter()
            found = await conn.scalar(statement, hosts)
            spent = perf_counter() - started
    assert found, "nothing was blocked, so nothing was measured"
    return spent * 1_000_000 / LOOKS_IN_SQL


@dataclass(slots=True)
class _Meanwhile:
    """Whoever asks for a page meanwhile: the longest that the loop had no time for them.

    `busiest` is what the loop itself did at a stretch; other programs make the wait longer.
    """

    longest: float = 0.0  # seconds
    busiest: float = 0.0
    _ticking: asyncio.Task[None] | None = None

    @property
    def wait(self) -> tuple[float, str]:
        return self.longest * 1_000, "ms"

    @property
    def stretch(self) -> tuple[float, str]:
        return self.busiest * 1_000, "ms"

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._ticking is not None
        self._ticking.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticking

    async def _tick(self) -> None:
        while True:
            asked, spent = perf_counter(), thread_time()
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, perf_counter() - asked - TICK)
            self.busiest = max(self.busiest, thread_time() - spent)


def _list(rows: int) -> bytes:
    """Every second server that the node knows, and others."""
    names = [f"server{2 * number}.test" for number in range(rows)]
    return "\n".join(["domain,severity", *(f"{name},suspend" for name in names)]).encode()


async def _people(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        ours, *others = list(_actors())
        await conn.execute(actors.insert(), [ours, *others])
        ties = [
            {"follower_id": ours["id"], "followed_id": each["id"], "state": "accepted",
             "uri": f"https://alder.example/a/{number}", "guidelines": 0, "approved": False}
            for number, each in enumerate(others[:TIED])
        ]  # fmt: skip
        await conn.execute(follows.insert(), ties)
        await conn.execute(sa.text("ANALYZE"))


def _actors() -> Iterator[dict[str, Any]]:
    for number, host in enumerate(
        ["alder.example", *(f"server{each}.test" for each in range(SERVERS))]
    ):
        uri = f"https://{host}/u/someone"
        yield {
            "id": uuid4(), "uri": uri, "kind": "Person", "local": number == 0, "handle": "someone",
            "host": host, "name": "Somebody", "inbox": f"{uri}/inbox", "key_id": f"{uri}#main-key",
            "public_key": "",
        }  # fmt: skip


async def _try(engine: AsyncEngine, here: Here, body: bytes) -> Impact:
    async with engine.connect() as conn, conn.begin() as work:
        before = await policy.in_force(conn)
        source = await sources.add(conn, here, name="A long list")
        listed = await asyncio.to_thread(reading.read, body)
        found = await taking.compare(conn, here, source, listed)
        await taking.take(conn, here, source, found, agreed=True)
        would = await keeping_away.impact_of(conn, here, before, found.digest)
        await work.rollback()
    return would


async def _take(engine: AsyncEngine, here: Here, body: bytes, seen: Seen) -> None:
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        source = await sources.add(conn, here, name="A long list")
        listed = await asyncio.to_thread(reading.read, body)
        found = await taking.compare(conn, here, source, listed)
        await taking.take(conn, here, source, found, agreed=True)
        await keeping_away.settled(conn, here, before, seen=seen, rows=found.digest, about="list")
    await keeping_away.follow_up(engine)


async def _last(engine: AsyncEngine) -> int:
    async with engine.connect() as conn:
        return (await undoing.history(conn))[0].id
