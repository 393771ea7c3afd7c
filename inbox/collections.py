"""The numbers and lists behind an actor's collections (WIRE-A6, WIRE-A7)."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import jsontext
from activitypub.actors import Actor
from activitypub.jsontext import Json
from groups.posts import counted, told_to
from kernel.rows import constant, has_one
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.groups import Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import activities, actors, follows, groups, posts, threads

NEWEST = 50  # Lemmy reads no more


async def count_followers(conn: AsyncConnection, actor_id: UUID) -> int:
    """How many follow; the caller rounds it before it is shown."""
    return (
        await conn.scalar(
            sa.select(sa.func.count())
            .select_from(follows)
            .where(follows.c.followed_id == actor_id, follows.c.state == FollowState.ACCEPTED)
        )
        or 0
    )


async def follows_group(conn: AsyncConnection, uri: str, group_id: UUID) -> bool:
    """Whether the actor `uri` follows, accepted."""
    found = await conn.scalar(
        sa.select(follows.c.follower_id)
        .join(actors, actors.c.id == follows.c.follower_id)
        .where(
            actors.c.uri == uri,
            follows.c.followed_id == group_id,
            follows.c.state == FollowState.ACCEPTED,
        )
    )
    return found is not None


async def announced(conn: AsyncConnection, group: Actor) -> Sequence[Json]:
    """The group's newest threads as it announced them, wrapped, newest first (WIRE-A7).

    Of a thread that was changed, or removed and shown again, the words of its Create are gone: the
    Update stands for it.
    """
    inner = activities.alias("inner_activity")
    rows = await conn.execute(
        sa.select(activities.c.body)
        .ext(distinct_on(activities.c.thread_id, posts.c.id))
        .join(inner, inner.c.uri == activities.c.object_uri)
        .join(posts, posts.c.uri == inner.c.object_uri)
        .where(
            activities.c.actor_uri == group.uri,
            activities.c.kind == "Announce",
            activities.c.body != "",
            inner.c.kind.in_(["Create", "Update"]),
            posts.c.id == posts.c.thread_id,
            posts.c.group_id == group.id,  # not moved to another one since
            counted(),
        )
        .order_by(activities.c.thread_id.desc(), posts.c.id, inner.c.kind)
        .limit(NEWEST)
    )
    return [jsontext.read(body.encode()) for (body,) in rows]


async def begun_in(conn: AsyncConnection, group: Actor, host: str) -> Sequence[Json]:
    """The first posts of the group's newest threads by their ids, as a circle carries them.

    An Announce of each, newest first; they may be from before anybody elsewhere was told. Only of
    people here and of the `host` that asks: another peer's may have been in it before (MOD-5.6).
    """
    rows = await conn.execute(
        sa.select(posts.c.uri, threads.c.uri)
        .join(threads, threads.c.id == posts.c.id)
        .where(threads.c.group_id == group.id, threads.c.shown, told_to(host))
        .order_by(threads.c.id.desc())
        .limit(NEWEST)
    )
    return [
        {
            "id": f"{thread_uri}#begun",
            "type": "Announce",
            "actor": group.uri,
            "to": [group.everybody],
            "cc": [],
            "object": uri,
            "context": thread_uri,
        }
        for uri, thread_uri in rows
    ]


async def posts_of(conn: AsyncConnection, actor: Actor) -> int:
    """How many shown posts an actor wrote where everybody may read, or a group carries.

    What is said in a group that not everybody sees is not counted: nobody learns that it was said.
    A group's threads know how many answers they have. A first post that is gone counts for as long
    as it has answers.
    """
    if actor.kind is ActorKind.GROUP:
        total = sa.select(sa.func.sum(threads.c.replies + 1)).where(
            threads.c.group_id == actor.id, threads.c.shown
        )
    else:
        total = sa.select(sa.func.count()).where(
            posts.c.author_id == actor.id,
            posts.c.state == constant(PostState.SHOWN),
            ~has_one(posts, actors, actors.c.id == posts.c.group_id, actors.c.members_only),
            ~has_one(
                posts,
                groups,
                groups.c.actor_id == posts.c.group_id,
                groups.c.sees != constant(Sees.EVERYONE),
            ),
        )
    return await conn.scalar(total) or 0
