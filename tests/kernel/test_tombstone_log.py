"""What must stay gone is on the disk when its transaction commits, and only then."""

import asyncio
import os
import shutil
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import tombstone_log
from kernel.errors import Misconfigured
from kernel.tombstone_log import Act, append, keep, merge, note, read


@pytest.fixture
def log(engine: AsyncEngine, tmp_path: Path) -> Path:
    path = tmp_path / "since" / tombstone_log.FILE
    keep(engine, path)
    return path


def lines(log: Path) -> list[tombstone_log.Line]:
    return read(log.read_text())


async def undone(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        note(conn, Act.DELETED, "https://a.example/p/2")
        raise ZeroDivisionError


async def undone_inside(conn: AsyncConnection) -> None:
    async with conn.begin_nested():
        note(conn, Act.DELETED, "https://a.example/p/2")
        raise ZeroDivisionError


async def with_a_witness(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE TABLE witness ()"))
        note(conn, Act.DELETED, "https://a.example/p/1")


async def test_lines_are_written_with_the_commit_and_not_without_one(
    engine: AsyncEngine, log: Path
) -> None:
    async with engine.begin() as conn:
        note(conn, Act.DELETED, "https://a.example/p/1")
        assert lines(log) == []
        note(conn, Act.BANNED, "https://a.example/g/x", "https://b.example/u/y", "2026-01-02")
    with pytest.raises(ZeroDivisionError):
        await undone(engine)
    async with engine.begin() as conn:
        await conn.execute(sa.text("SELECT 1"))

    assert lines(log) == [
        ("deleted", "https://a.example/p/1"),
        ("banned", "https://a.example/g/x", "https://b.example/u/y", "2026-01-02"),
    ]


async def test_others_go_on_while_a_line_is_brought_to_the_disk(
    engine: AsyncEngine, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others, to_disk = threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        assert others.wait(20), "nobody else did anything meanwhile"
        to_disk(descriptor)

    async with engine.begin() as conn:
        note(conn, Act.DELETED, "https://a.example/p/1")
        monkeypatch.setattr(os, "fsync", slow)
        asyncio.get_running_loop().call_soon(others.set)
    assert lines(log) == [("deleted", "https://a.example/p/1")]


async def test_whoever_is_cancelled_while_a_line_is_written_waits_for_it_and_changes_nothing(
    engine: AsyncEngine, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it could be written later, after a line that took the decision back."""
    begun, go_on, to_disk = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        begun.set()
        assert go_on.wait(20)
        to_disk(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    act = asyncio.create_task(with_a_witness(engine))
    await asyncio.to_thread(begun.wait, 20)
    act.cancel()
    await asyncio.sleep(0)
    assert not act.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await act
    assert len(lines(log)) == 1
    async with engine.connect() as conn:
        assert not await conn.scalar(sa.text("SELECT to_regclass('witness') IS NOT NULL"))


async def test_a_handler_that_was_undone_leaves_no_line(engine: AsyncEngine, log: Path) -> None:
    async with engine.begin() as conn:
        note(conn, Act.DELETED, "https://a.example/p/1")
        with pytest.raises(ZeroDivisionError):
            await undone_inside(conn)
        async with conn.begin_nested():
            note(conn, Act.DELETED, "https://a.example/p/3")

    assert [line[1][-1] for line in lines(log)] == ["1", "3"]


async def test_a_log_that_takes_nothing_holds_the_commit_back(
    engine: AsyncEngine, log: Path
) -> None:
    shutil.rmtree(log.parent)
    with pytest.raises(OSError, match="No such file"):
        await with_a_witness(engine)

    async with engine.connect() as conn:
        assert await conn.scalar(sa.text("SELECT to_regclass('witness')")) is None


def test_a_place_that_cannot_be_written_to_is_said_at_the_start(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    (tmp_path / "since").write_text("a file")

    with pytest.raises(Misconfigured, match="cannot be written to"):
        keep(engine, tmp_path / "since" / tombstone_log.FILE)


def test_a_line_that_was_cut_off_hurts_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log"
    append(path, [("deleted", "1")])
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text() + '["deleted", "hal')
    append(path, [("deleted", "2")])
    path.write_text(
        path.read_text() + '["unknown", "3"]\n["banned", "4"]\n[]\n"x"\n["deleted", 5]\n'
    )

    assert read(path.read_text()) == [("deleted", "1"), ("deleted", "2")]


def test_two_copies_of_a_log_become_one() -> None:
    assert merge("a\n", "a\nb\n") == "a\nb\n"
    assert merge("a\nb\n", "a\n") == "a\nb\n"
    assert merge("a\n", "") == "a\n"
    assert merge("a\nb", "c\n") == "a\nb\nc\n"
