"""`hearthold backup`, `restore`, `key`, `move` and `doctor` as an operator types them."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activitypub.state import SETTINGS
from node.cli import app as cli
from node.opening import KEY
from tests.node.processes import Ended, free_port, hearthold, serving
from tests.nodes import Node, Nodes
from tests.operations.places import (
    PASSPHRASE,
    debian_server,
    remove_what_lies_elsewhere,
    settings_of,
)

pytestmark = pytest.mark.slow

ALLOW = "127.0.0.0/8"  # nodes of tests speak plain http


@pytest.fixture
async def alder(nodes: Nodes) -> Node:
    return await nodes.start("alder.test")


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Path]:
    """The data directory of an empty computer."""
    os.chmod(tmp_path, 0o711)
    yield tmp_path / "new"
    remove_what_lies_elsewhere(tmp_path / "new")


def on(node: Node, *words: str, stdin: str = "") -> Ended:
    """A command on a running node."""
    settings = settings_of(node)
    given = {
        "DATABASE_URL": settings.database_url,
        "HEARTHOLD_DATA": str(settings.data_dir),
        "HEARTHOLD_ALLOW_NETWORKS": ALLOW,
    }
    ended = CliRunner().invoke(cli, words, input=stdin, env=given)
    return Ended(ended.exit_code, ended.stdout, ended.stderr)


def assert_refused(ended: Ended, says: str, *, code: int) -> None:
    assert ended.code == code, ended
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1
    assert "Traceback" not in ended.err


def test_a_key_that_is_made_is_printed_once_and_opens_the_file(alder: Node, tmp_path: Path) -> None:
    file = tmp_path / "file"
    made = on(alder, "backup", "--new-key", str(file))
    assert made.code == 0, made
    printed = re.search(r"^The key of this backup: ([0-9A-Z-]{35})$", made.out, re.M)
    assert printed is not None

    opened = on(alder, "restore", "--check", str(file), stdin=printed[1].lower() + "\n")
    assert opened.code == 0, opened
    assert "The backup is whole: http://alder.test as of 2" in opened.out


def test_what_cannot_be_is_refused_in_a_line(alder: Node, tmp_path: Path) -> None:
    file = str(tmp_path / "file")
    for ended, says, code in (
        (on(alder, "backup", file), "give it on standard input", 1),
        (on(alder, "backup", "--plain", "--new-key", file), "choose one of the two", 1),
        (on(alder, "backup", file, stdin="short\n"), "", 1),
        (on(alder, "backup", "--plain", "/nowhere/at/all"), "No such file or directory", 2),
        (on(alder, "restore", file), "cannot be read: No such file", 2),
        (on(alder, "key", "import", file), "cannot be read: No such file", 2),
        (on(alder, "move", stdin="mysql://x\n"), "must begin with postgresql://", 2),
    ):
        assert_refused(ended, says, code=code)
    assert "file" not in os.listdir(tmp_path)

    plain = on(alder, "backup", "--plain", file)
    assert plain.code == 0, plain
    assert "Nothing in this file is sealed" in plain.err
    assert_refused(on(alder, "restore", file), "database is not empty", code=2)
    (tmp_path / "paper").write_text("hearthold-node-key-1 AAAA\n")
    paper = str(tmp_path / "paper")
    assert_refused(on(alder, "key", "import", paper), "holds no node key", code=1)
    key = alder.app[SETTINGS].data_dir / KEY
    assert key.stat().st_size == 32


async def test_from_a_lost_node_to_an_empty_computer_and_on_to_debians_server(
    alder: Node, new: Path, tmp_path: Path
) -> None:
    settings = settings_of(alder)
    assert settings.database_url is not None
    lost = {"DATABASE_URL": settings.database_url, "HEARTHOLD_DATA": str(settings.data_dir)}
    file, key = str(tmp_path / "alder.backup"), str(tmp_path / "alder.key")
    made = hearthold("backup", file, stdin=f"{PASSPHRASE}\n", **lost)
    assert made.code == 0, made
    assert f"The node is in {file}" in made.out
    assert PASSPHRASE not in made.out + made.err
    assert hearthold("key", "export", key, **lost).code == 0

    def at_new(*words: str, stdin: str = "", **variables: str) -> Ended:
        given = {"HEARTHOLD_ALLOW_NETWORKS": ALLOW, **variables}
        return hearthold(*words, "--data-dir", str(new), stdin=stdin, **given)

    early = at_new("restore", file, stdin=f"{PASSPHRASE}\n")
    assert_refused(early, "There is no node key", code=2)
    assert at_new("key", "import", key).code == 0
    back = at_new("restore", file, stdin=f"{PASSPHRASE}\n")
    assert back.code == 0, back
    assert "http://alder.test as of " in back.out
    assert "sent once more, spread over an hour" in back.out  # there was no folder `since`

    with serving(new, port=free_port(), HEARTHOLD_ALLOW_NETWORKS=ALLOW) as serve:
        assert serve.lines[-1] == "Hearthold is ready at http://alder.test"
        assert serve.get("/readyz") == 200
        beside = at_new("backup", "--plain", str(tmp_path / "second"))
        assert beside.code == 0, beside
        found = json.loads(at_new("doctor", "--json").out)["findings"]
        assert {each["check"] for each in found} == {"origin"}  # plain http, and no such name
        running = at_new("move", stdin="postgresql://127.0.0.1:1/x\n")
        assert_refused(running, "Another hearthold is running on this folder", code=2)
        assert serve.stop().code == 0

    async with debian_server() as debian:
        target = await debian.create_database()
        moved = at_new("move", stdin=f"{target}\n")
        assert moved.code == 0, moved
        assert re.search(r"The node is there: \d+ rows, each table counted", moved.out)
        stray = at_new("serve", "--listen", f"127.0.0.1:{free_port()}")
        assert_refused(stray, "was moved to another server: set DATABASE_URL", code=2)
        with serving(
            new, port=free_port(), DATABASE_URL=target, HEARTHOLD_ALLOW_NETWORKS=ALLOW
        ) as serve:
            assert serve.get("/readyz") == 200
            assert serve.stop().code == 0
