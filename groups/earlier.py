"""What a post said before it was changed: for the moderators of its group, and not for long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.schema.tables import groups, post_edits, posts

KEPT: Final = keep_times.EARLIER_WORDS
VERSIONS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Earlier words of a post; `content` is HTML to be cleaned."""

    version: int
    title: str
    content: str
    note: str


async def keep(conn: AsyncConnection, post_id: int, today: date) -> None:
    """Keep the words that a post of a group of ours has now; they are about to change."""
    await conn.execute(sa.select(posts.c.id).where(posts.c.id == post_id).with_for_update())
    newest = sa.select(sa.func.max(post_edits.c.version)).where(post_edits.c.post_id == post_id)
    names = ["post_id", "version", "title", "content", "note", "keep_until"]
    await conn.execute(
        post_edits.insert().from_select(
            names,
            sa.select(
                posts.c.id,
                sa.func.coalesce(newest.scalar_subquery(), 0) + 1,
                posts.c.title,
                posts.c.content,
                posts.c.note,
                sa.literal(today + KEPT),
            ).where(
                posts.c.id == post_id, sa.exists().where(groups.c.actor_id == posts.c.group_id)
            ),
        )
    )
    await conn.execute(
        sa.delete(post_edits).where(
            post_edits.c.post_id == post_id,
            post_edits.c.version <= newest.scalar_subquery() - VERSIONS,
        )
    )


async def of(conn: AsyncConnection, post_id: int) -> Sequence[Version]:
    """What a post said before, newest first."""
    rows = await conn.execute(
        sa.select(post_edits.c.version, post_edits.c.title, post_edits.c.content, post_edits.c.note)
        .where(post_edits.c.post_id == post_id)
        .order_by(post_edits.c.version.desc())
    )
    return [Version(**row._mapping) for row in rows]


async def forget(conn: AsyncConnection, post_id: int) -> None:
    """A post was taken away: what it said before goes."""
    await conn.execute(sa.delete(post_edits).where(post_edits.c.post_id == post_id))


async def sweep(conn: AsyncConnection, today: date) -> None:
    """Drop what was kept long enough."""
    await conn.execute(sa.delete(post_edits).where(post_edits.c.keep_until < today))
