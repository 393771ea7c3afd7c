"""Where a list goes on: the place that an address names, after which the next lines are read."""

from typing import Final
from uuid import UUID

from kernel.errors import NotFound
from kernel.ids import LAST_ID

_DIGITS: Final = len(str(LAST_ID))


def number(text: str | None) -> int | None:
    """An id from an address; nothing where there is none. Raises NotFound: it is no id."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise NotFound
    if (found := int(text)) > LAST_ID:
        raise NotFound
    return found


def uuid(text: str | None) -> UUID | None:
    """As `number`, of an id that is a UUID."""
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise NotFound from error
