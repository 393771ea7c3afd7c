"""A quiet sign to the author of a post: no score, no list of names (WIRE-G25)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import documents, jsontext, outbox
from activitypub.vocab import Document
from groups import groups as group_store
from groups import telling
from groups.posts import Post
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import reactions
from members import order
from moderation import standing
from moderation.standing import Speaker


async def like(conn: AsyncConnection, here: Here, speaker: Speaker, post: Post) -> None:
    """Tell the author that they were heard; once per persona.

    Raises NotFound: the post is not shown. Raises NotAllowed: banned from the group.
    """
    if not post.shown:
        raise NotFound
    if post.likes_closed:  # WIRE-M20
        raise NotAllowed("Its author, on another server, asked for no such signs.")
    await standing.check(conn, here, speaker, post.group_id)
    uri = here.new_activity_uri()
    added = await conn.execute(
        insert(reactions)
        .values(post_id=post.id, kind=ReactionKind.LIKE, actor_uri=speaker.actor.uri, uri=uri)
        .on_conflict_do_nothing()
    )
    if added.rowcount:
        await order.call(conn, reactions)
        await _tell(conn, here, speaker, post, _like(uri, speaker, post))


async def unlike(conn: AsyncConnection, here: Here, speaker: Speaker, post: Post) -> None:
    """Take the sign back."""
    uri = await conn.scalar(
        sa.delete(reactions)
        .where(
            reactions.c.post_id == post.id,
            reactions.c.kind == ReactionKind.LIKE,
            reactions.c.actor_uri == speaker.actor.uri,
        )
        .returning(reactions.c.uri)
    )
    if uri is not None:
        inner = documents.embed(_like(uri, speaker, post))
        undo = documents.activity(
            here.new_activity_uri(), "Undo", speaker.actor.uri, inner, to=[post.author_uri]
        )
        await _tell(conn, here, speaker, post, undo)


def _like(uri: str, speaker: Speaker, post: Post) -> Document:
    return documents.activity(uri, "Like", speaker.actor.uri, post.uri, to=[post.author_uri])


async def _tell(
    conn: AsyncConnection, here: Here, speaker: Speaker, post: Post, document: Document
) -> None:
    """To the author's server and the group: a group of ours passes it on to those who read it."""
    group = await group_store.get(conn, post.group_id)
    if not group.federates:
        return
    to = [post.author_uri, *([group.actor.uri] if group.settings is None else [])]
    await outbox.publish(
        conn, here, document, signer=speaker.actor, to=to, thread_id=post.thread_id
    )
    if group.settings is not None:
        await telling.carried(conn, here, group, post, document, jsontext.dump(document).decode())


async def liked_among(conn: AsyncConnection, actor_uri: str, post_ids: list[int]) -> frozenset[int]:
    """Which of the posts this persona liked."""
    rows = await conn.execute(
        sa.select(reactions.c.post_id).where(
            reactions.c.post_id.in_(post_ids),
            reactions.c.kind == ReactionKind.LIKE,
            reactions.c.actor_uri == actor_uri,
        )
    )
    return frozenset(post_id for (post_id,) in rows)
