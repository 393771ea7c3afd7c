"""What was taken back before it came: a late arrival does not raise it (WIRE-Q3).

Things come in any order. A Delete, or an Undo, of something that is not here is remembered by the
id of that thing.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from inbox.arrival import Arrival
from kernel import keep_times
from kernel.here import Here
from kernel.schema.tables import tombstones
from kernel.urls import same_origin

BURIED = keep_times.BURIED


async def bury(arrival: Arrival, uri: str) -> None:
    """Remember for a month that `uri` is dead: only its own server can say so, of its own."""
    actor = arrival.activity.actor
    if uri in ("", actor) or not same_origin(uri, actor) or arrival.here.is_local(uri):
        return
    await keep(arrival.conn, arrival.here, uri)


async def keep(conn: AsyncConnection, here: Here, uri: str) -> None:
    """Remember for a month what its own server does not show any more."""
    await conn.execute(
        insert(tombstones)
        .values(uri=uri, until=here.now().date() + BURIED)
        .on_conflict_do_nothing()
    )


async def is_buried(conn: AsyncConnection, uri: str) -> bool:
    """Whether its own server took it back, perhaps before it came."""
    found = sa.select(tombstones.c.uri).where(tombstones.c.uri == uri)
    return await conn.scalar(found) is not None
