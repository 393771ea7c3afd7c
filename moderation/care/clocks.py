"""How soon somebody looks at a care case, and what is stored of that (MOD-5.14, DOM-D14).

A clock needs a time. It is rounded down, so nobody is promised more than there is, and to steps
that are as coarse as the clock allows: it must not say when somebody was worried (SEC-U18).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from kernel.schema.care import Level

CLOCKS: Final[Mapping[Level, timedelta]] = {
    Level.NOW: timedelta(minutes=10),
    Level.HIGH: timedelta(hours=1),
    Level.MEDIUM: timedelta(hours=12),
    Level.LOW: timedelta(hours=24),
}
"""Within so long somebody says that they look."""

STEPS: Final[Mapping[Level, timedelta]] = {
    Level.NOW: timedelta(minutes=5),
    Level.HIGH: timedelta(minutes=15),
    Level.MEDIUM: timedelta(hours=1),
    Level.LOW: timedelta(hours=1),
}

AGAIN: Final = timedelta(hours=1)  # whoever looks is asked again after this at the earliest
PATIENT: Final = 3  # so often everybody is told within the clock; then once an hour, or a clock
URGENT: Final = (Level.NOW, Level.HIGH)  # alerts of these do not wait for a place's pace

_START: Final = datetime(2020, 1, 1, tzinfo=UTC)


def due(level: Level, now: datetime) -> datetime:
    """Until when somebody should look, from `now` on."""
    return _round(now + CLOCKS[level], STEPS[level])


def due_of_holder(level: Level, now: datetime) -> datetime:
    """Until when whoever looks should have ended it or said that they still look."""
    return _round(now + max(CLOCKS[level], AGAIN), STEPS[level])


def due_again(level: Level, now: datetime, missed: int) -> datetime:
    """When everybody is told again that nobody looks, after the `missed`th time."""
    wait = CLOCKS[level] if missed <= PATIENT else max(CLOCKS[level], AGAIN)
    return _round(now + wait, STEPS[level])


def _round(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _START) % step
