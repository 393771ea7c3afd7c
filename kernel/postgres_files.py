"""Where the embedded PostgreSQL lies on disk (DESIGN decision 1).

    directory/postgres/          ours: owner.lock, password, place.json, start.log
    base/                        the same folder; or, when we are root and the server's user
                                 cannot pass through `directory`, one under /var/lib
        cluster/  log/  socket/  0700, of the server's user
        pgsql-18.4/              a copy of the binaries, where that user cannot read the wheel's

Root writes nothing inside a folder of the server's user: a link planted there would be followed
with root's rights. Nothing that this module did not make changes its mode or owner.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kernel.errors import Misconfigured
from kernel.postgres_user import ServerUser, choose_user, user_name

ELSEWHERE = Path("/var/lib/hearthold-postgres")
PORT = 5432  # only a part of the socket's name: no TCP port is opened
LOG_KEPT = 1024 * 1024  # bytes in one weekday's log file when the server starts

_SOCKET_PATH = 107  # bytes in sockaddr_un, without the closing zero
_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")  # needs no quoting in settings and URLs
_SHELL = frozenset('"$`\\\n')  # initdb puts its own path between double quotes in a shell line


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What `place.json` remembers between starts: where the cluster's base and the socket are."""

    base: Path
    socket: Path

    @classmethod
    def read(cls, keep: Path) -> "Record":
        """Raises Misconfigured: the file is there and makes no sense."""
        path = keep / "place.json"
        try:
            found = json.loads(path.read_text())
            base = Path(found["base"] or keep)
            return cls(base=base, socket=Path(found["socket"] or base / "socket"))
        except FileNotFoundError:
            return cls(base=keep, socket=keep / "socket")
        except (ValueError, KeyError, TypeError) as error:
            raise Misconfigured(f"{path} cannot be read: put it back from a backup.") from error

    def write(self, keep: Path) -> None:
        """Remember this; what lies inside `keep` is not named, so that the folder can move."""
        base = None if self.base == keep else str(self.base)
        socket = str(self.socket) if self.borrows_socket else None
        write_private(keep / "place.json", json.dumps({"base": base, "socket": socket}) + "\n")

    @property
    def borrows_socket(self) -> bool:
        return self.socket.parent != self.base


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The files of one cluster, and the user they belong to."""

    keep: Path
    base: Path
    user: ServerUser

    @property
    def cluster(self) -> Path:
        return self.base / "cluster"

    @property
    def log(self) -> Path:
        return self.base / "log"

    @property
    def start_log(self) -> Path:
        return self.keep / "start.log"

    def log_sizes(self) -> dict[Path, int]:
        """How many bytes each file of the server's log holds."""
        return {file: file.lstat().st_size for file in (self.start_log, *self.log.iterdir())}

    def last_words(self, before: dict[Path, int]) -> str:
        """What the server logged since `before`; of each file at most the last 64 KiB."""
        words = []
        for file, size in self.log_sizes().items():
            with file.open("rb") as log:
                log.seek(max(before.get(file, 0), size - 65536))
                words.append(log.read().decode(errors="replace"))
        return "".join(words)

    def progress(self) -> tuple[object, ...]:
        """A value that differs from the last one whenever a starting server got any further."""
        marks: list[object] = [self.log_sizes()]
        for part in ("postmaster.pid", "global/pg_control", "pg_wal"):
            with suppress(FileNotFoundError):
                marks.append((self.cluster / part).stat().st_mtime_ns)
        return tuple(marks)

    def claim(self) -> tuple[int, str] | None:
        """The pid and the status word in `postmaster.pid`, which may be left from a crash."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def claim_holds(self) -> bool:
        """Whether the process that `postmaster.pid` names lives and works in this cluster.

        After a crash in a container the number often belongs to some other process.
        """
        claim = self.claim()
        with suppress(FileNotFoundError, PermissionError):
            return claim is not None and os.path.samefile(f"/proc/{claim[0]}/cwd", self.cluster)
        return False

    def drop_claim(self) -> None:
        """Remove a `postmaster.pid` known to be stale: PostgreSQL would make way for its number.

        It still refuses to start while a child of a dead server holds the shared memory. Where
        there is no /proc nothing is known, and PostgreSQL decides.
        """
        if Path("/proc/self/cwd").exists():
            (self.cluster / "postmaster.pid").unlink(missing_ok=True)

    def make_new_cluster(self) -> Path:
        """An empty folder for initdb; it takes the cluster's name when it is complete."""
        path = self.base / "cluster.new"
        if path.exists():
            shutil.rmtree(path)
        _give(path, self.user)
        return path

    def read_password(self) -> str:
        """The database's password; made before the cluster is, and never replaced.

        Raises Misconfigured: there is a cluster, and its password is gone.
        """
        path = self.keep / "password"
        if not path.exists():
            if self.cluster.exists():
                raise Misconfigured(f"{path} is missing: put it back from a backup.")
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text()

    @contextmanager
    def lend_password(self) -> Iterator[Path]:
        """A file from which the server's user can read the password, gone afterwards."""
        path = self.base / "password.initdb"
        write_private(path, self.read_password())
        try:
            if self.user.is_other:
                os.chown(path, self.user.uid, self.user.gid)
            yield path
        finally:
            path.unlink()

    def make_log(self) -> None:
        """An empty start log, and the server's log folder without files that have grown big.

        PostgreSQL itself empties a weekday's file only when midnight passes while it runs.
        """
        _give(self.log, self.user)
        for file in self.log.iterdir():
            if file.lstat().st_size > LOG_KEPT:
                file.unlink()
        write_private(self.start_log, "")


