"""What a node is made of, what it shows when it breaks, and where its secrets may stand."""

import asyncio
import dataclasses
import importlib
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

import activitypub
import groups
import inbox
import kernel
import members
import moderation
import node
import resources
from activitypub import actors as actor_store
from groups import groups as group_store
from kernel.errors import Misconfigured
from kernel.settings import NAMES
from node import floors, problems
from node.cli import app as cli
from tests.node.processes import CODE, free_port, hearthold, serving
from tests.nodes import Nodes

PACKAGES = (activitypub, groups, inbox, kernel, members, moderation, node, resources)
PROJECT = tomllib.loads((CODE / "pyproject.toml").read_text())["project"]
SECRET = re.compile(r"secret|password|passphrase|private|root|node_key|cookie|database_url|^key$")


# SEC-O1


def test_sec_O1_the_floors_at_the_start_are_those_that_the_package_asks_for() -> None:
    asked = dict(re.match(r"([\w-]+)>=([\d.]+)", each).groups()  # type: ignore[union-attr, misc]
                 for each in PROJECT["dependencies"] if re.match(r"[\w-]+>=", each))  # fmt: skip

    for name, floor in floors.FLOORS.items():
        assert asked[name] == ".".join(map(str, floor)), name
    assert floors.FLOORS["aiohttp"] >= (3, 14, 3)


def test_sec_O1_every_library_is_locked_by_hash_and_none_is_below_its_floor() -> None:
    for lock in CODE.glob("requirements*.lock"):
        text = re.sub(r"\s*\\\n\s*", " ", lock.read_text())
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        lines = [line for line in lines if not line.strip().startswith("#")]
        for line in lines:
            assert re.match(r"[\w.-]+==[\w.]+(?: ;.*?)? .*--hash=sha256:[0-9a-f]{64}", line), line
        locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.M))
        for name, floor in floors.FLOORS.items():
            assert floors.numbers(locked[name]) >= floor, name
        for dependency in PROJECT["dependencies"]:
            name = re.split(r"[^\w-]", dependency)[0].lower()
            assert name in locked, name


def test_sec_P4_a_picture_library_with_known_holes_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert floors.FLOORS["pillow"] >= (12, 3)
    monkeypatch.setattr(
        floors, "version", lambda name: "12.2.9" if name == "pillow" else version(name)
    )
    with pytest.raises(Misconfigured, match=r"pillow 12\.2\.9 is too old to be safe"):
        floors.check()


def test_sec_O1_a_library_below_its_floor_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    floors.check()
    monkeypatch.setattr(
        floors, "version", lambda name: "3.14.2" if name == "aiohttp" else version(name)
    )

    with pytest.raises(Misconfigured, match=r"aiohttp 3\.14\.2 is too old to be safe"):
        floors.check()


@pytest.mark.parametrize(
    ("text", "numbers"), [("3.14.3", (3, 14, 3)), ("4.0rc1", (4,)), ("46.0.1", (46, 0, 1))]
)
def test_a_version_is_read_as_far_as_it_is_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert floors.numbers(text) == numbers


# SEC-O5


class Broken(Exception):
    pass


def shows_nothing(text: str) -> bool:
    return not re.search(r"Traceback|File \"|\.py|line \d|aiohttp|Broken|what somebody", text)


@pytest.mark.slow
async def test_sec_O5_a_fault_shows_no_stack_and_no_words(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise Broken("what somebody wrote")

    asyncio.get_running_loop().set_debug(True)  # with which aiohttp shows stacks
    alder = await nodes.start("alder.test")
    monkeypatch.setattr(actor_store, "_first", broken)
    monkeypatch.setattr(group_store, "by_name", broken)
    seen = set()
    for accept in ("text/html", "application/activity+json", "application/json", "*/*"):
        for path in ("/g/sleep", "/u/ana", "/.well-known/webfinger?resource=acct:a@alder.test"):
            answer = await alder.get(path, accept=accept)
            seen.add(answer.status)
            assert shows_nothing(await answer.text()), (path, accept)
    assert 500 in seen

    monkeypatch.setattr(problems, "_answer", broken)  # not even the page about it can be made
    for accept in ("text/html", "*/*"):
        answer = await alder.get("/g/sleep", accept=accept)
        assert answer.status == 500
        assert shows_nothing(await answer.text())


@pytest.mark.slow
def test_sec_O5_the_program_does_not_debug_whatever_the_environment_says(
    tmp_path: Path, database_url: str
) -> None:
    with serving(
        tmp_path,
        *("--origin", "https://alder.example"),
        port=free_port(),
        DATABASE_URL=database_url,
        PYTHONASYNCIODEBUG="1",
        HEARTHOLD_LOG_LEVEL="debug",
    ) as serve:
        assert serve.get("/help") == 200
        ended = serve.stop()

    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert "Executing <Task" not in ended.err  # what asyncio says of slow steps while it debugs


# SEC-O6


def classes() -> Iterator[type]:
    """Every dataclass of ours."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" in found.name:
                continue
            module = importlib.import_module(found.name)
            for _, made in inspect.getmembers(module, inspect.isclass):
                if dataclasses.is_dataclass(made) and made.__module__ == module.__name__:
                    yield made


def test_sec_O6_no_repr_shows_a_secret() -> None:
    shown = [
        f"{made.__module__}.{made.__name__}.{field.name}"
        for made in classes()
        for field in dataclasses.fields(made)
        if SECRET.search(field.name) and field.repr and field.type in (bytes, str, "bytes", "str")
    ]

    assert shown == []


def test_sec_O6_no_secret_is_an_option_that_others_can_see() -> None:
    def options(command: Any) -> Iterator[str]:
        for parameter in command.params:
            yield from (*parameter.opts, *parameter.secondary_opts)
        for each in getattr(command, "commands", {}).values():
            yield from options(each)

    found = set(options(typer.main.get_command(cli)))
    secret = {name for name in found if re.search(r"pass|secret|token|database|url", name)}
    assert secret == set()
    assert "database_url" in NAMES


@pytest.mark.slow
def test_sec_O6_a_command_that_breaks_shows_no_secret(tmp_path: Path) -> None:
    url = f"postgresql://ana:secret@127.0.0.1:{free_port()}/hearthold"
    for command in (["doctor"], ["backup", str(tmp_path / "file")], ["worker"], ["move"]):
        (tmp_path / "node.key").write_bytes(bytes(32))
        (tmp_path / "node.key").chmod(0o600)
        ended = hearthold(
            *(*command, "--data-dir", str(tmp_path)),
            stdin="postgresql://ben:hidden@127.0.0.1:1/x\n",
            DATABASE_URL=url,
        )
        assert ended.code in (1, 2), (command, ended)
        assert "secret" not in ended.out + ended.err, command
        assert "hidden" not in ended.out + ended.err, command
        assert "Traceback" not in ended.err, command
