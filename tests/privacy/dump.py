"""What a thief of the database holds: a real `pg_dump`, read without any key."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

import sqlalchemy as sa

from kernel.postgres_user import find_wheel
from kernel.schema.tables import metadata

Value = bytes | str | float | None
Row = tuple[Value, ...]

_COPY = re.compile(r"^COPY public\.(\w+) \((.*)\) FROM stdin;$")
_SETVAL = re.compile(r"^SELECT pg_catalog\.setval\('public\.(\w+)', (\d+),")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Table:
    """One table's rows in the order of the dump, which is the order on the disk."""

    columns: tuple[str, ...]
    rows: Sequence[Row]

    def column(self, name: str) -> list[Value]:
        """Every value of one column, in that order."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def with_column(self, name: str, values: Sequence[Value]) -> "Table":
        """The same rows with one more column, or with another content of that one."""
        if name in self.columns:
            at = self.columns.index(name)
            rows = [
                (*row[:at], value, *row[at + 1 :])
                for row, value in zip(self.rows, values, strict=True)
            ]
            return Table(self.columns, rows)
        rows = [(*row, value) for row, value in zip(self.rows, values, strict=True)]
        return Table((*self.columns, name), rows)

    def without(self, *names: str) -> "Table":
        """The same rows without some columns."""
        kept = [at for at, name in enumerate(self.columns) if name not in names]
        return Table(
            tuple(self.columns[at] for at in kept),
            [tuple(row[at] for at in kept) for row in self.rows],
        )


@dataclass(frozen=True, slots=True)
class Dump:
    """Tables by name, and where each sequence stands. Times are seconds, ids are bytes."""

    tables: Mapping[str, Table]
    sequences: Mapping[str, int] = field(default_factory=dict)

    def replace(self, **tables: Table) -> "Dump":
        """A dump in which some tables are others."""
        return Dump({**self.tables, **tables}, self.sequences)


async def steal(url: str, *tables: str) -> Dump:
    """A dump of the database at `url`, or of these `tables`, at this moment, by `pg_dump`."""
    parts = sa.make_url(url)
    process = await asyncio.create_subprocess_exec(
        find_wheel() / "bin" / "pg_dump",
        *("--no-password", "--username", str(parts.username)),
        *("--host", str(parts.query["host"]), "--port", str(parts.query["port"])),
        *(f"--table=public.{table}" for table in tables),
        str(parts.database),
        env={"PGPASSWORD": str(parts.password), "LC_ALL": "C"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return read(out.decode())


def read(text: str) -> Dump:
    """The tables of our schema out of a plain dump."""
    tables: dict[str, Table] = {}
    sequences: dict[str, int] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if (found := _COPY.match(line)) and found[1] in metadata.tables:
            columns = tuple(name.strip('" ') for name in found[2].split(","))
            known = metadata.tables[found[1]].c
            types = [known[name].type if name in known else None for name in columns]
            tables[found[1]] = Table(columns, list(_rows(lines, types)))
        elif found := _SETVAL.match(line):
            sequences[found[1]] = int(found[2])
    return Dump(tables, sequences)


def _rows(
    lines: Iterator[str], types: Sequence[sa.types.TypeEngine[object] | None]
) -> Iterator[tuple[Value, ...]]:
    for line in lines:
        if line == "\\.":
            return
        fields = line.split("\t")
        yield tuple(_value(text, kind) for text, kind in zip(fields, types, strict=True))


def _value(text: str, kind: sa.types.TypeEngine[object] | None) -> Value:
    """One field; of a column that our schema does not know, only a date is understood."""
    if text == "\\N":
        return None
    if kind is None:
        return seconds(date.fromisoformat(text)) if _DAY.fullmatch(text) else text
    text = _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)
    if isinstance(kind, sa.LargeBinary):
        return bytes.fromhex(text.removeprefix("\\x"))
    if isinstance(kind, sa.Uuid):
        return UUID(text).bytes
    if isinstance(kind, sa.DateTime):
        return datetime.fromisoformat(text).timestamp()
    if isinstance(kind, sa.Date):
        return seconds(date.fromisoformat(text))
    if isinstance(kind, sa.Boolean):
        return int(text == "t")
    return int(text) if isinstance(kind, sa.Integer) else text


def seconds(day: date) -> float:
    """Midnight of a day, as times are written here."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
