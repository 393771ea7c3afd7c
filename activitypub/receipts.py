"""Which servers heard a persona's last word, and what they answered (DOM-I4).

A receipt is a row for each delivery of one activity; it says nothing of any words. While the
delivery waits, so does the receipt. Once it is gone the server took it, unless it says otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.arrays import Rows
from kernel.here import Here
from kernel.schema.tables import deliveries, receipts

KINDS: Final = frozenset({"Delete", "Update"})  # activities that may have a receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a server was told and came of it. `refused` is the status with which it said no."""

    host: str
    waiting: bool
    refused: int | None

    @property
    def confirmed(self) -> bool:
        return not self.waiting and self.refused is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many servers were told, took it, said no, or are silent so far; until when we try."""

    servers: int = 0
    confirmed: int = 0
    refused: int = 0
    silent: int = 0
    until: date | None = None


async def begin(conn: AsyncConnection, here: Here, persona_id: UUID, activity_uri: str) -> None:
    """Keep to whom this transaction sends an activity of the persona; an earlier receipt ends."""
    await conn.execute(sa.delete(receipts).where(receipts.c.persona_id == persona_id))
    await conn.execute(
        insert(receipts).from_select(
            ["delivery_id", "persona_id", "host", "until"],
            sa.select(
                deliveries.c.id,
                sa.literal(persona_id, sa.Uuid),
                deliveries.c.host,
                sa.literal(here.now().date() + keep_times.RECEIPT, sa.Date),
            ).where(deliveries.c.activity_uri == activity_uri),
        )
    )


_REFUSED: Final = Rows("refused", id=sa.BigInteger, status=sa.SmallInteger)
_MARK: Final = (
    sa.update(receipts)
    .where(receipts.c.delivery_id == _REFUSED.c.id)
    .values(refused=_REFUSED.c.status)
)


async def mark(conn: AsyncConnection, refused: Mapping[int, int]) -> None:
    """Servers said no to these deliveries, with a status; of those without receipt it is no news.

    To be called before the delivery goes, so that a no never looks like a yes.
    """
    if refused:
        rows = [{"id": each, "status": status} for each, status in refused.items()]
        await conn.execute(_MARK, _REFUSED.values(rows))


def _by_host(persona_id: UUID) -> sa.Subquery:
    """Of each server, since one may have several inboxes: does one wait, did one say no?"""
    return (
        sa.select(
            receipts.c.host,
            sa.func.bool_or(deliveries.c.id.is_not(None)).label("waiting"),
            sa.func.max(receipts.c.refused).label("refused"),
            sa.func.max(receipts.c.until).label("until"),
        )
        .select_from(receipts.outerjoin(deliveries, deliveries.c.id == receipts.c.delivery_id))
        .where(receipts.c.persona_id == persona_id)
        .group_by(receipts.c.host)
        .subquery()
    )


async def summary(conn: AsyncConnection, persona_id: UUID) -> Summary:
    """The whole receipt in numbers."""
    each = _by_host(persona_id)
    count = sa.func.count()
    row = (
        await conn.execute(
            sa.select(
                count.label("servers"),
                count.filter(~each.c.waiting, each.c.refused.is_(None)).label("confirmed"),
                count.filter(~each.c.waiting, each.c.refused.is_not(None)).label("refused"),
                count.filter(each.c.waiting).label("silent"),
                sa.func.max(each.c.until).label("until"),
            ).select_from(each)
        )
    ).one()
    return Summary(**row._mapping)


async def page(
    conn: AsyncConnection, persona_id: UUID, *, after: str, limit: int
) -> Sequence[Told]:
    """The receipt of each server, those after `after` in the order of their names."""
    each = _by_host(persona_id)
    rows = await conn.execute(
        sa.select(each.c.host, each.c.waiting, each.c.refused)
        .where(each.c.host > after)
        .order_by(each.c.host)
        .limit(limit)
    )
    return [Told(**row._mapping) for row in rows]


async def sweep(conn: AsyncConnection, today: date) -> None:
    """Drop the receipts of what is sent no more."""
    await conn.execute(sa.delete(receipts).where(receipts.c.until < today))
