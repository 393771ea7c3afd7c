"""How often is often enough, in bounded memory."""

from datetime import UTC, datetime, timedelta

import pytest

from kernel.errors import TooMany
from kernel.throttle import Throttle


class Wall:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_the_limit_holds_per_key_until_the_window_ends() -> None:
    wall = Wall()
    throttle = Throttle(3, 60, wall)
    for _ in range(3):
        throttle.check("ana")
    wall.now += timedelta(seconds=20)
    with pytest.raises(TooMany) as refused:
        throttle.check("ana")
    assert refused.value.retry_after == 40
    throttle.check("ben")
    wall.now += timedelta(seconds=40)
    throttle.check("ana")


def test_sec_D7_invented_keys_do_not_fill_the_memory() -> None:
    wall = Wall()
    throttle = Throttle(1, 60, wall, capacity=100)
    for number in range(10_000):
        throttle.check(number)
    assert len(throttle) == 100
    with pytest.raises(TooMany):
        throttle.check(9_999)
    wall.now += timedelta(seconds=61)
    throttle.check("new")
    assert len(throttle) == 1
