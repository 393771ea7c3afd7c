"""Small words for pages: times and numbers, in the language of the page."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from gettext import NullTranslations
from typing import Final

from kernel.said import noted, noted_pair

_TONES: Final = 6
_MONTHS: Final = (
    noted("January"), noted("February"), noted("March"), noted("April"), noted("May"),
    noted("June"), noted("July"), noted("August"), noted("September"), noted("October"),
    noted("November"), noted("December"),
)  # fmt: skip


COUNTED: Final = (
    noted_pair("answer", "answers"), noted_pair("new answer", "new answers"),
    noted_pair("person", "people"), noted_pair("person says", "people say"),
    noted_pair("is", "are"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """Times and numbers in one language; on easier pages no minutes and no counts (DOM-J2)."""

    catalogue: NullTranslations
    easier: bool = False

    def moment(self, then: datetime, now: datetime) -> str:
        """How long ago, in the coarse words people use."""
        _ = self.catalogue.gettext
        minutes = int((now - then).total_seconds() // 60)
        hours, days = minutes // 60, minutes // (60 * 24)
        if days >= 7:
            return self.day(then)
        if days:
            return _("yesterday") if days == 1 else _("{} days ago").format(days)
        if self.easier:
            return _("earlier today") if then.date() == now.date() else _("yesterday")
        if minutes < 2:
            return _("just now")
        if hours:
            return _("an hour ago") if hours == 1 else _("{} hours ago").format(hours)
        return _("{} minutes ago").format(minutes)

    def stamp(self, then: datetime) -> str:
        """The whole time, for those who want to know."""
        day = self.day(then)
        return day if self.easier else f"{day}, {then.hour:02}:{then.minute:02} UTC"

    def day(self, then: date) -> str:
        """A day as people write it."""
        month = self.catalogue.gettext(_MONTHS[then.month - 1])
        return self.catalogue.gettext("{day} {month} {year}").format(
            day=then.day, month=month, year=then.year
        )

    def count(self, number: int, one: str, many: str) -> str:
        """`1 answer`, `3 answers`; on easier pages `one answer`, `some answers`."""
        word = self.catalogue.ngettext(one, many, number)
        if not self.easier:
            return f"{number} {word}"
        some = {0: noted("no"), 1: noted("one")}.get(number, noted("some"))
        return f"{self.catalogue.gettext(some)} {word}"

    def news(self, number: int) -> str:
        """What the menu says of notices: no mark, a few words (DOM-A16)."""
        _ = self.catalogue.gettext
        if not number:
            return _("Notices")
        if self.easier:
            return _("Notices, some new")
        return _("Notices, {} new").format(number if number <= 20 else _("many"))


def day(then: date) -> str:
    """A day as people write it."""
    return f"{then.day} {_MONTHS[then.month - 1]} {then.year}"


def tone(address: str) -> int:
    """One of six quiet colours; the same name has the same one everywhere."""
    return hashlib.sha256(address.encode()).digest()[0] % _TONES


def initial(name: str) -> str:
    """The letter in a name's round mark."""
    return next((letter.upper() for letter in name if letter.isalnum()), "·")


def count(number: int, one: str, many: str) -> str:
    """`1 answer`, `3 answers`: for English sentences that are made in Python."""
    return f"{number} {one if number == 1 else many}"
