"""Small words for pages: times and numbers."""

import hashlib
from datetime import datetime
from typing import Final

_TONES: Final = 6
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def moment(then: datetime, now: datetime) -> str:
    """How long ago, in the coarse words people use."""
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 2:
        return "just now"
    if minutes < 60:
        return f"{minutes} minutes ago"
    hours = minutes // 60
    if hours < 24:
        return "an hour ago" if hours == 1 else f"{hours} hours ago"
    days = hours // 24
    if days < 7:
        return "yesterday" if days == 1 else f"{days} days ago"
    return f"{then.day} {_MONTHS[then.month - 1]} {then.year}"


def stamp(then: datetime) -> str:
    """The whole time, for those who want to know."""
    return f"{then.day} {_MONTHS[then.month - 1]} {then.year}, {then.hour:02}:{then.minute:02} UTC"


def tone(address: str) -> int:
    """One of six quiet colours; the same name has the same one everywhere."""
    return hashlib.sha256(address.encode()).digest()[0] % _TONES


def initial(name: str) -> str:
    """The letter in a name's round mark."""
    return next((letter.upper() for letter in name if letter.isalnum()), "·")


def news(number: int) -> str:
    """What the menu says of notices: no mark, a few words (DOM-A16)."""
    if not number:
        return "Notices"
    return f"Notices, {number if number <= 20 else 'many'} new"


def count(number: int, one: str, many: str) -> str:
    """`1 answer`, `3 answers`."""
    return f"{number} {one if number == 1 else many}"
