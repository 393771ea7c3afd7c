"""Threads that a group keeps on top, and shows other servers as `featured` (WIRE-A8, WIRE-G32)."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from groups import desk, telling
from groups.browsing import MAX_PINNED
from groups.groups import Group
from groups.posts import Post, counted, select_posts
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most
from kernel.said import said
from kernel.schema.tables import posts, threads


async def pin(conn: AsyncConnection, here: Here, group: Group, actor: Actor, root: Post) -> None:
    """Keep a thread on top of the group's page; a repeat changes nothing.

    `actor` is the desk, or a moderator on another server. Raises NotFound: it is no first post that
    is shown. Raises NotAllowed: as many are pinned as can be.
    """
    if not root.is_root or not root.shown:
        raise NotFound
    if root.pinned:
        return
    if len(await pinned(conn, group)) >= MAX_PINNED:
        raise NotAllowed(
            said(
                "{limit} threads are pinned in this group already. Let one of them go first.",
                limit=MAX_PINNED,
            )
        )
    await _set(conn, root, True)
    await desk.note(conn, here, group, actor, "pin", root.uri)
    if actor.local:
        await telling.featured(conn, here, group, actor, "Add", root)


async def unpin(conn: AsyncConnection, here: Here, group: Group, actor: Actor, root: Post) -> None:
    """Let a pinned thread take its place among the others again."""
    if not root.pinned:
        return
    await _set(conn, root, False)
    await desk.note(conn, here, group, actor, "unpin", root.uri)
    if actor.local:
        await telling.featured(conn, here, group, actor, "Remove", root)


async def _set(conn: AsyncConnection, root: Post, to: bool) -> None:
    await conn.execute(sa.update(threads).where(threads.c.id == root.thread_id).values(pinned=to))


async def pinned(conn: AsyncConnection, group: Group) -> Sequence[Post]:
    """The first posts of the pinned threads that everybody may be shown, newest answer first."""
    rows = await conn.execute(_PINNED, {"group_id": group.id})
    return [Post.of(row) for row in rows]


_PINNED: Final[AnySelect] = (
    select_posts()
    .where(
        threads.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
        threads.c.pinned,
        posts.c.id == threads.c.id,
        counted(),
    )
    .order_by(threads.c.latest_id.desc())
    .limit(at_most(MAX_PINNED))
)
