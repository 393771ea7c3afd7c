"""What comes in and goes on: a group passes answers on to servers that read FEP-1b12.

The limit for what goes on is a publisher that signs and posts the same bytes and nothing else: it
receives nothing, stores nothing, and has no queue.
"""

from bench import inbox, machine
from bench.inbox import Side, Stage
from bench.load import pour, request
from bench.machine import Child
from bench.report import Report

HOSTS = 10
PUBLISHED = 100  # documents, each to every server

CPU = 2.0  # bar: times the publisher's processor time per delivery


async def run(report: Report, *, seconds: float) -> None:
    """As `bench.inbox`; an activity is complete once ten servers have it."""
    await inbox.run(report, seconds=seconds, hosts=HOSTS, more=_beside_a_publisher)


async def _beside_a_publisher(report: Report, on: Stage, limit: Child, node: Side) -> None:
    data = request("POST", "/publish", {"Host": "bare"}, on.world.last_body)
    before = machine.cpu_seconds(limit.pid)
    poured = await pour(limit.port, ((n, data) for n in range(PUBLISHED)), seconds=60)
    sent = len(poured.numbered(204)) * on.hosts
    theirs = 1000 * (machine.cpu_seconds(limit.pid) - before) / max(1, sent)
    ours = node.cpu_ms / on.hosts
    report.add("node: CPU per delivery, all included", ours, "ms")
    report.add("publisher: CPU per delivery", theirs, "ms")
    report.add("CPU per delivery, node / publisher", ours / max(theirs, 1e-9), at_most=CPU)
