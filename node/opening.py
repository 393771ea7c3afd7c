"""What has to hold before anything of a node can run: its directory, its database, its origin."""

import stat
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from kernel import db, postgres, tombstone_log
from kernel.clock import utcnow
from kernel.errors import Misconfigured
from kernel.here import Here
from kernel.schema.tables import actor_keys, node
from kernel.sealing import NodeKey, Unsealable
from kernel.settings import Network, Settings

Say = Callable[[str], None]

DATABASE = "hearthold"
KEY = "node.key"
MOVED = "moved"  # there once the node lives on another server than its own


def prepare_directory(path: Path, say: Say) -> None:
    """Make the data directory, for this account alone, and see that it can be written to.

    Raises Misconfigured: it cannot. A directory that was there keeps its mode; a note says so
    when others may look into it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            mode = stat.S_IMODE(path.stat().st_mode)
    except FileExistsError:
        raise Misconfigured(
            f"{path} is a file. Name a directory for the node's data with --data-dir."
        ) from None
    except OSError as error:
        raise Misconfigured(
            f"The data directory {path} cannot be written to: {error.strerror}. "
            "Name another one with --data-dir, or let this account write there."
        ) from error
    if mode & 0o077:
        say(f"Others on this computer can look into {path}. `chmod 700 {path}` stops that.")


@asynccontextmanager
async def database(
    settings: Settings, say: Say, *, own: bool, start: bool = True
) -> AsyncIterator[str]:
    """The URL of the node's database, its own PostgreSQL running meanwhile if there is no other.

    With `own` the embedded server must be ours to run; otherwise one that runs is used as it is,
    and without `start` none is started.
    Raises Misconfigured: the server cannot start, or another process runs it, or none does.
    """
    if settings.database_url is not None:
        yield db.normalise(settings.database_url)
        return
    if (settings.data_dir / MOVED).exists():
        raise Misconfigured(
            "This node was moved to another server: set DATABASE_URL to that one. What lies in "
            f"{settings.data_dir / 'postgres'} is the node as it was before."
        )
    if not own and (server := await postgres.attach(settings.data_dir)) is not None:
        await server.create_database(DATABASE)
        yield server.url(DATABASE)
        return
    if not start:
        raise Misconfigured(
            "The node's own database does not run: start `hearthold serve` first, or set "
            "DATABASE_URL."
        )
    async with postgres.running(settings.data_dir, say=say) as server:
        await server.create_database(DATABASE)
        yield server.url(DATABASE)


async def known_origin(engine: AsyncEngine, wanted: str | None) -> str | None:
    """The origin this node has for ever, or `wanted` before its first start.

    Raises Misconfigured: the node has another one, and why that stays.
    """
    async with engine.connect() as conn:
        kept: str | None = await conn.scalar(sa.select(node.c.origin))
    if kept is not None and wanted not in (None, kept):
        raise Misconfigured(
            f"This node is {kept} and cannot become {wanted}: every person, group and post has an "
            f"address that begins with {kept}, and other nodes know them by it. "
            f"Start with --origin {kept} or without it, or name a new data directory."
        )
    return kept or wanted


async def check_key(conn: AsyncConnection, here: Here, data_dir: Path) -> None:
    """Raises Misconfigured: another key sealed what is in the database, so nobody could log in."""
    actor_id = await conn.scalar(sa.select(actor_keys.c.actor_id).limit(1))
    try:
        if actor_id is not None:
            await actor_store.signing_keys(conn, here, actor_id)
    except Unsealable as error:
        raise Misconfigured(
            f"{data_dir / KEY} is not the key of this database, so nobody could log in: move it "
            "away, and put the right one there with `hearthold key import FILE`."
        ) from error


@dataclass(frozen=True, slots=True)
class Opened:
    """A node's database and what actions may know of the node, for one command."""

    engine: AsyncEngine
    here: Here
    allow_networks: tuple[Network, ...] = ()


@asynccontextmanager
async def opened(settings: Settings, say: Say) -> AsyncIterator[Opened]:
    """The node for the length of a command, beside a running `hearthold serve` or without one.

    Raises Misconfigured: the node has no origin yet, or its database does not answer.
    """
    prepare_directory(settings.data_dir, say)
    async with (
        database(settings, say, own=False) as url,
        db.engine_for(url) as engine,
    ):
        async with engine.connect() as conn:
            started = await conn.scalar(sa.select(sa.exists().where(node.c.one)))
        origin = await known_origin(engine, settings.origin)
        if origin is None or not started:
            raise Misconfigured(
                "This node has not run yet. Start it once with `hearthold serve`, "
                "then run this again."
            )
        tombstone_log.keep(engine, settings.tombstones)
        here = Here(
            origin,
            NodeKey.load(settings.data_dir / KEY),
            utcnow,
            signed_fetch=settings.signed_fetch,
            protected_domains=settings.protected_domains,
            release_delay=settings.release_delay,
        )
        async with engine.connect() as conn:
            await check_key(conn, here, settings.data_dir)
        yield Opened(engine, here, settings.with_origin(origin).allow_networks)
