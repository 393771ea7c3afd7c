"""Pictures from their upload to their end: rows in the database, files beside it or in a bucket.

A file is written before its row commits, and removed after its row said so: whatever breaks between
leaves a file that nobody can reach, which a sweep finds a day later.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import chance, keep_times
from kernel.arrays import any_of
from kernel.here import Here
from kernel.schema.tables import media
from media.store import PARTS, Store
from media.studio import Picture

CHANNEL: Final = "hearthold_media"
DRAFTS: Final = keep_times.DRAFT_PICTURE

_STEP: Final = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture that is kept; sizes are pixels."""

    id: UUID
    width: int
    height: int


async def keep(
    engine: AsyncEngine, here: Here, store: Store, picture: Picture, *, copied: bool = False
) -> Kept:
    """Keep a picture: a draft until a post takes it, or a copy of one from elsewhere.

    Raises NoRoom: the disk is full. Raises Busy: the bucket is away.
    """
    media_id, today = chance.new_uuid(), here.now().date()
    await store.write(media_id, picture.body, today)
    async with engine.begin() as conn:
        await conn.execute(
            media.insert().values(
                id=media_id,
                width=picture.width,
                height=picture.height,
                bytes=len(picture.body),
                blurhash=picture.blurhash,
                drafted=today,
                used=today if copied else None,
            )
        )
    return Kept(media_id, picture.width, picture.height)


_DRAFTS: Final = sa.select(media.c.id, media.c.width, media.c.height).where(
    any_of(media.c.id, "ids"), media.c.drafted.is_not(None), ~media.c.gone
)


async def drafts(conn: AsyncConnection, ids: Sequence[UUID]) -> list[Kept]:
    """Those of the pictures that are drafts, in the order asked."""
    found = {row.id: Kept(*row) for row in await conn.execute(_DRAFTS, {"ids": list(ids)})}
    return [found[each] for each in dict.fromkeys(ids) if each in found]


async def take(conn: AsyncConnection, ids: Collection[UUID]) -> frozenset[UUID]:
    """A post takes these drafts, once and for all; which of them still were drafts."""
    taken = await conn.scalars(
        sa.update(media)
        .where(any_of(media.c.id, "ids"), media.c.drafted.is_not(None), ~media.c.gone)
        .values(drafted=None)
        .returning(media.c.id),
        {"ids": list(ids)},
    )
    return frozenset(taken)


async def keep_drafts(conn: AsyncConnection, ids: Collection[UUID], until: date) -> int:
    """Drafts stay until that day for a post to take them; how many of them there are."""
    kept = await conn.execute(_KEEP_DRAFTS, {"ids": list(ids), "drafted_on": until - DRAFTS})
    return kept.rowcount


_KEEP_DRAFTS: Final = (
    sa.update(media)
    .where(any_of(media.c.id, "ids"), media.c.drafted.is_not(None), ~media.c.gone)
    .values(drafted=sa.bindparam("drafted_on", type_=sa.Date))
)


async def let_go(conn: AsyncConnection, ids: Collection[UUID]) -> None:
    """Nobody holds these any more: their files go as soon as this commits."""
    if ids:
        await conn.execute(
            sa.update(media).where(any_of(media.c.id, "ids")).values(gone=True), {"ids": list(ids)}
        )
        await conn.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


_GONE: Final = sa.select(media.c.id).where(media.c.gone).order_by(media.c.id).limit(_STEP)


async def remove_gone(engine: AsyncEngine, here: Here, store: Store) -> bool:
    """Remove some files that nobody holds, and then their rows. False: there was none."""
    async with engine.connect() as conn:
        ids = list(await conn.scalars(_GONE))
    if not ids:
        return False
    await store.remove(ids, here.now().date())
    async with engine.begin() as conn:
        await conn.execute(
            sa.delete(media).where(any_of(media.c.id, "ids"), media.c.gone), {"ids": ids}
        )
    return True


class Sweeper:
    """Finds what was left behind, one part of the store in each round."""

    def __init__(self, engine: AsyncEngine, here: Here, store: Store) -> None:
        self._engine, self._here, self._store = engine, here, store
        self._next = 0

    async def sweep(self) -> None:
        """One round: drafts that no post took, copies beyond their room, files without a row."""
        today = self._here.now().date()
        async with self._engine.begin() as conn:
            old = media.c.drafted < today - DRAFTS
            await let_go(
                conn, list(await conn.scalars(sa.select(media.c.id).where(old).limit(1_000)))
            )
        part, self._next = PARTS[self._next], (self._next + 1) % len(PARTS)
        await self._remove_leftovers(part, today - DRAFTS)

    async def _remove_leftovers(self, part: str, before: date) -> None:
        if not (ids := await self._store.leftovers(part, before)):
            return
        async with self._engine.connect() as conn:
            known = frozenset(
                await conn.scalars(
                    sa.select(media.c.id).where(any_of(media.c.id, "ids")), {"ids": ids}
                )
            )
        lost = [each for each in ids if each not in known]
        if lost:
            await self._store.remove(lost, self._here.now().date())
