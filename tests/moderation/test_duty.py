"""Who is here, by the clocks on the wall: minutes, nights, clocks that change (DOM-D13)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Malformed
from moderation.duty import MAX_PEOPLE, MAX_SLOTS, Rota, Slot

MONDAY, SATURDAY, SUNDAY = 0, 5, 6


def rota(zone: str, *slots: tuple[int, str, str, int]) -> Rota:
    return Rota(zone, tuple(sorted(Slot.read(*each) for each in slots)))


def said(of: Rota, moment: str) -> tuple[int, str]:
    """How many are here, and until when or from when to when, on the rota's clocks."""
    duty = of.at(datetime.fromisoformat(moment + "Z"))
    assert duty is not None
    if duty.people:
        return duty.people, duty.until.strftime("%a %H:%M") if duty.until else "always"
    if duty.next is None:
        return 0, "never"
    start, end = duty.next
    return 0, f"{start:%a %H:%M} - {end:%H:%M}"


EVENING = ((MONDAY, "18:00", "23:00", 2),)
NIGHT = ((SATURDAY, "22:00", "06:00", 1),)
TWICE = ((SATURDAY, "22:00", "01:30", 1), (SUNDAY, "01:30", "06:00", 3))
WITHIN = ((SUNDAY, "01:10", "01:50", 1),)
LEAPT = ((SUNDAY, "02:15", "05:00", 1), (SATURDAY, "20:00", "02:30", 2))
VECTORS = [
    # The minute itself: a slot has its first one and not its last.
    ("Europe/London", EVENING, "2026-11-23T17:59:59", (0, "Mon 18:00 - 23:00")),
    ("Europe/London", EVENING, "2026-11-23T18:00:00", (2, "Mon 23:00")),
    ("Europe/London", EVENING, "2026-11-23T22:59:59", (2, "Mon 23:00")),
    ("Europe/London", EVENING, "2026-11-23T23:00:00", (0, "Mon 18:00 - 23:00")),
    # The same hours are another time in summer.
    ("Europe/London", EVENING, "2026-07-06T16:59:59", (0, "Mon 18:00 - 23:00")),
    ("Europe/London", EVENING, "2026-07-06T17:00:00", (2, "Mon 23:00")),
    # The last before, and the first after, clocks go back in London on 25 October.
    ("Europe/London", EVENING, "2026-10-19T17:00:00", (2, "Mon 23:00")),
    ("Europe/London", EVENING, "2026-10-26T17:00:00", (0, "Mon 18:00 - 23:00")),
    ("Europe/London", EVENING, "2026-10-26T18:00:00", (2, "Mon 23:00")),
    # Over a night: nine hours when clocks go back, seven when they go forward.
    ("Europe/London", NIGHT, "2026-10-24T21:00:00", (1, "Sun 06:00")),
    ("Europe/London", NIGHT, "2026-10-25T05:59:59", (1, "Sun 06:00")),
    ("Europe/London", NIGHT, "2026-10-25T06:00:00", (0, "Sat 22:00 - 06:00")),
    ("Europe/London", NIGHT, "2026-03-28T22:00:00", (1, "Sun 06:00")),
    ("Europe/London", NIGHT, "2026-03-29T04:59:59", (1, "Sun 06:00")),
    ("Europe/London", NIGHT, "2026-03-29T05:00:00", (0, "Sat 22:00 - 06:00")),
    # 01:30 comes twice on 25 October: it is an end the first time, and a start the second.
    ("Europe/London", TWICE, "2026-10-25T00:29:59", (1, "Sun 01:30")),
    ("Europe/London", TWICE, "2026-10-25T00:30:00", (0, "Sun 01:30 - 06:00")),
    ("Europe/London", TWICE, "2026-10-25T01:29:59", (0, "Sun 01:30 - 06:00")),
    ("Europe/London", TWICE, "2026-10-25T01:30:00", (3, "Sun 06:00")),
    # All of it within the hour that comes twice: nobody is promised, that night.
    ("Europe/London", WITHIN, "2026-10-25T00:30:00", (0, "Sun 01:10 - 01:50")),
    ("Europe/London", WITHIN, "2026-10-25T01:30:00", (0, "Sun 01:10 - 01:50")),
    ("Europe/London", WITHIN, "2026-11-01T01:10:00", (1, "Sun 01:50")),
    # 02:00 to 03:00 is leapt over in New York on 8 March: the leap is every time within.
    ("America/New_York", LEAPT, "2026-03-08T06:59:59", (2, "Sun 03:00")),
    ("America/New_York", LEAPT, "2026-03-08T07:00:00", (1, "Sun 05:00")),
    ("America/New_York", LEAPT, "2026-03-08T09:00:00", (0, "Sat 20:00 - 05:00")),
    ("America/New_York", EVENING, "2026-11-02T22:59:59", (0, "Mon 18:00 - 23:00")),
    ("America/New_York", EVENING, "2026-11-02T23:00:00", (2, "Mon 23:00")),
    # Three quarters of an hour, and no summer time.
    ("Asia/Kathmandu", EVENING, "2026-07-06T12:14:59", (0, "Mon 18:00 - 23:00")),
    ("Asia/Kathmandu", EVENING, "2026-07-06T12:15:00", (2, "Mon 23:00")),
    ("Asia/Kathmandu", EVENING, "2026-01-05T17:14:59", (2, "Mon 23:00")),
    ("Asia/Kathmandu", EVENING, "2026-01-05T17:15:00", (0, "Mon 18:00 - 23:00")),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "slots", "moment", "expected"), VECTORS)
