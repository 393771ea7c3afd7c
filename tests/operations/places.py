"""Nodes as their operator sees them: settings, a new place to bring one back to, servers."""

import asyncio
import os
import pwd
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest

from activitypub.state import SETTINGS
from kernel.db import OLDEST
from kernel.postgres import Server
from kernel.postgres_files import Record, find_keep
from kernel.settings import Settings
from node.opening import KEY
from node.safekeeping import key_file
from tests.nodes import LOOPBACK, Node

DEBIAN = Path("/usr/lib/postgresql")  # a folder for each version
PASSPHRASE = "seven quiet rivers under snow"


def nothing(*_: object) -> None:
    """Nobody listens."""


def settings_of(node: Node) -> Settings:
    """The settings with which commands reach a running node."""
    url = node.engine.url.render_as_string(hide_password=False)
    return replace(node.app[SETTINGS], database_url=url)


async def empty_database(postgres: Server) -> str:
    """The address of a database with nothing in it."""
    name = f"test_{uuid.uuid4().hex}"
    await postgres.create_database(name)
    return postgres.url(name)


def new_place(directory: Path, database_url: str, key: Path | None) -> Settings:
    """An empty data directory, with the exported node key in it, and an empty database."""
    directory.mkdir(mode=0o700)
    if key is not None:
        key_file.put_in_place(key_file.read(key), directory / KEY)
    return Settings(data_dir=directory, database_url=database_url, allow_networks=LOOPBACK)


def remove_what_lies_elsewhere(data_dir: Path) -> None:
    """Under root the cluster may lie outside a data directory that its user cannot reach."""
    base = Record.read(find_keep(data_dir)).base
    if not base.is_relative_to(data_dir):
        shutil.rmtree(base)


@dataclass(frozen=True)
class DebianServer:
    """PostgreSQL as Debian packages it (15 in Debian 12), on a socket of its own."""

    version: int
    socket: Path

    def url(self, database: str) -> str:
        return f"postgresql://hearthold@/{database}?host={self.socket}"

    async def create_database(self) -> str:
        """The address of a new, empty one."""
        name = f"test_{uuid.uuid4().hex}"
        connection = await asyncpg.connect(
            host=str(self.socket), user="hearthold", database="postgres"
        )
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return self.url(name)


def find_debians() -> tuple[int, Path]:
    """The oldest PostgreSQL of Debian's that is here; the test is skipped where there is none."""
    found = [(int(each.parts[-3]), each.parent) for each in DEBIAN.glob("[0-9]*/bin/postgres")]
    usable = [each for each in sorted(found) if each[0] >= OLDEST]
    if usable:
        return usable[0]
    if os.environ.get("CI") == "true":
        pytest.fail(f"Debian's PostgreSQL is missing: there is none in {DEBIAN}")
    pytest.skip("needs Debian's PostgreSQL (apt-get install postgresql)")


@asynccontextmanager
async def debian_server(*settings: str) -> AsyncIterator[DebianServer]:
    """A throw-away cluster from Debian's binaries; the test is skipped where there are none."""
    version, binaries = find_debians()
    folder = Path(tempfile.mkdtemp(prefix="pg15-"))
    user = None
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody").pw_uid  # PostgreSQL does not run as root
        os.chown(folder, user, -1)
    process = None
    try:
        await _run(
            user,
            *(binaries / "initdb", "-D", folder / "data", "-U", "hearthold", "-A", "trust"),
            *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        )
        process = await asyncio.create_subprocess_exec(
            *(binaries / "postgres", "-D", folder / "data", "-k", folder),
            *("-c", "listen_addresses=", "-c", "fsync=off"),
            *(part for setting in settings for part in ("-c", setting)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            user=user,
            cwd="/",
        )
        for _ in range(600):
            try:
                connection = await asyncpg.connect(
                    host=str(folder), user="hearthold", database="postgres"
                )
                break
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.05)  # its start has no event of its own
        else:
            pytest.fail("Debian's PostgreSQL did not start")
        await connection.close()
        yield DebianServer(version, folder)
    finally:
        if process is not None and process.returncode is None:
            process.terminate()
            await process.wait()
        shutil.rmtree(folder)


async def _run(user: int | None, *command: object) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.DEVNULL, user=user, cwd="/"
    )
    assert await process.wait() == 0, command
