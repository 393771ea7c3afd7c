"""`hearthold backup`: the node as it is at one moment, in one file, while it goes on running.

The node key is not in it (`node.safekeeping.key_file`), and neither are sessions: a restore ends
them all.
"""

import asyncio
import errno
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inbox.discovery import VERSION
from kernel import copying, db, revisions, tombstone_log
from kernel.clock import utcnow
from kernel.errors import Conflict, Misconfigured, NotFound
from kernel.schema.tables import media, node, sessions
from kernel.sealed_file import CHUNK
from kernel.settings import FILE as SETTINGS_FILE
from kernel.settings import SECRETS, Settings
from media.bucket import Bucket
from media.folder import name_of
from node.opening import KEY, Say, database
from node.safekeeping import archive, key_file
from node.safekeeping.archive import About, Numbers, Writer

WITHOUT: Final = (sessions.name,)

Show = Callable[[str, int, int | None], None]
"""Told what is under way, how many bytes are done, and of how many where that is known."""

_STEP: Final = 1_000
_SECRET: Final = re.compile(rf"""^\s*["']?({"|".join(SECRETS)})["']?\s*=.*$""", re.M)
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


async def backup(
    settings: Settings, path: Path, passphrase: str | None, *, say: Say, show: Show
) -> int:
    """Write the node to `path`, plain where there is no passphrase; how many bytes it has.

    Whatever ends it early leaves nothing at `path`.
    Raises Conflict: a file is there. Raises Busy: the bucket of pictures is away. Raises
    Misconfigured: it cannot be written, or the database cannot be copied.
    """
    _see_that_it_is_new(path)
    key = key_file.existing(settings.data_dir / KEY)
    # Before the rows: a line that is in both is acted on twice, one that is in neither is lost.
    gone = _bytes(settings.tombstones)
    async with database(settings, say, own=False) as url, db.disposed(db.connect(url)) as engine:
        await db.check(engine)
        async with engine.connect() as conn:
            await see_that_it_is_ours(conn)
        tables = copying.our_tables(without=WITHOUT)
        async with copying.snapshot(engine, tables) as conn, _new_file(path) as file:
            about = await _describe(conn, tables, key_file.mark(key))
            with archive.writing(file, passphrase) as writer:
                await in_thread(writer.add, archive.ABOUT, about.write())
                await _write_tables(conn, tables, writer, show)
                await _write_files(settings, gone, writer, show)
                if settings.s3 is not None:
                    await _write_bucket(conn, Bucket.of(settings.s3), writer, show)
            return file.tell()


def _see_that_it_is_new(path: Path) -> None:
    if path.exists():
        raise Conflict(f"There is a file at {path} already: choose another name.")


async def see_that_it_is_ours(conn: AsyncConnection) -> None:
    """Raises Misconfigured: the database is not a node's, or not of this program's schema."""
    found = await revisions.current(conn)
    if found is None or await conn.scalar(sa.select(node.c.origin)) is None:
        raise Misconfigured("This node has not run yet, so there is nothing to take along.")
    if found != revisions.head():
        raise Misconfigured(
            f"The database has the schema {found}: "
            + (
                "start `hearthold serve` once, which brings it up to date, then run this again."
                if revisions.known(found)
                else "it is of a newer hearthold, so use that one."
            )
        )


async def _describe(conn: AsyncConnection, tables: copying.Columns, key_mark: str) -> About:
    return About(
        hearthold=VERSION,
        origin=(await conn.execute(sa.select(node.c.origin))).scalar_one(),
        postgres=await db.server_version(conn),
        revision=revisions.head(),
        key_mark=key_mark,
        day=utcnow().date().isoformat(),
        tables=tables,
    )


async def _write_tables(
    conn: AsyncConnection, tables: copying.Columns, writer: Writer, show: Show
) -> None:
    done, rows = 0, {}
    for table, columns in tables.items():
        parts = _Parts(writer, table)

        async def take(data: bytes, parts: _Parts = parts) -> None:
            nonlocal done
            await parts.add(data)
            done += len(data)
            show("database", done, None)

        rows[table] = await copying.copy_out(conn, table, columns, take)
        await parts.flush()
    numbers = Numbers(rows, await copying.next_numbers(conn, tables))
    await in_thread(writer.add, archive.NUMBERS, numbers.write())


class _Parts:
    """Gathers a table's bytes into parts, so that memory stays flat."""

    def __init__(self, writer: Writer, table: str) -> None:
        self._writer, self._table = writer, table
        self._waiting, self._number = bytearray(), 0

    async def add(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= CHUNK:
            await self.flush()

    async def flush(self) -> None:
        self._number += 1
        name = f"{archive.TABLES}{self._table}/{self._number:06}"
        data, self._waiting = bytes(self._waiting), bytearray()
        await in_thread(self._writer.add, name, data)


async def _write_files(settings: Settings, gone: bytes, writer: Writer, show: Show) -> None:
    if written := _bytes(settings.data_dir / SETTINGS_FILE).decode():
        written = _SECRET.sub(r"# \1 is not kept in backups.", written)
        await in_thread(writer.add, SETTINGS_FILE, written.encode())
    await in_thread(writer.add, tombstone_log.FILE, gone)
    done = 0
    for path in await in_thread(_media, settings.media):
        done += await in_thread(_add_media, writer, settings.data_dir, path)
        show("media", done, None)


async def _write_bucket(conn: AsyncConnection, bucket: Bucket, writer: Writer, show: Show) -> None:
    """The pictures that the rows of this moment know of, without those that went meanwhile."""
    done, last = 0, None
    query = sa.select(media.c.id).where(~media.c.gone).order_by(media.c.id).limit(_STEP)
    while ids := list(
        await conn.scalars(query if last is None else query.where(media.c.id > last))
    ):
        for media_id in ids:
            try:
                pieces = await bucket.open(media_id)
            except NotFound:
                continue
            body = b"".join([piece async for piece in pieces.body])
            await in_thread(writer.add, archive.MEDIA + name_of(media_id), body)
            done += len(body)
            show("media", done, None)
        last = ids[-1]


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _media(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _add_media(writer: Writer, data_dir: Path, path: Path) -> int:
    """A file's size; 0 where it was deleted meanwhile."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return 0
    with file:
        size = os.fstat(file.fileno()).st_size
        writer.copy(path.relative_to(data_dir).as_posix(), file, size)
    return size


@asynccontextmanager
async def _new_file(path: Path) -> AsyncIterator[BinaryIO]:
    """A file for our eyes only, at `path` once the block ended well, else nowhere."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                await in_thread(os.fsync, descriptor)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in _FULL:
            raise Misconfigured(
                f"The disk is full, so there is no backup at {path}: make room, or name another "
                "disk, then run this again."
            ) from error
        where = error.filename or path
        raise Misconfigured(f"{where} cannot be used: {error.strerror or error}.") from error


async def in_thread(
    work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
) -> _Result:
    """What `work` gives, done beside the loop; it is never left half-way behind."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *given, **named))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
