"""The embedded PostgreSQL, run for real: every test has a cluster of its own."""

# ruff: noqa: ASYNC110, ASYNC240  (a test may wait for its disk, and for a server of its own)

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from kernel import postgres
from kernel.errors import Misconfigured
from kernel.postgres import Server, attach
from kernel.postgres_files import LOG_KEPT
from kernel.postgres_user import ServerUser, find_wheel

Run = Callable[..., AbstractAsyncContextManager[Server]]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands a server to another user")

HOLDER = """
import asyncio, sys
from pathlib import Path
from kernel.postgres import running

async def hold() -> None:
    async with running(Path(sys.argv[1]), durable=False, elsewhere=Path(sys.argv[2])):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


@pytest.fixture(scope="module")
def shelf() -> Iterator[Path]:
    """A folder every OS user can pass through, unlike pytest's own.

    In memory where there is room: an ext4 without a journal takes a second to make a cluster's
    thousand files, for minutes after as many were removed.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    path = Path(tempfile.mkdtemp(dir=memory if roomy else None))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def temporary(shelf: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=shelf))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def folder(temporary: Path) -> Path:
    """A node's data folder in which the server's user can reach the cluster."""
    path = temporary / "data"
    path.mkdir()
    path.chmod(0o711)
    return path


@pytest.fixture(scope="module")
def seed(shelf: Path) -> Path:
    """A data folder whose node ran once, to be copied: that is quicker than another first start."""
    path = shelf / "seed"

    async def make() -> None:
        async with postgres.running(path, durable=False, elsewhere=shelf / "elsewhere"):
            pass

    path.mkdir()
    path.chmod(0o711)
    asyncio.run(make())
    return path


@pytest.fixture
def used(temporary: Path, seed: Path) -> Path:
    """A data folder that a node ran on before, moved here from another path."""
    subprocess.run(["cp", "-a", str(seed), str(temporary / "used")], check=True)
    return temporary / "used"


@pytest.fixture
def elsewhere(temporary: Path) -> Path:
    return temporary / "elsewhere"


@pytest.fixture
def run(elsewhere: Path) -> Run:
    return partial(postgres.running, durable=False, elsewhere=elsewhere)


@pytest.fixture
def mounted(temporary: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a small file system of its own; the test is skipped where that is not possible."""
    path = temporary / "disk"
    path.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
        if subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("mounting is not possible here")
        return path

    yield mount
    if path.is_mount():
        subprocess.run(["umount", str(path)], check=True)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def working_in(cluster: Path) -> set[int]:
    """The processes whose working folder is `cluster`: its postmaster and all its children."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").samefile(cluster):
                found.add(int(process.name))
        except OSError:
            continue  # it ended, or it is not ours to look at
    return found


async def left_in(cluster: Path) -> set[int]:
    """Those of `working_in` that stay: a log is written until a moment after its server ended."""
    for _ in range(100):
        if not working_in(cluster):
            break
        await asyncio.sleep(0.05)
    return working_in(cluster)


def postmaster_of(cluster: Path) -> int:
    return int((cluster / "postmaster.pid").read_text().split()[0])


def log_of(base: Path) -> str:
    return "".join(file.read_text() for file in (base / "log").iterdir())


async def ask(server: Server, question: str) -> object:
    connection = await server.connect()
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_a_first_start_makes_a_database_that_sqlalchemy_uses(folder: Path, run: Run) -> None:
    async with run(folder) as server:
        await server.create_database("garden")
        engine = create_async_engine(server.url("garden"))
        async with engine.connect() as connection:
            row = await connection.execute(
                sa.text(
                    "SELECT current_database(), current_setting('server_version_num')::int / 10000,"
                    " current_setting('server_encoding'), current_setting('data_checksums'),"
                    " datlocprovider::text, datlocale, datctype FROM pg_database"
                    " WHERE datname = current_database()"
                )
            )
            found = row.one()
        await engine.dispose()
    assert tuple(found) == ("garden", 18, "UTF8", "on", "b", "C.UTF-8", "C.UTF-8")
    assert await left_in(folder / "postgres" / "cluster") == set()


