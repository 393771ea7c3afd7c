"""How often peers ask us to look after somebody who needed nobody (MOD-5.14).

It is a number for each peer and says nothing of anybody: a peer that often asks in vain may ask
less, and is believed less when it is in haste. Nothing else follows from it.
"""

from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.rows import AnyRow
from kernel.schema.tables import care_peers, care_requests
from moderation.signals.scoring import WINDOW, slowly

A_DAY: Final = 20  # that a peer may ask, beside all else that it asks
LEAST: Final = 3  # however often it asked in vain: the next one may be true
HASTY: Final = 0.5  # below this, `now` from there is as soon as `today`


async def closed(conn: AsyncConnection, case_id: UUID, *, needed: bool) -> list[str]:
    """A case is over: it counts for every peer that asked for it; which peers these are.

    What is long ago counts less: from a hundred on, both numbers are halved.
    """
    hosts = (
        await conn.scalars(
            sa.select(care_requests.c.host)
            .distinct()
            .where(care_requests.c.case_id == case_id)
            .order_by(care_requests.c.host)
        )
    ).all()
    full = care_peers.c.closed >= WINDOW
    for host in hosts:
        await conn.execute(
            insert(care_peers)
            .values(host=host, closed=1, not_needed=0 if needed else 1)
            .on_conflict_do_update(
                index_elements=["host"],
                set_={
                    name: sa.case((full, care_peers.c[name] / 2), else_=care_peers.c[name]) + more
                    for name, more in (("closed", 1), ("not_needed", 0 if needed else 1))
                },
            )
        )
    return list(hosts)


async def record(conn: AsyncConnection, host: str) -> tuple[int, int]:
    """How many of a peer's requests are over, and how many of them were not needed."""
    row: AnyRow | None = (
        await conn.execute(
            sa.select(care_peers.c.closed, care_peers.c.not_needed).where(care_peers.c.host == host)
        )
    ).first()
    return (row.closed, row.not_needed) if row is not None else (0, 0)


async def weight(conn: AsyncConnection, host: str) -> float:
    """How much a peer's requests count, from 0 to 1: slowly less while they are not needed."""
    over, in_vain = await record(conn, host)
    return slowly(1.0, over - in_vain, over)


async def budget(conn: AsyncConnection, host: str) -> int:
    """How often a peer may ask in a day."""
    return max(LEAST, round(A_DAY * await weight(conn, host)))


async def is_hasty(conn: AsyncConnection, host: str) -> bool:
    """Whether a peer was in haste for nothing so often that its haste counts for less."""
    return await weight(conn, host) < HASTY
