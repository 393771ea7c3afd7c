"""The servers this node talks with, as its administrators see them (WIRE-N8, WIRE-M23)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import dialects, outbox, schemes
from activitypub.audience import blocks_host
from activitypub.enqueue import CHANNEL
from kernel.errors import Malformed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.said import Said, noted, said
from kernel.schema.federation import Scheme
from kernel.schema.tables import deliveries, domain_blocks, peers
from moderation import audit

PAGE: Final = 50
COUNTED: Final = 1_000  # of what waits for a server; beyond that it says "more"
MAX_HOST: Final = 300

_SCHEMES: Final = {
    Scheme.CAVAGE: "draft-cavage, RSA",
    Scheme.RFC9421: "RFC 9421, RSA",
    Scheme.ED25519: "RFC 9421, Ed25519",
    None: noted("draft-cavage, RSA, until more is known"),
}
_ALWAYS_FIRST: Final = 2**31 - 1  # failures cannot be as many


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One server. `waiting` counts up to 1,001; `oldest` is the day of what has waited longest.

    `trouble` and `host` are the keys to page on.
    """

    host: str
    trouble: int
    software: str
    wrapped: bool | None
    scheme: str | None
    scheme_day: date | None
    failures: int
    next_attempt: datetime
    refusal: str
    paused: bool
    slowed: date | None
    blocked: bool
    waiting: int
    oldest: date | None
    parked: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row of `_select`."""
        return cls(**row._mapping)

    @property
    def state(self) -> str:
        """How it takes what we send, in plain words."""
        if self.blocked:
            return noted("blocked here")
        if self.paused:
            return noted("paused here")
        if self.failures:
            if self.failures == 1:
                return noted("did not answer once")
            return said("did not answer {number} times in a row", number=self.failures)
        return noted("takes what we send")

    @property
    def dialect(self) -> str:
        """Which form of a group's news it is sent, and why (WIRE 3.5)."""
        return dialects.describe(self)

    def signatures(self, today: date) -> str:
        """How what it is sent is signed (WIRE-S32)."""
        return _SCHEMES[schemes.known(self.scheme, self.scheme_day, today)]

    def queue(self, today: date) -> str:
        """How much waits, and since when, as finely as that is kept."""
        if not self.waiting:
            return noted("nothing waits")
        since = _ago(self.oldest or today, today)
        if self.waiting > COUNTED:
            return said("{number} or more waiting, since {day}", number=COUNTED, day=since)
        return said("{number} waiting, since {day}", number=self.waiting, day=since)

    def slow_down(self, today: date) -> str:
        """When it was last told to bring the rest later, if ever (429)."""
        if self.slowed is None:
            return ""
        return said(
            "last slowed {day}: it brought more in an hour than a server may "
            "that nobody here follows, and was told to bring the rest later",
            day=_ago(self.slowed, today),
        )


def _ago(day: date, today: date) -> Said:
    days = (today - day).days
    if days <= 0:
        return said("today")
    return said("yesterday") if days == 1 else said("{number} days ago", number=days)


async def listed(
    conn: AsyncConnection,
    *,
    search: str = "",
    after: tuple[int, str] | None = None,
    limit: int = PAGE,
) -> Sequence[Peer]:
    """Servers whose name holds `search`, those in trouble first, a page at a time."""
    trouble, host = after if after is not None else (_ALWAYS_FIRST, "")
    values = {"search": search.strip().lower(), "trouble": trouble, "host": host}
    return [Peer.of(row) for row in await conn.execute(_page(limit), values)]


async def one(conn: AsyncConnection, host: str) -> Peer:
    """A server by its name. Raises NotFound: nothing is known of it."""
    row = (await conn.execute(_ONE, {"host": host})).first()
    if row is None:
        raise NotFound("This node knows no such server.")
    return Peer.of(row)


async def pause(conn: AsyncConnection, here: Here, host: str, reason: str = "") -> None:
    """Send nothing more for now: what is to be told waits. Raises NotFound; Malformed: too long."""
    reason = reason.strip()
    if len(reason) > audit.MAX_REASON:
        raise Malformed(said("A reason can have up to {limit} letters.", limit=audit.MAX_REASON))
    await _change(conn, host, paused=True)
    await audit.note(conn, here, verb="pause server", about=host, reason=reason)


async def resume(conn: AsyncConnection, here: Here, host: str) -> None:
    """Send again, beginning now. Raises NotFound."""
    await _change(conn, host, paused=False, next_attempt=here.now())
    await audit.note(conn, here, verb="resume server", about=host)
    await conn.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


async def try_now(conn: AsyncConnection, here: Here, host: str) -> None:
    """Do not let it rest any longer. Raises NotFound."""
    await _change(conn, host, next_attempt=here.now())
    await conn.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


async def _change(conn: AsyncConnection, host: str, **values: object) -> None:
    changed = await conn.execute(sa.update(peers).where(peers.c.host == host).values(**values))
    if not changed.rowcount:
        raise NotFound("This node knows no such server.")


_trouble = sa.case((peers.c.paused, _ALWAYS_FIRST - 1), else_=peers.c.failures)


def _select(some: sa.Subquery) -> sa.Select[Any]:
    """What is shown of some rows of `peers`, with their queues: bounded, and along the index."""
    first = (
        sa.select(deliveries.c.day)
        .where(deliveries.c.host == some.c.host, deliveries.c.parked.is_(None))
        .order_by(deliveries.c.rank, deliveries.c.id)
        .limit(at_most(COUNTED + 1))
        .correlate(some)
        .subquery()
    )
    queue = sa.select(
        sa.func.count().label("waiting"), sa.func.min(first.c.day).label("oldest")
    ).lateral("queue")
    parked = (
        sa.select(sa.func.count())
        .where(
            deliveries.c.host == some.c.host,
            outbox.broke_the_sender(),
        )
        .correlate(some)
        .scalar_subquery()
    )
    blocked = sa.exists().where(blocks_host(some.c.host)).correlate_except(domain_blocks)
    return (
        sa.select(*some.c, blocked.label("blocked"), *queue.c, parked.label("parked"))
        .select_from(some.join(queue, sa.true()))
        .order_by(some.c.trouble.desc(), some.c.host)
    )


def _columns() -> sa.Select[Any]:
    names = (
        "software",
        "wrapped",
        "scheme",
        "scheme_day",
        "failures",
        "next_attempt",
        "refusal",
        "paused",
        "slowed",
    )
    return sa.select(peers.c.host, _trouble.label("trouble"), *(peers.c[name] for name in names))


def _page(limit: int) -> sa.Select[Any]:
    trouble = sa.bindparam("trouble", type_=sa.Integer)
    after = sa.or_(
        _trouble < trouble,
        sa.and_(_trouble == trouble, peers.c.host > sa.bindparam("host", type_=sa.Text)),
    )
    search = sa.func.position(sa.bindparam("search", type_=sa.Text).op("IN")(peers.c.host))
    some = (
        _columns()
        .where(after, search > 0)
        .order_by(_trouble.desc(), peers.c.host)
        .limit(at_most(limit))
        .subquery("some")
    )
    return _select(some)


_ONE = _select(
    _columns().where(peers.c.host == sa.bindparam("host", type_=sa.Text)).subquery("some")
)