async def test_databases_are_copied_from_a_template_and_made_once(used: Path, run: Run) -> None:
    async with run(used) as server:
        await server.create_database('odd "name"')
        connection = await server.connect('odd "name"')
        await connection.execute("CREATE TABLE kept (x int)")
        await connection.close()
        await asyncio.gather(*(server.create_database("copy", 'odd "name"') for _ in range(3)))
        connection = await server.connect("copy")
        await connection.execute("INSERT INTO kept VALUES (1)")
        await connection.close()

        await server.create_database("copy")

        connection = await server.connect("copy")
        assert await connection.fetchval("SELECT count(*) FROM kept") == 1
        await connection.close()


async def test_a_restart_keeps_what_was_written(folder: Path, elsewhere: Path) -> None:
    said: list[str] = []
    async with postgres.running(folder, say=said.append, elsewhere=elsewhere) as server:
        await ask(server, "CREATE TABLE kept AS SELECT 7 AS x")
        assert await ask(server, "SHOW fsync") == "on"
    assert said == ["Making the database: this is the first start."]
    async with postgres.running(folder, say=said.append, elsewhere=elsewhere) as server:
        assert await ask(server, "SELECT x FROM kept") == 7
    assert len(said) == 1


async def test_not_durable_is_asked_for(used: Path, run: Run) -> None:
    async with run(used) as server:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await ask(server, f"SHOW {name}") == "off"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGKILL])
async def test_a_server_that_ends_unasked_is_started_again(
    used: Path, elsewhere: Path, number: signal.Signals
) -> None:
    said: list[str] = []
    async with postgres.running(used, say=said.append, elsewhere=elsewhere) as server:
        await ask(server, "CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS x")
        for _ in range(2):
            ended = server.process
            assert ended is not None
            ended.send_signal(number)
            await ended.wait()
            async with asyncio.timeout(60):
                while server.process is ended or not await server.answers():
                    await asyncio.sleep(0.05)
            assert await ask(server, "SELECT x FROM kept") == 7
    assert not await server.answers()
    assert len([line for line in said if "started again" in line]) == 2


async def test_stop_may_be_called_twice(used: Path, run: Run) -> None:
    async with run(used) as server:
        await server.stop()
        assert not await server.answers()
        await server.stop()


async def test_another_os_user_is_refused(used: Path, run: Run) -> None:
    async with run(used) as server:
        base = used / "postgres"
        for private in (base / "cluster", base / "log", server.socket_dir):
            assert mode_of(private) == 0o700
        for file in (base / "password", base / "start.log", *(base / "log").iterdir()):
            assert mode_of(file) == 0o600
        assert mode_of(server.socket_dir / ".s.PGSQL.5432") == 0o700
        assert (await ask(server, "SHOW listen_addresses")) == ""
        rules = (base / "cluster" / "pg_hba.conf").read_text().splitlines()
        methods = {rule.split()[-1] for rule in rules if rule.strip() and rule[0] != "#"}
        assert methods == {"scram-sha-256"}
        stranger = Server(socket_dir=server.socket_dir, password="guess")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await stranger.connect()
        assert server.password not in repr(server)


async def test_one_hearthold_owns_a_folder(used: Path, run: Run) -> None:
    async with run(used) as server:
        with pytest.raises(Misconfigured, match="Another hearthold is running on this folder"):
            await run(used).__aenter__()
        assert await server.answers()


async def test_others_attach_while_one_owns(used: Path, run: Run) -> None:
    assert await attach(used) is None
    async with run(used) as server:
        other = await attach(used)
        assert other == server
        await other.create_database("through_the_side_door")
        await other.stop()
        assert await server.answers()
    assert await attach(used) is None


