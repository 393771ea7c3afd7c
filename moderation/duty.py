"""When trained volunteers said that they would be here, and what may be promised of it (DOM-D13).

No names: a slot is a day of the week, hours and a number of people. Hours are those of the clock on
the wall in the rota's time zone. Where that clock shows an hour twice, the hour counts as nobody's:
a slot begins when its first minute comes for the last time, and ends when its last one comes for
the first time. Where the clock leaps over a time, the leap is that time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from kernel.errors import Malformed
from kernel.said import said

MAX_SLOTS: Final = 70  # ten for each day
MAX_PEOPLE: Final = 50
AHEAD: Final = 15  # days that are looked at; a doubtful hour may leave a week without its slot

_DAY: Final = 24 * 60
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """`people` are here on `day` (0 is Monday) from `start` to `end`, in minutes of the day.

    An end that is not after the start is on the day after.
    """

    day: int
    start: int
    end: int
    people: int

    @classmethod
    def read(cls, day: int, start: str, end: str, people: int) -> Self:
        """A slot as typed: `18:00`, and `24:00` or `00:00` for the end of the day.

        Raises Malformed: one of them cannot be read, or the slot has no end.
        """
        if not 0 <= day <= 6:
            raise Malformed("Please choose a day of the week.")
        begins, ends = _minutes(start), _minutes(end)
        if begins in (ends, _DAY):
            raise Malformed("These hours end when they begin. For a whole day: 00:00 to 24:00.")
        if not 1 <= people <= MAX_PEOPLE:
            raise Malformed(
                said("Please say how many people are here then: 1 to {most}.", most=MAX_PEOPLE)
            )
        return cls(day, begins, ends % _DAY, people)

    @property
    def lasts(self) -> int:
        """Its minutes on a day without surprises."""
        return (self.end - self.start) % _DAY or _DAY


@dataclass(frozen=True, slots=True)
class Duty:
    """What may be said at one moment; times are those of the rota's zone.

    `people`: so many are here until `until` (None: for as long as the rota was looked at).
    0: nobody is, and the `next` hours begin and end then (None: there are none soon).
    """

    place: str  # `London`
    today: date
    people: int
    until: datetime | None = None
    next: tuple[datetime, datetime] | None = None
    holds: datetime | None = None  # then something else is to be said; UTC


@dataclass(frozen=True, slots=True)
class Rota:
    """A node's weekly hours in one time zone; without slots there is nothing to say."""

    zone: str = "UTC"
    slots: tuple[Slot, ...] = ()

    @classmethod
    def parse(cls, stored: str) -> Self:
        """What `stored` gave."""
        zone, *lines = stored.split("\n")
        return cls(zone or "UTC", tuple(Slot(*map(int, line.split())) for line in lines))

    def stored(self) -> str:
        """As the node's row keeps it."""
        lines = (f"{it.day} {it.start} {it.end} {it.people}" for it in self.slots)
        return "\n".join((self.zone, *lines))

    def within(self, zone: str) -> Self:
        """The same hours on the clocks of another zone. Raises Malformed: nobody knows it."""
        found = {name.casefold(): name for name in zones()}.get(
            zone.strip().replace(" ", "_").casefold()
        )
        if found is None:
            raise Malformed(
                "We do not know this time zone. Please write it like Europe/London or UTC."
            )
        return replace(self, zone=found)

    def adding(self, *slots: Slot) -> Self:
        """Raises Malformed: there are too many slots, or one is there already."""
        if any((it.day, it.start, it.end) == _hours(new) for new in slots for it in self.slots):
            raise Malformed("These hours are on the rota already. Take them off it first.")
        if len(self.slots) + len(slots) > MAX_SLOTS:
            raise Malformed(
                said("A rota has up to {most} lines. Take some off it first.", most=MAX_SLOTS)
            )
        return replace(self, slots=tuple(sorted((*self.slots, *slots))))

    def without(self, slot: Slot) -> Self:
        """The rota without a slot; it may have gone before."""
        return replace(self, slots=tuple(each for each in self.slots if each != slot))

    def at(self, now: datetime) -> Duty | None:
        """What may be said now; None: there is no rota, or no zone of its name here any more."""
        if not self.slots:
            return None
        try:
            return _at(self, now.replace(second=0, microsecond=0))
        except ZoneInfoNotFoundError:
            return None


@cache
def zones() -> tuple[str, ...]:
    """Every zone that this computer knows by a region and a city, and UTC."""
    odd = ("Etc/", "SystemV/", "US/")
    named = (name for name in available_timezones() if "/" in name and not name.startswith(odd))
    return ("UTC", *sorted(named))


def place_of(zone: str) -> str:
    """The name of a zone in a sentence: `New York`."""
    return zone.rpartition("/")[2].replace("_", " ")


def _hours(slot: Slot) -> tuple[int, int, int]:
    return slot.day, slot.start, slot.end


def _minutes(typed: str) -> int:
    hours, colon, minutes = typed.strip().replace(".", ":").partition(":")
    digits = hours + minutes
    sound = digits.isascii() and digits.isdecimal() and len(hours) in (1, 2) and hours
    if sound and (not colon or len(minutes) == 2):
        total = int(hours) * 60 + int(minutes or 0)
        if total <= _DAY and int(minutes or 0) < 60:
            return total
    raise Malformed("Please write times like 18:00, from 00:00 to 24:00.")


@lru_cache(maxsize=64)
def _at(rota: Rota, now: datetime) -> Duty:
    """Everybody asks this of the same few rotas, and all within a minute are told the same."""
    zone = ZoneInfo(rota.zone)
    today = now.astimezone(zone).date()
    spans = [span for span in _spans(rota, zone, today) if span[1] > now]
    bounds = sorted({bound for span in spans for bound in span[:2] if bound > now})

    def here(then: datetime) -> int:
        return sum(people for start, end, people in spans if start <= then < end)

    people = here(now)
    until = following = None
    if people:
        seen = _first(today + timedelta(days=AHEAD), 0, zone)
        until = next((bound for bound in bounds if bound < seen and here(bound) < people), None)
    elif bounds:
        ends = next(bound for bound in bounds[1:] if not here(bound))
        following = bounds[0].astimezone(zone), ends.astimezone(zone)
    return Duty(
        place=place_of(rota.zone),
        today=today,
        people=people,
        until=until and until.astimezone(zone),
        next=following,
        holds=min([*bounds[:1], _first(today + timedelta(days=1), 0, zone)]),
    )


def _spans(rota: Rota, zone: ZoneInfo, today: date) -> Iterator[tuple[datetime, datetime, int]]:
    """Each slot of the days around `today`, from when to when in UTC."""
    for ahead in range(-2, AHEAD):
        day = today + timedelta(days=ahead)
        for slot in rota.slots:
            if slot.day == day.weekday():
                start = _last(day, slot.start, zone)
                end = _first(day, slot.start + slot.lasts, zone)
                if start < end:
                    yield start, end, slot.people


def _readings(day: date, minutes: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the clock on the wall shows a time first, and last; both UTC."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
    one, other = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if one <= other:
        return one, other
    leap = _leap(other, one, zone)
    return leap, leap


def _first(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    return _readings(day, minutes, zone)[0]


def _last(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    return _readings(day, minutes, zone)[1]


def _leap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The minute between the two at which the zone's clocks were put forward."""
    early = before.astimezone(zone).utcoffset()
    while after - before > _MINUTE:
        middle = before + (after - before) // _MINUTE // 2 * _MINUTE
        if middle.astimezone(zone).utcoffset() == early:
            before = middle
        else:
            after = middle
    return after
