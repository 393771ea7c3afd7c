"""Groups that only members see, shared by two nodes that trust each other (MOD-5.6, DESIGN).

A circle spans this node and one peer, as long as their pact stands: no third server is told of
it, so everybody in it sees the same. When the pact ends or one stops listening, in that
transaction who belongs there is let go, what is unsent to it goes but for deletes, and the group is
for members of this node again.
"""

from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor
from kernel.here import Here
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.federation import Rank
from kernel.schema.pacts import PactState
from kernel.schema.tables import actors, deliveries, follows, groups, moderators, pacts
from moderation import audit

_STANDS: Final = sa.select(pacts.c.host).where(
    pacts.c.host == sa.bindparam("host", type_=sa.Text),
    pacts.c.state == PactState.MADE,
    ~pacts.c.frozen,
    ~pacts.c.frozen_there,
    ~pacts.c.unsafe,
)


async def stands(conn: AsyncConnection, host: str) -> bool:
    """Whether a circle may span this node and `host` now."""
    return await conn.scalar(_STANDS, {"host": host}) is not None


async def peers(conn: AsyncConnection) -> list[str]:
    """The servers with which that is so, by name; there are at most as many as pacts."""
    found = await conn.scalars(
        sa.select(pacts.c.host)
        .where(
            pacts.c.state == PactState.MADE,
            ~pacts.c.frozen,
            ~pacts.c.frozen_there,
            ~pacts.c.unsafe,
        )
        .order_by(pacts.c.host)
    )
    return list(found)


async def reads(conn: AsyncConnection, group_id: UUID, host: str) -> bool:
    """Whether somebody of `host` belongs to the circle, so that their server may read it."""
    belongs = sa.select(follows.c.follower_id).join(actors, actors.c.id == follows.c.follower_id)
    found = await conn.scalar(
        belongs.where(
            follows.c.followed_id == group_id,
            follows.c.state == FollowState.ACCEPTED,
            actors.c.host == host,
        ).limit(1)
    )
    return found is not None


async def part_all(conn: AsyncConnection, here: Here, host: str) -> None:
    """The pact with `host` does not stand any more: no circle is shared with it."""
    for group_id in (
        await conn.scalars(
            sa.select(groups.c.actor_id).where(groups.c.circle == host).with_for_update()
        )
    ).all():
        await part(conn, here, host, group_id)


async def part(conn: AsyncConnection, here: Here, host: str, group_id: UUID) -> None:
    """A group is for members of this node alone again; those of `host` hear that they are not in.

    The desk's log has a line for its moderators. What was told before stays with the other server;
    what takes some of it back still goes there, and nothing else that waits.
    """
    group = await actor_store.get(conn, group_id)
    await conn.execute(
        sa.delete(deliveries).where(
            deliveries.c.signer_id == group_id,
            deliveries.c.host == host,
            deliveries.c.rank != Rank.FIRST,
        )
    )
    await _let_go(conn, here, group, actors.c.host == host)
    await conn.execute(
        sa.update(groups)
        .where(groups.c.actor_id == group_id, groups.c.circle == host)
        .values(circle="")
    )
    await audit.note(conn, here, verb="part circle", about=host, group_id=group_id)


async def share(conn: AsyncConnection, here: Here, host: str, group_id: UUID) -> None:
    """People of `host` may ask to join; followers of all other servers are in no more."""
    group = await actor_store.get(conn, group_id)
    await _let_go(conn, here, group, _strangers(sa.literal(host)))
    await audit.note(conn, here, verb="share circle", about=host, group_id=group_id)


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """What a restore, or a decision about a server that was taken back, brought in goes again."""
    for row in (
        await conn.execute(sa.select(groups.c.actor_id, groups.c.circle).where(_SHARED))
    ).all():
        if not await stands(conn, row.circle):
            await part(conn, here, row.circle, row.actor_id)
    strays = (
        sa.select(groups.c.actor_id, groups.c.circle)
        .join(follows, follows.c.followed_id == groups.c.actor_id)
        .join(actors, actors.c.id == follows.c.follower_id)
        .where(_SHARED, _strangers(groups.c.circle))
        .distinct()
    )
    for row in (await conn.execute(strays)).all():
        group = await actor_store.get(conn, row.actor_id)
        await _let_go(conn, here, group, _strangers(sa.literal(row.circle)))


_SHARED: Final = groups.c.circle != ""


def _strangers(circle: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """SQL: `actors` elsewhere who are no people of the peer that shares the circle."""
    return sa.and_(
        ~actors.c.local,
        sa.or_(actors.c.host != circle, actors.c.kind != ActorKind.PERSON),
    )


async def _let_go(
    conn: AsyncConnection, here: Here, group: Actor, whom: sa.ColumnElement[bool]
) -> None:
    """Those of them who belong to the group, or asked to, hear that they do not (WIRE-G3)."""
    found = await conn.execute(
        sa.select(*actor_store.columns(), follows.c.uri.label("asked"))
        .join(follows, follows.c.follower_id == actors.c.id)
        .where(follows.c.followed_id == group.id, whom, ~actors.c.local)
        .order_by(actors.c.id)
    )
    for row in found.all():
        said = {"id": row.asked, "type": "Follow", "actor": row.uri, "object": group.uri}
        no = documents.activity(here.new_activity_uri(), "Reject", group.uri, said, to=[row.uri])
        await outbox.publish(conn, here, no, signer=group, to=[row.uri])
        for table, who in ((follows, follows.c.follower_id), (moderators, moderators.c.actor_id)):
            of = table.c.followed_id if table is follows else table.c.group_id
            await conn.execute(sa.delete(table).where(of == group.id, who == row.id))
