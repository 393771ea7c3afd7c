"""Ids that tell nothing: random, or as coarse as the time they may show."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance
from kernel.arrays import Rows
from kernel.clock import to_minute
from kernel.schema.tables import posts

LAST_ID: Final = 2**63 - 1  # what comes before it is every id
_RANDOM_BITS: Final = 16  # as Mastodon's: milliseconds above, 16 bits below
_MINUTE_BITS: Final = 31  # below a minute's 60,000 milliseconds


async def next_post_ids(conn: AsyncConnection, released: Sequence[datetime]) -> list[int]:
    """An id for each post, in this order: it sorts by release, tells the minute and the position.

    Clients read post ids as millisecond time stamps shifted left by 16 bits; ours put the position
    within the minute where they expect milliseconds (DESIGN, "Order and time").
    """
    minutes = [first_of(moment) for moment in released]
    rows = await conn.execute(_NEWEST, _MINUTE.values({"first": each} for each in set(minutes)))
    newest: dict[int, int | None] = {row.first: row.newest for row in rows}
    made: list[int] = []
    for first in minutes:
        last = newest[first]
        position = first if last is None else ((last >> _RANDOM_BITS) + 1) << _RANDOM_BITS
        made.append(position | chance.bits(_RANDOM_BITS))
        newest[first] = made[-1]
    return made


def within_minute(moment: datetime) -> int:
    """An id that sorts by the minute of `moment` and is random within it; `released` reads it."""
    return first_of_minute(moment) + chance.bits(_MINUTE_BITS)


def first_of_minute(moment: datetime) -> int:
    """What every `within_minute` of that minute, and of all later ones, is not below."""
    return int(to_minute(moment).timestamp() * 1000) << _RANDOM_BITS


def released(post_id: int) -> datetime:
    """The minute that a post's id tells, in UTC."""
    return to_minute(datetime.fromtimestamp((post_id >> _RANDOM_BITS) / 1000, UTC))


MINUTE: Final = 60_000 << _RANDOM_BITS  # between the first ids of two minutes


def first_of(moment: datetime) -> int:
    """What every id of a post of this minute, or of a later one, is not smaller than."""
    return int(to_minute(moment).timestamp() * 1000) << _RANDOM_BITS


_MINUTE = Rows("minute", first=sa.BigInteger)
_NEWEST = sa.select(
    _MINUTE.c.first,
    sa.select(sa.func.max(posts.c.id))
    .where(posts.c.id >= _MINUTE.c.first, posts.c.id < _MINUTE.c.first + MINUTE)
    .label("newest"),
)


def random_uuid(seed: bytes | None = None) -> uuid.UUID:
    """A version 4 UUID, random or, from 16 bytes of `seed`, derived: nobody can tell which."""
    return uuid.UUID(bytes=seed, version=4) if seed is not None else chance.new_uuid()
