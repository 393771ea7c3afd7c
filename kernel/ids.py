"""Ids that tell nothing: random, or as coarse as the time they may show."""

import secrets
import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.clock import to_minute
from kernel.schema.tables import posts

_RANDOM_BITS = 16  # as Mastodon's: milliseconds above, 16 bits below


async def next_post_id(conn: AsyncConnection, released: datetime) -> int:
    """An id that sorts by release and tells the minute and the position within it, no more.

    Clients read post ids as millisecond time stamps shifted left by 16 bits; ours put the position
    within the minute where they expect milliseconds (DESIGN, "Order and time").
    """
    first = int(to_minute(released).timestamp() * 1000) << _RANDOM_BITS
    end = first + (60_000 << _RANDOM_BITS)
    newest = await conn.scalar(
        sa.select(sa.func.max(posts.c.id)).where(posts.c.id >= first, posts.c.id < end)
    )
    position = first if newest is None else ((newest >> _RANDOM_BITS) + 1) << _RANDOM_BITS
    return position | secrets.randbits(_RANDOM_BITS)


def random_uuid(seed: bytes | None = None) -> uuid.UUID:
    """A version 4 UUID, random or, from 16 bytes of `seed`, derived: nobody can tell which."""
    return uuid.UUID(bytes=seed, version=4) if seed is not None else uuid.uuid4()
