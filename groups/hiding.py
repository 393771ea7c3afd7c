"""The node hides a post of a group elsewhere for its own people; that group hears nothing of it."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import outbox
from groups import earlier, noticing
from groups.posts import Post, still
from groups.writing import count_in, count_out
from kernel import tombstone_log
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.schema.moderation import Role
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import posts
from kernel.tombstone_log import Act
from moderation import audit, label_lines, labelling


async def show_again(conn: AsyncConnection, here: Here, post: Post) -> None:
    """What was hidden is read here again.

    Raises NotFound: it is not hidden, or its author has deleted it. Raises NotAllowed: its group
    took it out as well meanwhile.
    """
    if post.state is not PostState.REMOVED:
        raise NotFound
    post = await still(conn, post)
    if True in await audit.removed_by(conn, post.author_id, post.uri):
        raise NotAllowed("Its group took it out as well. Only the group can show it again.")
    shown = {"state": PostState.SHOWN, "reason": ""}
    await conn.execute(sa.update(posts).where(posts.c.id == post.id).values(shown))
    await count_in(conn, post.thread_id, post.id)
    tombstone_log.note(conn, Act.RESTORED, post.uri)
    decision = await audit.note(conn, here, verb="restore", about=post.uri, role=Role.NODE)
    await noticing.decided(conn, here, post, NoticeKind.RESTORED, decision)


async def hide(conn: AsyncConnection, here: Here, post: Post, reason: str) -> None:
    """Nobody here reads it any more, its author apart; a second time changes nothing."""
    if post.state is not PostState.SHOWN:
        return
    reason = reason.strip()[: audit.MAX_REASON]
    await conn.execute(
        sa.update(posts)
        .where(posts.c.id == post.id)
        .values(state=PostState.REMOVED, reason=reason, given="")
    )
    await earlier.forget(conn, post.id)
    await label_lines.note_all_off(conn, here, post.id)
    await labelling.forget(conn, [post.id])
    await count_out(conn, post)
    tombstone_log.note(conn, Act.REMOVED, post.uri)
    decision = await audit.note(
        conn, here, verb="remove", about=post.uri, reason=reason, role=Role.NODE
    )
    await noticing.decided(conn, here, post, NoticeKind.REMOVED, decision)
    await outbox.forget(conn, post.uri)
