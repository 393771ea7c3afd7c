"""What was said under a hashtag, as far as the reader may see it (WIRE-P7)."""

from collections.abc import Sequence
from functools import cache

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from groups.lines import PostLine, select_lines
from kernel.ids import LAST_ID
from kernel.rows import AnySelect, at_most
from kernel.schema.tables import post_tags
from moderation.visibility import Viewer


@cache
def _tagged(limit: int) -> AnySelect:
    """By the key of `post_tags`, newest first."""
    return (
        select_lines(post_tags, post_tags.c.post_id)
        .where(
            post_tags.c.tag == sa.bindparam("tag", type_=sa.Text),
            post_tags.c.post_id < sa.bindparam("before", type_=sa.BigInteger),
        )
        .order_by(post_tags.c.post_id.desc())
        .limit(at_most(limit))
    )


async def tagged(
    conn: AsyncConnection, tag: str, viewer: Viewer, *, before: int | None, limit: int
) -> Sequence[PostLine]:
    """Posts with a folded tag that the viewer may read, newest first, older than `before`."""
    values = {"tag": tag, "before": LAST_ID if before is None else before, **viewer.values}
    rows = await conn.execute(_tagged(limit), values)
    return [PostLine(**row._mapping) for row in rows]
