"""The embedded PostgreSQL: its binaries come from a wheel, its supervision is ours (DESIGN 1).

One process owns the server, under a file lock, and ends it when it ends. Others `attach`. Whether
a server lives is asked with a query. A server whose owner was killed is ended by the next owner.
One that ends unasked is started again.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg
from sqlalchemy import URL

from kernel.errors import Misconfigured
from kernel.postgres_files import (
    ELSEWHERE,
    PORT,
    Place,
    Record,
    check_owner,
    drop_socket_dir,
    explained,
    find_keep,
    full,
    make_socket_dir,
    open_keep,
    owned,
    settle,
)
from kernel.postgres_user import prepare_binaries

OWNER = "hearthold"  # the database role that everything belongs to
PATIENCE = 60.0  # seconds in which a starting or ending server has to get any further
AGAIN = 5.0  # seconds until a server that could not start again is tried once more

_CLUSTER = {  # defaults in postgresql.conf, which an operator may change there
    "shared_buffers": "64MB",
    "max_connections": "60",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# What people wrote appears in error messages ("syntax error in tsquery: …"), their details, and
# statements. Given on the command line, these win over postgresql.conf and ALTER SYSTEM.
_PRIVATE = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "log_min_messages": "log",  # no statement's error or warning, only the server's own news
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_duration": "off",
    "log_connections": "",
    "log_disconnections": "off",
    "log_lock_waits": "off",
    "log_temp_files": "-1",
    "log_autovacuum_min_duration": "-1",
    "log_checkpoints": "off",
}
_LOG = {  # a ring of seven files
    "logging_collector": "on",
    "log_destination": "stderr",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_file_mode": "0600",
    "log_startup_progress_interval": "10s",  # recovery says that it goes on: see `_wait_ready`
}
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(slots=True)
class Held:
    """The server's process, while it is ours to run; another one once it had to be replaced."""

    process: asyncio.subprocess.Process
    wanted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running embedded server and how to connect to it."""

    socket_dir: Path
    port: int = PORT
    password: str = field(repr=False)
    held: Held | None = field(default=None, repr=False, compare=False)

    def url(self, database: str) -> str:
        """A SQLAlchemy URL of `database`, with the password: not for any log."""
        return URL.create(
            "postgresql+asyncpg",
            username=OWNER,
            password=self.password,
            database=database,
            query={"host": str(self.socket_dir), "port": str(self.port)},
        ).render_as_string(hide_password=False)

    @property
    def process(self) -> asyncio.subprocess.Process | None:
        """The server's process; None where another process of ours owns it."""
        return self.held.process if self.held is not None else None

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Make the database `name`, a copy of `template`, unless it is there already."""
        connection = await self.connect()
        try:
            if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                return
            copied = f" TEMPLATE {_quote(template)}" if template is not None else ""
            with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(f"CREATE DATABASE {_quote(name)}{copied}")
        finally:
            await connection.close()

    async def answers(self) -> bool:
        """Whether the server runs a query for us.

        Raises Misconfigured: it lives and does not take our password.
        """
        try:
            connection = await self.connect()
            try:
                return bool(await connection.fetchval("SELECT 1", timeout=5) == 1)
            finally:
                await connection.close(timeout=5)
        except asyncpg.InvalidPasswordError as error:
            raise Misconfigured(
                "The database does not take the password in postgres/password: "
                "put that file back from the backup that belongs to this database."
            ) from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # and TimeoutError
            return False

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """One plain connection, to be closed by the caller."""
        return await asyncpg.connect(
            host=str(self.socket_dir),
            port=self.port,
            user=OWNER,
            password=self.password,
            database=database,
            ssl=False,
            timeout=5,
        )

    async def stop(self) -> None:
        """End the server and every connection to it; nothing if it ended, or is not ours."""
        if self.held is not None:
            self.held.wanted = False
            await _end(self.held.process)


@asynccontextmanager
async def running(
    directory: Path,
    *,
    say: Callable[[str], None] = lambda text: None,
    durable: bool = True,
    elsewhere: Path = ELSEWHERE,
) -> AsyncIterator[Server]:
    """Own the embedded server of the data folder `directory`, made on its first start.

    `say` is told, in a line for the operator, what takes longer. With `durable=False` a crash may
    lose everything: for tests. Under root the cluster lies under `elsewhere` if the server's user
    cannot enter `directory`.
    Raises Misconfigured: it cannot run; the text says what to do.
    """
    with explained(directory):
        keep = open_keep(directory)
    with owned(keep / "owner.lock", directory):
        with explained(directory):
            place = await settle(keep, elsewhere)
        with owned(place.base / "base.lock", directory):  # copies of `directory` share a base
            server, held = await _start(place, say=say, durable=durable, elsewhere=elsewhere)
            keeper = asyncio.create_task(_keep_alive(place, server, held, say=say, durable=durable))
            try:
                yield server
            finally:
                held.wanted = False
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
                await server.stop()
                drop_socket_dir(place)


async def attach(directory: Path) -> Server | None:
    """The server that another process runs for `directory`; None when none answers.

    Raises Misconfigured: the folder belongs to another user.
    """
    keep = find_keep(directory)
    with explained(directory):
        try:
            check_owner(keep)
            password = (keep / "password").read_text()
        except FileNotFoundError:
            return None
        server = Server(socket_dir=Record.read(keep).socket, password=password)
    return server if await server.answers() else None


async def _start(
    place: Place, *, say: Callable[[str], None], durable: bool, elsewhere: Path
) -> tuple[Server, Held]:
    with explained(place.base):
        binaries = await prepare_binaries(place.user, place.base)
        password = place.read_password()
        if not place.cluster.exists():
            say("Making the database: this is the first start.")
            await _make_cluster(place, binaries, durable=durable)
        await _check_version(place, binaries)
        left = Server(socket_dir=Record.read(place.keep).socket, password=password)
        await _end_leftover(place, binaries, left, say)
        server = Server(socket_dir=make_socket_dir(place, elsewhere), password=password)
        place.make_log()
    held = Held(await _launch(place, binaries, server, say=say, durable=durable))
    return replace(server, held=held), held


async def _keep_alive(
    place: Place, server: Server, held: Held, *, say: Callable[[str], None], durable: bool
) -> None:
    """Start the server again whenever it ends unasked; pools find it by themselves."""
    while True:
        await held.process.wait()
        if not held.wanted:
            return
        say("The database server ended by itself. It is started again; nothing written is lost.")
        try:
            with explained(place.base):
                binaries = await prepare_binaries(place.user, place.base)
            await _end_leftover(place, binaries, server, say)
            held.process = await _launch(place, binaries, server, say=say, durable=durable)
        except Misconfigured as error:
            say(str(error))
            await asyncio.sleep(AGAIN)


async def _make_cluster(place: Place, binaries: Path, *, durable: bool) -> None:
    """Run initdb beside the cluster's place and rename: there is a whole cluster or none."""
    fresh = place.make_new_cluster()
    options = [f"--set={name}={value}" for name, value in _CLUSTER.items()]
    if not durable:
        options.append("--no-sync")
    with place.lend_password() as password:
        status, output = await place.user.run(
            binaries / "initdb",
            f"--pgdata={fresh}",
            f"--username={OWNER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C.UTF-8",  # with plain C, search takes “ and — for letters
            "--data-checksums",
            "--no-instructions",
            *options,
        )
    if status != 0:
        shutil.rmtree(fresh)
        raise Misconfigured(_explain(output, place, "was not made", "mend that and start again"))
    fresh.rename(place.cluster)
    if durable:
        _sync(place.base)


