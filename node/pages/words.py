"""Small words for pages: times and numbers, in the language of the page."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from gettext import NullTranslations
from typing import Final

from babel.numbers import format_decimal
from markupsafe import Markup

from kernel import said
from kernel.said import noted, noted_pair

_TONES: Final = 6
_LOCALES: Final = {"de": "de", "es": "es"}  # how numbers are written; others as in English
_MONTHS: Final = (
    noted("January"), noted("February"), noted("March"), noted("April"), noted("May"),
    noted("June"), noted("July"), noted("August"), noted("September"), noted("October"),
    noted("November"), noted("December"),
)  # fmt: skip

WEEKDAYS: Final = (
    noted("Monday"), noted("Tuesday"), noted("Wednesday"), noted("Thursday"), noted("Friday"),
    noted("Saturday"), noted("Sunday"),
)  # fmt: skip
_FEW: Final = (
    noted("One"), noted("Two"), noted("Three"), noted("Four"), noted("Five"),
    noted("Six"), noted("Seven"), noted("Eight"), noted("Nine"), noted("Ten"),
)  # fmt: skip

COUNTED: Final = (noted_pair("answer", "answers"), noted_pair("person", "people"))


@dataclass(frozen=True, slots=True)
class Words:
    """Times, numbers and sentences in one language (BCP 47).

    On easier pages there are no minutes and no counts (DOM-J2).
    """

    catalogue: NullTranslations
    easier: bool = False
    language: str = "en"

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

    def hour(self, then: datetime, today: date) -> str:
        """`23:00`, `tomorrow, 02:00`, `Friday, 18:00`: on the clock that `then` is by."""
        shown = f"{then.hour:02}:{then.minute:02}"
        ahead = (then.date() - today).days
        if not ahead:
            return shown
        _ = self.catalogue.gettext
        named = _("tomorrow") if ahead == 1 else _(WEEKDAYS[then.weekday()])
        if ahead >= 7:
            named = self.day(then)
        return _("{day}, {hour}").format(day=named, hour=shown)

    def few(self, number: int) -> str:
        """A number, at least one, at the start of a sentence: in letters up to ten."""
        return str(number) if number > len(_FEW) else self.catalogue.gettext(_FEW[number - 1])

    def count(self, number: int, one: str, many: str) -> str:
        """`1 answer`, `3 answers`; on easier pages `one answer`, `some answers`."""
        word = self.catalogue.ngettext(one, many, number)
        if not self.easier:
            return f"{number} {word}"
        some = {0: noted("no"), 1: noted("one")}.get(number, noted("some"))
        return f"{self.catalogue.gettext(some)} {word}"

    def counted(self, number: int, one: str, many: str) -> str:
        """A sentence with `{}` for a number; on easier pages there is `some` in its place."""
        if self.easier:
            some = {0: noted("no"), 1: noted("one")}.get(number, noted("some"))
            shown = self.catalogue.gettext(some)
        else:
            shown = self.number(number)
        sentence = self.catalogue.ngettext(one, many, number).format(shown)
        return sentence[:1].upper() + sentence[1:] if sentence.startswith(shown) else sentence

    def number(self, number: int) -> str:
        """A number as people of this language write it."""
        return format_decimal(number, locale=_LOCALES.get(self.language, "en"))

    def told(self, words: str) -> str:
        """Words that Python made, whole or with something in them (`kernel.said`)."""
        return said.told(words, self.catalogue, self.number)

    def shown(self, words: str) -> Markup:
        """As `told`, for a place where elements may stand: what has no translation says so."""
        found = self.told(words)
        if self.language != "en" and found == words:
            return Markup('<span lang="en">{}</span>').format(words)
        return Markup("{}").format(found)

    def ours(self, words: str) -> str:
        """As `told`, where people's own words may stand as well; those stay as they are."""
        return self.told(words) if isinstance(words, said.Said) else words

    def careful(self, words: str) -> Markup:
        """Words that safety hangs on: translated once that is approved, marked English until."""
        found = self.catalogue.pgettext("safety", said.source(words))
        if found == said.source(words) and self.language != "en":
            return Markup('<span lang="en">{}</span>').format(words)
        return Markup("{}").format(said.filled(words, found, self.number))

    def month(self, then: date) -> str:
        """A month and its year."""
        month = self.catalogue.gettext(_MONTHS[then.month - 1])
        return self.catalogue.gettext("{month} {year}").format(month=month, year=then.year)

    def news(self, number: int) -> str:
        """What the menu says of notices: no mark, a few words (DOM-A16)."""
        _ = self.catalogue.gettext
        if not number:
            return _("Notices")
        if self.easier:
            return _("Notices, some new")
        return _("Notices, {} new").format(number if number <= 20 else _("many"))


def machine(then: date) -> str:
    """A day or time for programs, as HTML wants it (RFC 3339)."""
    return then.isoformat()


@lru_cache(maxsize=4096)
def tone(address: str) -> int:
    """One of six quiet colours; the same name has the same one everywhere."""
    return hashlib.sha256(address.encode()).digest()[0] % _TONES


def initial(name: str) -> str:
    """The letter in a name's round mark."""
    return next((letter.upper() for letter in name if letter.isalnum()), "·")


def begun(words: str) -> str:
    """The same with a large first letter; the others stay as they are."""
    return words[:1].upper() + words[1:]
