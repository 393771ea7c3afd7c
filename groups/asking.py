"""Answers that an author elsewhere is asked about before they stand under a post (WIRE-M20, 8.7).

Until that author says yes, an answer is for its writer's eyes alone and is sent to nobody else; if
they say no, or take their yes back, it is so again. The words stay until their writer deletes them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.permissions import Act, Permission, request_uri
from activitypub.vocab import PUBLIC
from groups import earlier, noticing, telling
from groups import groups as group_store
from groups import posts as post_store
from groups.posts import Post, note_source
from groups.writing import count_in, count_out
from kernel import tombstone_log
from kernel.errors import NotAllowed
from kernel.here import Here
from kernel.rows import constant
from kernel.schema.actors import FollowState
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState, ReactionKind
from kernel.schema.tables import actors, follows, posts, reactions
from kernel.tombstone_log import Act as Decision
from moderation import standing
from moderation.standing import Speaker


class Way(StrEnum):
    """How something reaches a post of an author who decides about it."""

    AT_ONCE = "at once"
    ASKING = "asking"  # the author first
    NONE = "none"


async def way(conn: AsyncConnection, line: str, post: Post, actor: Actor | None) -> Way:
    """What a post's `Permission.line` lets an actor of ours do; None is somebody quite new.

    The nearer word counts: a name before a collection it is in, and that before everybody. Whoever
    is let in for being a follower asks as well, so that the author's server says so to others.
    """
    rule = Permission.of(line)
    if rule is None:
        return Way.AT_ONCE
    named = {actor.uri} if actor is not None else set()
    if named & {*rule.at_once}:
        return Way.AT_ONCE
    others = {*rule.at_once, *rule.on_request} - {PUBLIC, post.author_uri}
    near = await _collections_with(conn, post, actor) if actor is not None and others else set()
    if (named | near) & {*rule.on_request}:
        return Way.ASKING
    if PUBLIC in rule.at_once:
        return Way.AT_ONCE
    return Way.ASKING if near & {*rule.at_once} or PUBLIC in rule.on_request else Way.NONE


async def _collections_with(conn: AsyncConnection, post: Post, actor: Actor) -> set[str]:
    """Those of the author's two collections that the actor is in, as far as is known here."""
    values = {"author_id": post.author_id, "actor_id": actor.id}
    row = (await conn.execute(_COLLECTIONS, values)).one()
    found = {row.followers_uri} if row.follows and row.followers_uri else set()
    return found | ({f"{post.author_uri}/following"} if row.followed else set())


def _is_accepted(
    follower: sa.ColumnElement[object], followed: sa.ColumnElement[object]
) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        follows.c.follower_id == follower,
        follows.c.followed_id == followed,
        follows.c.state == constant(FollowState.ACCEPTED),
    )


_ALLOWED: Final = (PostState.SHOWN, PostState.REMOVED)
_AUTHOR: Final = sa.bindparam("author_id", type_=sa.Uuid)
_ACTOR: Final = sa.bindparam("actor_id", type_=sa.Uuid)
_COLLECTIONS: Final = sa.select(
    actors.c.followers_uri,
    _is_accepted(_ACTOR, _AUTHOR).label("follows"),
    _is_accepted(_AUTHOR, _ACTOR).label("followed"),
).where(actors.c.id == _AUTHOR)


async def ask(conn: AsyncConnection, here: Here, answer: Post, parent: Post) -> None:
    """Send an answer to the author of what it answers, and to nobody else.

    Servers that read requests get one; older ones the Create, which they keep until they are told.
    Nobody is asked who wants nothing from the answer's writer (WIRE-M10).
    """
    source = await note_source(conn, here, answer)
    if parent.author_uri not in source.addressed:
        return
    note, rule = documents.note(source), Permission.of(parent.answers_by)
    to = [parent.author_uri]
    if rule is not None and rule.requests:
        document = documents.request(Act.REPLY, note, source.author.uri, parent.uri, to=to)
    else:
        uri = here.new_activity_uri()
        document = documents.activity(uri, "Create", source.author.uri, note, to=to)
    await outbox.publish(
        conn, here, document, signer=source.author, to=to, thread_id=answer.thread_id
    )


