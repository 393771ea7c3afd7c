"""`hearthold serve`: what it refuses, in one clear line; that it starts, answers and stops."""

import asyncio
import io
import json
import logging
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.here import Here
from kernel.schema.tables import node as node_table
from members import invitations
from node import logs
from node.listening import bind
from node.logs import LineFormatter, RequestLog, escaped, on_loop_error
from node.serve import invite_administrator
from node.signals import interruptibly, stoppable
from tests.node.processes import Ended, free_port, hearthold, serving

pytestmark = pytest.mark.slow

ORIGIN = "https://alder.example"


def assert_one_clear_line(ended: Ended, says: str, *, code: int = 2) -> None:
    assert ended.code == code, ended
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.strip().splitlines()) == 1


# What it refuses


def test_an_origin_that_cannot_be_one(tmp_path: Path) -> None:
    ended = hearthold("serve", "--data-dir", str(tmp_path), "--origin", "alder")

    assert_one_clear_line(ended, "--origin: write the address people will type")


def test_a_port_that_is_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = hearthold("serve", "--data-dir", str(tmp_path), "--listen", f"127.0.0.1:{port}")

    assert_one_clear_line(ended, f"Port {port} is in use")


def test_an_address_this_computer_does_not_have(tmp_path: Path) -> None:
    ended = hearthold("serve", "--data-dir", str(tmp_path), "--listen", "192.0.2.7:8080")

    assert_one_clear_line(ended, "does not have the address 192.0.2.7")


def test_a_file_where_the_data_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    ended = hearthold("serve", "--data-dir", str(tmp_path / "data"))

    assert_one_clear_line(ended, "is a file")


def test_a_data_directory_that_cannot_be_written_to() -> None:
    ended = hearthold("serve", "--data-dir", "/proc/self")

    assert_one_clear_line(ended, "cannot be written to")


def test_a_database_that_is_down(tmp_path: Path) -> None:
    url = f"postgresql://ana:secret@127.0.0.1:{free_port()}/hearthold"
    ended = hearthold("serve", "--data-dir", str(tmp_path), *listen(), DATABASE_URL=url)

    assert_one_clear_line(ended, "The database does not answer")
    assert "secret" not in ended.err


def test_a_database_address_that_cannot_be_read(tmp_path: Path) -> None:
    url = "postgresql://ana:secret@db:port/hearthold"
    ended = hearthold("serve", "--data-dir", str(tmp_path), *listen(), DATABASE_URL=url)

    assert_one_clear_line(ended, "DATABASE_URL cannot be read")
    assert "secret" not in ended.err


def test_a_database_that_does_not_take_the_password(tmp_path: Path, database_url: str) -> None:
    url = make_url(database_url).set(password="mistaken").render_as_string(hide_password=False)
    ended = hearthold("serve", "--data-dir", str(tmp_path), *listen(), DATABASE_URL=url)

    assert_one_clear_line(ended, "does not take this user name and password: check DATABASE_URL")
    assert "mistaken" not in ended.err


def test_no_origin_where_others_can_reach_the_node(tmp_path: Path, database_url: str) -> None:
    ended = hearthold(
        *("serve", "--data-dir", str(tmp_path), "--listen", f"0.0.0.0:{free_port()}"),
        DATABASE_URL=database_url,
    )

    assert_one_clear_line(ended, "needs its address before its first start")


def test_another_origin_than_the_one_it_has(tmp_path: Path, database_url: str) -> None:
    with serving(
        tmp_path, "--origin", ORIGIN, port=free_port(), DATABASE_URL=database_url
    ) as serve:
        assert serve.stop().code == 0

    ended = hearthold(
        *("serve", "--data-dir", str(tmp_path), *listen(), "--origin", "https://birch.example"),
        DATABASE_URL=database_url,
    )

    assert_one_clear_line(ended, f"This node is {ORIGIN} and cannot become https://birch.example")


def listen() -> tuple[str, str]:
    return "--listen", f"127.0.0.1:{free_port()}"


# Its life


