"""Every night all rows of the account side move under another veil (DESIGN-V1; `members.veil`).

They go in the order of their new keys, deleted and inserted anew, some at a time: a row that is
updated would stay in its page, and an order that follows yesterday's ties the days. Whoever uses a
row just then is waited for, not the other way round. What is stopped in the middle is gone on with,
by any process.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import db
from kernel.arrays import any_of
from kernel.db import Laid
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.schema.tables import veil
from kernel.sealing import Unsealable
from members import order
from members.veil import TABLES, cover, show, uncover

BATCH: Final = 50  # rows in one transaction
MOST: Final = 100_000  # rows of a table whose keys are sorted at once
ROUNDS: Final = 100  # looks at a table for rows that were in use
_PAUSE: Final = 0.1  # seconds between two of them
_LAYOUTS: Final = 5  # tries, where somebody uses a table
_LOCK: Final = 0x4EA47402


async def work(engine: AsyncEngine, here: Here, *, now: bool = False) -> bool:
    """Do what this night has to do, if nobody did; with `now` even then. False: nothing to do.

    Cheap where there is nothing to do. One process does it, and others leave it alone meanwhile.
    """
    if not now and not await _is_due(engine, here):
        return False
    async with _alone(engine) as alone:
        if not alone or (await _stopped(engine) and not await _night(engine, here)):
            return False
        if (now or await _is_due(engine, here)) and not await _night(engine, here):
            return False
    for table in TABLES:
        await _lay_out(engine, table)
    return True


async def left(conn: AsyncConnection) -> int:
    """How many rows lie under an older veil than others: those of another node key."""
    current = await conn.scalar(sa.select(veil.c.current))
    counts = [
        await conn.scalar(
            sa.select(sa.func.count()).select_from(table).where(table.c.epoch < current)
        )
        for table in TABLES
    ]
    return sum(count or 0 for count in counts)


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncIterator[bool]:
    """Whether nobody else is at it."""
    async with db.at_once(engine).connect() as conn:
        got = await conn.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK)))
        try:
            yield bool(got)
        finally:
            if got:
                await conn.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))


async def _is_due(engine: AsyncEngine, here: Here) -> bool:
    async with engine.connect() as conn:
        row = (await conn.execute(sa.select(veil))).one()
    return row.next is not None or row.day is None or bool(row.day < here.now().date())


async def _stopped(engine: AsyncEngine) -> bool:
    """Whether a night is in its middle, and nobody at it."""
    async with engine.connect() as conn:
        return await conn.scalar(sa.select(veil.c.next)) is not None


async def _night(engine: AsyncEngine, here: Here) -> bool:
    """Go on with a night, or begin one. False: some rows are in use for very long.

    A night is called after its day, so that a node that was restored wears no veil again that the
    database it lost wore on an earlier day.
    """
    async with engine.begin() as conn:
        # This waits for all who write a new row in the epoch of before; whoever comes later does it
        # in the next one.
        row = (await conn.execute(sa.select(veil).with_for_update())).one()
        target: int = row.next or max(row.current + 1, here.now().date().toordinal())
        await conn.execute(sa.update(veil).values(next=target))
    for table in TABLES:
        if not await _move_all(engine, here, table, target):
            return False
    async with engine.begin() as conn:
        ended = await conn.execute(  # not where others ended it while this process was away
            sa.update(veil)
            .where(veil.c.next == target)
            .values(current=target, next=None, day=here.now().date())
        )
    return ended.rowcount == 1


async def _move_all(engine: AsyncEngine, here: Here, table: sa.Table, target: int) -> bool:
    """False: some rows are still in use after many looks."""
    foreign: set[Any] = set()
    for _ in range(ROUNDS):
        places = await _places(engine, here, table, target, foreign)
        if not places:
            return True
        moved = 0
        for at in range(0, len(places), BATCH):
            moved += await _move(engine, here, table, places[at : at + BATCH], target, foreign)
        if not moved:
            await asyncio.sleep(_PAUSE)
    return False


async def _places(
    engine: AsyncEngine, here: Here, table: sa.Table, target: int, foreign: set[Any]
) -> Sequence[Any]:
    """Where rows lie that did not move yet, in the order in which they will lie."""
    query = sa.select(table.c.id, table.c.epoch).where(table.c.epoch < target)
    async with engine.connect() as conn:
        rows = (await conn.execute(query.limit(MOST + len(foreign)))).all()
    return sorted(
        (row.id for row in rows if row.id not in foreign),
        key={row.id: _moved(here, table, row, target) for row in rows}.__getitem__,
    )


def _moved(here: Here, table: sa.Table, row: AnyRow, target: int) -> Any:
    return cover(here, table, target, {"id": show(here, row.epoch, table.c.id, row.id)})["id"]


async def _move(
    engine: AsyncEngine,
    here: Here,
    table: sa.Table,
    places: Sequence[Any],
    target: int,
    foreign: set[Any],
) -> int:
    """Move those of the rows that nobody uses; how many. Those of another key become `foreign`."""
    is_one = any_of(table.c.id, "places")
    async with engine.begin() as conn:
        rows = await conn.execute(
            sa.select(table).where(is_one).with_for_update(skip_locked=True), {"places": places}
        )
        moved = []
        for row in rows:
            try:
                moved.append((row.id, cover(here, table, target, uncover(here, table, row))))
            except Unsealable:
                foreign.add(row.id)
        if moved:
            await conn.execute(
                sa.delete(table).where(is_one), {"places": [id_ for id_, _ in moved]}
            )
            await conn.execute(
                sa.insert(table), sorted((new for _, new in moved), key=lambda new: new["id"])
            )
    return len(moved)


async def _lay_out(engine: AsyncEngine, table: sa.Table) -> None:
    """At once if it can be; otherwise the keeper of row order comes to it."""
    for _ in range(_LAYOUTS):
        if await db.rewrite_in_key_order(engine, table) is not Laid.BUSY:
            return
    async with engine.begin() as conn:
        await order.call(conn, table)