@contextmanager
def explained(directory: Path) -> Iterator[None]:
    """Raises Misconfigured, with what to do, in place of any OSError inside."""
    try:
        yield
    except OSError as error:
        path = error.filename or directory
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            text = full(directory)
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            text = (
                f"Hearthold (as the user {user_name(os.geteuid())}) may not use {path}: "
                "let that user read and write there, or choose another data directory."
            )
        else:
            text = f"The database cannot use {path} ({error.strerror or type(error).__name__})."
        raise Misconfigured(text) from error


def full(directory: Path) -> str:
    """The one line for an operator whose disk is full."""
    return f"The disk that holds {directory} is full: make room on it, then start again."


@contextmanager
def owned(lock: Path, directory: Path) -> Iterator[None]:
    """Hold `lock` for this process alone; the kernel lets go of it however we end."""
    with explained(directory):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        with explained(directory):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Misconfigured(
                    f"Another hearthold is running on this folder ({directory}): "
                    "stop that one first, or choose another data directory."
                ) from error
        yield
    finally:
        os.close(descriptor)


def find_keep(directory: Path) -> Path:
    """Where our own folder in `directory` is, as an absolute path."""
    return directory.absolute() / "postgres"


def open_keep(directory: Path) -> Path:
    """Our own folder in `directory`, made if need be.

    Under root others may pass through it but not list it (0711): the cluster can lie in it.
    Raises Misconfigured: it belongs to another user.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep = find_keep(directory)
    _make(keep, 0o711 if os.geteuid() == 0 else 0o700)
    check_owner(keep)
    return keep


def check_owner(keep: Path) -> None:
    """Raises Misconfigured: the node's folder belongs to another user than ours."""
    owner = keep.stat().st_uid
    if owner != os.geteuid():
        raise Misconfigured(
            f"{keep} belongs to the user {user_name(owner)}: run hearthold as that user."
        )


async def settle(keep: Path, elsewhere: Path) -> Place:
    """Decide which user runs the server and where its cluster lies, and remember it."""
    record = Record.read(keep)
    base = record.base
    user = choose_user(base / "cluster")
    if not await user.can_enter(base) or (user.is_other and _SHELL & set(str(base))):
        if base != keep or (base / "cluster").exists():
            raise Misconfigured(
                f"The database's user {user.name} cannot reach {base}: "
                "let it pass through every folder on the way (chmod o+x)."
            )
        base = _make_elsewhere(keep.parent, elsewhere)
        Record(base=base, socket=base / "socket").write(keep)
    return Place(keep=keep, base=base, user=user)


def _make_elsewhere(directory: Path, elsewhere: Path) -> Path:
    """Raises Misconfigured: a cluster is there that `directory` knows nothing of."""
    base = elsewhere / hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
    if (base / "cluster").exists():
        raise Misconfigured(
            f"{base} holds the database of an earlier node in {directory}: put that node's "
            "postgres/place.json and postgres/password back, or move the database away."
        )
    elsewhere.parent.mkdir(parents=True, exist_ok=True)
    _make(elsewhere, 0o711)
    _make(base, 0o711)
    return base


def make_socket_dir(place: Place, elsewhere: Path) -> Path:
    """A private folder whose path is short and plain enough for a socket, and remember it."""
    drop_socket_dir(place)
    socket = place.base / "socket"
    if _fits(socket):
        _give(socket, place.user)
    else:
        socket = _borrow_socket_dir(place.user, elsewhere)
    Record(base=place.base, socket=socket).write(place.keep)
    return socket


def _borrow_socket_dir(user: ServerUser, elsewhere: Path) -> Path:
    parents = [Path(f"/run/user/{user.uid}"), Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108
    if user.is_other:
        elsewhere.parent.mkdir(parents=True, exist_ok=True)
        _make(elsewhere, 0o711)
        parents[0] = elsewhere
    for parent in parents:
        if os.access(parent, os.W_OK | os.X_OK) and _fits(parent / "hearthold-12345678"):
            path = Path(tempfile.mkdtemp(prefix="hearthold-", dir=parent))
            _give(path, user)
            return path
    raise Misconfigured("The database's socket needs a short path: set TMPDIR to one, as /tmp.")


def drop_socket_dir(place: Place) -> None:
    """Take away a socket folder that was borrowed outside `base`, once its server has ended."""
    record = Record.read(place.keep)
    if record.borrows_socket:
        with suppress(OSError):  # gone with a restart of the machine, or not ours any more
            if record.socket.lstat().st_uid == place.user.uid:
                for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
                    (record.socket / name).unlink(missing_ok=True)
                record.socket.rmdir()


def _fits(folder: Path) -> bool:
    name = str(folder / f".s.PGSQL.{PORT}")
    return len(os.fsencode(name)) <= _SOCKET_PATH and _PLAIN.fullmatch(name) is not None


def write_private(path: Path, text: str) -> None:
    """Put `text` at `path`, whole or not at all, readable by us alone."""
    part = path.with_name(path.name + ".new")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)


def _make(path: Path, mode: int) -> None:
    """Make a folder with exactly `mode`; one that is there already keeps what it has."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        path.chmod(mode)


def _give(path: Path, user: ServerUser) -> None:
    """Make a 0700 folder of the server's user inside a folder of ours."""
    _make(path, 0o700)
    if user.is_other:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)
