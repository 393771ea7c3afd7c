"""`hearthold restore`: a backup becomes a node again, in an empty database, whole or not at all.

Everything happens in one transaction: the schema of the backup, its rows, the newest schema, and
what was decided since. Arrivals that waited to be dealt with are kept; so are deliveries, but for
those that left since (`node.safekeeping.sent`).
"""

import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from groups import waiting
from kernel import copying, db, revisions, tombstone_log
from kernel.clock import utcnow
from kernel.errors import Busy, Misconfigured
from kernel.here import Here
from kernel.postgres_files import write_private
from kernel.schema.tables import deliveries, peers, received
from kernel.sealing import NodeKey
from kernel.settings import FILE as SETTINGS_FILE
from kernel.settings import Settings
from kernel.tombstone_log import Act
from media import pictures
from media.bucket import Bucket
from media.folder import Folder
from members import messages
from moderation import chain
from moderation.chain import Head
from node.opening import KEY, Say, database, prepare_directory
from node.pictures import store_of
from node.safekeeping import archive, key_file
from node.safekeeping.archive import About, Numbers, Piece
from node.safekeeping.backup import WITHOUT, Show, in_thread
from node.safekeeping.move_pictures import carry
from node.safekeeping.replay import Replayed, replay
from node.safekeeping.sent import FILE as SENT
from node.safekeeping.sent import Sent, drop_sent

SPREAD: Final = 3600  # seconds over which peers are served anew where nothing says what has left


RESTORED: Final = (
    "This place was brought back from a copy. Perhaps this went out already, or you took it back. "
    "Please look before you send it."
)


@dataclass(frozen=True, slots=True)
class Restored:
    """Which node came back, what was decided otherwise since, and what had left since."""

    about: About
    replayed: Replayed
    sent: int | None  # None: nothing says what had left


async def restore(
    settings: Settings,
    path: Path,
    passphrase: str | None,
    *,
    since: Path | None = None,
    say: Say,
    show: Show,
) -> Restored:
    """Bring the node in the backup at `path` back, on the key that lies in the data directory.

    `since` is a copy of the lost node's folder of that name. Whatever ends it early leaves the
    database empty. Raises NotAllowed: the passphrase is another. Raises Misconfigured: the file is
    not whole, the key is another, the database is not empty or too old, or a node runs here.
    """
    async with aclosing(_read(path, passphrase, "restoring", show)) as pieces:
        backup = _Backup(pieces)
        about = await backup.about()
        if not revisions.known(about.revision):
            raise Misconfigured(
                f"The backup is of a newer hearthold, {about.hearthold}: use that one."
            )
        if settings.origin not in (None, about.origin):
            raise Misconfigured(
                f"The backup is of {about.origin}, and the settings say {settings.origin}."
            )
        prepare_directory(settings.data_dir, say)
        files = _Files(settings, since or settings.since)
        files.check()
        key = _key(settings, about)
        try:
            async with (
                database(settings, say, own=True) as url,
                db.disposed(db.connect(url)) as engine,
            ):
                await db.check(engine)
                async with engine.begin() as conn:
                    await _see_that_it_fits(conn, about)
                    await _fill(conn, about, backup, files)
                    here = Here(about.origin, key, utcnow)
                    restored = await _go_on(conn, here, about, files)
                    files.put_in_place(say)
                    files.note_rewound(await chain.head(conn))
                await _settle_pictures(engine, here, settings, say, show)
        finally:
            files.drop()
    return restored


async def _settle_pictures(
    engine: AsyncEngine, here: Here, settings: Settings, say: Say, show: Show
) -> None:
    """Pictures of deleted posts go, and where a bucket is named the others go there."""
    try:
        if settings.s3 is not None:
            await carry(engine, Folder(settings.media), Bucket.of(settings.s3), show)
        while await pictures.remove_gone(engine, here, store_of(settings)):
            pass
    except Busy:
        say(
            f"The bucket does not answer, so pictures are still in {settings.media}: see "
            "`hearthold doctor`, then run `hearthold move-pictures`."
        )


