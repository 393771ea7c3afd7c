"""Last days of rows on the account's side, sealed under the node key.

When a session ends says when it began, and with that which personas may be its member's
(DESIGN-V1): so no such day stands in the clear, and the rows that are over are found by looking
at all of them.
"""

from datetime import date
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.sealing import Unsealable, seal, unseal
from members import veil

_DAY_BYTES: Final = 4


def seal_end(here: Here, table: sa.Table, row_id: bytes, last: date) -> bytes:
    """The last day of a row of `table`: 36 bytes."""
    plain = last.toordinal().to_bytes(_DAY_BYTES, "big")
    return seal(key(here, table), plain, _context(row_id))


def key(here: Here, table: sa.Table) -> bytes:
    """What the days of a table are sealed with."""
    return here.node_key.derive(f"{table.name.removesuffix('s')} ends")


def last_day(key: bytes, row_id: bytes, ends: bytes) -> date:
    """Long past where the node has another key now: nothing of then counts."""
    try:
        return date.fromordinal(int.from_bytes(unseal(key, ends, _context(row_id))))
    except Unsealable:
        return date.min


def is_over(here: Here, table: sa.Table, row: AnyRow) -> bool:
    """Whether a stored row, of which `id`, `epoch` and `ends` are asked for, is over."""
    return _day_of(here, table, key(here, table), row) < here.now().date()


def _day_of(here: Here, table: sa.Table, opener: bytes, row: AnyRow) -> date:
    row_id = veil.show(here, row.epoch, table.c.id, row.id)
    try:
        return last_day(opener, row_id, veil.unwrap(here, table.c.ends, row_id, row.ends))
    except Unsealable:
        return date.min


async def sweep(conn: AsyncConnection, here: Here, table: sa.Table) -> None:
    """Remove the rows of `table` that are over."""
    rows = await conn.execute(sa.select(table.c.id, table.c.epoch, table.c.ends))
    opener, today = key(here, table), here.now().date()
    over = [row.id for row in rows if _day_of(here, table, opener, row) < today]
    if over:
        await conn.execute(sa.delete(table).where(any_of(table.c.id, "over")), {"over": over})


def _context(row_id: bytes) -> str:
    return f"end of {row_id.hex()}"
