"""Lists of groups: all that a reader may see, and those they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.rows import AnySelect, at_most, constant
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.groups import Sees
from kernel.schema.tables import actors, groups
from moderation.visibility import (
    Viewer,
    host_is_listed,
    host_is_welcome,
    is_member,
    may_see_group,
    my_groups,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """A group in a list."""

    id: UUID
    name: str
    sorts_as: str  # its place in the list, together with `id`
    address: str
    local: bool
    about: str  # HTML, to be cleaned
    mine: bool
    icon: UUID | None  # its picture
    public: bool  # everybody may see that


_NAME: Final = sa.func.lower(actors.c.name)


@cache
def _page(limit: int, *, mine: bool) -> AnySelect:
    """Lines in order of their names, by an index that has no actors but groups."""
    query = (
        sa.select(
            actors.c.id,
            actors.c.name,
            _NAME.label("sorts_as"),
            actors.c.handle,
            actors.c.host,
            actors.c.local,
            actors.c.summary,
            is_member(actors.c.id).label("mine"),
            groups.c.icon,
            (groups.c.sees == constant(Sees.EVERYONE)).label("public"),
        )
        .select_from(actors.outerjoin(groups, groups.c.actor_id == actors.c.id))
        .where(
            actors.c.kind == constant(ActorKind.GROUP),
            actors.c.state == constant(ActorState.ACTIVE),
            sa.tuple_(_NAME, actors.c.id)
            > sa.tuple_(
                sa.bindparam("after_name", type_=sa.Text), sa.bindparam("after_id", type_=sa.Uuid)
            ),
            may_see_group(actors.c.id),
            host_is_welcome(actors),
        )
        .order_by(_NAME, actors.c.id)
        .limit(at_most(limit))
    )
    if mine:
        return query.where(actors.c.id == sa.any_(_ids(my_groups())))
    return query.where(host_is_listed(actors))


def _ids(of: sa.CompoundSelect[tuple[UUID]]) -> sa.ColumnElement[Sequence[UUID]]:
    """SQL: an array, read once; PostgreSQL looks each of its few ids up."""
    return sa.func.array(of.scalar_subquery(), type_=sa.ARRAY(sa.Uuid))


async def page(
    conn: AsyncConnection,
    viewer: Viewer,
    *,
    after: tuple[str, UUID] | None = None,
    limit: int = 20,
    mine: bool = False,
) -> Sequence[GroupLine]:
    """The groups the viewer may see, in alphabetical order; `mine`: those they belong to.

    `after` is where the last line stood: `sorts_as` and `id`.
    """
    name, group_id = after or ("", UUID(int=0))
    rows = await conn.execute(
        _page(limit, mine=mine), {"after_name": name, "after_id": group_id, **viewer.values}
    )
    return [
        GroupLine(
            id=row.id,
            name=row.name,
            sorts_as=row.sorts_as,
            address=row.handle if row.local else f"{row.handle}@{row.host}",
            local=row.local,
            about=row.summary,
            mine=row.mine,
            icon=row.icon,
            public=bool(row.public),
        )
        for row in rows
    ]
