"""Arrivals go to disk together: one commit for all that came while the last one was written.

An answer waits for the commit that holds its row, so a 2xx still means that it is on disk
(SECURITY I9); under load a hundred requests share one commit, alone a request has its own.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.schema.federation import ReceivedState
from kernel.schema.tables import peers, received

CHANNEL = "hearthold_received"

MAX_BATCH = 200  # rows in one commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One proven activity. With `again` a row that is done already is dealt with anew (WIRE-G1)."""

    origin: str
    activity_uri: str
    signer_uri: str
    signer_host: str
    body: bytes = field(repr=False)
    at: datetime
    again: bool

    @property
    def values(self) -> dict[str, object]:
        return {
            "origin": self.origin,
            "activity_uri": self.activity_uri,
            "signer_uri": self.signer_uri,
            "body": self.body,
            "next_attempt": self.at,
            "day": self.at.date(),
        }


@dataclass(slots=True)
class Intake:
    """Writes rows of `received`; one writer at a time, whoever waits is told together."""

    engine: AsyncEngine
    _waiting: list[tuple[Row, asyncio.Future[None]]] = field(default_factory=list)
    _writer: asyncio.Task[None] | None = None

    async def keep(self, row: Row) -> None:
        """Returns once the row is on disk, or was there. Raises: what the database raised."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, kept))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._write_all())
        await kept

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            try:
                await self._write([row for row, _ in batch])
            except BaseException as error:
                for _, kept in batch:
                    if not kept.done():
                        kept.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for _, kept in batch:
                    if not kept.done():
                        kept.set_result(None)

    async def _write(self, rows: Sequence[Row]) -> None:
        """One row per (signer's origin, activity id): a second copy is no news (DESIGN 3)."""
        first = [row.values for row in rows if not row.again]
        again = {(row.origin, row.activity_uri): row for row in rows if row.again}
        hosts = {row.signer_host for row in rows}
        now = max(row.at for row in rows)
        async with self.engine.begin() as conn:
            if first:
                await conn.execute(insert(received).on_conflict_do_nothing(), first)
            for row in again.values():
                await conn.execute(_renew(row))
            await conn.execute(
                sa.update(peers)
                .where(peers.c.host.in_(hosts), peers.c.failures > 0)
                .values(failures=0, next_attempt=now)
            )
            await conn.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


def _renew(row: Row) -> sa.Executable:
    """A server that lost its answer asks once more (WIRE-G1)."""
    return (
        insert(received)
        .values(row.values)
        .on_conflict_do_update(
            index_elements=["origin", "activity_uri"],
            set_={
                "state": ReceivedState.NEW,
                "body": row.body,
                "attempts": 0,
                "next_attempt": row.at,
                "reason": "",
            },
            where=received.c.state.in_([ReceivedState.DONE, ReceivedState.REFUSED]),
        )
    )
