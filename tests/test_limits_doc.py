"""The limits that the reference states are the ones in the code, and none is left out."""

import ast
import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel.clock import utcnow
from kernel.throttle import Throttle
from node.pages.memory import Memory

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reference" / "limits.md").read_text()
PACKAGES = (
    "activitypub",
    "groups",
    "inbox",
    "kernel",
    "media",
    "members",
    "moderation",
    "node",
    "resources",
)

_UNITS = {
    "": 1, "KiB": 1024, "MiB": 1024**2,
    "s": 1, "min": 60, "h": 3600, "d": 86_400, "weeks": 7 * 86_400,
}  # fmt: skip
_LIMIT = re.compile(r"^\| `([\w.]+)(?:\[(\w+)\])?` \| ([^|]+) \| `([\w/.]+)` \| [^|]+ \|$", re.M)
_THROTTLE = re.compile(r"^\| `(\w+)` \| ([\d,]+) \| ([^|]+) \| [^|]+ \|$", re.M)

LIMITS = _LIMIT.findall(PAGE)
THROTTLES = _THROTTLE.findall(PAGE)


def read(cell: str) -> float:
    """The number in a cell, in bytes or seconds where it has a unit."""
    number, _, unit = cell.partition(" ")
    return float(number.replace(",", "")) * _UNITS[unit]


def value_of(path: str, key: str) -> float:
    """What `package.module.NAME` is in the code, or one of its attributes or items."""
    parts = path.split(".")
    end = next(n for n, part in enumerate(parts) if part.lstrip("_").isupper())
    found: Any = importlib.import_module(".".join(parts[:end]))
    for part in parts[end:]:
        found = getattr(found, part)
    found = found[key] if key else found
    return found.total_seconds() if isinstance(found, timedelta) else float(found)


@pytest.mark.parametrize(("path", "key", "stated", "file"), LIMITS, ids=lambda cell: cell)
def test_a_limit_is_what_the_page_says(path: str, key: str, stated: str, file: str) -> None:
    assert value_of(path, key) == read(stated)
    assert path.startswith(file.removesuffix(".py").replace("/", ".") + ".")


def test_every_row_is_read_and_none_is_there_twice() -> None:
    rows = re.findall(r"^\| (`[^`]+`)", PAGE, re.M)
    assert len(rows) == len(set(rows)) == len(LIMITS) + len(THROTTLES)


def test_every_maximum_in_the_code_is_on_the_page() -> None:
    stated = {path for path, *_ in LIMITS}
    missing = {
        f"{file.relative_to(ROOT).with_suffix('').as_posix().replace('/', '.')}.{name}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for name in _assigned(file)
        if name.startswith("MAX_")
    } - stated
    assert sorted(missing) == []


def _assigned(file: Path) -> list[str]:
    found = []
    for node in ast.parse(file.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        found += [target.id for target in targets if isinstance(target, ast.Name)]
    return found


def test_how_often_is_what_the_page_says() -> None:
    memory = Memory.of(utcnow)
    held = {
        name: (each._limit, each._window.total_seconds())
        for name in Memory.__slots__
        if isinstance(each := getattr(memory, name), Throttle)
    }
    assert held == {name: (read(times), read(within)) for name, times, within in THROTTLES}
