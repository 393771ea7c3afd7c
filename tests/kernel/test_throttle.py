"""How often is often enough, in bounded memory."""

from datetime import UTC, datetime, timedelta

import pytest

from kernel.errors import TooMany
from kernel.throttle import Allowance, Throttle


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


@pytest.mark.parametrize("limit", [1, 7, 13, 300, 1_000_000])
def test_an_allowance_is_whole_at_first_and_comes_back_one_by_one(limit: int) -> None:
    wall = Wall()
    allowance = Allowance(limit, 3600, wall, capacity=10)
    few = min(limit, 1_000)
    assert not any(allowance.take("ana") for _ in range(few))
    if few == limit:
        wait = allowance.take("ana")
        assert wait == allowance.wait("ana") == pytest.approx(3600 / limit, abs=1e-6)
        assert not allowance.wait("ben")
        wall.now += timedelta(seconds=wait)
        assert not allowance.take("ana")
        assert allowance.take("ana")
    wall.now += timedelta(hours=2)
    assert not any(allowance.take("ana") for _ in range(few))


def test_what_is_given_back_can_be_taken_again() -> None:
    allowance = Allowance(2, 60, Wall(), capacity=10)
    allowance.give_back("ana")
    for _ in range(5):
        assert not allowance.take("ana")
        allowance.give_back("ana")
    assert [allowance.take("ana") for _ in range(3)] == [0, 0, 30]


def test_sec_D7_whose_last_was_longest_ago_is_forgotten_first() -> None:
    allowance = Allowance(1, 60, Wall(), capacity=100)
    for number in range(10_000):
        allowance.take(number)
    assert len(allowance) == 100
    assert allowance.wait(9_999)
    assert not allowance.wait(1)


def test_what_was_given_back_does_not_count() -> None:
    wall = Wall()
    throttle = Throttle(2, 60, wall)
    for _ in range(5):
        throttle.check("ana")
        throttle.give_back("ana")
    throttle.give_back("nobody")
    throttle.check("ana")
    throttle.check("ana")
    with pytest.raises(TooMany):
        throttle.check("ana")


def test_keys_whose_time_is_over_are_forgotten_though_nobody_comes() -> None:
    wall = Wall()
    throttle = Throttle(2, 60, wall)
    throttle.check("203.0.113.9")
    wall.now += timedelta(seconds=30)
    throttle.check("203.0.113.10")
    wall.now += timedelta(seconds=30)
    throttle.forget_ended()
    assert len(throttle) == 1
    wall.now += timedelta(seconds=30)
    throttle.forget_ended()
    assert len(throttle) == 0
