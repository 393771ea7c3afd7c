"""Tables as streams of text, out of one database and into another: PostgreSQL's COPY.

The text form is read alike by every server, whichever version wrote it, so a backup and a move
need no other program than this one. Everything is read in one snapshot, and written in the
caller's transaction: whole or not at all.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.errors import Misconfigured
from kernel.schema.base import metadata

_WAITING: Final = 64  # pieces on their way between two servers
_FULL: Final = "53100"  # SQLSTATE disk_full
_RELATIONS: Final = """
    SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
"""

Columns = Mapping[str, Sequence[str]]
"""Table names, each before those that refer to it, with their columns."""


def our_tables(*, without: Collection[str] = ()) -> Columns:
    """The tables of this program, in an order in which they can be filled."""
    return {
        table.name: [column.name for column in table.columns]
        for table in metadata.sorted_tables
        if table.name not in without
    }


async def tables_of(conn: AsyncConnection) -> Sequence[str]:
    """The tables that a database has, but Alembic's."""
    rows = await conn.execute(
        sa.text(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
            " AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'"
        )
    )
    return [row[0] for row in rows]


@asynccontextmanager
async def snapshot(engine: AsyncEngine, tables: Columns) -> AsyncIterator[AsyncConnection]:
    """A connection that sees one moment of `tables`; only a change of their shape has to wait."""
    async with engine.connect() as conn:
        await conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        names = ", ".join(_quote(table) for table in tables)
        await conn.execute(sa.text(f"LOCK TABLE {names} IN ACCESS SHARE MODE"))
        yield conn


async def copy_out(
    conn: AsyncConnection,
    table: str,
    columns: Sequence[str],
    give: Callable[[bytes], Awaitable[None]],
) -> int:
    """Hand every row of `table` to `give`, in pieces of any size; how many rows there are."""
    status = await (await _driver(conn)).copy_from_table(
        table, columns=list(columns), output=give, format="text"
    )
    return _rows(status)


async def copy_in(
    conn: AsyncConnection, table: str, columns: Sequence[str], pieces: AsyncIterator[bytes]
) -> int:
    """Append what `copy_out` gave to `table`, in the transaction of `conn`; how many rows.

    Raises Misconfigured: the database does not take it. What `pieces` raises is raised.
    """
    try:
        status = await (await _driver(conn)).copy_to_table(
            table, source=_not_empty(pieces), columns=list(columns), format="text"
        )
    except asyncpg.PostgresError as error:  # its words may quote a row
        if error.sqlstate == _FULL:
            raise Misconfigured(
                "The disk of the database is full: make room on it, then try again."
            ) from None
        raise Misconfigured(
            f"The database did not take the table {table} (SQLSTATE {error.sqlstate}); "
            "it is as empty as before."
        ) from None
    return _rows(status)


async def carry(
    source: AsyncConnection,
    target: AsyncConnection,
    table: str,
    columns: Sequence[str],
    seen: Callable[[int], None],
) -> None:
    """Append the rows of `table` here to those there; `seen` is told how many bytes passed."""
    waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)

    async def read() -> None:
        await copy_out(source, table, columns, waiting.put)
        await waiting.put(b"")

    async def arriving() -> AsyncIterator[bytes]:
        while piece := await waiting.get():
            seen(len(piece))
            yield piece

    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(read())
            both.create_task(copy_in(target, table, columns, arriving()))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def _not_empty(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if piece:
            yield piece


async def count(conn: AsyncConnection, table: str) -> int:
    """How many rows `table` has."""
    return int(await conn.scalar(sa.text(f"SELECT count(*) FROM {_quote(table)}")) or 0)  # noqa: S608


async def is_empty(conn: AsyncConnection) -> bool:
    """Whether a database holds no table, view or sequence of anybody."""
    return not await conn.scalar(sa.text(_RELATIONS))


async def clear(conn: AsyncConnection, tables: Columns) -> None:
    """Take out what a migration may have put in."""
    await conn.execute(sa.text(f"TRUNCATE {', '.join(map(_quote, tables))}"))


async def settle(conn: AsyncConnection) -> None:
    """Let the database check now what it checks at the end: then a migration may follow."""
    await conn.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    await conn.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))


async def next_numbers(conn: AsyncConnection, tables: Columns) -> dict[str, int]:
    """What each identity column will count next, by `table.column`.

    A sequence stands outside every snapshot: ask after the rows were read, and none of them has a
    number that is given out again.
    """
    found = {}
    for table, column, sequence in await _sequences(conn, tables):
        number = await conn.scalar(
            sa.text(f"SELECT last_value + is_called::integer FROM {sequence}")  # noqa: S608
        )
        found[f"{table}.{column}"] = int(number or 1)
    return found


async def count_on(conn: AsyncConnection, tables: Columns, numbers: Mapping[str, int]) -> None:
    """Let identity columns count from `numbers`, or from their highest value, if that is more."""
    for table, column, sequence in await _sequences(conn, tables):
        after = await conn.scalar(
            sa.text(f"SELECT coalesce(max({_quote(column)}), 0) + 1 FROM {_quote(table)}")  # noqa: S608
        )
        number = max(int(after or 1), numbers.get(f"{table}.{column}", 1))
        await conn.execute(
            sa.text("SELECT setval(CAST(:sequence AS regclass), :number, false)"),
            {"sequence": sequence, "number": number},
        )


async def _sequences(conn: AsyncConnection, tables: Columns) -> list[tuple[str, str, str]]:
    rows = await conn.execute(
        sa.text(
            "SELECT table_name, column_name, "
            "pg_get_serial_sequence(quote_ident(table_name), column_name) "
            "FROM information_schema.columns WHERE table_schema = current_schema() "
            "AND is_identity = 'YES' AND table_name = ANY (:tables) ORDER BY 1, 2"
        ),
        {"tables": list(tables)},
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def _driver(conn: AsyncConnection) -> asyncpg.Connection:
    """The driver's connection, inside the transaction of `conn`, which a statement has begun."""
    raw = (await conn.get_raw_connection()).driver_connection
    if not isinstance(raw, asyncpg.Connection) or not raw.is_in_transaction():
        raise RuntimeError("a table is copied inside a transaction only")
    return raw


def _rows(status: str) -> int:
    """`COPY 12` says 12."""
    return int(status.rpartition(" ")[2])


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
