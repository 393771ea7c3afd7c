"""What is written about a care case: by whoever was worried, and by moderators for each other.

It is sealed under the node key, and goes when the case is over (MOD-5.14).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.errors import Malformed
from kernel.here import Here
from kernel.rows import at_most
from kernel.said import said
from kernel.schema.tables import care_cases, care_words
from moderation import sealed as sealing

MAX_WORDS: Final = 1_000  # letters of a note
MAX_NOTES: Final = 50
LABEL: Final = "care"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What somebody wrote. `raised`: whoever was worried; else a moderator, for the others."""

    words: str = field(repr=False)
    day: date
    raised: bool


async def write(
    conn: AsyncConnection,
    here: Here,
    case_id: UUID,
    words: str,
) -> None:
    """A note for the other moderators. Raises Malformed: empty, too long, or one too many."""
    words = words.strip()
    if not words:
        raise Malformed("Please write a few words for the others.")
    if not await _keep(conn, here, case_id, words):
        raise Malformed("There are many notes here already.")


async def add_words(
    conn: AsyncConnection, here: Here, case_id: UUID, bearer: bytes | None, words: str
) -> None:
    """What somebody who is worried said; of many only the first ones are kept."""
    await _keep(conn, here, case_id, words, bearer, raised=True)


async def _keep(
    conn: AsyncConnection,
    here: Here,
    case_id: UUID,
    words: str,
    bearer: bytes | None = None,
    *,
    raised: bool = False,
) -> bool:
    if len(words) > MAX_WORDS:
        raise Malformed(said("Please write up to {limit} letters.", limit=MAX_WORDS))
    await conn.execute(
        sa.select(care_cases.c.id).where(care_cases.c.id == case_id).with_for_update()
    )
    last = sa.select(sa.func.max(care_words.c.place)).where(care_words.c.case_id == case_id)
    found = await conn.scalar(last)
    place = 0 if found is None else found + 1
    if place >= MAX_NOTES:
        return False
    value = {"words": words, "day": here.now().date().isoformat(), "raised": raised}
    await conn.execute(
        insert(care_words)
        .values(
            case_id=case_id,
            place=place,
            bearer=bearer,
            sealed=sealing.put(here, LABEL, f"words {case_id} {place}", value),
        )
        .on_conflict_do_nothing(index_elements=["bearer"])
    )
    return True


async def has_said(conn: AsyncConnection, bearer: bytes) -> bool:
    """Whether this member asked for care about this already, while it is open."""
    return bool(await conn.scalar(sa.select(sa.exists().where(care_words.c.bearer == bearer))))


async def of_case(conn: AsyncConnection, here: Here, case_id: UUID) -> Sequence[Note]:
    """What was written about it, oldest first."""
    rows = await conn.execute(
        sa.select(care_words.c.place, care_words.c.sealed)
        .where(care_words.c.case_id == case_id)
        .order_by(care_words.c.place)
        .limit(at_most(MAX_NOTES))
    )
    found = [sealing.get(here, LABEL, f"words {case_id} {row.place}", row.sealed) for row in rows]
    return [
        Note(words=it["words"], day=date.fromisoformat(it["day"]), raised=it["raised"])
        for it in found
    ]
