"""Lists that this node takes advice from: files, and addresses that are read again (MOD-3.5)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import tombstone_log
from kernel.arrays import any_of
from kernel.clock import to_minute
from kernel.errors import Conflict, Malformed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.said import noted, said
from kernel.schema.moderation import Level, ListMode
from kernel.schema.tables import domain_lists, domain_policies
from kernel.tombstone_log import Act
from kernel.urls import parse
from moderation import audit, domains, policy
from moderation.names import read_domain

MAX_LISTS: Final = 50
MAX_NAME: Final = 100
MAX_EXCLUDED: Final = 500
STARTER: Final = (
    "IFTAS Do Not Interact",
    "https://about.iftas.org/wp-content/uploads/2025/10/iftas-dni-latest.csv",
)
"""A list that set-up may offer. Nobody is subscribed to it unless a person says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A list. `url` is None for a file; `rows` are as many as it had when it was last taken."""

    id: str
    name: str
    url: str | None
    mode: ListMode
    max_level: Level
    excluded: tuple[str, ...] = ()
    rows: int = 0
    canaries: int = 0
    trouble: str = ""
    etag: str = ""
    modified: str = ""
    taken: date | None = None
    new_day: date | None = None
    new_rows: int = 0
    due: datetime | None = None

    @property
    def address(self) -> str:
        """What stands for it in the log of decisions."""
        return self.url or self.id

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row of `domain_lists`."""
        values = {**row._mapping, "excluded": tuple(row.excluded)}
        return cls(**{**values, "mode": ListMode(row.mode), "max_level": Level(row.max_level)})


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > MAX_NAME:
        raise Malformed(said("Give the list a name of up to {limit} letters.", limit=MAX_NAME))
    return name


def read_excluded(text: str) -> tuple[str, ...]:
    """Domains that a list shall not decide about, by commas or lines. Raises Malformed."""
    names = sorted(
        {read_domain(each) for each in text.replace(",", "\n").split("\n") if each.strip()}
    )
    if len(names) > MAX_EXCLUDED:
        raise Malformed(said("Up to {limit} domains can be left out.", limit=MAX_EXCLUDED))
    return tuple(names)


async def of_name(conn: AsyncConnection, name: str) -> Source | None:
    """A list that came as a file of that name; None: there is none."""
    known = await every(conn)
    return next((each for each in known if each.url is None and each.name == _name(name)), None)


async def add(
    conn: AsyncConnection,
    here: Here,
    *,
    name: str,
    url: str | None = None,
    mode: ListMode = ListMode.DRAFT,
    max_level: Level = Level.REJECT,
    excluded: tuple[str, ...] = (),
    allow_http: bool = False,
) -> Source:
    """A list, with nothing in it yet; one with an address is read soon.

    Raises Malformed: its name or address. Raises Conflict: there is one of that address, or there
    are as many as may be.
    """
    if url is not None:
        url = str(parse(url.strip(), allow_http=allow_http))
    count = await conn.scalar(sa.select(sa.func.count()).select_from(domain_lists)) or 0
    if count >= MAX_LISTS:
        raise Conflict(said("There are {limit} lists already.", limit=MAX_LISTS))
    if url is not None and await _known(conn, url):
        raise Conflict(noted("That list is here already."))
    source = Source(
        id=secrets.token_urlsafe(9),
        name=_name(name),
        url=url,
        mode=mode,
        max_level=max_level,
        excluded=excluded,
        due=None if url is None else to_minute(here.now()),
    )
    await conn.execute(
        domain_lists.insert().values(
            id=source.id,
            name=source.name,
            url=source.url,
            mode=source.mode,
            max_level=source.max_level,
            excluded=list(source.excluded),
            due=source.due,
        )
    )
    await audit.note(conn, here, verb="list added", about=url or source.id, reason=source.name)
    return source


async def _known(conn: AsyncConnection, url: str) -> bool:
    found = await conn.scalar(
        sa.select(domain_lists.c.id).where(domain_lists.c.url == url).limit(1)
    )
    return found is not None


async def every(conn: AsyncConnection) -> Sequence[Source]:
    """All lists, by name; there are no more than `MAX_LISTS`."""
    rows = await conn.execute(
        sa.select(domain_lists).order_by(domain_lists.c.name, domain_lists.c.id)
    )
    return [Source.of(row) for row in rows]


async def one(conn: AsyncConnection, list_id: str, *, to_change: bool = False) -> Source:
    """A list by its id; `to_change`: nobody else changes it meanwhile. Raises NotFound."""
    query = sa.select(domain_lists).where(domain_lists.c.id == list_id)
    row = (await conn.execute(query.with_for_update() if to_change else query)).one_or_none()
    if row is None:
        raise NotFound
    return Source.of(row)


async def change(
    conn: AsyncConnection,
    here: Here,
    source: Source,
    *,
    mode: ListMode,
    max_level: Level,
    excluded: tuple[str, ...],
) -> None:
    """Take a list otherwise from now on; what was taken stays until it is read again."""
    await conn.execute(
        sa.update(domain_lists)
        .where(domain_lists.c.id == source.id)
        .values(mode=mode, max_level=max_level, excluded=list(excluded), etag="", modified="")
    )
    await audit.note(conn, here, verb="list changed", about=source.address)


async def remove(conn: AsyncConnection, here: Here, source: Source) -> None:
    """Forget a list and all that was decided because of it."""
    gone = sa.delete(domain_policies).where(domain_policies.c.source == source.id)
    for row in await conn.execute(gone.returning(domain_policies.c.domain, domain_policies.c.held)):
        if not row.held:
            domains.note_gone(conn, row.domain, source.id)
    await conn.execute(sa.delete(domain_lists).where(domain_lists.c.id == source.id))
    tombstone_log.note(conn, Act.LIST_OVER, source.id)
    await audit.note(conn, here, verb="list removed", about=source.address)
    await policy.settle(conn)


async def after_restore(conn: AsyncConnection, over: Sequence[str]) -> None:
    """Lists that were ended since the backup end again, and of the others nothing new is taken
    before a person saw it: how they were taken since is not known.
    """
    ended = any_of(domain_policies.c.source, "lists"), any_of(domain_lists.c.id, "lists")
    for table, which in zip((domain_policies, domain_lists), ended, strict=True):
        await conn.execute(sa.delete(table).where(which), {"lists": list(over)})
    await conn.execute(sa.update(domain_lists).values(mode=ListMode.DRAFT, taken=None))
    await policy.settle(conn)


async def waiting(
    conn: AsyncConnection, source: Source, *, after: str = "", limit: int = 100
) -> Sequence[domains.Rule]:
    """What the list says that nobody agreed to yet, by domain, a page at a time."""
    rows = await conn.execute(
        domains.select_rules()
        .where(
            domain_policies.c.source == source.id,
            domain_policies.c.held,
            domain_policies.c.domain > after,
        )
        .order_by(domain_policies.c.domain)
        .limit(limit)
    )
    return [domains.Rule.of(row) for row in rows]


async def count_waiting(conn: AsyncConnection) -> dict[str, int]:
    """How many rows of each list wait for somebody to look."""
    rows = await conn.execute(
        sa.select(domain_policies.c.source, sa.func.count().label("count"))
        .where(domain_policies.c.held)
        .group_by(domain_policies.c.source)
    )
    return {row[0]: row[1] for row in rows}
