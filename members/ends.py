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
from kernel.sealing import Unsealable, seal, unseal

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


async def sweep(conn: AsyncConnection, here: Here, table: sa.Table) -> None:
    """Remove the rows of `table` that are over."""
    rows = await conn.execute(sa.select(table.c.id, table.c.ends))
    opened, today = key(here, table), here.now().date()
    over = [row.id for row in rows if last_day(opened, row.id, row.ends) < today]
    if over:
        await conn.execute(sa.delete(table).where(any_of(table.c.id, "over")), {"over": over})


def _context(row_id: bytes) -> str:
    return f"end of {row_id.hex()}"
