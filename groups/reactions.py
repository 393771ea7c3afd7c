"""A quiet sign to the author of a post: no score, no list of names (WIRE-G25)."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import documents, jsontext, outbox
from activitypub.actors import Actor
from activitypub.permissions import Act, Permission, request_uri
from activitypub.vocab import Document
from groups import asking, telling
from groups import groups as group_store
from groups import posts as post_store
from groups.asking import Asked, Way
from groups.groups import Group
from groups.posts import Post
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.release import act_due
from kernel.rows import at_most, constant
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import reactions
from members import blocks, order
from moderation import standing
from moderation.standing import Speaker

_KINDS: Final = {Way.AT_ONCE: ReactionKind.LIKE, Way.ASKING: ReactionKind.ASKED}


async def like(conn: AsyncConnection, here: Here, speaker: Speaker, post: Post) -> None:
    """Tell the author that they were heard, or ask whether one may; once per persona.

    Nobody learns of it before some minutes have passed, which are drawn by chance (SEC-U6).
    Raises NotFound: the post is not shown. Raises NotAllowed: banned from the group, or its author
    elsewhere wants no such signs (WIRE-M20).
    """
    if not post.shown:
        raise NotFound
    way = await asking.way(conn, post.likes_by, post, speaker.actor)
    group = await group_store.get(conn, post.group_id)
    if post.likes_closed or way is Way.NONE or (way is Way.ASKING and not group.federates):
        raise NotAllowed("Its author, on another server, asked for no such signs.")
    await standing.check(conn, here, speaker, post.group_id)
    if (due := act_due(here)) is not None:
        await _keep(conn, post, speaker.actor.uri, due)
    else:
        await _give(conn, here, speaker.actor, post, group, way)


async def _keep(conn: AsyncConnection, post: Post, actor_uri: str, due: datetime) -> None:
    """A sign that goes out later, unless it is out already."""
    known = sa.exists().where(
        reactions.c.post_id == post.id,
        reactions.c.kind.in_(_KINDS.values()),
        reactions.c.actor_uri == actor_uri,
    )
    if not await conn.scalar(sa.select(known)):
        await _add(conn, post, ReactionKind.SOON, actor_uri, "", due=due)


async def send_one(engine: AsyncEngine, here: Here) -> bool:
    """Give one sign whose time has come, if it may still be given. False: there is none."""
    async with engine.begin() as conn:
        row = (await conn.execute(_DUE, {"now": here.now()})).first()
        if row is None:
            return False
        await conn.execute(
            sa.delete(reactions).where(
                reactions.c.post_id == row.post_id,
                reactions.c.kind == constant(ReactionKind.SOON),
                reactions.c.actor_uri == row.actor_uri,
            )
        )
        await order.call(conn, reactions)
        actor = await actor_store.by_uri(conn, row.actor_uri)
        if actor is not None:
            with suppress(NotFound, NotAllowed):
                await like(
                    conn,
                    replace(here, release_delay=False),
                    Speaker.alone(actor),
                    await post_store.get(conn, row.post_id),
                )
    return True


_DUE: Final = (
    sa.select(reactions.c.post_id, reactions.c.actor_uri)
    .where(reactions.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
    .order_by(reactions.c.due, reactions.c.actor_uri)
    .limit(at_most(1))
    .with_for_update(skip_locked=True)
)


async def _give(
    conn: AsyncConnection, here: Here, actor: Actor, post: Post, group: Group, way: Way
) -> None:
    uri, kind = here.new_activity_uri(), _KINDS[way]
    if not await _add(conn, post, kind, actor.uri, uri):
        return
    document = _like(uri, actor, post)
    if kind is ReactionKind.LIKE:
        await _tell(conn, here, actor, group, post, document)
    else:
        await _ask(conn, here, actor, post, document)


async def _add(
    conn: AsyncConnection,
    post: Post,
    kind: ReactionKind,
    actor_uri: str,
    uri: str,
    approval: str | None = None,
    due: datetime | None = None,
) -> bool:
    """Whether it is new."""
    added = await conn.execute(
        insert(reactions)
        .values(
            post_id=post.id, kind=kind, actor_uri=actor_uri, uri=uri, approval=approval, due=due
        )
        .on_conflict_do_nothing(index_elements=["post_id", "kind", "actor_uri"])
    )
    if added.rowcount:
        await order.call(conn, reactions)
    return bool(added.rowcount)


async def unlike(conn: AsyncConnection, here: Here, speaker: Speaker, post: Post) -> None:
    """Take the sign back."""
    removed = await conn.execute(
        sa.delete(reactions)
        .where(
            reactions.c.post_id == post.id,
            reactions.c.kind.in_([*_KINDS.values(), ReactionKind.SOON]),
            reactions.c.actor_uri == speaker.actor.uri,
        )
        .returning(reactions.c.uri, reactions.c.kind)
    )
    known = [(uri, kind) for uri, kind in removed if kind != ReactionKind.SOON]
    for uri, kind in known:
        await _undo(conn, here, speaker.actor, post, uri, asked=kind == ReactionKind.ASKED)


async def _undo(
    conn: AsyncConnection, here: Here, actor: Actor, post: Post, uri: str, *, asked: bool
) -> None:
    """Tell those who were told; who was only asked is the post's author."""
    inner, to = documents.embed(_like(uri, actor, post)), [post.author_uri]
    undo = documents.activity(here.new_activity_uri(), "Undo", actor.uri, inner, to=to)
    group = await group_store.get(conn, post.group_id)
    if not asked:
        await _tell(conn, here, actor, group, post, undo)
        return
    await outbox.withdraw(conn, request_uri(uri, Act.LIKE))
    if group.federates:
        await outbox.publish(conn, here, undo, signer=actor, to=to, thread_id=post.thread_id)


