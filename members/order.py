"""Row order tells nothing: whoever writes a sensitive row also rewrites a few others (DESIGN)."""

import secrets
from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.ids import random_uuid

ROWS: Final = 3


async def stir(
    conn: AsyncConnection, table: sa.Table, *, where: sa.ColumnElement[bool] | None = None
) -> None:
    """Rewrite a few random rows of `table` unchanged, in the transaction of the row just written.

    The table is keyed by one random column. Rows that somebody holds are left out, so nobody waits.
    """
    key = table.primary_key.columns[0]
    start = random_uuid() if isinstance(key.type, sa.Uuid) else secrets.token_bytes(32)
    left = ROWS
    for part in _around(key, start):
        chosen = (
            sa.select(key)
            .where(part, where if where is not None else sa.true())
            .order_by(key)
            .limit(left)
            .with_for_update(skip_locked=True, key_share=True)
        )
        done = await conn.execute(sa.update(table).where(key.in_(chosen)).values({key: key}))
        left -= done.rowcount
        if left <= 0:
            return


def _around(key: sa.Column[object], start: object) -> Iterator[sa.ColumnElement[bool]]:
    """From a random place to the end, then from the beginning to that place."""
    yield key >= start
    yield key < start
