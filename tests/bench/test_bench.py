"""The bench measures what it says: its parts at work, and each run once at a small size."""

import json
import os
import subprocess
import sys

import pytest
import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from bench import machine
from bench.load import pour, request
from bench.report import Report, percentile
from bench.statements import Statements, explain, short
from kernel import db
from kernel.schema.tables import actors
from tests.node.processes import CODE, environment


def test_a_bar_is_met_or_not_and_some_figures_have_none() -> None:
    report = Report(name="example")
    report.add("plain", 3, "/s")
    report.add("enough", 0.5, at_least=0.5)
    report.add("too little", 0.4, at_least=0.5)
    report.add("few enough", 0, at_most=0)
    report.add("too many", 1, at_most=0)

    assert [figure.met for figure in report.figures] == [None, True, False, True, False]
    assert [each["met"] for each in json.loads(report.json())["figures"]][1:3] == [True, False]


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3, 1, 2], 50) == 2
    assert percentile(list(range(100)), 95) == 95
    assert percentile([], 95) == 0


def test_a_statement_is_named_by_its_outermost_table() -> None:
    statement = (
        "SELECT posts.id, (SELECT count(*) FROM reactions WHERE reactions.post_id = posts.id) "
        "FROM posts JOIN actors ON actors.id = posts.author_id WHERE posts.id = $1::BIGINT"
    )
    assert short(statement) == "SELECT posts WHERE id = $1"
    assert short("INSERT INTO received (id) VALUES ($1::UUID)") == "INSERT received"


async def test_each_request_is_sent_once_and_answered() -> None:
    seen: list[tuple[str, bytes]] = []

    async def take(asked: web.Request) -> web.Response:
        seen.append((asked.headers["Number"], await asked.read()))
        return web.Response(status=202 if len(seen) % 2 else 401, text="a body of some length")

    app = web.Application()
    app.router.add_post("/inbox", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    requests = [
        (n, request("POST", "/inbox", {"Host": "x", "Number": str(n)}, b"%d" % n))
        for n in range(50)
    ]
    poured = await pour(runner.addresses[0][1], iter(requests), seconds=30, connections=4)
    await runner.cleanup()

    assert sorted(seen, key=lambda each: int(each[0])) == [(str(n), b"%d" % n) for n in range(50)]
    assert len(poured.numbered(202)) == len(poured.numbered(401)) == 25
    assert all(0 < a.first_byte <= a.whole for a in poured.answers.values())
    assert {answer.body for answer in poured.answers.values()} == {b"a body of some length"}


async def test_every_round_trip_to_the_database_is_counted(database_url: str) -> None:
    engine: AsyncEngine = db.connect(database_url)
    seen = Statements()
    seen.attach(engine)
    async with engine.begin() as conn:
        await conn.execute(sa.select(actors.c.id).where(actors.c.uri == "http://a.test/"))
    seen.clear()
    async with engine.begin() as conn:
        await conn.execute(sa.select(actors.c.id).where(actors.c.uri == "http://a.test/"))
        await conn.execute(sa.select(sa.literal(1)))
        raw = (await conn.get_raw_connection()).driver_connection
        statement, values = next(iter(seen.asked.items()))
        assert raw is not None
        assert "Execution Time" in await explain(raw, statement, values)

    assert seen.statements == 2
    assert seen.counts["SELECT actors WHERE uri = $1"] == 1
    assert seen.between - 3 * seen.pings == 2  # BEGIN and COMMIT; a ping is a transaction too
    await engine.dispose()


def test_processor_time_and_memory_of_a_process_are_found() -> None:
    before = machine.cpu_seconds(os.getpid())
    sum(number * number for number in range(2_000_000))

    assert machine.cpu_seconds(os.getpid()) > before
    assert machine.peak_mib(os.getpid()) > 10
    assert 10 < machine.resident_mib(os.getpid()) <= machine.peak_mib(os.getpid())
    assert machine.cpu_seconds(None) == machine.peak_mib(None) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "figures"),
    [
        (("inbox",), {"accepted, not readable", "readable twice", "first contact: 401s"}),
        (("relay",), {"accepted, not readable", "arrived twice", "refused or parked"}),
        (("fanout", "--hosts", "12", "--plans"), {"arrived twice"}),
        (("memory", "--activities", "200"), {"node: most memory", "arrived twice"}),
        (("pages", "--posts", "300", "--plans"), set[str]()),
        (
            ("lists", "--rows", "300"),
            {
                "dry run",
                "taken",
                "dry run, at a stretch",
                "taken, at a stretch",
                "taken back",
                "of which blocked",
            },
        ),
    ],
)
def test_a_run_ends_by_itself_and_what_must_hold_holds(
    words: tuple[str, ...], figures: set[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words, "--seconds", "0.5", "--json"],
        cwd=CODE,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    met = {figure["name"]: figure["met"] for figure in report["figures"]}
    assert all(met[name] for name in figures), met
    told = ("statements", "memory after", "look-up")
    assert any(word in name for name in met for word in told)
    assert not done.stderr