async def allow(conn: AsyncConnection, here: Here, asked: Asked, approval: str) -> None:
    """The author said yes: the sign counts, and is told as any other (WIRE-M20).

    Raises NotAllowed: whoever gave it was banned meanwhile, or the post is gone.
    """
    post, actor = asked.target, await actor_store.by_uri(conn, asked.actor_uri)
    if actor is None or not post.shown:
        raise NotAllowed("That post is gone.")
    await standing.check(conn, here, Speaker.alone(actor), post.group_id)
    await _remove(conn, asked)
    if await _add(conn, post, ReactionKind.LIKE, actor.uri, asked.uri, approval):
        document = {
            **_like(asked.uri, actor, post),
            "@context": documents.APPROVED_CONTEXT,
            **documents.approved(Act.LIKE, approval),
        }
        group = await group_store.get(conn, post.group_id)
        await _tell(conn, here, actor, group, post, document)


async def decline(conn: AsyncConnection, here: Here, asked: Asked) -> None:
    """The author said no, or no longer yes: the sign is gone, also where it was told."""
    await _remove(conn, asked)
    actor = await actor_store.by_uri(conn, asked.actor_uri)
    if actor is not None and not asked.waits:
        await _undo(conn, here, actor, asked.target, asked.uri, asked=False)


async def _remove(conn: AsyncConnection, asked: Asked) -> None:
    await conn.execute(
        sa.delete(reactions).where(
            reactions.c.post_id == asked.target.id,
            reactions.c.uri == asked.uri,
            reactions.c.actor_uri == asked.actor_uri,
        )
    )


async def forget_asked(conn: AsyncConnection, actor_uri: str) -> None:
    """Signs that wait, for their time or an author's word, go with whoever gave them."""
    await conn.execute(
        sa.delete(reactions).where(
            reactions.c.actor_uri == actor_uri,
            reactions.c.kind.in_([constant(ReactionKind.ASKED), constant(ReactionKind.SOON)]),
        )
    )


def _like(uri: str, actor: Actor, post: Post) -> Document:
    return documents.activity(uri, "Like", actor.uri, post.uri, to=[post.author_uri])


async def _ask(
    conn: AsyncConnection, here: Here, actor: Actor, post: Post, document: Document
) -> None:
    """To the author alone; a server that reads no requests gets the Like itself."""
    rule, to = Permission.of(post.likes_by), [post.author_uri]
    if await blocks.who_block(conn, actor.id, to):
        return  # they want nothing from this persona (WIRE-M10)
    if rule is not None and rule.requests:
        document = documents.request(Act.LIKE, document, actor.uri, post.uri, to=to)
    await outbox.publish(conn, here, document, signer=actor, to=to, thread_id=post.thread_id)


async def _tell(
    conn: AsyncConnection, here: Here, actor: Actor, group: Group, post: Post, document: Document
) -> None:
    """To the author's server and the group: a group of ours passes it on to those who read it."""
    if not group.federates:
        return
    to = [post.author_uri, *([group.actor.uri] if group.settings is None else [])]
    await outbox.publish(conn, here, document, signer=actor, to=to, thread_id=post.thread_id)
    if group.settings is not None:
        await telling.carried(conn, here, group, post, document, jsontext.dump(document).decode())


async def liked_among(conn: AsyncConnection, actor_uri: str, post_ids: list[int]) -> frozenset[int]:
    """Which of the posts this persona liked."""
    return await _among(conn, ReactionKind.LIKE, [actor_uri], post_ids)


async def asked_among(
    conn: AsyncConnection, actor_uris: list[str], post_ids: list[int]
) -> frozenset[int]:
    """Which of the posts one of these personas likes, if the author lets them."""
    return await _among(conn, ReactionKind.ASKED, actor_uris, post_ids)


async def _among(
    conn: AsyncConnection, kind: ReactionKind, actor_uris: list[str], post_ids: list[int]
) -> frozenset[int]:
    rows = await conn.execute(
        sa.select(reactions.c.post_id).where(
            reactions.c.post_id.in_(post_ids),
            reactions.c.kind == kind,
            reactions.c.actor_uri.in_(actor_uris),
        )
    )
    return frozenset(post_id for (post_id,) in rows)
