"""What the node goes and reads at other servers on its own account: a row for each errand.

A claim moves the row into the future, so that a worker that ends half-way leaves nothing behind. An
errand waits until its server takes deliveries again, and is given up after some tries.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub.audience import blocks_host
from kernel import db
from kernel.clock import to_minute
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.federation import Errand
from kernel.schema.tables import actors, domain_blocks, errands, peers

CLAIM = timedelta(minutes=3)  # then another worker takes it over
FIRST_WAIT = timedelta(minutes=5)  # each later one is twice as long
TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An errand that is ours until it is finished, or its claim runs out."""

    kind: Errand
    actor_id: UUID
    url: str
    digest: str
    attempts: int


async def ask(conn: AsyncConnection, here: Here, kind: Errand, actor_id: UUID) -> None:
    """Have somebody go soon; where it is planned already, nothing changes."""
    row = {"kind": kind, "actor_id": actor_id, "due": to_minute(here.now())}
    await conn.execute(insert(errands).values(row).on_conflict_do_nothing())


async def claim(engine: AsyncEngine, here: Here) -> Due | None:
    """The errand that has waited longest, or None: nothing is due."""
    now = to_minute(here.now())
    async with db.at_once(engine).connect() as conn:
        row = (await conn.execute(_CLAIM, {"now": now, "until": now + CLAIM})).first()
    if row is None:
        return None
    return Due(
        kind=Errand(row.kind),
        actor_id=row.actor_id,
        url=row.url,
        digest=row.digest,
        attempts=row.attempts,
    )


async def finish(engine: AsyncEngine, due: Due) -> None:
    """It is done, or there is nothing to be had."""
    async with engine.begin() as conn:
        await conn.execute(sa.delete(errands).where(_is(due)))


async def wait(engine: AsyncEngine, here: Here, due: Due) -> None:
    """Its server did not answer: later, at last not any more."""
    if due.attempts >= TRIES:
        await finish(engine, due)
        return
    later = to_minute(here.now()) + FIRST_WAIT * 2 ** (due.attempts - 1)
    async with engine.begin() as conn:
        await conn.execute(sa.update(errands).where(_is(due)).values(due=later))


def _is(due: Due) -> sa.ColumnElement[bool]:
    return sa.and_(
        errands.c.kind == due.kind,
        errands.c.actor_id == due.actor_id,
        errands.c.attempts == due.attempts,  # nobody has taken it over
    )


def _claim() -> sa.Executable:
    blocked = sa.exists().where(blocks_host(actors.c.host)).correlate_except(domain_blocks)
    mine = (
        sa.select(errands.c.kind, errands.c.actor_id)
        .join(actors, actors.c.id == errands.c.actor_id)
        .outerjoin(peers, peers.c.host == actors.c.host)
        .where(
            errands.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)),
            sa.func.coalesce(peers.c.failures, sa.literal_column("0")) == sa.literal_column("0"),
            sa.func.coalesce(peers.c.paused, sa.false()).is_(sa.false()),
            ~blocked,
        )
        .order_by(errands.c.due)
        .limit(at_most(1))
        .with_for_update(of=errands, skip_locked=True)
        .cte("mine")
    )
    return (
        sa.update(errands)
        .where(errands.c.kind == mine.c.kind, errands.c.actor_id == mine.c.actor_id)
        .values(
            due=sa.bindparam("until", type_=sa.DateTime(timezone=True)),
            attempts=errands.c.attempts + 1,
        )
        .returning(
            errands.c.kind,
            errands.c.actor_id,
            errands.c.url,
            errands.c.digest,
            errands.c.attempts,
        )
    )


_CLAIM = _claim()
