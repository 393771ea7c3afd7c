"""Which desks see what waits: where a group has too few people to decide, the node's does too."""

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.rows import constant
from kernel.schema.actors import ActorKind
from kernel.schema.tables import actors, moderators
from moderation import alerting

FEWEST: Final = 2  # moderators here, so that another one can answer


async def call(conn: AsyncConnection, group_id: UUID | None, *, urgent: bool = False) -> None:
    """Something waits: its desk hears of it, and the node's where that one sees it as well."""
    await alerting.call(conn, group_id, urgent=urgent)
    if group_id is not None and await few_moderators(conn, group_id):
        await alerting.call(conn, None, urgent=urgent)


async def few_moderators(conn: AsyncConnection, group_id: UUID) -> bool:
    """Whether a group has too few moderators here for another one to answer."""
    return (await conn.scalar(_moderators(group_id)) or 0) < FEWEST


def _moderators(group_id: sa.ColumnElement[UUID | None] | UUID) -> sa.Select[int]:
    """SQL: how many people here look after a group; its desk is on the list too."""
    return (
        sa.select(sa.func.count())
        .select_from(moderators.join(actors, actors.c.id == moderators.c.actor_id))
        .where(
            moderators.c.group_id == group_id,
            actors.c.local,
            actors.c.kind == constant(ActorKind.PERSON),
        )
    )


def has_few(group_id: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """SQL: that group, of a row, has too few moderators here for another one to answer."""
    return _moderators(group_id).correlate(group_id.table).scalar_subquery() < FEWEST