async def check(path: Path, passphrase: str | None, show: Show) -> About:
    """Read a whole backup and use nothing of it. Raises NotAllowed, Misconfigured: `restore`."""
    async with aclosing(_read(path, passphrase, "checking", show)) as pieces:
        backup = _Backup(pieces)
        about = await backup.about()
        while await backup.next() is not None:
            pass
    return about


def _key(settings: Settings, about: About) -> NodeKey:
    key = key_file.existing(settings.data_dir / KEY)
    if key_file.mark(key) != about.key_mark:
        raise Misconfigured(
            f"The key in {settings.data_dir / KEY} is not the one of this backup, so nobody could "
            "log in: move it away, and `hearthold key import FILE` puts the right one there."
        )
    return key


async def _read(
    path: Path, passphrase: str | None, what: str, show: Show
) -> AsyncGenerator[Piece, None]:
    pieces, done = archive.pieces(path, passphrase), 0
    try:
        while (piece := await in_thread(next, pieces, None)) is not None:
            yield piece
            done += len(piece.data)
            show(what, done, None)
    finally:
        pieces.close()


class _Backup:
    """The pieces of a backup, one part after the other."""

    def __init__(self, pieces: AsyncGenerator[Piece, None]) -> None:
        self._pieces = pieces
        self.current: Piece | None = None

    async def next(self) -> Piece | None:
        """The next piece; None at the end of a file that is whole."""
        self.current = await anext(self._pieces, None)
        return self.current

    async def about(self) -> About:
        """What the first part says; the piece after it is current then."""
        data = bytearray()
        while (piece := await self.next()) is not None and piece.name == archive.ABOUT:
            data += piece.data
        return About.read(bytes(data))

    async def table(self, name: str) -> AsyncIterator[bytes]:
        """What is there of a table."""
        while self.current is not None and self.current.table == name:
            yield self.current.data
            await self.next()


async def _see_that_it_fits(conn: AsyncConnection, about: About) -> None:
    """Raises Misconfigured: the server is older, or its database holds something."""
    server = await db.server_version(conn)
    if server < about.postgres:
        raise Misconfigured(
            f"The backup is of PostgreSQL {about.postgres}, and this server is {server}: use one "
            f"of {about.postgres} or newer. (`hearthold move` also goes to an older one.)"
        )
    if not await copying.is_empty(conn):
        raise Misconfigured(
            "The database is not empty, and a restore replaces nothing: name a new data "
            "directory with --data-dir, or a new database in DATABASE_URL."
        )


async def _fill(conn: AsyncConnection, about: About, backup: _Backup, files: "_Files") -> None:
    """The backup's own schema with the backup's rows, each table counted, then our schema."""
    await db.upgrade(conn, about.revision)
    if set(await copying.tables_of(conn)) - set(WITHOUT) != set(about.tables):
        raise Misconfigured("The backup's tables are not those of its schema: it was changed.")
    await copying.clear(conn, about.tables)
    rows = {
        table: await copying.copy_in(conn, table, columns, backup.table(table))
        for table, columns in about.tables.items()
    }
    while (piece := backup.current) is not None:
        await in_thread(files.take, piece)
        await backup.next()
    numbers = files.numbers()
    if rows != numbers.rows:
        raise Misconfigured("The backup does not hold as many rows as it says: it was changed.")
    await copying.count_on(conn, about.tables, numbers.next)
    await copying.settle(conn)
    await db.upgrade(conn)


