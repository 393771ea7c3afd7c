"""The log of what moderators and administrators decide: each decision has a line (SEC-S23)."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.schema.tables import actors, audit

MAX_REASON = 500  # letters


async def note(
    conn: AsyncConnection,
    here: Here,
    *,
    verb: str,
    about: str,
    reason: str = "",
    group_id: UUID | None = None,
    actor_id: UUID | None = None,
) -> None:
    """Write a line: `verb` was done to `about`, an address or a domain.

    `actor_id`: the desk or the moderating actor elsewhere; None is the desk of the node. Which of
    its people it was is not kept.
    """
    desk = sa.select(actors.c.id).where(actors.c.uri == f"{here.origin}/desk/node")
    await conn.execute(
        audit.insert().values(
            group_id=group_id,
            actor_id=desk.scalar_subquery() if actor_id is None else actor_id,
            verb=verb,
            object_uri=about,
            reason=reason.strip()[:MAX_REASON],
            day=here.now().date(),
        )
    )
