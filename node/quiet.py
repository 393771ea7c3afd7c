"""Log storms: however often the same thing happens, it is said once a while (SEC-D14)."""

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

SILENCE = 60.0  # seconds until the same event is written again
LINES = 20  # of one event of our own within that time; others have one
_EVENTS = 1_000


@dataclass(slots=True)
class _Seen:
    since: float
    lines: int = 0
    left_out: int = 0


@dataclass(slots=True)
class Storm:
    """A log filter: lets the first lines of an event through and counts the rest.

    The first line after a silence says in `left_out` how many there were. An event is a logger, a
    level and an unfilled message; what is below a warning passes, since there is one for each
    request anyway. `ours` says which loggers have more than one line.
    """

    ours: Callable[[str], bool] = lambda name: False
    clock: Callable[[], float] = time.monotonic
    _events: dict[Hashable, _Seen] = field(default_factory=dict)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.levelno < logging.WARNING:
            return True
        now, event = self.clock(), (record.name, record.levelno, str(record.msg))
        seen = self._events.get(event)
        if seen is None or now - seen.since >= SILENCE:
            left_out = seen.left_out if seen else 0
            self._events.pop(event, None)
            while len(self._events) >= _EVENTS:
                self._events.pop(next(iter(self._events)))
            seen = self._events[event] = _Seen(now)
            if left_out:
                record.left_out = left_out
        if seen.lines >= (LINES if self.ours(record.name) else 1):
            seen.left_out += 1
            return False
        seen.lines += 1
        return True
