"""What was said under a hashtag, as far as the reader may see it (WIRE-P7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from groups.posts import visible
from kernel.ids import LAST_ID
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, post_tags, posts, threads
from moderation.visibility import Viewer, host_is_welcome, may_see_group


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedLine:
    """A post in a list; `content` is HTML to be cleaned, times are UTC."""

    id: int
    title: str  # of its thread
    content: str
    note: str
    sensitive: bool
    author_name: str
    group_name: str
    group_address: str
    published: datetime


_root: Final = posts.alias("root")
_group: Final = actors.alias("group_actor")


@cache
def _tagged(limit: int) -> AnySelect:
    """By the key of `post_tags`, newest first."""
    return (
        sa.select(
            posts.c.id,
            _root.c.title,
            posts.c.content,
            posts.c.note,
            posts.c.sensitive,
            actors.c.name.label("author_name"),
            _group.c.name.label("group_name"),
            sa.case(
                (_group.c.local, _group.c.handle),
                else_=_group.c.handle.concat("@").concat(_group.c.host),
            ).label("group_address"),
            posts.c.published,
        )
        .select_from(
            post_tags.join(posts, posts.c.id == post_tags.c.post_id)
            .join(threads, threads.c.id == posts.c.thread_id)
            .join(_root, _root.c.id == posts.c.thread_id)
            .join(actors, actors.c.id == posts.c.author_id)
            .join(_group, _group.c.id == posts.c.group_id)
        )
        .where(
            post_tags.c.tag == sa.bindparam("tag", type_=sa.Text),
            post_tags.c.post_id < sa.bindparam("before", type_=sa.BigInteger),
            posts.c.state == constant(PostState.SHOWN),
            visible(),
            may_see_group(_group.c.id),
            host_is_welcome(_group),
        )
        .order_by(post_tags.c.post_id.desc())
        .limit(at_most(limit))
    )


async def tagged(
    conn: AsyncConnection, tag: str, viewer: Viewer, *, before: int | None, limit: int
) -> Sequence[TaggedLine]:
    """Posts with a folded tag that the viewer may read, newest first, older than `before`."""
    values = {"tag": tag, "before": LAST_ID if before is None else before, **viewer.values}
    rows = await conn.execute(_tagged(limit), values)
    return [TaggedLine(**row._mapping) for row in rows]