async def test_the_owner_being_cancelled_ends_the_server(used: Path, run: Run) -> None:
    started = asyncio.Event()

    async def own() -> None:
        async with run(used):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(own())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await left_in(used / "postgres" / "cluster") == set()


@pytest.mark.parametrize("also_lost_socket", [False, True])
async def test_a_server_whose_owner_was_killed_is_ended_by_the_next(
    used: Path, elsewhere: Path, also_lost_socket: bool
) -> None:
    cluster = used / "postgres" / "cluster"
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(used), str(elsewhere)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"ready\n"
        left = postmaster_of(cluster)
        assert os.getsid(left) == left, "Ctrl-C in the terminal would reach the server"
    finally:
        holder.kill()
        await holder.wait()
    assert left in working_in(cluster)
    if also_lost_socket:
        (used / "postgres" / "socket" / ".s.PGSQL.5432").unlink()

    said: list[str] = []
    async with postgres.running(
        used, say=said.append, durable=False, elsewhere=elsewhere
    ) as server:
        assert said == ["Ending a database server that was left running."]
        assert await server.answers()
        assert left not in working_in(cluster)
    assert await left_in(cluster) == set()


async def test_a_killed_server_recovers_on_the_next_start(used: Path, elsewhere: Path) -> None:
    async with postgres.running(used, elsewhere=elsewhere) as server:
        await ask(server, "CREATE TABLE kept AS SELECT generate_series(1, 20000) AS x")
        os.kill(postmaster_of(used / "postgres" / "cluster"), signal.SIGKILL)
    async with postgres.running(used, elsewhere=elsewhere) as server:
        assert await ask(server, "SELECT count(*) FROM kept") == 20000
    assert "automatic recovery in progress" in log_of(used / "postgres")


async def test_a_start_waits_for_the_last_child_of_a_killed_server(used: Path, run: Run) -> None:
    cluster = used / "postgres" / "cluster"
    async with run(used) as server:
        connection = await server.connect()
        child = await connection.fetchval("SELECT pg_backend_pid()")
        os.kill(child, signal.SIGSTOP)
        os.kill(postmaster_of(cluster), signal.SIGKILL)
    connection.terminate()

    async def start_again() -> bool:
        async with run(used) as server:
            return await server.answers()

    start = asyncio.create_task(start_again())
    try:
        while "still in use" not in (used / "postgres" / "start.log").read_text():
            await asyncio.sleep(0)
            assert not start.done()
    finally:
        os.kill(child, signal.SIGCONT)
    assert await start


