"""What goes out: one post to many servers, each on a loopback address of its own.

Beside it, in turns: a publisher that signs for every server and posts, everything at once. The
servers answer at once, and then after a fifth of a second.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from bench import machine
from bench.inbox import Stage, bare, deliver, report_statements, stage, watched
from bench.load import Connection, request
from bench.machine import Child
from bench.report import Report, median
from bench.statements import explain

HOSTS = 300
SLOW = 0.2  # seconds until a slow server answers
TURNS = 25
WARM = 3  # turns of each that do not count: connections open, statements are prepared
SECONDS = 90.0  # one post may take

RATE = 0.65  # bars: of the bare publisher's rate,
SLOW_RATE = 0.80  # with slow servers,
CPU = 4.0  # and times its processor time per delivery


@dataclass(slots=True)
class Side:
    """One side's turns: seconds until the last server had it, and what that cost."""

    seconds: list[float] = field(default_factory=list)
    written: list[float] = field(default_factory=list)  # of them until the answer was committed
    own_cpu: float = 0.0
    postgres_cpu: float = 0.0
    deliveries: int = 0

    @property
    def rate(self) -> float:
        """Deliveries in a second of the middle turn."""
        return self.deliveries / max(1, len(self.seconds)) / max(median(self.seconds), 1e-9)

    @property
    def cpu_ms(self) -> float:
        """Processor milliseconds per delivery, PostgreSQL's with them."""
        return 1000 * (self.own_cpu + self.postgres_cpu) / max(1, self.deliveries)

    @property
    def postgres_ms(self) -> float:
        return 1000 * self.postgres_cpu / max(1, self.deliveries)


async def run(report: Report, *, seconds: float, hosts: int = HOSTS, plans: bool = False) -> None:
    """Measure the way out; `seconds` bounds how many turns there are, at least one of each."""
    async with stage(hosts) as on, AsyncExitStack() as stack:
        limit = await stack.enter_async_context(bare(on))
        for _ in range(WARM):
            await _node_turn(on, Side())
            await _bare_turn(on, limit, Side())
        for name, delay, bar in (("at once", 0.0, RATE), (f"after {SLOW} s", SLOW, SLOW_RATE)):
            on.world.delay = delay
            node_side, bare_side = Side(), Side()
            until = perf_counter() + seconds / 2
            for turn in range(TURNS):
                if turn and perf_counter() > until:
                    break
                await _node_turn(on, node_side)
                await _bare_turn(on, limit, bare_side)
            _report(report, name, node_side, bare_side, bar=bar)
        report.add("arrived twice", on.world.repeats, at_most=0)
        report.add("node: most memory", machine.peak_mib(on.place.node.pid), "MiB")
        report.add("bare: most memory", machine.peak_mib(limit.pid), "MiB")
        on.world.delay = 0.0
        async with watched(on) as (app, _, seen):
            await on.place.reply(on.founder, on.threads[0], "Once more, to be watched.")
            await deliver(app)
            asked = dict(seen.asked)
            report_statements(report, seen, "deliver", hosts, "delivery")
            if plans:
                await on.place.reply(on.founder, on.threads[0], "And once more, to be explained.")
                await _explain(report, on, asked)


async def _explain(report: Report, on: Stage, asked: Mapping[str, tuple[Any, ...]]) -> None:
    """How PostgreSQL claims what waits and notes what went; nothing of it stays."""
    async with on.place.engine.connect() as conn:
        raw = (await conn.get_raw_connection()).driver_connection
        assert raw is not None
        for statement, values in asked.items():
            if "deliveries" in statement:
                async with conn.begin_nested():
                    report.notes.append(f"{statement}\n{await explain(raw, statement, values)}")
        await conn.rollback()


def _report(report: Report, name: str, node: Side, limit: Side, *, bar: float) -> None:
    ours, theirs = node.rate, limit.rate
    report.add(f"{name}: node", ours, "deliveries/s")
    report.add(f"{name}: bare", theirs, "deliveries/s")
    report.add(f"{name}: rate, node / bare", ours / max(theirs, 1e-9), at_least=bar)
    report.add(f"{name}: node, last one after", median(node.seconds), "s")
    report.add(f"{name}: of that writing the answer", median(node.written), "s")
    report.add(f"{name}: bare, last one after", median(limit.seconds), "s")
    report.add(f"{name}: node, CPU per delivery", node.cpu_ms, "ms")
    report.add(f"{name}: of that PostgreSQL", node.postgres_ms, "ms")
    report.add(f"{name}: bare, CPU per delivery", limit.cpu_ms, "ms")
    report.add(f"{name}: CPU, node / bare", node.cpu_ms / max(limit.cpu_ms, 1e-9), at_most=CPU)


async def _node_turn(on: Stage, side: Side) -> None:
    """Somebody who lives here answers; the clock runs until every server has it."""
    node, postgres = on.place.node.pid, machine.pid_of(on.server)
    on.world.forget()
    own, theirs = machine.cpu_seconds(node), machine.cpu_seconds(postgres)
    begun = perf_counter()
    await on.place.reply(on.founder, on.threads[0], "An answer for everybody.")
    side.written.append(perf_counter() - begun)
    async with asyncio.timeout(SECONDS):
        await on.world.until(on.hosts)
    side.seconds.append(on.world.last_arrival - begun)
    await asyncio.sleep(0.5)  # the last rows are tidied away: that costs too
    side.own_cpu += machine.cpu_seconds(node) - own
    side.postgres_cpu += machine.cpu_seconds(postgres) - theirs
    side.deliveries += on.hosts


async def _bare_turn(on: Stage, limit: Child, side: Side) -> None:
    """The same bytes once more, from the bare publisher."""
    connection = await Connection.open(limit.port)
    document = on.world.last_body
    on.world.forget()
    before, begun = machine.cpu_seconds(limit.pid), perf_counter()
    async with asyncio.timeout(SECONDS):
        await connection.ask(request("POST", "/publish", {"Host": "bare"}, document))
    side.seconds.append(perf_counter() - begun)
    side.own_cpu += machine.cpu_seconds(limit.pid) - before
    side.deliveries += on.hosts
    connection.close()
