"""The one clock of a node, passed in, so that a test can hold it still."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

Clock = Callable[[], datetime]


def utcnow() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def to_minute(moment: datetime) -> datetime:
    """`moment` without its seconds: as fine as the time of a post may be known (DESIGN-V1)."""
    return moment.replace(second=0, microsecond=0)


COARSE: Final = timedelta(minutes=5)  # as fine as the time of a post is in groups that ask for it


def to_five_minutes(moment: datetime) -> datetime:
    """The beginning of the five minutes, by UTC, that `moment` lies in (SEC-U24)."""
    moment = to_minute(moment)
    return moment - timedelta(minutes=moment.minute % (COARSE // timedelta(minutes=1)))


def to_month(moment: datetime) -> date:
    """The first day of `moment`'s month: as fine as a persona's age may be known (DESIGN-V1)."""
    return moment.date().replace(day=1)


def iso(moment: datetime) -> str:
    """`moment` as ActivityPub spells it: `2026-01-02T03:04:05Z` (WIRE-B12)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
