"""Safety records: what the people who run a node wrote down, in every version, with its day.

A weighing of the risks, how complaints are dealt with, and where the node can be reached (DOM-I8).
What is in force is the newest version; none is ever changed or taken away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.errors import Malformed, NotFound
from kernel.said import said
from kernel.schema.node import Record
from kernel.schema.tables import safety_records

MAX_RECORD: Final = 20_000
VERSIONS: Final = 50  # of one record, on a page
LOOKED_AT: Final = timedelta(days=365)  # then a record is to be read again
PUBLIC: Final = (Record.COMPLAINTS, Record.CONTACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a record; `source` is Markdown."""

    kind: Record
    version: int
    source: str
    day: date

    def is_due(self, today: date) -> bool:
        """Whether it was last looked at more than a year ago."""
        return today - self.day > LOOKED_AT


async def newest(conn: AsyncConnection) -> Mapping[Record, Version]:
    """What is in force; a record that nobody wrote yet is left out."""
    later = safety_records.alias("later")
    highest = (
        sa.select(sa.func.max(later.c.version))
        .where(later.c.kind == safety_records.c.kind)
        .scalar_subquery()
    )
    rows = await conn.execute(sa.select(safety_records).where(safety_records.c.version == highest))
    return {Record(row.kind): _read(row) for row in rows}


def due(known: Mapping[Record, Version], today: date) -> Sequence[Record]:
    """The records that nobody wrote yet, or looked at for a year."""
    return [kind for kind in Record if kind not in known or known[kind].is_due(today)]


async def versions(conn: AsyncConnection, kind: Record) -> Sequence[Version]:
    """The newest versions of a record, newest first."""
    rows = await conn.execute(
        sa.select(safety_records)
        .where(safety_records.c.kind == kind)
        .order_by(safety_records.c.version.desc())
        .limit(VERSIONS)
    )
    return [_read(row) for row in rows]


async def one(conn: AsyncConnection, kind: Record, version: int) -> Version:
    """Raises NotFound: there is no such version."""
    row = (
        await conn.execute(
            sa.select(safety_records).where(
                safety_records.c.kind == kind, safety_records.c.version == version
            )
        )
    ).first()
    if row is None:
        raise NotFound
    return _read(row)


async def write(conn: AsyncConnection, kind: Record, source: str, today: date) -> Version:
    """A new version, in force from today. The same words again say that they still hold.

    Raises Malformed: there are no words, or too many.
    """
    source = source.strip()
    if not source:
        raise Malformed("Please write something first.")
    if len(source) > MAX_RECORD:
        raise Malformed(said("This can have up to {limit} letters.", limit=MAX_RECORD))
    await conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"safety {kind}"))))
    last = sa.select(sa.func.coalesce(sa.func.max(safety_records.c.version), 0)).where(
        safety_records.c.kind == kind
    )
    row = (
        await conn.execute(
            safety_records.insert()
            .values(kind=kind, version=last.scalar_subquery() + 1, source=source, day=today)
            .returning(*safety_records.c)
        )
    ).one()
    return _read(row)


def _read(row: sa.Row[*tuple[object, ...]]) -> Version:
    values = dict(row._mapping)
    return Version(**{**values, "kind": Record(values["kind"])})
