"""The way to PostgreSQL: one engine per node, its migrations, and quiet errors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum

import asyncpg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import AdaptedConnection, Connection
from sqlalchemy.exc import ArgumentError, DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kernel import revisions
from kernel.errors import Misconfigured

AWAY = (
    DBAPIError,
    PoolTimeout,
    OSError,  # with TimeoutError: no server listens, or it does not answer
    asyncpg.PostgresError,  # while it starts or ends it lets nobody connect
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection ended in the middle of a word
    PendingRollbackError,  # its transaction went with it
)
"""What is raised where the database does not do its part; the same may work a little later."""

_AWAY_CLASSES = frozenset({"08", "53", "57"})  # connection, resources, operator intervention
_FULL = frozenset({"53100", "53000"})  # disk_full, insufficient_resources

OLDEST = 15  # the first PostgreSQL that serves

_MIGRATION_LOCK = 0x4EA47401
_REFUSALS = {  # SQLSTATEs of a server that answers and does not let us in
    "28P01": "does not take this user name and password",
    "28000": "does not let this user in from here",
    "3D000": "server has no database of that name",
}


def connect(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """An engine on a PostgreSQL server. Parameters never show in its errors (DESIGN decision 2).

    The connection that was used last is used next: each keeps its plans, and few of them need many.
    """
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        pool_use_lifo=True,
        max_overflow=5,
        connect_args={"timeout": 10, "server_settings": {"application_name": "hearthold"}},
    )
    sa.event.listen(engine.sync_engine, "connect", _prefer_indexes)
    sa.event.listen(engine.sync_engine, "checkout", _drop_if_closed)
    return engine


def at_once(engine: AsyncEngine) -> AsyncEngine:
    """The same pool for those who ask one thing: each statement is a transaction of its own.

    No round trip begins or ends one. Between two statements others may write, as in a transaction
    of ours too (READ COMMITTED).
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _prefer_indexes(connection: AdaptedConnection, _record: object) -> None:
    """One plan serves a small group and a large one: it must stop where the page is full.

    PostgreSQL's default price of a page out of order is a spinning disk's. With it, a plan for the
    average group collects all its threads and sorts them, which takes a large one 50 times as long.
    Compiling a plan (`jit`) takes longer than anything that is asked here.
    """
    connection.run_async(lambda raw: raw.execute("SET random_page_cost = 1.1; SET jit = off"))


def _drop_if_closed(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    """A connection that the server ended is replaced before its use, with no question asked.

    The event loop hears of the end by itself; a ping would be three round trips each time.
    """
    if connection.driver_connection.is_closed():
        raise sa.exc.DisconnectionError


def normalise(url: str) -> str:
    """`DATABASE_URL` as operators write it, with our driver named.

    Raises Misconfigured: not a PostgreSQL address.
    """
    scheme, separator, rest = url.partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+asyncpg"} or not separator:
        raise Misconfigured("DATABASE_URL must begin with postgresql:// and name a PostgreSQL.")
    try:
        address = sa.make_url(f"postgresql+asyncpg://{rest}")
    except (ArgumentError, ValueError) as error:
        raise Misconfigured(
            "DATABASE_URL cannot be read: postgresql://user:password@host:5432/name, "
            "with other signs in the password as %40 for @ and %2F for /."
        ) from error
    if mode := address.query.get("sslmode"):  # libpq's word; asyncpg reads the same values as ssl
        address = address.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return address.render_as_string(hide_password=False)


async def check(engine: AsyncEngine) -> None:
    """Raises Misconfigured: the server does not answer, refuses us, or is too old."""
    try:
        async with engine.connect() as conn:
            version = await server_version(conn)
    except (OSError, TimeoutError, DBAPIError, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError):
            raise
        state = describe(error).partition(" ")[2]
        if state in _REFUSALS:
            raise Misconfigured(f"The database {_REFUSALS[state]}: check DATABASE_URL.") from error
        raise Misconfigured(
            f"The database does not answer ({describe(error)}). "
            "Check DATABASE_URL and that the server runs, then start again: nothing is lost."
        ) from error
    if version < OLDEST:
        raise Misconfigured("The database is too old: PostgreSQL 15 or newer is needed.")


async def server_version(conn: AsyncConnection) -> int:
    """The major version of the database's server: 18."""
    return int(await conn.scalar(sa.text("SHOW server_version_num")) or 0) // 10_000


async def migrate(engine: AsyncEngine) -> None:
    """Bring the database to the newest schema; several processes may ask at once."""
    async with engine.begin() as conn:
        if await revisions.current(conn) != revisions.head():
            await upgrade(conn)


async def upgrade(conn: AsyncConnection, revision: str = "head") -> None:
    """Bring the database to the schema `revision`, in the transaction of `conn`."""
    await conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    await conn.run_sync(_upgrade, revision)


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "kernel:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def describe(error: BaseException) -> str:
    """A database error by type and SQLSTATE only: its text may quote a row (DESIGN decision 2)."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    state = _state(error)
    name = type(cause).__name__
    return f"{name} {state}" if state else name


def is_away(error: BaseException) -> bool:
    """Whether the database ended, restarts, or cannot take us now: nothing is wrong with a row."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, AWAY)
    return error.connection_invalidated or (_state(error) or "")[:2] in _AWAY_CLASSES


def if_undone(conn: AsyncConnection, act: Callable[[], None]) -> None:
    """Act, should the transaction that is under way be rolled back."""
    sa.event.listen(conn.sync_connection, "rollback", lambda _: act(), once=True)


def is_full(error: BaseException) -> bool:
    """Whether the database refused because its disk has no room left."""
    return _state(error) in _FULL


def _state(error: BaseException) -> str | None:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return str(state) if state else None


class Laid(Enum):
    """What became of a table that was to be laid out."""

    ALREADY = "already"  # it lay in the order of its key
    NOW = "now"
    BUSY = "busy"  # somebody uses it; it is left as it is


async def rewrite_in_key_order(engine: AsyncEngine, table: sa.Table) -> Laid:
    """Lay a table out by its random key, so that row order says nothing.

    Nobody can use the table meanwhile. One that is in use for 200 ms, by a backup say, is left as
    it is (DESIGN, "Order and time").
    """
    try:
        async with engine.begin() as conn:
            if await _is_in_key_order(conn, table):
                return Laid.ALREADY
            await conn.execute(sa.text("SET LOCAL lock_timeout = '200ms'"))
            await conn.execute(sa.text(f'CLUSTER "{table.name}" USING "pk_{table.name}"'))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        return Laid.BUSY
    return Laid.NOW


async def _is_in_key_order(conn: AsyncConnection, table: sa.Table) -> bool:
    key = table.primary_key.columns
    before = [sa.func.lag(column).over(order_by=sa.text("ctid")) for column in key]
    falls = sa.select((sa.tuple_(*key) < sa.tuple_(*before)).label("here")).subquery()
    return not await conn.scalar(sa.select(sa.exists().where(falls.c.here)))


@asynccontextmanager
async def disposed(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """An engine whose connections are closed at the end of the block."""
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def engine_for(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine that is checked, migrated, and disposed of at the end."""
    async with disposed(connect(url)) as engine:
        await check(engine)
        await migrate(engine)
        yield engine
