"""Where pictures are kept: in a folder, or in a bucket that several computers share."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

PARTS: Final = tuple(f"{number:02x}" for number in range(256))
"""Every picture lies in one of these, by the first two letters of its name."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """A picture that comes piece by piece, so that memory stays flat. `size` is bytes.

    Raises Busy: the rest cannot be read.
    """

    size: int
    body: AsyncIterator[bytes]


class Store(Protocol):
    """Keeps pictures under random names; whose they are stands in the database alone."""

    async def write(self, media_id: UUID, body: bytes, day: date) -> None:
        """Keep a new picture, for good when this returns.

        Raises NoRoom. Raises Busy: the store is away.
        """

    async def open(self, media_id: UUID) -> Path | Pieces:
        """A picture: where its file is, or what it holds.

        Raises NotFound: it is not there. Raises Busy: the store is away.
        """
        ...

    async def remove(self, media_ids: Collection[UUID], day: date) -> None:
        """Take pictures away; those that are not there are no news. Raises Busy: as `write`."""

    async def leftovers(self, part: str, before: date) -> Sequence[UUID]:
        """The pictures that lie in one of `PARTS` since before a day. Raises Busy: as `write`."""
        ...
