"""How far deliveries have come, in a small file outside the database, written anew each minute.

A backup holds deliveries that were waiting when it was made. Most of them left within seconds, and
a restore that sent them again would flood every server the node knows. The file says, for each
server, from which number on deliveries still waited; what is below that was sent.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import copying
from kernel.postgres_files import write_private
from kernel.rows import number
from kernel.schema.federation import Rank
from kernel.schema.tables import deliveries, peers

FILE: Final = "sent.json"

_TABLE: Final = {"deliveries": ["id"]}


@dataclass(frozen=True, slots=True)
class Sent:
    """Deliveries below `below` have left, save those from `waiting[host]` on to some servers."""

    below: int
    waiting: Mapping[str, int]

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None: it is not such a file."""
        try:
            found = json.loads(text)
            below = int(found["below"])
            waiting = {str(host): int(number) for host, number in found["waiting"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return cls(below, waiting)


@dataclass(slots=True)
class Keeper:
    """Writes the file. A number given out just now may not be committed yet, so it waits a round:

    what `below` says was given out before the last round, and no transaction lasts that long.
    """

    engine: AsyncEngine
    path: Path
    _before: int = field(default=0)

    async def note(self) -> None:
        """One round. Raises OSError: the file cannot be written."""
        async with self.engine.connect() as conn:
            given_out = (await copying.next_numbers(conn, _TABLE))["deliveries.id"]
            lowest = sa.func.least(*(_lowest(rank) for rank in Rank))
            rows = await conn.execute(sa.select(peers.c.host, lowest.label("id")))
            waiting = {row.host: row.id for row in rows if row.id is not None}
        if self._before:
            write_private(self.path, json.dumps(asdict(Sent(self._before, waiting))) + "\n")
        self._before = given_out


def _lowest(rank: Rank) -> sa.ScalarSelect[int]:
    """SQL: of what waits for a server in one rank, the first: one step along the index."""
    return (
        sa.select(sa.func.min(deliveries.c.id))
        .where(
            deliveries.c.host == peers.c.host,
            deliveries.c.rank == number(rank),
            deliveries.c.parked.is_(None),
        )
        .scalar_subquery()
    )


async def drop_sent(conn: AsyncConnection, sent: Sent) -> int:
    """Take deliveries out that left since; how many. New ones are numbered above all of these."""
    waiting = sa.cast(sa.literal(json.dumps(dict(sent.waiting))), JSONB)
    lowest = sa.cast(waiting.op("->>")(deliveries.c.host), sa.BigInteger)
    floor = deliveries.c.id < sa.func.least(sa.func.coalesce(lowest, sent.below), sent.below)
    gone = await conn.execute(sa.delete(deliveries).where(floor, deliveries.c.parked.is_(None)))
    await copying.count_on(conn, _TABLE, {"deliveries.id": sent.below})
    return int(gone.rowcount)
