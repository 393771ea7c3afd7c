"""When a post goes out: after its member's own time, and a delay that knows nothing of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kernel.here import Here
from kernel.release import DELAY, MORNING, STEP, Timing, due

NOON = datetime(2026, 5, 4, 12, 0, 3, 400, tzinfo=UTC)


@pytest.fixture
def slow(here: Here) -> Here:
    return replace(here, clock=lambda: NOON, release_delay=True)


def test_without_a_delay_and_a_wish_a_post_goes_out_at_once(slow: Here) -> None:
    assert due(replace(slow, release_delay=False), Timing()) is None
    assert due(slow, Timing()) is not None


def test_the_delay_is_drawn_in_steps_that_many_share(slow: Here) -> None:
    drawn = [due(slow, Timing()) for _ in range(300)]
    moments = {each for each in drawn if each is not None}
    assert len(moments) == DELAY // STEP
    assert min(moments) > NOON
    assert max(moments) <= NOON + DELAY
    assert all(each.second % 5 == 0 and not each.microsecond for each in moments)


@pytest.mark.parametrize("minutes", [1, 10])
def test_the_time_to_undo_comes_before_the_delay(slow: Here, minutes: int) -> None:
    still = replace(slow, release_delay=False)
    assert due(still, Timing(undo=minutes)) == datetime(2026, 5, 4, 12, minutes, 5, tzinfo=UTC)
    for _ in range(50):
        drawn = due(slow, Timing(undo=minutes))
        assert drawn is not None
        assert NOON < drawn - timedelta(minutes=minutes) <= NOON + DELAY


@pytest.mark.parametrize(
    ("clock", "offset", "held"),
    [
        ((0, 0), 0, True),
        ((4, 59), 0, True),
        ((5, 0), 0, False),
        ((23, 59), 0, False),
        ((22, 30), 120, True),
        ((1, 0), -120, False),
        ((6, 0), -330, True),
    ],
)
def test_dom_A14_what_is_written_at_night_waits_for_the_members_own_morning(
    here: Here, clock: tuple[int, int], offset: int, held: bool
) -> None:
    now = datetime(2026, 5, 4, *clock, tzinfo=UTC)
    drawn = due(replace(here, clock=lambda: now), Timing(night=offset))
    if not held:
        assert drawn is None
        return
    assert drawn is not None
    there = drawn + timedelta(minutes=offset)
    morning = there.replace(hour=5, minute=0, second=0)
    assert morning <= there < morning + MORNING
    assert timedelta() < drawn - now < timedelta(hours=6)
