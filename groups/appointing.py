"""Who looks after a group: appointing moderators and releasing them, here and elsewhere (WIRE-G31).

Those who founded a group appoint. Their own names, and those of all moderators who live here, are
named nowhere (WIRE-T15): other servers hear of moderators elsewhere only, and from the desk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from groups import desk, telling
from groups.groups import Group
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most, constant
from kernel.said import said
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.tables import actors, bans, follows, moderators, severed_moderators
from members.order import stir

MAX_MODERATORS: Final = 50  # the list of them is on one page
_PEOPLE: Final = frozenset({ActorKind.PERSON, ActorKind.SERVICE, ActorKind.ORGANIZATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderator:
    """Somebody who looks after a group, for the eyes of its moderators.

    `away`: this node does not talk with their server now, and they are back once it does.
    """

    id: UUID
    name: str
    address: str
    local: bool
    founder: bool
    away: bool


async def everyone(conn: AsyncConnection, group: Group) -> Sequence[Moderator]:
    """All moderators but the desk, in no order that tells anything."""
    rows = await conn.execute(_EVERYONE, {"group_id": group.id})
    return [
        Moderator(
            id=row.id,
            name=row.name,
            address=f"@{row.handle}@{row.host}",
            local=row.local,
            founder=row.founder,
            away=row.away,
        )
        for row in rows
    ]


def _of(table: sa.Table, away: sa.ColumnElement[bool]) -> AnySelect:
    return (
        sa.select(
            actors.c.id,
            actors.c.name,
            actors.c.handle,
            actors.c.host,
            actors.c.local,
            table.c.founder,
            away.label("away"),
        )
        .join(table, table.c.actor_id == actors.c.id)
        .where(
            table.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
            sa.or_(~actors.c.local, actors.c.kind == constant(ActorKind.PERSON)),
        )
    )


_EVERYONE: Final = (
    sa.union_all(_of(moderators, sa.false()), _of(severed_moderators, sa.true()))
    .order_by("id")
    .limit(at_most(MAX_MODERATORS))
)


async def require_founder(conn: AsyncConnection, group: Group, voices: Sequence[UUID]) -> None:
    """Raises NotAllowed: none of the `voices` founded the group, and somebody else did."""
    if not await is_founder(conn, group, voices):
        raise NotAllowed("Only those who founded the group can do that.")


async def is_founder(conn: AsyncConnection, group: Group, voices: Sequence[UUID]) -> bool:
    """Whether one of a moderator's `voices` founded the group.

    Where nobody is left who did, every moderator of ours may do what founders may.
    """
    founders = set(
        await conn.scalars(
            sa.select(moderators.c.actor_id).where(
                moderators.c.group_id == group.id, moderators.c.founder
            )
        )
    )
    return not founders or bool(founders & set(voices))


async def appoint(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, person: Actor
) -> None:
    """Make somebody a moderator; a repeat changes nothing.

    Who lives here has to be a member, and is not named on the wire. `actor` is the desk, or a
    moderator on another server. Raises NotFound: no member, or nobody who can moderate.
    Raises NotAllowed: banned from the group, or on a server that it takes nothing from (MOD-5.7),
    or there are as many as can be.
    """
    if person.kind not in _PEOPLE or person.state is not ActorState.ACTIVE:
        raise NotFound
    if person.local and not await _is_member(conn, group, person):
        raise NotFound
    banned = sa.select(bans.c.actor_id).where(
        bans.c.group_id == group.id, bans.c.actor_id == person.id
    )
    if await conn.scalar(banned) is not None:
        raise NotAllowed("They are kept out of the group. Let them come back first.")
    if group.takes_nothing_from(person.host):
        raise NotAllowed("This group takes nothing from that server.")
    if len(await everyone(conn, group)) >= MAX_MODERATORS:
        raise NotAllowed(said("A group can have up to {limit} moderators.", limit=MAX_MODERATORS))
    added = await conn.execute(
        insert(moderators).values(group_id=group.id, actor_id=person.id).on_conflict_do_nothing()
    )
    if not added.rowcount:
        return
    await stir(conn, moderators)
    await desk.note(conn, here, group, actor, "appoint", person.uri)
    if actor.local and not person.local:
        await _tell(conn, here, group, actor, "Add", person)


async def _is_member(conn: AsyncConnection, group: Group, person: Actor) -> bool:
    found = await conn.scalar(
        sa.select(follows.c.follower_id).where(
            follows.c.follower_id == person.id, follows.c.followed_id == group.id
        )
    )
    return found is not None and person.kind is ActorKind.PERSON


async def dismiss(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, person: Actor
) -> None:
    """Take the task from a moderator; members of ours stay members.

    Who is out of reach for now does not come back to it either.
    Raises NotFound: they have none. Raises NotAllowed: nobody who lives here would look after it.
    """
    if person.local and await _is_last(conn, group, person):
        raise NotAllowed("You look after this group alone. Ask somebody else to do that first.")
    gone = [
        await conn.execute(
            sa.delete(table).where(
                table.c.group_id == group.id,
                table.c.actor_id == person.id,
                table.c.actor_id != group.desk_id,
            )
        )
        for table in (moderators, severed_moderators)
    ]
    if not any(each.rowcount for each in gone):
        raise NotFound
    await desk.note(conn, here, group, actor, "dismiss", person.uri)
    if actor.local and not person.local:
        await _tell(conn, here, group, actor, "Remove", person)


async def _is_last(conn: AsyncConnection, group: Group, person: Actor) -> bool:
    others = [each for each in await everyone(conn, group) if each.local and each.id != person.id]
    return not others


async def _tell(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, kind: str, person: Actor
) -> None:
    await telling.by_desk(
        conn,
        here,
        group,
        actor,
        kind,
        person.uri,
        person=person.uri,
        target=group.actor.moderators_uri,
    )
