"""What a backup file withstands, what a restore refuses, and that neither leaves half a thing."""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from activitypub.state import SETTINGS
from groups import waiting
from groups.admission import Draft
from groups.groups import GroupSettings
from kernel import copying, db
from kernel.errors import Conflict, Malformed, Misconfigured, NotAllowed
from kernel.postgres import Server
from kernel.release import Timing
from kernel.schema.groups import Posts
from kernel.settings import Settings
from node.opening import KEY
from node.safekeeping import archive, backup, key_file, restore
from node.safekeeping.archive import About
from tests.node.processes import CODE, environment
from tests.nodes import Node, Nodes
from tests.operations.places import (
    PASSPHRASE,
    debian_server,
    empty_database,
    new_place,
    nothing,
    settings_of,
)

pytestmark = pytest.mark.slow


@pytest.fixture
async def alder(nodes: Nodes) -> Node:
    """A node with a group and a thread."""
    alder = await nodes.start("alder.test")
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana)
    await alder.start(ana, group.actor.uri, "Awake", "What somebody wrote.")
    return alder


async def backed_up(node: Node, file: Path, passphrase: str | None = PASSPHRASE) -> Path:
    await backup.backup(settings_of(node), file, passphrase, say=nothing, show=nothing)
    return file


async def place_for(node: Node, postgres: Server, directory: Path) -> Settings:
    key = directory / "exported.key"
    key_file.export(key_file.existing(node.app[SETTINGS].data_dir / KEY), key)
    return new_place(directory / "new", await empty_database(postgres), key)


async def bring_back(place: Settings, file: Path, passphrase: str | None = PASSPHRASE) -> None:
    await restore.restore(place, file, passphrase, say=nothing, show=nothing)


async def is_empty(place: Settings) -> bool:
    """Whether a failed restore left nothing behind."""
    assert place.database_url is not None
    url = db.normalise(place.database_url)
    async with db.disposed(db.connect(url)) as engine, engine.connect() as conn:
        nothing_there = await copying.is_empty(conn)
    left = {path.name for path in place.data_dir.iterdir()}
    return nothing_there and left == {KEY}


async def test_a_plain_backup_is_an_archive_that_other_programs_read(
    alder: Node, postgres: Server, tmp_path: Path
) -> None:
    data_dir = alder.app[SETTINGS].data_dir
    (data_dir / "hearthold.toml").write_text(
        'database_url = "postgresql://ana:hush@db/x"\nlog_level = "debug"\ns3_secret = "hush"\n'
    )
    (data_dir / "media" / "ab").mkdir(parents=True)
    (data_dir / "media" / "ab" / "picture").write_bytes(b"\x89PNG" * 100_000)
    settings = replace(settings_of(alder), log_level="debug")
    file = tmp_path / "plain.tar.gz"
    await backup.backup(settings, file, None, say=nothing, show=nothing)

    with tarfile.open(file) as tar:
        names = tar.getnames()
        posts = tar.extractfile("tables/posts/000001")
        assert posts is not None
        assert b"What somebody wrote." in posts.read()
        assert {entry.mtime for entry in tar} == {0}
    assert "tables/sessions/000001" not in names
    assert not any(KEY in name for name in names)

    place = await place_for(alder, postgres, tmp_path)
    await bring_back(place, file, None)
    assert (place.data_dir / "media/ab/picture").read_bytes() == b"\x89PNG" * 100_000
    written = (place.data_dir / "hearthold.toml").read_text()
    assert 'log_level = "debug"' in written
    assert "hush" not in written


async def test_every_row_and_every_number_comes_back(
    alder: Node, postgres: Server, tmp_path: Path
) -> None:
    async with alder.engine.begin() as conn:
        await conn.execute(sa.text("SELECT setval('audit_id_seq', 4711)"))
    file = await backed_up(alder, tmp_path / "file")
    place = await place_for(alder, postgres, tmp_path)
    await bring_back(place, file)

    assert place.database_url is not None
    tables = copying.our_tables(without=backup.WITHOUT)
    async with (
        db.disposed(db.connect(place.database_url)) as engine,
        engine.connect() as there,
        alder.engine.connect() as here,
    ):
        for table in tables:
            row = "t::text"
            if table == "node":  # but for numbers that let processes look anew
                row = "(to_jsonb(t) - 'policies' - 'people_round')::text"
            query = sa.text(f"SELECT {row} FROM {table} AS t ORDER BY 1")
            left, right = set(await here.scalars(query)), set(await there.scalars(query))
            if table == "peers":
                assert len(left) == len(right)
            else:
                assert left == right, table
        number = await there.scalar(sa.text("SELECT nextval('audit_id_seq')"))
        assert number == 4712


