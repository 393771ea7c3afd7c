"""Codes and challenges work once, in parallel too (SEC-A5).

A used one leaves a row that names nobody, so that any process of the node finds it there.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.schema.tables import spent
from kernel.sealing import mac
from members import ends, veil
from members.order import stir

KEPT: Final = timedelta(days=1)  # longer than any code or challenge is good for


async def spend(conn: AsyncConnection, here: Here, value: bytes) -> bool:
    """Whether `value` is used for the first time; this transaction then has used it.

    Whoever comes at the same moment waits for this transaction, and finds it used if it commits.
    """
    row_id = mac(here.node_key.derive("spent"), "once", value)
    last = (here.now() + KEPT).date()
    row = {"id": row_id, "ends": ends.seal_end(here, spent, row_id, last)}
    if not await veil.insert(conn, here, spent, row):
        return False
    await stir(conn, spent)
    return True


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """Forget what is too old to be used anyway."""
    await ends.sweep(conn, here, spent)