async def _check_version(place: Place, binaries: Path) -> None:
    found = (place.cluster / "PG_VERSION").read_text().strip()
    _, output = await place.user.run(binaries / "postgres", "--version")
    ours = output.split()[-1].partition(".")[0]
    if found != ours:
        raise Misconfigured(
            f"The database in {place.cluster} is of PostgreSQL {found}, and this hearthold brings "
            f"{ours}: make a backup with the hearthold that last ran it, and restore that here."
        )


async def _end_leftover(
    place: Place, binaries: Path, server: Server, say: Callable[[str], None]
) -> None:
    """End a server whose owner was killed, so that ours starts with its own settings."""
    claim = place.claim()
    if claim is None:
        return
    if not await _is_there(server) and not place.claim_holds():
        place.drop_claim()
        return
    say("Ending a database server that was left running.")
    for mode in ("fast", "immediate"):
        stop = ("stop", "--silent", f"--pgdata={place.cluster}", f"--mode={mode}")
        await place.user.run(binaries / "pg_ctl", *stop, f"--timeout={PATIENCE:.0f}")
        if place.claim() is None:
            return
    raise Misconfigured(
        f"A database server that was left running (process {claim[0]}) does not end: end it."
    )


async def _is_there(server: Server) -> bool:
    """Whether anything speaks PostgreSQL on the socket, be it "the system is starting up"."""
    try:
        await (await server.connect()).close(timeout=5)
    except asyncpg.PostgresError:
        return True
    except (OSError, asyncpg.InterfaceError):
        return False
    return True