async def test_a_pid_that_now_is_someone_elses_does_not_matter(used: Path, run: Run) -> None:
    """In a container the number in a stale postmaster.pid soon belongs to another process."""
    cluster = used / "postgres" / "cluster"
    async with run(used):
        left = (cluster / "postmaster.pid").read_text().splitlines()
        os.kill(int(left[0]), signal.SIGKILL)
    owner = ServerUser(uid=cluster.stat().st_uid, gid=cluster.stat().st_gid)
    stranger = await owner.spawn("/bin/sleep", "100", output=asyncio.subprocess.DEVNULL)
    (cluster / "postmaster.pid").write_text("\n".join([str(stranger.pid), *left[1:]]) + "\n")
    try:
        async with run(used) as server:
            assert await server.answers()
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_start_that_stands_still_is_given_up(
    used: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = used / "postgres" / "cluster"
    with (cluster / "postgresql.conf").open("a") as settings:
        settings.write("restore_command = 'sleep 100; false'\n")
    (cluster / "recovery.signal").touch()
    monkeypatch.setattr(postgres, "PATIENCE", 0.7)
    with pytest.raises(Misconfigured, match="stood still"):
        await run(used).__aenter__()
    assert await left_in(cluster) == set()


async def test_a_database_of_another_major_version_is_left_alone(used: Path, run: Run) -> None:
    version = used / "postgres" / "cluster" / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(Misconfigured, match=r"is of PostgreSQL 16, .* brings 18: make a backup"):
        await run(used).__aenter__()


async def test_a_lost_or_wrong_password_says_what_to_do(used: Path, run: Run) -> None:
    password = used / "postgres" / "password"
    password.write_text("from another node")
    with pytest.raises(Misconfigured, match="put that file back"):
        await run(used).__aenter__()
    assert await left_in(used / "postgres" / "cluster") == set()
    password.unlink()
    with pytest.raises(Misconfigured, match="password is missing: put it back"):
        await run(used).__aenter__()


async def test_a_broken_setting_is_named(used: Path, run: Run) -> None:
    with (used / "postgres" / "cluster" / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = many\n")
    with pytest.raises(Misconfigured, match=r"did not start \(.*max_connections") as caught:
        await run(used).__aenter__()
    assert "\n" not in str(caught.value)


@as_root
async def test_a_full_disk_is_named_when_the_database_is_made(
    mounted: Callable[[str], Path], run: Run
) -> None:
    disk = mounted("size=16m,mode=711")
    with pytest.raises(Misconfigured, match="is full: make room on it"):
        await run(disk).__aenter__()
    assert {path.name for path in (disk / "postgres").iterdir()} <= {
        *("owner.lock", "base.lock", "password", "log"),
    }


@as_root
async def test_a_full_disk_is_named_when_the_database_starts(
    mounted: Callable[[str], Path], run: Run
) -> None:
    disk = mounted("size=100m,mode=711")
    async with run(disk):
        pass
    with (disk / "filler").open("wb", buffering=0) as filler:
        while shutil.disk_usage(disk).free:
            filler.write(bytes(4096))
    with pytest.raises(Misconfigured, match="is full: make room on it"):
        await run(disk).__aenter__()
    (disk / "filler").unlink()
    async with run(disk) as server:
        assert await server.answers()


async def test_a_read_only_folder_is_named(
    folder: Path, run: Run, mounted: Callable[[str], Path]
) -> None:
    if os.geteuid() == 0:
        folder = mounted("size=1m,ro")
    else:
        folder.chmod(0o500)
    with pytest.raises(Misconfigured, match="let that user read and write there, or choose"):
        await run(folder).__aenter__()


@pytest.mark.parametrize(
    "name", ["d" * 210, 'it\'s a "node" with $HOME `here`, 100%\\ ü'], ids=["long", "odd"]
)
async def test_any_path_works(folder: Path, run: Run, name: str, elsewhere: Path) -> None:
    path = folder / name
    path.mkdir(mode=0o711)
    async with run(path) as server:
        assert mode_of(server.socket_dir) == 0o700
        assert len(os.fsencode(server.socket_dir)) < 90
        other = await attach(path)
        assert other == server
        engine = create_async_engine(server.url("postgres"))
        async with engine.connect() as connection:
            assert await connection.scalar(sa.text("SELECT 1")) == 1
        await engine.dispose()
    assert not server.socket_dir.exists() or server.socket_dir.is_relative_to(elsewhere)
    async with run(path) as server:
        assert await server.answers()


async def test_what_people_write_is_not_in_the_servers_log(used: Path, run: Run) -> None:
    async with run(used) as server:
        connection = await server.connect()
        await connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        await connection.execute("ALTER SYSTEM SET log_min_messages = 'debug1'")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.execute("CREATE TABLE diary (words text PRIMARY KEY)")
        await connection.execute("INSERT INTO diary VALUES ('sorrow')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("INSERT INTO diary VALUES ($1)", "sorrow")
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await connection.execute("SELECT to_tsquery($1)", "sorrow & & sorrow")
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await connection.execute("SELECT 'sorrow'::int")
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        running = asyncio.create_task(connection.execute("SELECT 'sorrow', pg_sleep(100)"))
        while (
            await ask(server, f"SELECT state FROM pg_stat_activity WHERE pid = {pid}") != "active"
        ):
            pass
        os.kill(pid, signal.SIGSEGV)  # a crash logs what the process was doing
        with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
            await running
    log = log_of(used / "postgres")
    assert "signal 11" in log
    assert "sorrow" not in log


async def test_the_servers_log_stays_small(used: Path, run: Run) -> None:
    async with run(used) as server:
        assert await ask(server, "SHOW log_truncate_on_rotation") == "on"
    (log,) = (used / "postgres" / "log").iterdir()
    log.write_bytes(b"x" * (LOG_KEPT + 1))
    async with run(used):
        pass
    assert log.stat().st_size < LOG_KEPT


@as_root
async def test_under_root_the_server_is_another_user_and_the_node_key_stays_ours(
    folder: Path, run: Run, elsewhere: Path
) -> None:
    folder.chmod(0o700)
    key = folder / "node.key"
    key.write_text("key")
    key.chmod(0o644)
    groups_of_root = os.getgroups()
    os.setgroups([0, 61234])
    async with run(folder) as server:
        os.setgroups(groups_of_root)
        (base,) = (path for path in elsewhere.iterdir() if path.is_dir())
        cluster = base / "cluster"
        assert not (folder / "postgres" / "cluster").exists()
        (uid,) = {Path(f"/proc/{pid}").stat().st_uid for pid in working_in(cluster)}
        assert uid == cluster.stat().st_uid != 0
        groups = Path(f"/proc/{postmaster_of(cluster)}/status").read_text()
        assert "\nGroups:\t \n" in groups
        user = ServerUser(uid=uid, gid=cluster.stat().st_gid)
        assert (await user.run("/bin/cat", cluster / "PG_VERSION"))[0] == 0
        assert (await user.run("/bin/cat", key))[0] != 0
        assert mode_of(folder) == 0o700
        assert await attach(folder) == server
    shutil.rmtree(folder / "postgres")
    with pytest.raises(Misconfigured, match="holds the database of an earlier node"):
        await run(folder).__aenter__()


@as_root
async def test_a_cluster_that_became_unreachable_is_named(used: Path, run: Run) -> None:
    used.chmod(0o700)
    with pytest.raises(Misconfigured, match=r"cannot reach .*chmod o\+x"):
        await run(used).__aenter__()
    assert mode_of(used) == 0o700


@as_root
async def test_binaries_the_servers_user_cannot_reach_are_copied_once(
    folder: Path, run: Run, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = find_wheel().parent
    hidden = temporary / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / package.name).symlink_to(package)
    (hidden / f"{package.name}.libs").symlink_to(package.with_name(f"{package.name}.libs"))
    monkeypatch.syspath_prepend(hidden)
    (folder / "postgres").mkdir(mode=0o711)
    (folder / "postgres" / "pgsql-17.1").mkdir()
    times = []
    for _ in range(2):
        async with run(folder) as server:
            assert await server.answers()
            (copy,) = (folder / "postgres").glob("pgsql-*")
            times.append(copy.stat().st_ctime_ns)
            program = Path(f"/proc/{postmaster_of(folder / 'postgres' / 'cluster')}/exe")
            assert program.readlink().is_relative_to(copy)
            assert copy.owner() == "root"
    assert times[0] == times[1]
    assert mode_of(hidden) == 0o700


@as_root
async def test_a_folder_of_another_user_is_named(folder: Path, run: Run) -> None:
    (folder / "postgres").mkdir()
    os.chown(folder / "postgres", 65534, 65534)
    with pytest.raises(Misconfigured, match="run hearthold as that user"):
        await run(folder).__aenter__()
    with pytest.raises(Misconfigured, match="run hearthold as that user"):
        await attach(folder)


@as_root
async def test_a_user_without_a_name_is_named(used: Path, run: Run) -> None:
    """As in a container that runs under a bare number."""
    os.chown(used / "postgres" / "cluster", 61234, 61234)
    with pytest.raises(Misconfigured, match=r"61234 has no name .*useradd --system --uid 61234"):
        await run(used).__aenter__()
