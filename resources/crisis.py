"""Crisis lines: numbers exactly as published, readable with no database (DOM 5.1, DOM-D3).

The table travels with the program. `checked` is the date of the newest source that was seen, not
of a call; where it is old the reader is told.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Final, Self

from kernel.said import noted_in, said
from resources.countries import EMERGENCY, NAMES

CHECKED_WITHIN: Final = 12  # months

_NUMBER = re.compile(r"[+*]?[0-9](?:[0-9 -]*[0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One way in, as published. `dial` is what a phone dials; empty where a person has to read."""

    text: str
    dial: str

    @classmethod
    def of(cls, published: str) -> Self:
        """Only a bare number is dialled: a condition or a code word stays words."""
        bare = _NUMBER.fullmatch(published) is not None
        return cls(text=published, dial=re.sub(r"[ -]", "", published) if bare else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One service. Empty text: the sources do not say."""

    country: str
    name: str
    phone: tuple[Contact, ...]
    sms: tuple[Contact, ...]
    chat_url: str
    url: str
    hours: str
    languages: tuple[str, ...]
    audience: str
    checked: str  # `2026-06-02`, `2021-07`, or empty

    def is_overdue(self, today: date) -> bool:
        """Whether nobody looked within a year, or it is not known when."""
        year, _, rest = self.checked.partition("-")
        month = rest.partition("-")[0]
        if not (year.isdecimal() and month.isdecimal()):
            return True
        return (today.year - int(year)) * 12 + today.month - int(month) > CHECKED_WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """The lines of one country, in the order of the table: adults and children side by side."""

    code: str  # ISO 3166-1 alpha-2
    name: str
    emergency: str
    lines: tuple[Line, ...]

    @property
    def emergency_numbers(self) -> tuple[str, ...]:
        """What a phone dials when a life is in danger; none where we know none."""
        return tuple(re.findall(r"\d+", EMERGENCY.get(self.code, "")))


@cache
def countries() -> Mapping[str, Country]:
    """Every country we know lines of, by code, in the order of their names."""
    table = files("resources").joinpath("data/crisis_lines.csv").read_text(encoding="utf-8")
    lines = sorted(map(_read, csv.DictReader(table.splitlines())), key=lambda line: line.country)
    found = [
        Country(code=code, name=NAMES[code], emergency=emergency(code), lines=tuple(grouped))
        for code, grouped in groupby(lines, key=lambda line: line.country)
    ]
    return {each.code: each for each in sorted(found, key=lambda each: each.name)}


@cache
def numbers() -> frozenset[str]:
    """Every number of help that can be dialled, and the emergency numbers: digits only."""
    contacts = [
        contact
        for country in countries().values()
        for line in country.lines
        for contact in (*line.phone, *line.sms)
    ]
    digits = {re.sub(r"\D", "", contact.dial) for contact in contacts}
    digits |= {number for said in EMERGENCY.values() for number in re.findall(r"\d+", said)}
    return frozenset(digits) - {""}


def emergency(country: str = "") -> str:
    """What to do when a life is in danger: one sentence."""
    number = EMERGENCY.get(country)
    if number:
        return said(
            noted_in(
                "safety",
                "If you might act on thoughts of ending your life, or somebody is badly hurt, "
                "call {number} now.",
            ),
            number=number,
        )
    return noted_in(
        "safety",
        "If you might act on thoughts of ending your life, or somebody is badly hurt, "
        "call the emergency number of your country now.",
    )


IF_NOBODY_ANSWERS: Final = noted_in(
    "safety",
    "If nobody answers: wait a minute and try again, try another line, or go to the nearest "
    "emergency department. You could also ask somebody you trust to stay with you.",
)


def guess(accept_language: str) -> str:
    """The country a browser's languages hint at, or nothing: no address is looked up (DOM-D2)."""
    for tag in accept_language[:200].split(","):
        region = tag.partition(";")[0].strip().rpartition("-")[2].upper()
        if "-" in tag and region in countries():
            return region
    return ""


def _read(row: Mapping[str, str]) -> Line:
    return Line(
        country=row["country"],
        name=row["name"],
        phone=_contacts(row["phone"]),
        sms=_contacts(row["sms"]),
        chat_url=row["chat_url"],
        url=row["url"],
        hours=row["hours"],
        languages=tuple(part.strip() for part in row["languages"].split(";") if part.strip()),
        audience=row["audience"],
        checked=row["checked"],
    )


def _contacts(cell: str) -> tuple[Contact, ...]:
    return tuple(Contact.of(part) for part in cell.split("; ") if part)


def overdue(today: date) -> tuple[int, int]:
    """How many lines were not looked at within a year, and how many there are (DOM-H6)."""
    lines = [line for country in countries().values() for line in country.lines]
    return sum(line.is_overdue(today) for line in lines), len(lines)
