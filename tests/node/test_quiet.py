"""What keeps happening is said once a while, with how often (SEC-D14)."""

import io
import logging

import pytest

from node import logs
from node.quiet import LINES, SILENCE, Storm


class Wall:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def storm(wall: Wall) -> Storm:
    return Storm(ours=lambda name: name == "inbox", clock=wall)


def record(name: str = "aiohttp", msg: str = "bad %s", level: int = 30) -> logging.LogRecord:
    return logging.LogRecord(name, level, "file", 1, msg, ("x",), None)


def test_sec_D14_the_same_event_is_one_line_and_then_a_number(storm: Storm, wall: Wall) -> None:
    assert [storm.filter(record()) for _ in range(10_000)].count(True) == 1
    wall.now += SILENCE
    again = record()
    assert storm.filter(again)
    assert vars(again)["left_out"] == 9_999
    wall.now += SILENCE
    later = record()
    assert storm.filter(later)
    assert "left_out" not in vars(later)


def test_other_events_are_lines_of_their_own(storm: Storm) -> None:
    for other in (record("asyncio"), record(msg="worse %s"), record(level=40), record()):
        assert storm.filter(other)


def test_our_own_have_a_few_lines_since_they_name_different_things(storm: Storm) -> None:
    assert [storm.filter(record("inbox")) for _ in range(100)].count(True) == LINES


def test_a_line_per_request_stays(storm: Storm) -> None:
    assert all(storm.filter(record(level=logging.INFO)) for _ in range(100))


def test_sec_D14_invented_events_do_not_fill_the_memory(storm: Storm) -> None:
    for number in range(10_000):
        storm.filter(record(msg=f"event {number}"))
    assert len(storm._events) == 1_000


def test_sec_D14_the_log_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for logger in (logging.getLogger(), *map(logging.getLogger, logs._OURS)):
        monkeypatch.setattr(logger, "handlers", list(logger.handlers))
        monkeypatch.setattr(logger, "level", logger.level)
    stream = io.StringIO()
    logs.set_up("info", stream)
    for number in range(100):
        logging.getLogger("aiohttp.server").error("Error from %s", number)
        logging.getLogger("node.door").warning("a request could not be read")
    assert len(stream.getvalue().splitlines()) == 2
