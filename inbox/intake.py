"""Arrivals go to disk together: one commit for all that came while the last one was written.

An answer waits for the commit that holds its row, so a 2xx still means that it is on disk
(SECURITY I9); under load a hundred requests share one commit, alone a request has its own.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.actors import Actor
from activitypub.audience import blocks_host
from inbox.claim import CHANNEL, PLAIN_CHANNEL
from kernel import db
from kernel.arrays import Rows, any_of
from kernel.errors import TooMany
from kernel.faults import Point, reached
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import actors, domain_blocks, peers, received
from kernel.urls import origin_of

MAX_BATCH = 200  # rows in one commit
SHARE = 10  # of these, that each server is sure of before others have more
MAX_WAITING = 200  # rows of one server that wait for a commit


class Stale(Exception):
    """What was known of the signer is no longer so: nothing was kept, look anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One proven activity.

    A `plain` one may need nothing from other servers. With `again` a row that is done already is
    dealt with anew (WIRE-G1).
    """

    activity_uri: str
    signer: Actor
    body: bytes = field(repr=False)
    at: datetime
    plain: bool = False
    again: bool = False

    @property
    def origin(self) -> str:
        return origin_of(self.signer.uri)

    def values(self, number: int) -> dict[str, object]:
        return {
            "number": number,
            "origin": self.origin,
            "activity_uri": self.activity_uri,
            "signer_uri": self.signer.uri,
            "public_key": self.signer.public_key,
            "ed25519": self.signer.ed25519 or "",
            "state": self.signer.state.value,
            "body": self.body,
            "plain": self.plain,
        }


@dataclass(slots=True)
class Intake:
    """Writes rows of `received`; one writer at a time, whoever waits is told together."""

    engine: AsyncEngine
    _of: Counter[str] = field(default_factory=Counter)  # how many each server has under way
    _waiting: list[tuple[Row, asyncio.Future[None]]] = field(default_factory=list)
    _writer: asyncio.Task[None] | None = None

    async def keep(self, row: Row) -> None:
        """Returns once the row is on disk, or was there.

        Raises Stale: the signer has another key by now, was suspended or is gone, or its domain is
        blocked.
        Raises TooMany: more of its server's wait than may (SECURITY 12).
        Raises: what the database raised.
        """
        origin = row.origin
        if self._of[origin] >= MAX_WAITING:
            raise TooMany("That is a lot at once. Please try again in a moment.", retry_after=1)
        self._of[origin] += 1
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, kept))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._write_all())
        try:
            await kept
        finally:
            self._of[origin] -= 1
            if not self._of[origin]:
                del self._of[origin]

    def _next_batch(self) -> Sequence[tuple[Row, asyncio.Future[None]]]:
        """All that waits, or as much as fits: a share of each server's first, in order."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) <= MAX_BATCH:
            return waiting
        first: list[tuple[Row, asyncio.Future[None]]] = []
        later, turns = first.copy(), Counter[str]()
        for each in waiting:
            origin = each[0].origin
            turns[origin] += 1
            has_turn = turns[origin] <= SHARE and len(first) < MAX_BATCH
            (first if has_turn else later).append(each)
        room = MAX_BATCH - len(first)
        self._waiting = later[room:]
        return first + later[:room]

    async def _write_all(self) -> None:
        while self._waiting:
            batch = self._next_batch()
            try:
                stale = await self._write([row for row, _ in batch])
            except BaseException as error:
                for _, kept in batch:
                    if not kept.done():
                        kept.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for number, (_, kept) in enumerate(batch):
                    if kept.done():
                        continue
                    if number in stale:
                        kept.set_exception(Stale())
                    else:
                        kept.set_result(None)

    async def _write(self, rows: Sequence[Row]) -> frozenset[int]:
        """One row per (signer's origin, activity id): a second copy is no news (DESIGN 3).

        The places in `rows` of those whose signer is not as it was known.
        """
        at = max(row.at for row in rows)
        values = {
            **_KEPT.values(row.values(number) for number, row in enumerate(rows)),
            "hosts": list({row.signer.host for row in rows}),
            "at": at,
            "day": at.date(),
            "channels": list({PLAIN_CHANNEL if row.plain else CHANNEL for row in rows}),
        }
        async with db.at_once(self.engine).connect() as conn:
            stale = frozenset(await conn.scalar(_KEEP, values) or ())
            for number, row in enumerate(rows):
                if row.again and number not in stale:
                    await conn.execute(_renew(row))
            reached(Point.BEFORE_COMMIT)
        return stale


_KEPT = Rows(
    "kept",
    number=sa.Integer,
    origin=sa.Text,
    activity_uri=sa.Text,
    signer_uri=sa.Text,
    public_key=sa.Text,
    ed25519=sa.Text,
    state=sa.Text,
    body=sa.LargeBinary,
    plain=sa.Boolean,
)


def _keep() -> sa.Executable:
    """SQL: store, wake the worker, and tell whose signer has changed since it was last read.

    A request is checked against what this process remembers of its signer; only here, in the
    transaction that answers it, is that memory held against the truth.
    """
    at = sa.bindparam("at", type_=sa.DateTime(timezone=True))
    blocked = sa.exists().where(blocks_host(actors.c.host)).correlate_except(domain_blocks)
    current = (
        sa.select(_KEPT.c.number)
        .join(actors, actors.c.uri == _KEPT.c.signer_uri)
        .where(
            actors.c.public_key == _KEPT.c.public_key,
            sa.func.coalesce(actors.c.ed25519, "") == _KEPT.c.ed25519,
            actors.c.state == _KEPT.c.state,
            ~blocked,
        )
        .cte("current")
    )
    names = ("origin", "activity_uri", "signer_uri", "body", "plain")
    stored = (
        insert(received)
        .from_select(
            [*names, "next_attempt", "day"],
            sa.select(*(_KEPT.c[name] for name in names), at, sa.bindparam("day", type_=sa.Date))
            .join(current, current.c.number == _KEPT.c.number)
            .order_by(_KEPT.c.number),
        )
        .on_conflict_do_nothing()
        .cte("stored")
    )
    resting = (
        sa.select(peers.c.host)
        .where(any_of(peers.c.host, "hosts"), peers.c.failures > 0)
        .with_for_update(skip_locked=True, key_share=True)  # an arrival waits for no delivery
        .cte("resting")
    )
    alive = (
        sa.update(peers)
        .where(peers.c.host == resting.c.host)
        .values(failures=0, next_attempt=at)
        .cte("alive")
    )
    stale = sa.select(_KEPT.c.number).where(_KEPT.c.number.not_in(sa.select(current.c.number)))
    channel = sa.func.unnest(sa.bindparam("channels", type_=sa.ARRAY(sa.Text))).column_valued()
    woken = sa.select(sa.func.count(sa.func.pg_notify(channel, "")))
    return sa.select(sa.func.array(stale.scalar_subquery()), woken.scalar_subquery()).add_cte(
        stored, alive
    )


_KEEP = _keep()


def _renew(row: Row) -> sa.Executable:
    """A server that lost its answer asks once more (WIRE-G1)."""
    return (
        sa.update(received)
        .where(
            received.c.origin == row.origin,
            received.c.activity_uri == row.activity_uri,
            received.c.state.in_([ReceivedState.DONE, ReceivedState.REFUSED]),
        )
        .values(state=ReceivedState.NEW, body=row.body, attempts=0, next_attempt=row.at, reason="")
    )
