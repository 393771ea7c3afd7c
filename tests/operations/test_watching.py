"""`/healthz`, `/readyz`, and the numbers for Prometheus, which are on no other port."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiohttp import web
from prometheus_client import generate_latest

from activitypub.state import ENGINE
from kernel.postgres import Server
from kernel.settings import Settings
from node import metrics
from node.app import create_app
from node.listening import bind
from tests.node.processes import free_port
from tests.nodes import LOOPBACK, Node, Nodes

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "monitoring.md"


@pytest.fixture
async def alder(nodes: Nodes) -> Node:
    return await nodes.start("alder.test")


async def test_a_node_that_answers_is_well_and_ready(alder: Node) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await alder.get(path, accept="*/*")
        assert (answer.status, await answer.text()) == (200, "ok\n")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


async def test_a_node_without_its_database_lives_and_is_not_ready(
    alder: Node, postgres: Server
) -> None:
    name = alder.engine.url.database
    connection = await postgres.connect()
    try:
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        answer = await alder.get("/readyz", accept="*/*")
        assert (answer.status, await answer.text()) == (503, "database\n")
        assert (await alder.get("/healthz", accept="*/*")).status == 200
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    finally:
        await connection.close()
    assert (await alder.get("/readyz", accept="*/*")).status == 200


async def test_another_schema_is_not_ready(alder: Node) -> None:
    async with alder.engine.begin() as conn:
        await conn.execute(sa.text("UPDATE alembic_version SET version_num = 'later'"))

    answer = await alder.get("/readyz", accept="*/*")
    assert (answer.status, await answer.text()) == (503, "schema\n")


async def test_a_node_that_stops_says_so(alder: Node) -> None:
    await alder.app.shutdown()

    answer = await alder.get("/readyz", accept="*/*")
    assert (answer.status, await answer.text()) == (503, "stopping\n")


@dataclass(frozen=True)
class Watched:
    """A node with numbers, and both its ports."""

    app: web.Application
    port: int
    numbers: int

    async def ask(self, port: int, path: str, method: str = "GET") -> tuple[int, str]:
        """The status and the text of an answer to a path that is sent as it stands."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: alder.test\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            answer = (await reader.read()).decode(errors="replace")
        finally:
            writer.close()
        return int(answer.split()[1]), answer

    async def read(self) -> str:
        """The numbers as of now."""
        self.app[metrics.METRICS].read_at = -metrics.FRESH
        status, text = await self.ask(self.numbers, "/metrics")
        assert status == 200
        return text


@pytest.fixture
async def watched(database_url: str, tmp_path: Path, quick_keys: None) -> AsyncIterator[Watched]:
    numbers = free_port()
    settings = Settings(
        data_dir=tmp_path,
        origin="http://alder.test",
        allow_networks=LOOPBACK,
        metrics_listen=("127.0.0.1", numbers),
    )
    app = create_app(settings, database_url=database_url)
    app.cleanup_ctx.append(metrics.answering)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, bind("127.0.0.1", 0)).start()
    yield Watched(app, runner.addresses[0][1], numbers)
    await runner.cleanup()


async def test_numbers_name_routes_and_nobody(watched: Watched) -> None:
    async with watched.app[ENGINE].begin() as conn:
        await conn.execute(
            sa.text(
                "INSERT INTO peers (host, next_attempt, failures) VALUES ('spam.example', now(), 3)"
            )
        )
    for path in ("/u/ana-secret", "/g/sleep?q=words", "/nowhere/at-all", "/t/1"):
        await watched.ask(watched.port, path)
    text = await watched.read()

    assert re.search(r'hearthold_requests_total\{route="/u/\{[a-z]+\}",status="4xx"\} 1.0', text)
    assert re.search(r'hearthold_requests_total\{route="-",status="4xx"\} 1.0', text)
    for line in (
        "hearthold_database_up 1.0",
        'hearthold_received{state="new"} 0.0',
        "hearthold_received_late_seconds 0.0",
        'hearthold_deliveries{state="waiting"} 0.0',
        'hearthold_peers{state="failing"} 1.0',
        'hearthold_pool_connections{state="used"}',
        "hearthold_process_resident_memory_bytes",
    ):
        assert line in text, line
    for name in ("ana", "sleep", "words", "nowhere", "spam.example", "alder", "127.0.0.1"):
        assert name not in text, name
    labels = set(re.findall(r'(\w+)="', text))
    assert labels == {"route", "status", "state", "le"}


async def test_every_number_is_documented_and_every_documented_number_exists(
    watched: Watched,
) -> None:
    await watched.ask(watched.port, "/healthz")
    named = set(re.findall(r"^# HELP (hearthold_\w+)", await watched.read(), re.M))
    rows = set(re.findall(r"^\| `(hearthold_\w+)(?:_…)?` \|", DOCUMENT.read_text(), re.M))

    ours = {name for name in named if not name.startswith("hearthold_process_")}
    assert ours == {row for row in rows if not row.startswith("hearthold_process")}


async def test_numbers_are_there_while_the_database_is_away(watched: Watched) -> None:
    async with watched.app[ENGINE].begin() as conn:
        await conn.execute(sa.text("ALTER TABLE received RENAME TO away"))

    assert "hearthold_database_up 0.0" in await watched.read()


TRICKS = (
    *("/metrics", "/METRICS", "//metrics", "/./metrics", "/x/../metrics", "/static/../metrics"),
    *("/%6detrics", "/metrics/", "/metrics.", "/metrics%2f", "/metrics%00", "/metrics;x"),
    *("/metrics?x=/metrics", "/healthz/../metrics"),
)


async def test_sec_A14_numbers_are_on_no_path_of_the_port_that_people_reach(
    watched: Watched,
) -> None:
    for path in TRICKS:
        status, text = await watched.ask(watched.port, path)
        assert status in (400, 404), path
        assert "hearthold_" not in text, path


async def test_the_port_of_the_numbers_has_nothing_else(watched: Watched) -> None:
    for path in ("/", "/help", "/inbox", "/healthz"):
        assert (await watched.ask(watched.numbers, path))[0] == 404
    assert (await watched.ask(watched.numbers, "/metrics", "POST"))[0] == 405


async def test_without_the_setting_nothing_is_counted_and_nobody_listens(alder: Node) -> None:
    await alder.get("/healthz", accept="*/*")

    assert b"status=" not in generate_latest(alder.app[metrics.METRICS].registry)
    assert metrics.middleware not in alder.app.middlewares
