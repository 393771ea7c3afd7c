"""Room in a group: with as many members as it wants, who asks next waits for their turn (DOM-B3).

People count, here and elsewhere; servers that follow a group to show it do not. Who waits has a
number and no date. A group is full or not under a lock, so two who come at once do not both get
the last place.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub.actors import Actor
from groups import groups as group_store
from groups.groups import MAX_CAP, Group
from groups.handing_out import hand_out
from kernel.here import Here
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.tables import actors, follows, groups
from members import follows as follow_store
from members.order import stir

AT_ONCE: Final = 50  # people who are let in by one transaction


async def turn_for(conn: AsyncConnection, group: Group, person: Actor) -> int | None:
    """The number under which somebody has to wait; None: there is room, or they are in already."""
    if group.settings is None or not group.settings.cap or person.kind is not ActorKind.PERSON:
        return None
    # In a statement of its own: what is read after it is as whoever came just before left it.
    # Others who hold the group's rules still (`distance.hold_still`) are not waited for.
    one = sa.select(groups.c.actor_id).where(groups.c.actor_id == group.id)
    await conn.execute(one.with_for_update(key_share=True))
    standing = {"group_id": group.id, "person_id": person.id}
    row = (await conn.execute(_STANDING, standing)).one_or_none()
    if row is None or row.state == FollowState.ACCEPTED:
        return None
    if row.turn is not None:
        return int(row.turn)
    if not row.waiting and await _room(conn, group):
        return None
    return int(row.last) + 1


async def _room(conn: AsyncConnection, group: Group) -> int:
    """How many more people may be let in."""
    if group.settings is None or not group.settings.cap:
        return AT_ONCE
    members = await conn.scalar(_MEMBERS, {"group_id": group.id}) or 0
    return max(0, group.settings.cap - members)


async def wait(conn: AsyncConnection, group: Group, person: Actor, turn: int) -> None:
    """Somebody who was let in has to wait for room; who has a number keeps it."""
    await conn.execute(
        sa.update(follows)
        .where(
            follows.c.followed_id == group.id,
            follows.c.follower_id == person.id,
            follows.c.state == FollowState.PENDING,
            follows.c.turn.is_(None),
        )
        .values(turn=turn)
    )
    await stir(conn, follows)


async def waiting(
    conn: AsyncConnection, group: Group, *, after: int = 0, limit: int = AT_ONCE
) -> Sequence[tuple[int, Actor]]:
    """Who waits for room, with their numbers, in that order."""
    rows = await conn.execute(_waiting(limit), {"group_id": group.id, "after": after})
    return [(row.turn, Actor.of(row)) for row in rows]


async def let_in(engine: AsyncEngine, here: Here) -> bool:
    """Let those who wait longest into a group that has room again. False: there is no such group.

    The caller comes again until there is none, so a group is looked at once for each few people.
    """
    async with engine.begin() as conn:
        group_id = await conn.scalar(_HAS_ROOM)
        if group_id is None:
            return False
        group = await group_store.get(conn, group_id)
        room = min(await _room(conn, group), AT_ONCE)
        for _, person in (await waiting(conn, group))[:room]:
            await follow_store.accept(conn, here, person, group.actor)
            await has_a_place(conn, here, group, person)
        await stir(conn, follows)
    return True


async def has_a_place(conn: AsyncConnection, here: Here, group: Group, person: Actor) -> None:
    """Somebody who waited is a member now. Whoever tells people of such things tells them here.

    Another server hears it by the Accept of its Follow, in the same transaction.
    """
    await hand_out(conn, here, group, person)


_GROUP_ID: Final = sa.bindparam("group_id", type_=sa.Uuid)
_WAITS: Final = sa.and_(follows.c.followed_id == _GROUP_ID, follows.c.turn.is_not(None))
_own: Final = follows.alias("own")
_STANDING: Final[AnySelect] = (
    sa.select(
        _own.c.state,
        _own.c.turn,
        sa.func.coalesce(sa.select(sa.func.max(follows.c.turn)).where(_WAITS).scalar_subquery(), 0)
        .label("last"),
        sa.select(sa.func.count()).select_from(follows).where(_WAITS).scalar_subquery()
        .label("waiting"),
    )
    .select_from(
        groups.outerjoin(
            _own,
            sa.and_(
                _own.c.followed_id == groups.c.actor_id,
                _own.c.follower_id == sa.bindparam("person_id", type_=sa.Uuid),
            ),
        )
    )
    .where(groups.c.actor_id == _GROUP_ID)
)  # fmt: skip


_person: Final = actors.alias("person")


def _members(group_id: sa.ColumnElement[UUID]) -> sa.Select[int]:
    """SQL: how many people are in a group, counted no further than any limit goes."""
    some = (
        sa.select(sa.literal(1))
        .select_from(follows.join(_person, _person.c.id == follows.c.follower_id))
        .where(
            follows.c.followed_id == group_id,
            follows.c.state == constant(FollowState.ACCEPTED),
            _person.c.kind == constant(ActorKind.PERSON),
        )
        .limit(at_most(MAX_CAP))
        .correlate(groups)
        .subquery("some")
    )
    return sa.select(sa.func.count()).select_from(some)


_MEMBERS: Final = _members(_GROUP_ID)
_somebody: Final = follows.alias("somebody")
_HAS_ROOM: Final = (
    sa.select(groups.c.actor_id)
    .join(actors, actors.c.id == groups.c.actor_id)
    .where(
        actors.c.state == constant(ActorState.ACTIVE),
        sa.exists().where(
            _somebody.c.followed_id == groups.c.actor_id, _somebody.c.turn.is_not(None)
        ),
        sa.or_(
            groups.c.cap == 0, groups.c.cap > _members(groups.c.actor_id).scalar_subquery()
        ),
    )
    .order_by(groups.c.actor_id)
    .limit(at_most(1))
    .with_for_update(of=groups, skip_locked=True)
)  # fmt: skip


@cache
def _waiting(limit: int) -> AnySelect:
    return (
        sa.select(*actor_store.columns(), follows.c.turn)
        .join(follows, follows.c.follower_id == actors.c.id)
        .where(_WAITS, follows.c.turn > sa.bindparam("after", type_=sa.Integer))
        .order_by(follows.c.turn)
        .limit(at_most(limit))
    )