async def test_what_waited_goes_out_only_after_its_author_looked(
    alder: Node, postgres: Server, tmp_path: Path
) -> None:
    """It may have gone out since the backup, or its author took it back."""
    ana = await alder.persona("ana_who_waits")
    group = await alder.group("quiet", settings=GroupSettings(posts=Posts.ANYONE))
    draft = Draft(title="Nights", source="Not out yet.", language="en")
    async with alder.engine.begin() as conn:
        await waiting.send(conn, alder.here, ana, group, None, draft, Timing(undo=1))
    file = await backed_up(alder, tmp_path / "file")
    place = await place_for(alder, postgres, tmp_path)
    await bring_back(place, file)

    assert place.database_url is not None
    async with db.disposed(db.connect(place.database_url)) as engine, engine.connect() as conn:
        (found,) = await waiting.mine(conn, alder.here, [ana.id])
    assert (found.due, found.reason) == (None, restore.RESTORED)
    assert found.draft.source == "Not out yet."


CHANGES: list[Callable[[bytes], bytes]] = [
    lambda data: data[: len(data) // 2],
    lambda data: data[:-1],
    lambda data: data + b"more",
    lambda data: data[:5000] + bytes([data[5000] ^ 255]) + data[5001:],
    lambda data: b"something else",
]


@pytest.mark.parametrize("passphrase", [PASSPHRASE, None], ids=["sealed", "plain"])
async def test_a_file_that_was_changed_is_refused_and_leaves_nothing(
    alder: Node, postgres: Server, tmp_path: Path, passphrase: str | None
) -> None:
    whole = await backed_up(alder, tmp_path / "file", passphrase)
    place = await place_for(alder, postgres, tmp_path)

    for number, change in enumerate(CHANGES):
        file = tmp_path / f"changed-{number}"
        file.write_bytes(change(whole.read_bytes()))
        with pytest.raises(Misconfigured, match="no whole backup"):
            await bring_back(place, file, passphrase)
        assert await is_empty(place)
        with pytest.raises(Misconfigured, match="no whole backup"):
            await restore.check(file, passphrase, nothing)


async def test_the_wrong_passphrase_is_said_and_leaves_nothing(
    alder: Node, postgres: Server, tmp_path: Path
) -> None:
    file = await backed_up(alder, tmp_path / "file")
    place = await place_for(alder, postgres, tmp_path)

    for passphrase in ("another one entirely", None):
        with pytest.raises(NotAllowed, match="passphrase is not the one"):
            await bring_back(place, file, passphrase)
    assert await is_empty(place)
    assert (await restore.check(file, PASSPHRASE, nothing)).origin == "http://alder.test"


async def test_a_restore_replaces_nothing(alder: Node, postgres: Server, tmp_path: Path) -> None:
    file = await backed_up(alder, tmp_path / "file")
    with pytest.raises(Conflict, match="choose another name"):
        await backed_up(alder, file)
    with pytest.raises(Misconfigured, match="database is not empty"):
        await bring_back(settings_of(alder), file)

    place = await place_for(alder, postgres, tmp_path)
    (place.data_dir / "media").mkdir()
    (place.data_dir / "media" / "picture").write_text("mine")
    with pytest.raises(Misconfigured, match="is not empty: move it away"):
        await bring_back(place, file)
    assert (place.data_dir / "media" / "picture").read_text() == "mine"


async def test_a_key_of_another_node_is_refused(
    alder: Node, nodes: Nodes, postgres: Server, tmp_path: Path
) -> None:
    file = await backed_up(alder, tmp_path / "file")
    url = await empty_database(postgres)
    with pytest.raises(Misconfigured, match="There is no node key"):
        await bring_back(new_place(tmp_path / "none", url, None), file)

    birch = await nodes.start("birch.test")
    place = await place_for(birch, postgres, tmp_path)
    with pytest.raises(Misconfigured, match="not the one of this backup"):
        await bring_back(place, file)
    assert await is_empty(place)
    with pytest.raises(Misconfigured, match=r"of http://alder\.test, and the settings say"):
        await bring_back(replace(place, origin="https://birch.example"), file)


async def test_an_older_server_and_a_newer_program_are_refused(alder: Node, tmp_path: Path) -> None:
    file = await backed_up(alder, tmp_path / "file", None)
    key = tmp_path / "key"
    key_file.export(key_file.existing(alder.app[SETTINGS].data_dir / KEY), key)
    async with debian_server() as old:
        place = new_place(tmp_path / "new", await old.create_database(), key)
        with pytest.raises(Misconfigured, match=f"PostgreSQL 18, and this server is {old.version}"):
            await bring_back(place, file, None)
        assert await is_empty(place)

    later = rewritten(file, tmp_path / "later", lambda about: replace(about, revision="9999"))
    with pytest.raises(Misconfigured, match="of a newer hearthold"):
        await bring_back(place, later, None)


def rewritten(file: Path, target: Path, change: Callable[[About], About]) -> Path:
    """A plain backup with another first part, whole and well summed."""
    with target.open("wb") as output, archive.writing(output, None) as writer:
        names: dict[str, bytes] = {}
        for piece in archive.pieces(file, None):
            names[piece.name] = names.get(piece.name, b"") + piece.data
        about = change(About.read(names.pop(archive.ABOUT)))
        writer.add(archive.ABOUT, about.write())
        for name, data in names.items():
            writer.add(name, data)
    return target


async def test_tables_that_are_not_a_nodes_are_refused(
    alder: Node, postgres: Server, tmp_path: Path
) -> None:
    file = await backed_up(alder, tmp_path / "file", None)
    place = await place_for(alder, postgres, tmp_path)
    forged = rewritten(
        file, tmp_path / "a", lambda about: replace(about, tables={**about.tables, "pg_authid": []})
    )
    with pytest.raises(Misconfigured, match="not those of its schema"):
        await bring_back(place, forged, None)

    def without_posts(about: About) -> About:
        return replace(about, tables={**about.tables, "posts": about.tables["posts"][:-1]})

    with pytest.raises(Misconfigured, match="did not take the table posts"):
        await bring_back(place, rewritten(file, tmp_path / "b", without_posts), None)
    assert await is_empty(place)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "media/../../x", "media//x"])
