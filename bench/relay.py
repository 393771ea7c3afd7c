"""What comes in and goes on: a group passes answers on to servers that read FEP-1b12."""

from bench import inbox
from bench.report import Report

HOSTS = 10


async def run(report: Report, *, seconds: float) -> None:
    """As `bench.inbox`; an activity is complete once ten servers have it."""
    await inbox.run(report, seconds=seconds, hosts=HOSTS)
