"""Which threads are to be read again where they live, and when (WIRE-G45; DESIGN decision 3).

A row is a thread's whole history of being read: when that was last, and whether it is asked for
now. Times are whole minutes and say nothing of who asked. A claim moves the row into the future,
so a worker that ends in the middle leaves nothing behind.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import chance, db
from kernel.arrays import Rows
from kernel.clock import to_minute
from kernel.here import Here
from kernel.schema.tables import refreshes

CHANNEL = "hearthold_refreshes"
REST = timedelta(minutes=15)  # a thread is not read again within it
CLAIM = timedelta(minutes=5)  # then another worker takes it over
SOON = timedelta(minutes=4)  # what a reader causes happens within it, at a minute drawn at random
TRIES = 6  # that bring nothing; then it waits until somebody asks again

LATER = timedelta(minutes=2)  # after a post that showed a gap: what fills it may come by itself
AT_ONCE = timedelta(0)


def some_time_soon() -> timedelta:
    """A wait that hides when somebody read the thread (SEC-R14)."""
    return timedelta(minutes=1 + floor(chance.share() * SOON.total_seconds() / 60))


async def ask(
    conn: AsyncConnection, here: Here, *thread_ids: int, after: timedelta = AT_ONCE
) -> None:
    """Have threads read where they live: where that was just done, when `REST` is over.

    Asking again changes nothing but that it may come sooner.
    """
    asked = _ASKED.values({"id": thread_id} for thread_id in sorted(thread_ids))
    await conn.execute(_ASK, {**asked, "due": to_minute(here.now()) + after, "rest": REST})
    if not after:
        await conn.execute(_WAKE)


_ASKED = Rows("asked", id=sa.BigInteger)


def _ask() -> sa.Executable:
    due = sa.bindparam("due", type_=sa.DateTime(timezone=True))
    rested = refreshes.c.done + sa.bindparam("rest", type_=sa.Interval)
    asked = insert(refreshes).from_select(["thread_id", "due"], sa.select(_ASKED.c.id, due))
    soonest = sa.func.greatest(asked.excluded.due, rested)
    return asked.on_conflict_do_update(
        index_elements=["thread_id"],
        set_={"due": sa.func.least(refreshes.c.due, soonest), "attempts": 0},
    )


_ASK = _ask()
_WAKE = sa.select(sa.func.pg_notify(CHANNEL, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A thread to be read now; nobody else reads it until `until`."""

    thread_id: int
    attempts: int
    until: datetime


async def claim(engine: AsyncEngine, here: Here) -> Claim | None:
    """The thread that has waited longest, or None: nothing is due."""
    now = here.now()
    until = now + CLAIM
    async with db.at_once(engine).connect() as conn:
        row = (await conn.execute(_CLAIM, {"now": now, "until": until})).first()
    return Claim(thread_id=row.thread_id, attempts=row.attempts, until=until) if row else None


def _claim() -> sa.Executable:
    next_due = (
        sa.select(refreshes.c.thread_id)
        .where(refreshes.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
        .order_by(refreshes.c.due)
        .limit(sa.literal_column("1", sa.Integer))
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return (
        sa.update(refreshes)
        .where(refreshes.c.thread_id == next_due)
        .values(
            due=sa.bindparam("until", type_=sa.DateTime(timezone=True)),
            attempts=refreshes.c.attempts + 1,
        )
        .returning(refreshes.c.thread_id, refreshes.c.attempts)
    )


_CLAIM = _claim()


async def finish(engine: AsyncEngine, here: Here, claimed: Claim) -> None:
    """It was read to its end."""
    await _leave(engine, claimed, due=None, done=to_minute(here.now()), attempts=0)


async def go_on(engine: AsyncEngine, here: Here, claimed: Claim) -> None:
    """There is more than one reading may fetch: the rest follows after a pause."""
    now = to_minute(here.now())
    await _leave(engine, claimed, due=now + REST, done=now, attempts=0)


async def try_again(engine: AsyncEngine, here: Here, claimed: Claim) -> None:
    """It could not be read: later, each time twice as long, at last not any more."""
    now = to_minute(here.now())
    later = None if claimed.attempts >= TRIES else now + REST * 2 ** (claimed.attempts - 1)
    await _leave(engine, claimed, due=later, done=now, attempts=claimed.attempts)


async def _leave(engine: AsyncEngine, claimed: Claim, **values: object) -> None:
    """A claim that ran out has passed to somebody else, who writes instead."""
    async with engine.begin() as conn:
        await conn.execute(
            sa.update(refreshes)
            .where(refreshes.c.thread_id == claimed.thread_id, refreshes.c.due == claimed.until)
            .values(**values)
        )
