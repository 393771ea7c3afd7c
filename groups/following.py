"""Groups elsewhere whose newest threads a group of ours shows as well (WIRE-G37).

What they announce is kept once, as theirs; whoever wants to answer joins that group. So nothing is
passed on, and two groups that follow each other make no loop.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from groups import desk
from groups.groups import Group
from kernel.errors import Malformed, NotAllowed
from kernel.here import Here
from kernel.rows import AnySelect, at_most
from kernel.said import said
from kernel.schema.actors import ActorKind
from kernel.schema.tables import actors, follows
from members import follows as follow_store

MAX_FOLLOWED: Final = 20


async def follow(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, other: Actor
) -> None:
    """Ask to follow another group; its threads are shown once it says yes. `actor` is the desk.

    Raises NotAllowed: this group stays on this node, so nobody elsewhere may hear of it, or it
    follows as many as can be. Raises Malformed: `other` is no group of another server.
    """
    if group.settings is None or not group.federates:
        raise NotAllowed("A group that stays on this server cannot follow one on another.")
    if other.local or other.kind is not ActorKind.GROUP:
        raise Malformed("That is no group on another server.")
    if len(await followed(conn, group)) >= MAX_FOLLOWED:
        raise NotAllowed(said("A group can follow up to {limit} others.", limit=MAX_FOLLOWED))
    await follow_store.request(conn, here, group.actor, other)
    await desk.note(conn, here, group, actor, "follow", other.uri)


async def unfollow(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, other: Actor
) -> None:
    """Show its threads no longer."""
    await follow_store.end(conn, here, group.actor, other)
    await desk.note(conn, here, group, actor, "unfollow", other.uri)


async def followed(conn: AsyncConnection, group: Group) -> Sequence[Actor]:
    """The groups it follows or has asked to, by address."""
    rows = await conn.execute(_FOLLOWED, {"group_id": group.id})
    return [Actor.of(row) for row in rows]


_FOLLOWED: Final[AnySelect] = (
    sa.select(*actor_store.columns())
    .join(follows, follows.c.followed_id == actors.c.id)
    .where(follows.c.follower_id == sa.bindparam("group_id", type_=sa.Uuid))
    .order_by(actors.c.uri)
    .limit(at_most(MAX_FOLLOWED))
)