async def enters(conn: AsyncConnection, here: Here, held: Post) -> bool:
    """Ask about a post that moderators held until now. False: there is nobody to be asked."""
    if held.parent_id is None or not held.author_local:
        return False
    parent = await post_store.get(conn, held.parent_id)
    writer = await actor_store.get(conn, held.author_id)
    if await way(conn, parent.answers_by, parent, writer) is Way.AT_ONCE:
        return False
    await conn.execute(sa.update(posts).where(posts.c.id == held.id).values(state=PostState.ASKED))
    await ask(conn, here, await post_store.get(conn, held.id), parent)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Something of ours that an author elsewhere was asked about: an answer, or a Like.

    `target` is that author's post, `waits` whether no word has come yet.
    """

    act: Act
    uri: str
    actor_uri: str
    target: Post
    answer: Post | None
    waits: bool

    @property
    def author_uri(self) -> str:
        """Who decides about it."""
        return self.target.author_uri


async def find(conn: AsyncConnection, uri: str) -> Asked | None:
    """What an author was asked about under this id, and has not declined."""
    return await _find(conn, posts.c.uri == uri, reactions.c.uri == uri)


async def by_approval(conn: AsyncConnection, uri: str) -> Asked | None:
    """What stands by an approval."""
    return await _find(conn, posts.c.approval == uri, reactions.c.approval == uri)


async def is_used(conn: AsyncConnection, approval: str) -> bool:
    """Whether an approval is, or was, about something already (SEC-S22)."""
    one = sa.select(sa.literal(1)).where(posts.c.approval == approval)
    other = sa.select(sa.literal(1)).where(reactions.c.approval == approval)
    return await conn.scalar(sa.union_all(one, other)) is not None


async def _find(
    conn: AsyncConnection, is_answer: sa.ColumnElement[bool], is_like: sa.ColumnElement[bool]
) -> Asked | None:
    asked_about = sa.or_(
        posts.c.state == constant(PostState.ASKED),
        sa.and_(
            posts.c.approval.is_not(None), posts.c.state.in_([constant(each) for each in _ALLOWED])
        ),
    )
    row = (await conn.execute(post_store.select_posts().where(is_answer, asked_about))).first()
    if row is not None:
        answer = Post.of(row)
        if not answer.author_local or answer.parent_id is None:
            return None
        return Asked(
            act=Act.REPLY,
            uri=answer.uri,
            actor_uri=answer.author_uri,
            target=await post_store.get(conn, answer.parent_id),
            answer=answer,
            waits=answer.state is PostState.ASKED,
        )
    waits = reactions.c.kind == constant(ReactionKind.ASKED)
    like = (
        await conn.execute(
            sa.select(reactions.c.post_id, reactions.c.uri, reactions.c.actor_uri, waits).where(
                is_like, sa.or_(waits, reactions.c.approval.is_not(None))
            )
        )
    ).first()
    if like is None:
        return None
    post_id, uri, actor_uri, is_waiting = like
    return Asked(
        act=Act.LIKE,
        uri=uri,
        actor_uri=actor_uri,
        target=await post_store.get(conn, post_id),
        answer=None,
        waits=is_waiting,
    )


async def allow(conn: AsyncConnection, here: Here, answer: Post, approval: str) -> None:
    """The author said yes: from now on an answer is one like any other, and is told so.

    Raises NotAllowed: its writer was banned meanwhile, or the thread is closed, or the post it
    answers is gone. It stays as it is then.
    """
    group = await group_store.get(conn, answer.group_id)
    writer = await actor_store.get(conn, answer.author_id)
    await standing.check(conn, here, Speaker.alone(writer), group.id)
    if group.takes_nothing_from(writer.host):
        raise NotAllowed("This group takes nothing from that server.")  # MOD-5.7
    parent = await post_store.get(conn, answer.parent_id) if answer.parent_id is not None else None
    if answer.locked or parent is None or not parent.shown:
        raise NotAllowed("That thread is closed.")
    await conn.execute(
        sa.update(posts)
        .where(posts.c.id == answer.id)
        .values(state=PostState.SHOWN, approval=approval)
    )
    await outbox.withdraw(conn, request_uri(answer.uri, Act.REPLY))
    await count_in(conn, answer.thread_id, answer.id)
    shown = await post_store.get(conn, answer.id)
    await telling.created(conn, here, group, shown)
    await noticing.decided(conn, here, shown, NoticeKind.ALLOWED)
    await noticing.became_visible(conn, here, shown)


async def decline(conn: AsyncConnection, here: Here, answer: Post) -> None:
    """The author said no, or no longer yes: whoever was told of the answer is told to delete it.

    Its writer keeps the words, for their own eyes.
    """
    await conn.execute(
        sa.update(posts).where(posts.c.id == answer.id).values(state=PostState.DECLINED)
    )
    await noticing.decided(conn, here, answer, NoticeKind.DECLINED)
    if not answer.shown:
        await outbox.withdraw(conn, request_uri(answer.uri, Act.REPLY))
        return
    await earlier.forget(conn, answer.id)
    await count_out(conn, answer)
    tombstone_log.note(conn, Decision.REMOVED, answer.uri)
    group = await group_store.get(conn, answer.group_id)
    await telling.deleted(conn, here, group, answer)