def test_a_name_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as output, archive.writing(output, None) as writer:
        writer.add(archive.ABOUT, b"{}")
        writer.add(name, b"x")

    with pytest.raises(Misconfigured, match="no whole backup"):
        list(archive.pieces(file, None))


def test_a_full_disk_leaves_no_half_file(alder: Node, tmp_path: Path) -> None:
    """The limit is the process's own: a file of more than 4 KiB cannot be written."""
    settings = settings_of(alder)
    assert settings.database_url is not None
    ended = subprocess.run(
        [sys.executable, "-m", "node.cli", "backup", "--plain", str(tmp_path / "file")],
        cwd=CODE,
        env=environment(
            {"DATABASE_URL": settings.database_url, "HEARTHOLD_DATA": str(settings.data_dir)}
        ),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 2, ended
    assert "The disk is full, so there is no backup" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir() if "file" in path.name] == []


async def test_a_command_that_is_stopped_leaves_nothing(
    alder: Node, postgres: Server, tmp_path: Path
) -> None:
    def stop(*_: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    file = tmp_path / "file"
    work = backup.backup(settings_of(alder), file, PASSPHRASE, say=nothing, show=stop)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work)
    assert [name for name in os.listdir(tmp_path) if "file" in name] == []

    await backed_up(alder, file)
    place = await place_for(alder, postgres, tmp_path)
    back = restore.restore(place, file, PASSPHRASE, say=nothing, show=stop)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(back)
    assert await is_empty(place)
    await bring_back(place, file)


def test_the_key_travels_apart_and_a_slip_of_the_pen_is_noticed(tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(bytes(range(32)))
    (tmp_path / KEY).chmod(0o600)
    key = key_file.existing(tmp_path / KEY)
    paper = tmp_path / "paper"
    key_file.export(key, paper)

    assert paper.stat().st_mode & 0o777 == 0o600
    assert key_file.read(paper) == key
    with pytest.raises(Conflict):
        key_file.export(key, paper)
    (tmp_path / "other").write_bytes(bytes(32))
    (tmp_path / "other").chmod(0o600)
    with pytest.raises(Conflict, match="another key already"):
        key_file.put_in_place(key, tmp_path / "other")
    line = paper.read_text().splitlines()[-1]
    paper.write_text(line[:-3] + ("A" if line[-3] != "A" else "B") + line[-2:])
    with pytest.raises(Malformed, match="not as it was"):
        key_file.read(paper)
    assert json.dumps(key_file.mark(key)) != key.secret.hex()
