"""`hearthold move-pictures`: what lies in `media/` goes into the bucket that the settings name."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import db
from kernel.arrays import any_of
from kernel.clock import utcnow
from kernel.errors import Misconfigured
from kernel.schema.tables import media
from kernel.settings import Settings
from media.bucket import Bucket
from media.folder import Folder
from media.store import PARTS, Store
from node.opening import Say, database
from node.safekeeping.backup import Show, in_thread

_NEVER = date.max


async def move_pictures(settings: Settings, *, say: Say, show: Show) -> int:
    """How many went. What was moved is not there any more: run it again after whatever ended it.

    Raises Misconfigured: no bucket is named. Raises Busy: it is away.
    """
    if settings.s3 is None:
        raise Misconfigured(
            "No bucket is named: set s3_bucket, s3_endpoint, s3_key_id and s3_secret first."
        )
    async with database(settings, say, own=False) as url, db.disposed(db.connect(url)) as engine:
        await db.check(engine)
        return await carry(engine, Folder(settings.media), Bucket.of(settings.s3), show)


async def carry(engine: AsyncEngine, folder: Folder, store: Store, show: Show) -> int:
    """Each picture that a row knows of goes from the folder to a store; the others are removed.

    How many went. Raises Busy: the store is away; those that it has are not in the folder any more.
    """
    count = done = 0
    today = utcnow().date()
    for part in PARTS:
        found = await folder.leftovers(part, _NEVER)
        wanted = await _wanted(engine, found) if found else frozenset[UUID]()
        for media_id in found:
            if media_id in wanted:
                body = await in_thread(folder.path(media_id).read_bytes)
                await store.write(media_id, body, today)
                count, done = count + 1, done + len(body)
                show("media", done, None)
            await folder.remove([media_id], today)
    return count


async def _wanted(engine: AsyncEngine, ids: Sequence[UUID]) -> frozenset[UUID]:
    async with engine.connect() as conn:
        known = sa.select(media.c.id).where(any_of(media.c.id, "ids"), ~media.c.gone)
        return frozenset(await conn.scalars(known, {"ids": ids}))
