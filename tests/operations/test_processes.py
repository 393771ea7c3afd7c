"""Several processes share one node: who answers and who works need not be the same."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.node.processes import CODE, PATIENCE, environment, free_port, hearthold, serving
from tests.operations.places import remove_what_lies_elsewhere

pytestmark = pytest.mark.slow

ORIGIN = "https://alder.example"


@contextmanager
def working(data_dir: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A `hearthold worker` that is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "node.cli", "worker", "--data-dir", str(data_dir)],
        cwd=CODE,
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == f"A worker for {ORIGIN} is ready.\n", line
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
        assert "Traceback" not in out + err


async def arrive(engine: AsyncEngine, number: int) -> None:
    """Something that was answered 202 and waits; it is refused once somebody looks at it."""
    async with engine.begin() as conn:
        await conn.execute(
            sa.text(
                "INSERT INTO received (origin, activity_uri, signer_uri, body, next_attempt, plain,"
                " day) VALUES ('https://x.example', :uri, 'https://x.example/u/y', '{}', now(),"
                " false, now())"
            ),
            {"uri": f"https://x.example/{number}"},
        )
        await conn.execute(sa.text("NOTIFY hearthold_received"))


async def states(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as conn:
        return list(await conn.scalars(sa.text("SELECT state FROM received ORDER BY id")))


async def wait_until_dealt_with(engine: AsyncEngine, count: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while (await states(engine)).count("refused") < count:
        assert time.monotonic() < give_up, await states(engine)


async def test_workers_work_while_others_answer_and_none_is_special(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    early = hearthold("worker", "--data-dir", str(tmp_path), DATABASE_URL=database_url)
    assert early.code == 2
    assert "start `hearthold serve` first" in early.err

    with serving(
        tmp_path, "--origin", ORIGIN, "--no-worker", port=free_port(), DATABASE_URL=database_url
    ) as serve:
        await arrive(engine, 1)
        assert serve.get("/readyz") == 200
        assert await states(engine) == ["new"]
        with (
            working(tmp_path, DATABASE_URL=database_url) as first,
            working(tmp_path, DATABASE_URL=database_url),
        ):
            await wait_until_dealt_with(engine, 1)
            first.send_signal(signal.SIGKILL)
            await arrive(engine, 2)
            await wait_until_dealt_with(engine, 2)
        with serving(
            tmp_path, "--no-worker", port=free_port(), DATABASE_URL=database_url
        ) as second:
            assert second.get("/") == 200
            assert serve.get("/") == 200
            assert second.stop().code == 0
        assert serve.get("/") == 200
        assert serve.stop().code == 0


async def test_a_process_with_another_key_does_not_start(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    with serving(one, "--origin", ORIGIN, port=free_port(), DATABASE_URL=database_url) as serve:
        ended = hearthold("worker", "--data-dir", str(other), DATABASE_URL=database_url)
        assert ended.code == 2
        assert "node.key is not the key of this database" in ended.err
        assert serve.get("/") == 200


def test_a_worker_uses_the_nodes_own_database_and_does_not_start_it(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o711)  # under root the database has a user of its own
    data = tmp_path / "data"
    try:
        ended = hearthold("worker", "--data-dir", str(data))
        assert ended.code == 2
        assert "The node's own database does not run" in ended.err
        with (
            serving(data, "--origin", ORIGIN, "--no-worker", port=free_port()) as serve,
            working(data) as worker,
        ):
            assert serve.stop().code == 0
            assert worker.poll() is None  # it waits for the database to come back
    finally:
        remove_what_lies_elsewhere(data)