async def _launch(
    place: Place, binaries: Path, server: Server, *, say: Callable[[str], None], durable: bool
) -> asyncio.subprocess.Process:
    settings = {
        **_PRIVATE,
        **_LOG,
        "log_directory": str(place.log),
        "unix_socket_directories": str(server.socket_dir),
        "port": str(server.port),
        **({} if durable else _FORGETFUL),
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    give_up = asyncio.get_running_loop().time() + PATIENCE
    while True:
        before = place.log_sizes()
        with explained(place.base), place.start_log.open("ab") as log:
            process = await place.user.spawn(
                binaries / "postgres",
                "-D",
                place.cluster,
                *options,
                output=log.fileno(),
                session=True,  # Ctrl-C in the terminal must not reach it before our pools close
            )
        try:
            if await _wait_ready(place, server, process, say):
                return process
        except BaseException:
            await _end(process)
            raise
        words = place.last_words(before)
        # A child of a server that was killed hard may need a moment to notice and let go.
        if "still in use" not in words or asyncio.get_running_loop().time() > give_up:
            raise Misconfigured(_explain(words, place, "did not start", f"see {place.log}"))
        await asyncio.sleep(0.1)


async def _wait_ready(
    place: Place, server: Server, process: asyncio.subprocess.Process, say: Callable[[str], None]
) -> bool:
    """Wait as long as the start gets further; False when the process ended.

    The status in `postmaster.pid` says when to ask: asking before fills the log with refusals,
    and the log's growth is what tells that recovery goes on.
    Raises Misconfigured: nothing moved for PATIENCE seconds.
    """
    clock = asyncio.get_running_loop().time
    begun = moved = clock()
    seen = place.progress()
    told = False
    while process.returncode is None:
        if place.claim() == (process.pid, "ready") and await server.answers():
            return True
        if (now_seen := place.progress()) != seen:
            seen, moved = now_seen, clock()
        elif clock() - moved > PATIENCE:
            raise Misconfigured(
                f"The database stood still for {PATIENCE:.0f} seconds while starting: "
                f"see {place.log}, and start again."
            )
        if not told and clock() - begun > 5:
            told = True
            say("The database is tidying up after it was cut off. This can take some minutes.")
        await asyncio.sleep(0.02)
    return False


async def _end(process: asyncio.subprocess.Process) -> None:
    """A `fast` stop; after a minute without an end `immediate`, which the next start mends."""
    for number, patience in ((signal.SIGINT, PATIENCE), (signal.SIGQUIT, 15.0)):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), patience)
            return
    process.kill()
    await process.wait()


def _explain(output: str, place: Place, outcome: str, hint: str) -> str:
    """One line about why initdb or the server ended, out of what it printed."""
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return full(place.base)
    lines = [line.rpartition(" UTC [")[2].strip() for line in output.splitlines() if line]
    fatal = [n for n, line in enumerate(lines) if "FATAL:" in line or "error:" in line]
    last = fatal[-1] if fatal else len(lines) - 1
    reason = "; ".join(lines[max(last - 1, 0) : last + 1])  # the line before often says why
    return f"The database in {place.base} {outcome} ({reason}): {hint}."


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
