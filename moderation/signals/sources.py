"""Datasets elsewhere that are read from here: which, how far, and when next.

A claim moves a row into the future, so that a worker that ends half-way leaves nothing behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub.audience import blocks_host
from kernel import chance, db
from kernel.clock import to_minute
from kernel.errors import Conflict, Malformed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most, constant
from kernel.schema.pacts import PactState
from kernel.schema.tables import domain_blocks, pacts, signal_links, signal_sources, signals
from kernel.urls import host_of, parse
from moderation import alerting, audit, label_trust

EVERY: Final = timedelta(hours=6)  # a dataset is read; and a little later, by chance
AROUND: Final = 60  # minutes
CLAIM: Final = timedelta(minutes=10)  # then another worker takes it over
FIRST_WAIT: Final = timedelta(minutes=15)  # where it did not answer; each later one is longer
LONGEST_WAIT: Final = timedelta(days=1)
MAX_SOURCES: Final = 400  # a pact may have two


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A dataset that is read: up to `seq` and `link` where it is a chain, else up to `last_id`."""

    id: int
    url: str
    host: str
    pact: bool
    people: bool
    last_id: str
    seq: int
    link: str
    quarantined: str
    attempts: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.__slots__})


_COLUMNS = tuple(signal_sources.c[name] for name in Source.__slots__)


async def follow(
    conn: AsyncConnection, here: Here, url: str, *, pact: bool, people: bool = False
) -> None:
    """Read a dataset from now on. One that was put aside is read anew from its beginning.

    Raises Conflict: as many are read as may be.
    """
    known = (
        await conn.execute(
            sa.select(*_COLUMNS).where(signal_sources.c.url == url).with_for_update()
        )
    ).first()
    now = to_minute(here.now())
    if known is None:
        total = await conn.scalar(sa.select(sa.func.count()).select_from(signal_sources)) or 0
        if total >= MAX_SOURCES:
            raise Conflict("This node reads as many lists as it can. Stop reading one first.")
        await conn.execute(
            insert(signal_sources)
            .values(url=url, host=host_of(url), pact=pact, people=people, due=now)
            .on_conflict_do_nothing()
        )
        return
    mine, values = (
        signal_sources.c.id == known.id,
        {"due": now, "attempts": 0, "pact": pact, "people": people},
    )
    if known.quarantined or (known.pact, known.people) != (pact, people):
        await conn.execute(sa.delete(signals).where(signals.c.source_id == known.id))
        await conn.execute(sa.delete(signal_links).where(signal_links.c.source_id == known.id))
        anew = {"last_id": "", "seq": 0, "link": "", "quarantined": "", "shown": ""}
        await conn.execute(sa.update(signal_sources).where(mine).values(**values, **anew))
        if known.pact and not known.people:  # what its labels rest on is read anew as well
            await label_trust.drop_host(conn, known.host)
            await label_trust.follow_pact(conn, known.host)
        return
    await conn.execute(sa.update(signal_sources).where(mine).values(**values))


async def add_list(conn: AsyncConnection, here: Here, url: str) -> None:
    """Read a plain list, which proves nothing: all that it says waits for a person.

    Raises Malformed: that is no address, or one of ours. Raises Conflict: as `follow`.
    """
    url = url.strip().removesuffix("/")
    parse(url, allow_http=here.origin.startswith("http:"))
    if here.is_ours(url):
        raise Malformed("That is an address of this node.")
    found = await conn.scalar(
        sa.select(signal_sources.c.id).where(signal_sources.c.url == url, signal_sources.c.pact)
    )
    if found is not None:
        raise Conflict("That list is read already, as part of a pact.")
    await follow(conn, here, url, pact=False)
    await audit.note(conn, here, verb="read list", about=url)


async def drop(conn: AsyncConnection, here: Here, source_id: int) -> None:
    """Do not read a plain list any more; what it said goes. Raises NotFound."""
    url = await conn.scalar(
        sa.delete(signal_sources)
        .where(signal_sources.c.id == source_id, ~signal_sources.c.pact)
        .returning(signal_sources.c.url)
    )
    if url is None:
        raise NotFound
    await audit.note(conn, here, verb="stop reading list", about=url)


