"""Where more waits than one person reads in a day: those who run the node hear of it (MOD-H7).

Of desks, never of people: how much somebody read stands in their own sealed row alone (DOM-H3).
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.rows import at_most, constant
from kernel.schema.actors import ActorKind
from kernel.schema.cases import CaseState
from kernel.schema.tables import actors, cases
from moderation import alerting

MOST: Final = 50  # desks that are named

_WAITS: Final = cases.c.state != constant(CaseState.CLOSED)


async def call_if_heavy(conn: AsyncConnection, here: Here, group_id: UUID | None) -> None:
    """Call those who run the node at the moment when a desk has more than enough for a day."""
    if not here.reports_a_day:
        return
    desk = cases.c.group_id.is_(None) if group_id is None else cases.c.group_id == group_id
    some = sa.select(cases.c.id).where(desk, _WAITS).limit(here.reports_a_day + 2).subquery()
    if await conn.scalar(sa.select(sa.func.count()).select_from(some)) == here.reports_a_day + 1:
        await alerting.call(conn, None)


async def heavy(conn: AsyncConnection, here: Here) -> Sequence[str]:
    """The groups whose desks have more than enough for a day; for the node's own, no name."""
    if not here.reports_a_day:
        return []
    desks = (
        sa.select(cases.c.group_id)
        .where(_WAITS)
        .group_by(cases.c.group_id)
        .having(sa.func.count() > here.reports_a_day)
        .subquery()
    )
    rows = await conn.scalars(
        sa.select(sa.func.coalesce(actors.c.name, ""))
        .select_from(desks.outerjoin(actors, actors.c.id == desks.c.group_id))
        .where(sa.or_(actors.c.kind.is_(None), actors.c.kind == constant(ActorKind.GROUP)))
        .order_by(sa.func.lower(actors.c.name))
        .limit(at_most(MOST))
    )
    return list(rows)
