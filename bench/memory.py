"""What a node holds in memory after many activities, passed on to a few servers as they come."""

from bench import machine
from bench.inbox import Side, stage, turn
from bench.report import Report

HOSTS = 2  # servers that hear of everything
STEPS = 10  # measurements, the first one after a tenth
ACTIVITIES = 20_000
SECONDS = 600.0  # one step may take

MIB = 200.0  # bars: resident memory at its most,
GROWTH = 1.05  # and at the end, times what it was after the first step


async def run(report: Report, *, activities: int = ACTIVITIES) -> None:
    """Pour activities in, a tenth at a time; each is processed and delivered before the next."""
    part = max(1, activities // STEPS)
    async with stage(HOSTS) as on:
        node, side, held = on.place.node.pid, Side(), list[float]()
        for _ in range(STEPS):
            await turn(
                on, side, iter(await on.signed(part)),
                port=on.place.port, pid=node, seconds=SECONDS, queued=True,
            )  # fmt: skip
            held.append(machine.resident_mib(node))
            report.add(f"memory after {side.done + side.left:,} activities", held[-1], "MiB")
        report.add("at the end / after the first tenth", held[-1] / held[0], at_most=GROWTH)
        report.add("node: most memory", machine.peak_mib(node), "MiB", at_most=MIB)
        report.add("node: CPU per activity", side.cpu_ms, "ms")
        report.add("node: not complete in time", side.left, at_most=0)
        report.add("refused or parked", await on.refused(), at_most=0)
        report.add("arrived twice", on.world.repeats, at_most=0)