async def _go_on(conn: AsyncConnection, here: Here, about: About, files: "_Files") -> Restored:
    """What the node would have done had it lived on: what left has left, what is gone is gone."""
    for table in (peers, received):
        await conn.execute(sa.update(table).values(lease=None, leased_until=None))
    await conn.execute(sa.update(deliveries).values(attempts=0))
    await waiting.stop_all(conn, here, RESTORED)
    await messages.stop_all(conn)
    gone = None
    if sent := files.sent():
        gone = await drop_sent(conn, sent)
    else:
        pause = sa.func.random() * sa.text(f"interval '{SPREAD} seconds'")
        await conn.execute(
            sa.update(peers).where(peers.c.failures == 0).values(next_attempt=sa.func.now() + pause)
        )
    replayed = await replay(conn, here, tombstone_log.read(files.merged_log()))
    return Restored(about, replayed, gone)


@dataclass(slots=True)
class _Files:
    """What of a backup is not the database; put in place before the database's commit."""

    place: Settings
    since: Path
    parts: dict[str, bytearray] = field(default_factory=dict)

    @property
    def _media(self) -> Path:
        return self.place.media

    @property
    def _new_media(self) -> Path:
        return self.place.media.with_name("media.new")

    def check(self) -> None:
        """Raises Misconfigured: there are media already, or `since` is no folder."""
        if self._media.exists() and any(self._media.iterdir()):
            raise Misconfigured(f"{self._media} is not empty: move it away, then restore again.")
        if self.since != self.place.since and not (self.since / tombstone_log.FILE).exists():
            raise Misconfigured(f"There is no {tombstone_log.FILE} in {self.since}.")
        self.drop()

    def drop(self) -> None:
        """Let go of what was put aside."""
        shutil.rmtree(self._new_media, ignore_errors=True)

    def take(self, piece: Piece) -> None:
        """Put a piece aside."""
        if piece.name.startswith(archive.MEDIA):
            path = self._new_media / piece.name.removeprefix(archive.MEDIA)
            for folder in reversed(path.relative_to(self.place.data_dir).parents[:-1]):
                (self.place.data_dir / folder).mkdir(mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if piece.first else os.O_APPEND)
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                file.write(piece.data)
        else:
            self.parts.setdefault(piece.name, bytearray()).extend(piece.data)

    def numbers(self) -> Numbers:
        """What the backup says of its tables. Raises Misconfigured: nothing."""
        try:
            return Numbers.read(bytes(self.parts[archive.NUMBERS]))
        except KeyError as error:
            raise Misconfigured("The backup does not say how many rows it holds.") from error

    def merged_log(self) -> str:
        """What has to stay gone, by the backup and by the lost node."""
        found = self.parts.get(tombstone_log.FILE, bytearray()).decode()
        for path in dict.fromkeys((self.since / tombstone_log.FILE, self.place.tombstones)):
            found = tombstone_log.merge(found, path.read_text() if path.exists() else "")
        return found

    def sent(self) -> Sent | None:
        """How far the lost node's deliveries had come; None where nothing says so."""
        path = self.since / SENT
        return Sent.read(path.read_text()) if path.exists() else None

    def note_rewound(self, last: Head) -> None:
        """Where the chain of decisions reached further than the backup, it grows from there now."""
        noted = chain.Expected.of(tombstone_log.read(self.merged_log())).heads
        if max(noted, default=0) <= last.seq:
            return
        line = (Act.REWOUND.value, str(last.seq), last.hash.hex())
        tombstone_log.append(self.place.tombstones, [line])

    def put_in_place(self, say: Say) -> None:
        """Nothing that is there already is replaced, but the log, which only grew."""
        self.place.since.mkdir(mode=0o700, exist_ok=True)
        write_private(self.place.tombstones, self.merged_log())
        if self._new_media.exists():
            if self._media.exists():
                self._media.rmdir()
            self._new_media.rename(self._media)
        written, settings = self.parts.get(SETTINGS_FILE), self.place.data_dir / SETTINGS_FILE
        if written and settings.exists():
            say(f"{settings} stays as it is; the one in the backup is left there.")
        elif written:
            write_private(settings, written.decode())
