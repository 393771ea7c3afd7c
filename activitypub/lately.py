"""What failed lately, so that it is not tried again at once (WIRE-S20, SEC-S29)."""

from datetime import datetime, timedelta

MAX_KEYS = 10_000


class Lately:
    """Rests after failures: `first` long, then twice as long each time, up to `longest`.

    Remembers at most `capacity` keys: a flood of new ones pushes out the oldest, never grows.
    """

    def __init__(self, first: timedelta, longest: timedelta, *, capacity: int = MAX_KEYS) -> None:
        self._first, self._longest, self._capacity = first, longest, capacity
        self._failed: dict[str, tuple[datetime, timedelta]] = {}  # when, and how long it rests

    def note(self, key: str, now: datetime) -> None:
        """It failed, again perhaps."""
        at, rest = self._failed.pop(key, (now, timedelta(0)))
        if now - at > 2 * self._longest:
            rest = timedelta(0)
        while len(self._failed) >= self._capacity:
            self._failed.pop(next(iter(self._failed)))
        self._failed[key] = now, min(max(self._first, 2 * rest), self._longest)

    def rests(self, key: str, now: datetime) -> bool:
        """Whether it failed so lately that it is not to be tried again yet."""
        at, rest = self._failed.get(key, (now, timedelta(0)))
        return now - at < rest

    def forget(self, key: str) -> None:
        """It worked."""
        self._failed.pop(key, None)

    def __len__(self) -> int:
        return len(self._failed)
