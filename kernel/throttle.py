"""How often somebody may do something, counted in memory and nowhere else (DESIGN, SEC-D12)."""

from collections.abc import Hashable
from datetime import datetime, timedelta
from math import ceil

from kernel.clock import Clock
from kernel.errors import TooMany


class Throttle:
    """At most `limit` checks of one key within `seconds` of its first one.

    Remembers at most `capacity` keys: a flood of new ones pushes out the oldest, never grows.
    """

    def __init__(self, limit: int, seconds: float, clock: Clock, *, capacity: int = 20_000) -> None:
        self._limit = limit
        self._window = timedelta(seconds=seconds)
        self._clock = clock
        self._capacity = capacity
        self._seen: dict[Hashable, tuple[datetime, int]] = {}  # in the order the windows end

    def check(self, key: Hashable) -> None:
        """Count one more. Raises TooMany: the limit is reached; `retry_after` says when it ends."""
        now = self._clock()
        end, count = self._seen.get(key, (now, 0))
        if end <= now:
            self._seen.pop(key, None)
            self._make_room()
            end, count = now + self._window, 0
        if count >= self._limit:
            raise TooMany(
                "That was a lot at once. Please wait a little, then try again.",
                retry_after=ceil((end - now).total_seconds()),
            )
        self._seen[key] = (end, count + 1)

    def give_back(self, key: Hashable) -> None:
        """What was counted last did not come to be."""
        if key in self._seen:
            end, count = self._seen[key]
            self._seen[key] = (end, max(count - 1, 0))

    def forget_ended(self) -> None:
        """Drop every key whose window is over."""
        now = self._clock()
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest][0] > now:
                return
            del self._seen[oldest]

    def _make_room(self) -> None:
        self.forget_ended()
        while len(self._seen) >= self._capacity:
            del self._seen[next(iter(self._seen))]

    def __len__(self) -> int:
        return len(self._seen)


class Allowance:
    """`limit` at once for each key, and as many again in `seconds`, coming back one by one.

    Whoever has used it up waits for the next one only, and not for the end of an hour. Remembers at
    most `capacity` keys: whose last was longest ago are forgotten first.
    """

    def __init__(self, limit: int, seconds: float, clock: Clock, *, capacity: int) -> None:
        self._step = timedelta(seconds=seconds) / limit
        self._all = self._step * limit
        self._clock = clock
        self._capacity = capacity
        self._whole: dict[Hashable, datetime] = {}  # when nothing is missing any more

    def wait(self, key: Hashable) -> float:
        """In how many seconds there is one; 0: now."""
        now = self._clock()
        missing = max(self._whole.get(key, now), now) - now
        return max((missing + self._step - self._all).total_seconds(), 0.0)

    def take(self, key: Hashable) -> float:
        """Take one: 0. Where there is none, nothing is taken: in how many seconds there is."""
        if seconds := self.wait(key):
            return seconds
        now = self._clock()
        whole = max(self._whole.pop(key, now), now)
        while len(self._whole) >= self._capacity:
            del self._whole[next(iter(self._whole))]
        self._whole[key] = whole + self._step
        return 0.0

    def give_back(self, key: Hashable) -> None:
        """One that was taken was not used."""
        if key in self._whole:
            self._whole[key] -= self._step

    def __len__(self) -> int:
        return len(self._whole)
