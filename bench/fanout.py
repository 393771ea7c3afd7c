"""What goes out: one post to many servers, each on a loopback address of its own.

Beside it, in turns: a publisher that signs for every server and posts, everything at once. The
servers answer at once, and then after a fifth of a second.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import perf_counter

from bench import machine
from bench.inbox import Stage, bare, deliver, report_statements, stage, watched
from bench.load import Connection, request
from bench.machine import Child
from bench.report import Report, median

HOSTS = 300
SLOW = 0.2  # seconds until a slow server answers
TURNS = 3
SECONDS = 90.0  # one post may take

TIMES = 1.5  # bars: times what the bare publisher takes,
CPU = 4.0  # and times its processor time per delivery


@dataclass(slots=True)
class Side:
    """One side's turns: seconds until the last server had it, and what that cost."""

    seconds: list[float] = field(default_factory=list)
    cpu: float = 0.0
    deliveries: int = 0

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu / max(1, self.deliveries)


async def run(report: Report, *, seconds: float, hosts: int = HOSTS) -> None:
    """Measure the way out; `seconds` bounds how many turns there are, at least one of each."""
    async with stage(hosts) as on, AsyncExitStack() as stack:
        limit = await stack.enter_async_context(bare(on))
        await _bare_turn(on, limit, Side())  # opens the connections that both keep
        await _node_turn(on, Side())
        for name, delay in (("at once", 0.0), (f"after {SLOW} s", SLOW)):
            on.world.delay = delay
            node_side, bare_side = Side(), Side()
            until = perf_counter() + seconds / 2
            for turn in range(TURNS):
                if turn and perf_counter() > until:
                    break
                await _bare_turn(on, limit, bare_side)
                await _node_turn(on, node_side)
            _report(report, f"{hosts} servers, {name}", node_side, bare_side)
        report.add("arrived twice", on.world.repeats, at_most=0)
        report.add("node: most memory", machine.peak_mib(on.place.node.pid), "MiB")
        report.add("bare: most memory", machine.peak_mib(limit.pid), "MiB")
        on.world.delay = 0.0
        async with watched(on) as (app, _, seen):
            await on.place.reply(on.founder, on.threads[0], "Once more, to be watched.")
            await deliver(app)
            report_statements(report, seen, "deliver", hosts, "delivery")


def _report(report: Report, name: str, node: Side, limit: Side) -> None:
    ours, theirs = median(node.seconds), median(limit.seconds)
    report.add(f"{name}: node", ours, "s")
    report.add(f"{name}: bare", theirs, "s")
    report.add(f"{name}: node / bare", ours / max(theirs, 1e-9), at_most=TIMES)
    report.add(f"{name}: node, CPU per delivery", node.cpu_ms, "ms")
    report.add(f"{name}: bare, CPU per delivery", limit.cpu_ms, "ms")
    report.add(f"{name}: CPU, node / bare", node.cpu_ms / max(limit.cpu_ms, 1e-9), at_most=CPU)


async def _node_turn(on: Stage, side: Side) -> None:
    """Somebody who lives here answers; the clock runs until every server has it."""
    pids = (on.place.node.pid, machine.pid_of(on.server))
    on.world.forget()
    before, begun = machine.cpu_seconds(*pids), perf_counter()
    await on.place.reply(on.founder, on.threads[0], "An answer for everybody.")
    async with asyncio.timeout(SECONDS):
        await on.world.until(on.hosts)
    side.seconds.append(on.world.last_arrival - begun)
    await asyncio.sleep(0.5)  # the last rows are tidied away: that costs too
    side.cpu += machine.cpu_seconds(*pids) - before
    side.deliveries += on.hosts


async def _bare_turn(on: Stage, limit: Child, side: Side) -> None:
    connection = await Connection.open(limit.port)
    document = b'{"id": "http://bare/%d", "type": "Announce"}' % len(side.seconds)
    on.world.forget()
    before, begun = machine.cpu_seconds(limit.pid), perf_counter()
    async with asyncio.timeout(SECONDS):
        await connection.ask(request("POST", "/publish", {"Host": "bare"}, document))
    side.seconds.append(perf_counter() - begun)
    side.cpu += machine.cpu_seconds(limit.pid) - before
    side.deliveries += on.hosts
    connection.close()
