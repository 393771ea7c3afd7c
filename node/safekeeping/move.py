"""`hearthold move`: the node goes to another PostgreSQL server, table by table, rows counted.

The new database is filled in one transaction, so it has the whole node or nothing. The old one is
only read. A node that runs meanwhile would go on in the old one, so none may.
"""

from functools import partial

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import copying, db
from kernel.copying import Columns
from kernel.errors import Conflict, Misconfigured
from kernel.postgres_files import write_private
from kernel.settings import Settings
from node.opening import MOVED, Say, database
from node.safekeeping.backup import Show, see_that_it_is_ours


async def move(settings: Settings, target: str, *, say: Say, show: Show) -> int:
    """Carry the node to the empty database at `target`; how many rows it has.

    Raises Misconfigured: it is not empty, does not answer, or does not take the rows. Raises
    Conflict: a node runs on the old database.
    """
    url = db.normalise(target)
    tables = copying.our_tables()
    async with (
        database(settings, say, own=True) as old_url,
        db.disposed(db.connect(old_url)) as old,
        db.disposed(db.connect(url)) as new,
    ):
        await db.check(old)
        await _check_target(new)
        await _see_that_nobody_else_is_there(old)
        async with old.connect() as conn:
            await see_that_it_is_ours(conn)
        async with copying.snapshot(old, tables) as source, new.begin() as conn:
            await db.upgrade(conn)
            await copying.clear(conn, tables)
            rows = await _carry(source, conn, tables, show)
            await copying.count_on(conn, tables, await copying.next_numbers(source, tables))
    if settings.database_url is None:
        write_private(settings.data_dir / MOVED, "This node lives at DATABASE_URL now.\n")
    return rows


async def _check_target(engine: AsyncEngine) -> None:
    try:
        await db.check(engine)
    except Misconfigured as error:
        raise Misconfigured(f"The new server: {error}") from error
    async with engine.connect() as conn:
        if not await copying.is_empty(conn):
            raise Misconfigured(
                "The new database is not empty: make a new one (`createdb`) and name that."
            )


async def _see_that_nobody_else_is_there(engine: AsyncEngine) -> None:
    async with engine.connect() as conn:
        others = await conn.scalar(
            sa.text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'hearthold' AND pid <> pg_backend_pid()"
            )
        )
    if others:
        raise Conflict(
            "A hearthold still works on the old database: stop `hearthold serve` and "
            "`hearthold worker`, then run this again."
        )


async def _carry(
    source: AsyncConnection, target: AsyncConnection, tables: Columns, show: Show
) -> int:
    """Raises Misconfigured: a table has another number of rows there than here."""
    done = total = 0

    def seen(table: str, size: int) -> None:
        nonlocal done
        done += size
        show(table, done, None)

    for table, columns in tables.items():
        await copying.carry(source, target, table, columns, partial(seen, table))
        here, there = await copying.count(source, table), await copying.count(target, table)
        if here != there:
            raise Misconfigured(
                f"{table} has {here} rows here and {there} there, so nothing was moved: "
                "see the log of the new server."
            )
        total += there
    return total