async def nudge(conn: AsyncConnection, here: Here, url: str) -> None:
    """There may be something new: read it soon. Pulling is what counts; this saves time only."""
    await conn.execute(
        sa.update(signal_sources)
        .where(signal_sources.c.url == url, signal_sources.c.pact)
        .values(due=sa.func.least(signal_sources.c.due, to_minute(here.now())))
    )


async def put_aside(conn: AsyncConnection, here: Here, source: Source, reason: str) -> None:
    """Believe nothing more of a dataset: its past changed, or its proofs do not hold (MOD-5.5).

    Its labels of posts are silent with it, and the node's desk is called.
    """
    changed = await conn.execute(
        sa.update(signal_sources)
        .where(signal_sources.c.id == source.id, signal_sources.c.quarantined == "")
        .values(quarantined=reason)
    )
    if changed.rowcount:
        await audit.note(conn, here, verb="put source aside", about=source.url, reason=reason)
        if source.pact and not source.people:
            await label_trust.trust(conn, source.host, trusted=False)
        await alerting.call(conn, None)


async def trust_again(conn: AsyncConnection, here: Here, url: str, reason: str) -> None:
    """What a dataset was put aside for has been explained: it is read from where it was, soon."""
    await nudge(conn, here, url)
    host = await conn.scalar(
        sa.update(signal_sources)
        .where(signal_sources.c.url == url, signal_sources.c.quarantined == reason)
        .values(quarantined="")
        .returning(signal_sources.c.host)
    )
    if host is not None:
        await label_trust.follow_pact(conn, host)


async def listed(conn: AsyncConnection) -> Sequence[Source]:
    """All of them; there are at most `MAX_SOURCES`."""
    rows = await conn.execute(
        sa.select(*_COLUMNS).order_by(signal_sources.c.url).limit(MAX_SOURCES)
    )
    return [Source.of(row) for row in rows]


async def claim(engine: AsyncEngine, here: Here) -> Source | None:
    """The dataset that has waited longest and may be read, or None: nothing is due."""
    now = to_minute(here.now())
    async with db.at_once(engine).connect() as conn:
        row = (await conn.execute(_CLAIM, {"now": now, "until": now + CLAIM})).first()
    return Source.of(row) if row else None


def _claim() -> sa.Executable:
    made = sa.exists().where(
        pacts.c.host == signal_sources.c.host,
        pacts.c.state == constant(PactState.MADE),
        ~pacts.c.frozen,
        ~pacts.c.frozen_there,
    )
    blocked = sa.exists().where(blocks_host(signal_sources.c.host))
    due = (
        sa.select(signal_sources.c.id)
        .where(
            signal_sources.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)),
            signal_sources.c.quarantined == sa.literal_column("''"),
            sa.or_(~signal_sources.c.pact, made),
            ~blocked.correlate_except(domain_blocks),
        )
        .order_by(signal_sources.c.due)
        .limit(at_most(1))
        .with_for_update(of=signal_sources, skip_locked=True)
        .scalar_subquery()
    )
    return (
        sa.update(signal_sources)
        .where(signal_sources.c.id == due)
        .values(
            due=sa.bindparam("until", type_=sa.DateTime(timezone=True)),
            attempts=signal_sources.c.attempts + 1,
        )
        .returning(*_COLUMNS)
    )


_CLAIM = _claim()


async def finish(engine: AsyncEngine, here: Here, source: Source, *, more: bool = False) -> None:
    """It was read: again in some hours, or at once where there is `more` than one reading takes."""
    later = EVERY + timedelta(minutes=int(chance.share() * AROUND))
    await _leave(engine, here, source, timedelta(0) if more else later, attempts=0)


async def wait(engine: AsyncEngine, here: Here, source: Source) -> None:
    """It did not answer: later, each time twice as long up to a day."""
    doubled = FIRST_WAIT * 2 ** min(source.attempts - 1, 10)
    await _leave(engine, here, source, min(doubled, LONGEST_WAIT), attempts=source.attempts)


async def _leave(
    engine: AsyncEngine, here: Here, source: Source, later: timedelta, *, attempts: int
) -> None:
    now = to_minute(here.now())
    nudged = signal_sources.c.due <= now  # there was something new while it was read
    async with engine.begin() as conn:
        await conn.execute(
            sa.update(signal_sources)
            .where(signal_sources.c.id == source.id, signal_sources.c.attempts == source.attempts)
            .values(
                due=sa.case((nudged, signal_sources.c.due), else_=now + later), attempts=attempts
            )
        )