def test_dom_D13_hours_are_those_of_the_clock_on_the_wall(
    zone: str, slots: tuple[tuple[int, str, str, int], ...], moment: str, expected: tuple[int, str]
) -> None:
    assert said(rota(zone, *slots), moment) == expected


def test_no_rota_says_nothing() -> None:
    assert Rota("Europe/London").at(datetime(2026, 7, 6, tzinfo=UTC)) is None
    lost = Rota("Nowhere/Nothing", (Slot(0, 0, 60, 1),))
    assert lost.at(datetime(2026, 7, 6, tzinfo=UTC)) is None


def test_more_than_one_slot_counts_and_until_is_when_fewer_are_here() -> None:
    both = rota("UTC", (MONDAY, "18:00", "22:00", 2), (MONDAY, "20:00", "23:00", 1))
    assert said(both, "2026-11-23T19:00:00") == (2, "Mon 22:00")
    assert said(both, "2026-11-23T20:00:00") == (3, "Mon 22:00")
    assert said(both, "2026-11-23T22:00:00") == (1, "Mon 23:00")
    assert said(both, "2026-11-23T10:00:00") == (0, "Mon 18:00 - 23:00")
    always = rota("UTC", *((day, "00:00", "24:00", 1) for day in range(7)))
    assert said(always, "2026-11-23T00:00:00") == (1, "always")


@given(
    st.sampled_from(["Europe/London", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 1439), st.integers(0, 1439), st.integers(1, 9)),
        min_size=1, max_size=5,
    ),
    st.integers(1_735_689_600, 1_830_297_600),  # 2025 to 2027
)  # fmt: skip
def test_what_is_said_holds_as_long_as_it_says(
    zone: str, slots: list[tuple[int, int, int, int]], moment: int
) -> None:
    """Until `holds` nothing else is to be said, and until `until` no fewer are here."""
    made = Rota(zone, tuple(Slot(*each) for each in slots if each[1] != each[2]))
    now = datetime.fromtimestamp(moment, UTC)
    duty = made.at(now)
    if duty is None:
        return
    assert duty.holds is not None
    assert duty.holds > now
    middle = made.at(now + (duty.holds - now) / 2)
    assert middle == duty
    if duty.until is not None:
        then = made.at(duty.until)
        assert then is not None
        assert then.people < duty.people


def test_the_row_keeps_what_was_said() -> None:
    made = rota("America/New_York", *EVENING, *TWICE)
    assert Rota.parse(made.stored()) == made
    assert Rota.parse("") == Rota()


@pytest.mark.parametrize(
    ("start", "end", "people"),
    [
        ("18:00", "18:00", 1), ("0:00", "00:00", 1), ("24:00", "02:00", 1), ("25:00", "26:00", 1),
        ("18:60", "19:00", 1), ("six", "19:00", 1), ("", "19:00", 1), ("18:0", "19:00", 1),
        ("-1:00", "19:00", 1), ("18:00", "23:00", 0), ("18:00", "23:00", MAX_PEOPLE + 1),
        ("١٨:00", "23:00", 1),
    ],
)  # fmt: skip
def test_slots_that_say_nothing_are_refused(start: str, end: str, people: int) -> None:
    with pytest.raises(Malformed):
        Slot.read(MONDAY, start, end, people)


def test_slots_are_read_as_people_write_them() -> None:
    assert Slot.read(MONDAY, "9", "17.30", 1) == Slot(0, 540, 1050, 1)
    assert Slot.read(MONDAY, "00:00", "24:00", 1).lasts == 24 * 60
    assert Slot.read(MONDAY, "22:00", "02:00", 1).lasts == 4 * 60


def test_zones_are_found_or_refused() -> None:
    assert Rota().within("europe/london").zone == "Europe/London"
    assert Rota().within(" America/New York ").zone == "America/New_York"
    for odd in ("", "London time", "../../etc/passwd", "posix/Europe/London"):
        with pytest.raises(Malformed):
            Rota().within(odd)


def test_a_rota_has_an_end_and_no_hours_twice() -> None:
    made = Rota()
    for number in range(MAX_SLOTS):
        made = made.adding(Slot(number % 7, number, number + 1, 1))
    with pytest.raises(Malformed, match="up to 70"):
        made.adding(Slot(0, 1000, 1001, 1))
    with pytest.raises(Malformed, match="already"):
        made.adding(Slot(0, 0, 1, 5))
    assert len(made.without(Slot(0, 0, 1, 1)).slots) == MAX_SLOTS - 1
    assert made.without(Slot(3, 3, 99, 1)) == made
