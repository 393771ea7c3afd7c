"""What a backup file holds: a compressed tar stream, sealed under a passphrase unless it is plain.

about.json             what this is of, and which tables it holds
tables/posts/000001…   a table as COPY gives it (`kernel.copying`), cut into parts
database.json          how many rows each table has, and where its numbers go on
hearthold.toml         the settings, without the address of the database (it holds a password)
tombstones.log         what must stay gone (`kernel.tombstone_log`)
media/…                the media directory
contents.json          the SHA-256 of all of these, so that a plain file can be checked too
"""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Self, cast

from kernel.copying import Columns
from kernel.errors import Misconfigured, NotAllowed
from kernel.sealed_file import CHUNK, Damaged, Opener, Sealer, WrongPassphrase, is_sealed

ABOUT: Final = "about.json"
NUMBERS: Final = "database.json"
CONTENTS: Final = "contents.json"
TABLES: Final = "tables/"
MEDIA: Final = "media/"

_FORMAT: Final = 1
_MAX_NOTE: Final = 256 * 1024 * 1024  # bytes of any part but media
_QUICK: Final = 1  # zlib's level: a table shrinks to a third at the speed of the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a backup is of. `postgres` is its server (18); only the node key makes `key_mark`."""

    format: int = _FORMAT
    hearthold: str
    origin: str
    postgres: int
    revision: str
    key_mark: str
    day: str
    tables: Columns

    def write(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises Misconfigured: a later program wrote it."""
        try:
            found = json.loads(data)
            if found["format"] == _FORMAT:
                return cls(**found)
        except (ValueError, KeyError, TypeError) as error:
            raise Misconfigured("The backup does not say what it is of.") from error
        raise Misconfigured("A later hearthold made this backup: restore it with that one.")


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many rows each table has, and what its identity columns count next."""

    rows: Mapping[str, int]
    next: Mapping[str, int]

    def write(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises Misconfigured: it says something else."""
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError) as error:
            raise Misconfigured("The backup does not say how many rows it holds.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some bytes of one part, `CHUNK` at most; `first` where the part begins."""

    name: str
    data: bytes
    first: bool

    @property
    def table(self) -> str | None:
        """Which table it is of."""
        return self.name.split("/")[1] if self.name.startswith(TABLES) else None


@contextmanager
def writing(file: BinaryIO, passphrase: str | None) -> Iterator["Writer"]:
    """Adds parts to a backup, which is whole when the block ends without an error."""
    writer = Writer(file, passphrase)
    try:
        yield writer
        writer.finish()
    finally:
        with suppress(OSError, ValueError):  # of a file that is given up
            writer.close()


class Writer:
    """Adds the parts of a backup to a file; `finish` says that it is whole."""

    def __init__(self, file: BinaryIO, passphrase: str | None) -> None:
        self._sealer = Sealer(file, passphrase) if passphrase is not None else None
        stream = cast(BinaryIO, self._sealer) if self._sealer else file  # only written to
        self._gzip = gzip.GzipFile(
            filename="", mode="wb", compresslevel=_QUICK, fileobj=stream, mtime=0
        )
        self._tar = tarfile.open(  # noqa: SIM115  (see `writing`)
            fileobj=self._gzip, mode="w|", bufsize=CHUNK, format=tarfile.PAX_FORMAT
        )
        self._sums: dict[str, str] = {}

    def add(self, name: str, data: bytes) -> None:
        """A part that is in memory."""
        self.copy(name, io.BytesIO(data), len(data))

    def copy(self, name: str, file: BinaryIO, size: int) -> None:
        """A part of `size` bytes. Raises OSError: `file` has fewer."""
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600  # no times: they would tell when people came
        summed = _Summed(file)
        self._tar.addfile(entry, cast(BinaryIO, summed))
        self._sums[name] = summed.sum.hexdigest()

    def finish(self) -> None:
        """Everything is in, and written."""
        self.add(CONTENTS, json.dumps(self._sums).encode())
        self._tar.close()
        self._gzip.close()
        if self._sealer is not None:
            self._sealer.finish()

    def close(self) -> None:
        """Let go of the file. Raises OSError: it takes no more."""
        self._tar.close()
        self._gzip.close()


class _Summed:
    """A file that sums up what is read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.sum = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sum.update(data)
        return data


def needs_passphrase(path: Path) -> bool:
    """Whether a backup is sealed. Raises Misconfigured: it cannot be read."""
    with _opened(path) as file:
        return is_sealed(file)


def pieces(path: Path, passphrase: str | None) -> Generator[Piece, None, None]:
    """Everything in a backup, in order; whether the file is whole is known at its end.

    Raises NotAllowed: the passphrase is another. Raises Misconfigured: the file is no backup, or
    is not as it was written.
    """
    with _opened(path) as file, _explained(path):
        sealed = is_sealed(file)
        if sealed and passphrase is None:
            raise WrongPassphrase
        stream = cast(BinaryIO, Opener(file, passphrase or "")) if sealed else file  # only read
        with (
            gzip.GzipFile(fileobj=stream, mode="rb") as unpacked,
            tarfile.open(fileobj=unpacked, mode="r|", bufsize=CHUNK) as tar,
        ):
            yield from _parts(tar)
            while rest := unpacked.read(CHUNK):  # to the end, which is sealed as such
                if rest.strip(b"\0"):
                    raise Damaged


def _parts(tar: tarfile.TarFile) -> Iterator[Piece]:
    sums: dict[str, str] = {}
    for entry in tar:
        part = tar.extractfile(entry) if entry.isreg() and _is_ours(entry.name) else None
        if part is None or entry.name in sums or (not sums and entry.name != ABOUT):
            raise Damaged
        if not entry.name.startswith(MEDIA) and entry.size > _MAX_NOTE:
            raise Damaged
        if entry.name == CONTENTS:
            if json.loads(part.read()) != sums:
                raise Damaged
            return
        total, first = hashlib.sha256(), True
        while (data := part.read(CHUNK)) or first:
            total.update(data)
            yield Piece(name=entry.name, data=data, first=first)
            first = False
        sums[entry.name] = total.hexdigest()
    raise Damaged  # it ends before it says what was in it


def _is_ours(name: str) -> bool:
    """Whether a name stays inside the folder it is put in."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and str(path) == name


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise Misconfigured(f"The backup {path} cannot be read: {error.strerror}.") from error
    with file:
        yield file


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except WrongPassphrase as error:
        raise NotAllowed("The passphrase is not the one of this backup.") from error
    except (Damaged, tarfile.TarError, zlib.error, ValueError, EOFError, OSError) as error:
        raise Misconfigured(
            f"{path} is no whole backup: it was cut off or changed, or is something else. "
            "Nothing was changed here. Take another copy of it."
        ) from error
