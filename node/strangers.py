"""Actors of other servers who never became part of anything here are forgotten again (SEC-D7)."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import keep_times
from kernel.here import Here
from kernel.schema.actors import ActorState
from kernel.schema.tables import actors, deliveries, metadata, peers

STRANGERS = keep_times.STRANGER
STEP = 1_000

_NAMED = [
    key.parent
    for table in metadata.sorted_tables
    for key in table.foreign_keys
    if key.column is actors.c.id
]
"""Every column that says that an actor has to do with something."""


@dataclass(slots=True)
class Walk:
    """How far a walk through the actors has come; None: it begins."""

    after: UUID | None = None


async def forget(engine: AsyncEngine, here: Here, walk: Walk) -> int:
    """Take one step of the walk: how many strangers in it were forgotten.

    Who was suspended here is not forgotten, and neither is a server that an administrator paused.
    """
    step = sa.select(actors.c.id).order_by(actors.c.id).limit(STEP)
    if walk.after is not None:
        step = step.where(actors.c.id > walk.after)
    async with engine.begin() as conn:
        ids = list((await conn.execute(step)).scalars())
        walk.after = ids[-1] if len(ids) == STEP else None
        gone = (
            await conn.execute(
                sa.delete(actors)
                .where(
                    actors.c.id.in_(ids),
                    ~actors.c.local,
                    actors.c.state != ActorState.SUSPENDED,
                    actors.c.fetched_at < here.now() - STRANGERS,
                    *(~sa.exists().where(column == actors.c.id) for column in _NAMED),
                )
                .returning(actors.c.host)
            )
        ).scalars()
        hosts = list(gone)
        if hosts:
            await _forget_servers(conn, set(hosts))
    return len(hosts)


async def _forget_servers(conn: AsyncConnection, hosts: set[str]) -> None:
    """Of these servers, those that nobody here knows anybody on."""
    await conn.execute(
        sa.delete(peers).where(
            peers.c.host.in_(hosts),
            peers.c.lease.is_(None),
            ~peers.c.paused,
            ~sa.exists().where(actors.c.host == peers.c.host),
            ~sa.exists().where(deliveries.c.host == peers.c.host),
        )
    )
