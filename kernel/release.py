"""When what somebody wrote goes out: by chance, and without a look at who they are (SEC-U6).

Times are whole steps of five seconds, so that what is released together is in an order of its own.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from kernel import chance
from kernel.here import Here

STEP: Final = timedelta(seconds=5)
DELAY: Final = timedelta(seconds=20)  # of a post at most
NIGHT_ENDS: Final = 5  # o'clock; it begins at midnight
MORNING: Final = timedelta(hours=1)  # within which what was held over night goes out
ACT_DELAY: Final = timedelta(minutes=5)  # of a follow or a sign at most
MAX_UNDO: Final = 10  # minutes
OFFSETS: Final = range(-12 * 60, 14 * 60 + 1, 15)  # minutes that clocks are before UTC's


@dataclass(frozen=True, slots=True)
class Timing:
    """What a member chose: minutes to think again, and minutes that their clock is before UTC's.

    `night` is None where nothing is held over night.
    """

    undo: int = 0
    night: int | None = None


AT_ONCE: Final = Timing()


def due(here: Here, timing: Timing) -> datetime | None:
    """When a post that is written now goes out; None: at once."""
    now = here.now()
    first = now + timedelta(minutes=timing.undo)
    spread = DELAY if here.release_delay else timedelta()
    if timing.night is not None and (morning := _morning(now, timing.night)) is not None:
        first, spread = max(first, morning), MORNING
    if first == now and not spread:
        return None
    steps = math.ceil(first.timestamp() / STEP.total_seconds())
    steps += int(chance.share() * (spread // STEP))
    return datetime.fromtimestamp(steps * STEP.total_seconds(), UTC)


def act_due(here: Here) -> datetime | None:
    """When a follow or a sign that is given now goes out, a whole minute; None: at once."""
    if not here.release_delay:
        return None
    minutes = math.ceil(here.now().timestamp() / 60)
    minutes += int(chance.share() * (ACT_DELAY // timedelta(minutes=1)))
    return datetime.fromtimestamp(minutes * 60, UTC)


def _morning(now: datetime, offset: int) -> datetime | None:
    """The end of the night that it is now for somebody; None: it is no night."""
    there = now + timedelta(minutes=offset)
    if there.hour >= NIGHT_ENDS:
        return None
    end = there.replace(hour=NIGHT_ENDS, minute=0, second=0, microsecond=0)
    return end - timedelta(minutes=offset)
