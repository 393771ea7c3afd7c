"""Who will read what is about to be said, counted where it will be delivered from (DOM-A6)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.audience import reachable, reads_wrapped, takes_forwards
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from kernel.arrays import any_of
from kernel.here import Here
from kernel.rows import AnySelect, constant
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.posts import PostState
from kernel.schema.tables import activities, actors, follows, moderators, moved_threads


@dataclass(frozen=True, slots=True)
class Readers:
    """How many names here belong to the group, and how many other servers are sent a post.

    `home` says whether the group's own server, where that is another one, can be sent anything;
    it is not counted among `servers`.
    """

    members: int
    servers: int
    home: bool


async def of(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    *,
    parent: Post | None = None,
    edited: Post | None = None,
    named: Collection[str] = (),
) -> Readers:
    """The readers of a new thread, of an answer to `parent`, or of new words for `edited`.

    `named` are the URIs of those whom the words mention. Nobody's block shows in it: who wants
    nothing from a persona is counted as if they heard it, since the number would tell (WIRE-M10).
    """
    if edited is not None and edited.parent_id is not None:
        parent = await post_store.get(conn, edited.parent_id)
    if edited is not None and edited.state is PostState.HELD:
        edited = None  # nobody was told of it yet
    answers = parent is not None
    direct = {*named} if group.federates else set[str]()
    if group.federates and parent is not None:
        direct.add(parent.author_uri)
    if group.settings is None:
        direct.add(group.actor.uri)
    values = {
        "group_id": group.id,
        "group_host": group.actor.host,
        "group_uri": group.actor.uri,
        "direct": list(direct),
        "followers_hear": group.settings is not None and group.tells,
        "starts": not answers,
        "proves": group.proves and not here.signed_fetch and (answers or edited is not None),
        "post_uri": edited.uri if edited is not None else None,
        "post_id": edited.id if edited is not None else None,
        "thread_id": edited.thread_id if edited is not None else None,
    }
    row = (await conn.execute(_READERS, values)).one()
    return Readers(members=row.members, servers=row.servers, home=row.home)


def _belonging() -> sa.ScalarSelect[int]:
    """SQL: how many names of people here may read what only members may."""
    this = sa.bindparam("group_id", type_=sa.Uuid)
    belong = sa.union(
        sa.select(follows.c.follower_id.label("id")).where(
            follows.c.followed_id == this, follows.c.state == constant(FollowState.ACCEPTED)
        ),
        sa.select(moderators.c.actor_id).where(moderators.c.group_id == this),
    ).subquery("belong")
    return (
        sa.select(sa.func.count())
        .select_from(belong.join(actors, actors.c.id == belong.c.id))
        .where(
            actors.c.local,
            actors.c.kind == constant(ActorKind.PERSON),
            actors.c.state != constant(ActorState.CLOSED),
        )
        .scalar_subquery()
    )


def _readers() -> AnySelect:
    """SQL: who is in the group here, and the servers that will be told, as `telling` tells them.

    A new thread goes to all followers. An answer, and new words for anything, go to those who read
    wrapped Announces, and where it carries a proof to those who believe that; new words also to
    followers of the groups that the thread was in.
    """
    this = sa.bindparam("group_id", type_=sa.Uuid)
    post_id = sa.bindparam("post_id", type_=sa.BigInteger)
    announced = sa.exists().where(
        activities.c.object_uri == sa.bindparam("post_uri", type_=sa.Text),
        activities.c.kind == "Announce",
        activities.c.actor_uri == sa.bindparam("group_uri", type_=sa.Text),
        activities.c.body != "",
    )
    plain = sa.and_(sa.bindparam("starts", type_=sa.Boolean), sa.or_(post_id.is_(None), ~announced))
    again = sa.or_(
        reads_wrapped(), sa.and_(sa.bindparam("proves", type_=sa.Boolean), takes_forwards())
    )
    following = (
        sa.select(actors.c.host)
        .join(follows, follows.c.follower_id == actors.c.id)
        .where(
            sa.bindparam("followers_hear", type_=sa.Boolean),
            follows.c.state == constant(FollowState.ACCEPTED),
            reachable(actors),
        )
    )
    now = following.where(follows.c.followed_id == this, sa.or_(plain, again))
    before = following.join(moved_threads, moved_threads.c.group_id == follows.c.followed_id).where(
        moved_threads.c.thread_id == sa.bindparam("thread_id", type_=sa.BigInteger),
        moved_threads.c.last_id >= post_id,
        again,
    )
    direct = sa.select(actors.c.host).where(any_of(actors.c.uri, "direct"), reachable(actors))
    told = sa.union(now, before, direct).subquery("told")
    is_home = told.c.host == sa.bindparam("group_host", type_=sa.Text)
    return sa.select(
        _belonging().label("members"),
        sa.func.count().filter(~is_home).label("servers"),
        sa.func.coalesce(sa.func.bool_or(is_home), sa.false()).label("home"),
    ).select_from(told)


_READERS: Final = _readers()
