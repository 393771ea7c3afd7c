"""What may be written to moderators elsewhere, and when it leaves (MOD-5.13, SEC-U18)."""

import math
import re
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance
from kernel.errors import Malformed
from kernel.here import Here
from kernel.said import said
from kernel.schema.actors import ActorKind
from kernel.schema.tables import actors

MAX_WORDS: Final = 1_000
SOONEST: Final = 5  # minutes
LATEST: Final = 60

_NAMED: Final = re.compile(r"@([\w.-]{1,64})(?:@([\w.:-]{1,255}))?")
_MAX_NAMED: Final = 50


async def check(conn: AsyncConnection, here: Here, words: str) -> str:
    """The words as they go out. Raises Malformed: none, too many, or they name somebody here."""
    words = words.strip()
    if not words:
        raise Malformed("Please say in your own words what they should know.")
    if len(words) > MAX_WORDS:
        raise Malformed(said("Please write up to {limit} letters.", limit=MAX_WORDS))
    named = _NAMED.findall(words)[:_MAX_NAMED]
    handles = [name.lower() for name, host in named if host in ("", here.host)]
    known = sa.select(actors.c.id).where(
        actors.c.local,
        actors.c.kind == ActorKind.PERSON,
        sa.func.lower(actors.c.handle).in_(handles),
    )
    linked = any(each in words for each in (f"{here.origin}/u/", f"{here.host}/u/"))
    if linked or len(_NAMED.findall(words)) > _MAX_NAMED or await conn.scalar(known.limit(1)):
        raise Malformed("That names somebody who lives here. Please leave every name out.")
    return words


def due(here: Here) -> datetime:
    """A whole minute, drawn; tests and the demo do not wait either where nothing else does."""
    minutes = math.ceil(here.now().timestamp() / 60)
    if here.release_delay:
        minutes += SOONEST + int(chance.share() * (LATEST - SOONEST + 1))
    return datetime.fromtimestamp(minutes * 60, UTC)


def this_minute(here: Here) -> datetime:
    """The minute that has begun: what must not wait is due at once."""
    return datetime.fromtimestamp(here.now().timestamp() // 60 * 60, UTC)
