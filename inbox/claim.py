"""Whose work a row of `received` is: claim, mark, wait, give back (DESIGN 3).

Every later write carries the lease of its claim, so a worker that was away so long that another
one took over changes nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import chance, db
from kernel.arrays import any_of
from kernel.here import Here
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import node, received

CHANNEL = "hearthold_received"
PLAIN_CHANNEL = "hearthold_answers"
LEASE = timedelta(minutes=1)
PLAIN_LEASE = timedelta(seconds=15)  # where nobody waits for the network
WAITS = 8  # then what a row waits for is given up
FIRST_WAIT = timedelta(seconds=30)
ORIGIN_AT_ONCE = 2  # activities of one server that one process deals with one by one
_AHEAD = 200  # due rows that are looked at for one claim
_NEW: sa.ColumnElement[str] = sa.literal_column(
    f"'{ReceivedState.NEW}'"
)  # as in the index of what waits


class Lost(Exception):
    """Somebody else has taken over: nothing of this may be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A claimed row of `received`."""

    id: int
    origin: str
    signer_uri: str
    body: bytes = field(repr=False)
    attempts: int
    lease: UUID
    broken: bool  # whoever held it last never said how it ended
    people_round: int  # how much advice about people there is by now


@dataclass(slots=True)
class Floor:
    """Whose activities one process deals with one by one.

    Each of them may wait for the network, so no server has all the places (SEC-R10).
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # held while one is claimed
    at_work: Counter[str] = field(default_factory=Counter)  # by the signer's origin

    @property
    def full(self) -> Sequence[str]:
        """The servers that have to wait."""
        return [origin for origin, number in self.at_work.items() if number >= ORIGIN_AT_ONCE]

    def leave(self, origin: str) -> None:
        """One of a server's is done."""
        self.at_work[origin] -= 1
        if not self.at_work[origin]:
            del self.at_work[origin]


async def claim(
    engine: AsyncEngine,
    here: Here,
    *,
    plain: bool,
    limit: int = 1,
    without: Sequence[str] = (),
) -> Sequence[Row]:
    """The next due rows, in order; the attempt is counted before the work, so a crash counts too.

    A signer's rows are begun in the order they came: one waits while an earlier one is due in the
    other lane, or under way. What waits for something else to come holds nobody up. Servers
    `without` a turn are passed over.
    """
    now = here.now()
    until = now + (PLAIN_LEASE if plain else LEASE)
    values = {
        "now": now,
        "is_plain": plain,
        "limit": limit,
        "until": until,
        "holder": chance.new_uuid(),
        "without": list(without),
    }
    async with db.at_once(engine).connect() as conn:
        rows = [Row(**row._mapping) for row in await conn.execute(_CLAIM, values)]
    return sorted(rows, key=lambda row: row.id)


def _claim() -> sa.Executable:
    now = sa.bindparam("now", type_=sa.DateTime(timezone=True))
    plain = sa.bindparam("is_plain", type_=sa.Boolean)
    next_in_line = (
        sa.select(received.c.id, received.c.signer_uri)
        .where(
            received.c.state == _NEW,
            received.c.plain == plain,
            received.c.next_attempt <= now,
            _free(received, now),
            sa.not_(any_of(received.c.origin, "without")),
        )
        .order_by(received.c.next_attempt, received.c.id)
        .limit(_AHEAD)
        .cte("next_in_line")
    )
    earlier = received.alias("earlier")
    under_way = earlier.c.leased_until > now
    due = sa.and_(earlier.c.next_attempt <= now, sa.or_(~plain, ~earlier.c.plain))
    # Both are asked row by row, each from an index, even where the plan was made while nothing
    # waited: such a plan stays. As a join it went through all that waits for each row of it.
    held_up_by = (
        sa.select(earlier.c.id)
        .where(
            earlier.c.state == _NEW,
            earlier.c.signer_uri == next_in_line.c.signer_uri,
            earlier.c.id < next_in_line.c.id,
            sa.or_(under_way, due),
        )
        .order_by(earlier.c.signer_uri, earlier.c.id)
        .limit(1)
        .scalar_subquery()
    )
    whose_turn = sa.select(next_in_line.c.id).where(held_up_by.is_(None)).scalar_subquery()
    mine = (
        sa.select(received.c.id, received.c.lease.is_not(None).label("broken"))
        .where(
            received.c.id == sa.any_(sa.func.array(whose_turn)),
            received.c.state == ReceivedState.NEW,  # not `_NEW`: not from the index of what waits
            _free(received, now),
        )
        .order_by(received.c.next_attempt, received.c.id)
        .limit(sa.bindparam("limit", type_=sa.Integer))
        .with_for_update(skip_locked=True)
        .cte("mine")
    )
    lease = sa.bindparam("holder", type_=sa.Uuid)
    return (
        sa.update(received)
        .where(received.c.id == mine.c.id)
        .values(
            attempts=received.c.attempts + 1,
            leased_until=sa.bindparam("until", type_=sa.DateTime(timezone=True)),
            lease=lease,
        )
        .returning(
            received.c.id,
            received.c.origin,
            received.c.signer_uri,
            received.c.body,
            received.c.attempts,
            received.c.lease,
            mine.c.broken,
            sa.select(node.c.people_round).scalar_subquery().label("people_round"),
        )
    )


def _free(table: sa.FromClause, now: sa.ColumnElement[datetime]) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.leased_until.is_(None), table.c.leased_until <= now)


_CLAIM = _claim()
_IDS = any_of(received.c.id, "ids")
_MINE = sa.and_(
    _IDS,
    received.c.lease == sa.bindparam("holder", type_=sa.Uuid),
    received.c.state == _NEW,
)


async def _change(conn: AsyncConnection, rows: Sequence[Row], **values: object) -> None:
    if not rows:
        return
    changed = await conn.execute(
        sa.update(received).where(_MINE).values(lease=None, leased_until=None, **values),
        {"ids": [row.id for row in rows], "holder": rows[0].lease},
    )
    if changed.rowcount != len(rows):
        raise Lost


async def mark(
    conn: AsyncConnection, rows: Sequence[Row], state: ReceivedState, reason: str = ""
) -> None:
    """These are dealt with, in the caller's transaction; the bytes go unless a person must look.

    Raises Lost: the claim has passed to somebody else.
    """
    body = {} if state is ReceivedState.PARKED else {"body": None}
    await _change(conn, rows, state=state, reason=reason, **body)


async def finish(engine: AsyncEngine, row: Row, state: ReceivedState, reason: str) -> None:
    """This one is dealt with and had no effect. Raises Lost."""
    async with engine.begin() as conn:
        await mark(conn, [row], state, reason)


async def give_back(conn: AsyncConnection, here: Here, rows: Sequence[Row]) -> None:
    """These need more than could be done with many at once: one by one, and now. Raises Lost."""
    if not rows:
        return
    await _change(
        conn, rows, plain=False, attempts=received.c.attempts - 1, next_attempt=here.now()
    )
    await conn.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


async def wait(engine: AsyncEngine, here: Here, row: Row, reason: str) -> None:
    """What it needs may come: try again later, at last not any more. Raises Lost."""
    async with engine.begin() as conn:
        if row.attempts >= WAITS:
            await mark(conn, [row], ReceivedState.REFUSED, reason)
        else:
            later = here.now() + FIRST_WAIT * 2 ** (row.attempts - 1)
            await _change(conn, [row], next_attempt=later, reason=reason)
