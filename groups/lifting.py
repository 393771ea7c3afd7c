"""A held post is shown, here and elsewhere: a moderator has read it, or what held it is over."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import outbox
from groups import groups as group_store
from groups import holding, noticing, telling
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from groups.writing import count_in
from kernel import tombstone_log
from kernel.here import Here
from kernel.schema.moderation import Role
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import posts
from kernel.tombstone_log import Act
from members import notices
from moderation import audit, label_holds, standing


async def show(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    post: Post,
    decision_id: int,
    told: NoticeKind = NoticeKind.RELEASED,
) -> None:
    """Show a held post; its author is told so, and whoever else may read it.

    Servers that had not been sent all of it are told of it as of something new, in the words that
    it has by now.
    Raises NotFound: it is not held any more.
    """
    await post_store.still(conn, post)
    out = {"state": PostState.SHOWN, "was_shown": False}
    await conn.execute(sa.update(posts).where(posts.c.id == post.id).values(out))
    await count_in(conn, post.thread_id, post.id)
    if post.was_shown:
        tombstone_log.note(conn, Act.SHOWN, post.uri)
    shown = await post_store.get(conn, post.id)
    unsent = await outbox.take_up(conn, post.uri)
    if shown.author_local and post.was_shown:
        await outbox.forget(conn, post.uri)
        if unsent:
            await telling.created(conn, here, group, shown)
        await telling.edited(conn, here, group, shown)
    elif shown.author_local:
        await telling.created(conn, here, group, shown)
    else:
        inner = await telling.as_created(conn, shown, or_changed=True)
        if inner is not None:
            await telling.carried(conn, here, group, shown, *inner)
    await noticing.decided(conn, here, shown, told, decision_id)
    if not post.was_shown:
        await noticing.became_visible(conn, here, shown)


async def lift(conn: AsyncConnection, here: Here, post_id: int) -> None:
    """Show a post again that was shown before, and that nothing else holds; nobody has read it.

    So what tells how harm is done by now waits for a person (DOM-A11), and so does what a label
    holds, or what is by somebody whose posts are read first for a while.
    """
    post = await post_store.get(conn, post_id)
    if post.state is not PostState.HELD or not post.was_shown:
        return
    group = await group_store.get(conn, post.group_id)
    if holding.is_for_its_words(group, post) or await label_holds.wants_hold(conn, post.id):
        return
    if await standing.limited_until(conn, here, group.id, post.author_id):
        return
    decision = await audit.note(
        conn, here, verb="hold over", about=post.uri, group_id=group.id, role=Role.NODE
    )
    await notices.forget_held(conn, post.id)
    await show(conn, here, group, post, decision, NoticeKind.HOLD_OVER)