def test_from_an_empty_directory_to_an_orderly_end(data: Path) -> None:
    port = free_port()

    with serving(data, port=port) as serve:
        assert serve.get("/") == 200
        assert serve.lines[-1] == f"Hearthold is ready at http://localhost:{port}"
        assert any(f"http://localhost:{port}/welcome?token=" in line for line in serve.lines)
        assert (data.stat().st_mode & 0o777) == 0o700
        assert ((data / "node.key").stat().st_mode & 0o777) == 0o600
        assert servers_of(data)

        beside = hearthold("invite", "--data-dir", str(data))
        assert beside.code == 0, beside
        assert beside.out.startswith(f"http://localhost:{port}/")

        second = hearthold("serve", "--data-dir", str(data), *listen())
        assert_one_clear_line(second, "Another hearthold is running on this folder")

        ended = serve.stop()
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert not servers_of(data)

    alone = hearthold("domain", "block", "spam.example", "--data-dir", str(data))
    assert alone.code == 0, alone
    assert not servers_of(data)

    with serving(data, port=port) as serve:
        assert serve.get("/") == 200
        assert serve.stop(signal.SIGINT).code == 0
    assert not servers_of(data)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory that is not there yet; under root its database lies elsewhere."""
    yield tmp_path / "data"
    for base in {base_of(tmp_path / "data")} - {tmp_path / "data"}:
        shutil.rmtree(base)


def base_of(data: Path) -> Path:
    """Where the database of a data directory lies."""
    place = data / "postgres" / "place.json"
    found = json.loads(place.read_text())["base"] if place.exists() else None
    return Path(found or data)


def servers_of(data: Path) -> list[int]:
    """The pids of PostgreSQL servers whose command names something of this data directory."""
    bases = [str(data), str(base_of(data))]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "bin/postgres\0" in command and any(base in command for base in bases):
            found.append(int(process.name))
    return found


def test_a_request_under_way_is_finished_before_the_end(tmp_path: Path, database_url: str) -> None:
    port = free_port()
    with (
        serving(tmp_path, "--origin", ORIGIN, port=port, DATABASE_URL=database_url) as serve,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.sendall(
            b"POST /inbox HTTP/1.1\r\nHost: alder.example\r\nContent-Length: 4\r\n"
            b"Content-Type: application/activity+json\r\n\r\n{"
        )
        assert serve.get("/") == 200  # the node has read the half request before this one
        serve.process.send_signal(signal.SIGTERM)
        client.sendall(b"{}}")
        answer = client.recv(1000)
        assert serve.process.wait(30) == 0

    assert answer.startswith(b"HTTP/1.1 4")


async def test_the_first_administrator_has_one_link_until_the_node_is_settled(
    engine: AsyncEngine, here: Here
) -> None:
    async with engine.begin() as conn:
        await conn.execute(node_table.insert().values(origin=ORIGIN))
        first = await invite_administrator(conn, ORIGIN)
        second = await invite_administrator(conn, ORIGIN)
        assert first is not None
        assert second is not None
        assert second.startswith(f"{ORIGIN}/welcome?token=")

        assert await invitations.look(conn, first.partition("=")[2]) is None
        granted = await invitations.look(conn, second.partition("=")[2])
        assert granted == frozenset({"administrator"})

        await conn.execute(sa.update(node_table).values(settled=True))
        assert await invite_administrator(conn, ORIGIN) is None


def test_whoever_comes_while_the_node_starts_waits_for_it() -> None:
    with (
        bind("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname(), timeout=5) as early,
    ):
        assert early.getpeername() == listener.getsockname()


# Being told to stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_what_runs_and_a_second_one_does_not_disturb_the_tidying(
    number: signal.Signals,
) -> None:
    tidied = False
    async with stoppable() as stop:
        try:
            signal.raise_signal(number)
            await asyncio.Event().wait()
        finally:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            tidied = True

    assert stop.asked is number
    assert tidied


async def test_a_cancellation_that_no_signal_asked_for_goes_on() -> None:
    async def run() -> None:
        async with stoppable():
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_interrupt_ends_a_prompt_and_nothing_else() -> None:
    def ask() -> str:
        signal.raise_signal(signal.SIGINT)
        return "an answer"

    async with stoppable() as stop:
        with pytest.raises(KeyboardInterrupt):
            interruptibly(ask)
        await asyncio.sleep(0)
        assert interruptibly(lambda: "an answer") == "an answer"

    assert stop.asked is None


def test_hangup_stays_ignored_where_nohup_had_it_ignored() -> None:
    async def run() -> str:
        async with stoppable():
            signal.raise_signal(signal.SIGHUP)
            await asyncio.sleep(0)
        return "went on"

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert asyncio.run(run()) == "went on"
    finally:
        signal.signal(signal.SIGHUP, before)


# Its log


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the loggers `node.test` and `elsewhere` write, in our form."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    loggers = [logging.getLogger(name) for name in ("node", "elsewhere")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield stream
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_sec_X8_control_characters_stay_on_one_line(lines: io.StringIO) -> None:
    nasty = '\x1b[2J\nroot=1\r\u2028\u202e\x9b"\\'
    logging.getLogger("node.test").info("seen %s", nasty, extra={"agent": nasty})

    written = lines.getvalue()
    assert written.count("\n") == 1
    assert written.rstrip("\n").isprintable()
    assert r"\x1b[2J\nroot=1\r\u2028\u202e\x9b\"\\" in written


def test_a_plain_value_needs_no_quotes_and_an_empty_one_gets_them() -> None:
    assert escaped("/groups/{name}") == "/groups/{name}"
    assert escaped("") == '""'
    assert escaped("two words") == '"two words"'


def test_other_libraries_are_logged_without_their_values(lines: io.StringIO) -> None:
    logging.getLogger("elsewhere").warning("Error handling request from %s", "192.0.2.7")

    assert "Error handling request from %s" in lines.getvalue()
    assert "192.0.2.7" not in lines.getvalue()


def test_an_error_is_logged_by_type_and_place_and_never_by_its_words(lines: io.StringIO) -> None:
    try:
        try:
            raise KeyError("what somebody wrote")
        except KeyError as cause:
            raise ProgrammingError("SELECT 'what somebody wrote'", None, cause) from cause
    except ProgrammingError:
        logging.getLogger("node.test").exception("broke")

    written = lines.getvalue()
    assert "what somebody wrote" not in written
    assert "error=KeyError" in written
    assert re.search(rf"at={__name__}:\d+", written)


async def test_what_no_task_caught_is_logged_without_its_words(lines: io.StringIO) -> None:
    on_loop_error(
        asyncio.get_running_loop(),
        {"message": "Task exception was never retrieved", "exception": ValueError("secret")},
    )

    assert "error=ValueError" in lines.getvalue()
    assert "secret" not in lines.getvalue()


async def test_sec_U15_an_answer_is_logged_by_route_without_path_or_address(
    lines: io.StringIO,
) -> None:
    async def show(_: web.Request) -> web.Response:
        logging.getLogger("node.test").info("under way")
        return web.Response()

    app = web.Application(middlewares=[logs.middleware])
    app.router.add_get("/u/{name}", show)
    server = TestServer(app)
    await server.start_server(
        access_log_class=RequestLog, access_log=logging.getLogger("node.requests")
    )
    async with TestClient(server) as client:
        await client.get("/u/ana?words=secret", headers={"User-Agent": "Agent"})
        await client.get("/nowhere/ana")

    written = lines.getvalue()
    shape = r"answered method=GET route=/u/\{name\} status=200 ms=\d+ request=([0-9a-f]{12})\n"
    answered = re.search(shape, written)
    assert answered is not None
    assert f'event="under way" request={answered[1]}\n' in written
    assert written.count(f"request={answered[1]}") == 2
    assert "route=- status=404" in written
    for secret in ("ana", "secret", "127.0.0.1", "Agent"):
        assert secret not in written
