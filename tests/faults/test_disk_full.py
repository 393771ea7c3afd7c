"""A full disk refuses what is new, says so, and everything goes on once there is room."""

# ruff: noqa: ASYNC110  (a test may wait for its disk, and for a server of its own)

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from groups.groups import GroupSettings
from kernel.postgres import Server, running
from kernel.schema.groups import Posts
from tests.conftest import TEMPLATE, migrated
from tests.faults import invariants
from tests.faults.load import Load
from tests.faults.world import rest
from tests.nodes import Node, NodeFactory, Nodes
from tests.pages.people import person, settle
from tests.peer import Peer, PeerFactory

ROOM = "160m"
MANY = 400  # a full disk still has room inside pages that are half full


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system with little room, where the database server may write."""
    place = folder / "small"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0711", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mount.returncode != 0:
        why = "a small disk needs the right to mount one"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


async def _move(node: Node, server: Server, place: Path) -> None:
    """Lay the node's tables on the small disk; the server's log of changes stays where it is."""
    data = place / "data"
    data.mkdir(mode=0o700)
    owner = server.socket_dir.stat()
    os.chown(data, owner.st_uid, owner.st_gid)
    await node.engine.dispose()
    connection = await server.connect()
    try:
        await connection.execute(f"CREATE TABLESPACE small LOCATION '{data}'")
        await connection.execute(
            f'ALTER DATABASE "{node.engine.url.database}" SET TABLESPACE small'
        )
    finally:
        await connection.close()


async def _drop(node: Node, server: Server) -> None:
    await node.engine.dispose()
    connection = await server.connect()
    try:
        await connection.execute(f'DROP DATABASE "{node.engine.url.database}" WITH (FORCE)')
        await connection.execute("DROP TABLESPACE small")
    finally:
        await connection.close()


def _fill(place: Path) -> Path:
    """Take all the room that is left."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


@pytest.mark.slow
async def test_a_full_disk_refuses_clearly_and_the_node_goes_on_when_there_is_room(
    node: NodeFactory, peer: PeerFactory, postgres: Server, small_disk: Path
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana")
    group = await alder.group("open", ana.speaker, settings=GroupSettings(posts=Posts.ANYONE))
    good = await peer("good.test", alder)
    load = Load(alder, group, good, [good.person("kim")])
    assert await load.send_one() == 202
    await rest(alder)
    await _move(alder, postgres, small_disk)
    filler = _fill(small_disk)
    words = "These words took me an hour, and they must not be lost."

    assert 507 in [await load.send_one() for _ in range(MANY)]
    assert load.odd == []  # each refusal says when to try again
    for _ in range(MANY):
        refused = await ana.fill("/g/open/new", title="A title", text=words)
        if refused.status != 303:
            break
    assert refused.status == 507
    assert words in refused.text
    assert refused.headers["Retry-After"]
    assert (await ana.open("/g/open")).status == 200  # reading still works

    filler.unlink()
    assert await load.send_one() == 202
    assert (await ana.fill("/g/open/new", title="A title", text=words)).status == 303
    await rest(alder)
    for uri in load.accepted:
        assert await alder.post(uri) is not None
    await invariants.hold(alder)
    await _drop(alder, postgres)


@pytest.mark.slow
async def test_a_server_that_ends_of_a_full_disk_is_back_when_there_is_room(
    small_disk: Path, tmp_path: Path, quick_keys: None
) -> None:
    """Not even its own log of changes has room: the server cannot go on, nor start again."""
    said: list[str] = []
    async with running(small_disk, say=said.append) as server:
        await migrated(server)
        nodes = Nodes(server, TEMPLATE, tmp_path)
        alder = await nodes.start("alder.test")
        good = await Peer("good.test", alder.names).start()
        ana = await alder.persona("ana")
        group = await alder.group("open", ana, settings=GroupSettings(posts=Posts.ANYONE))
        load = Load(alder, group, good, [good.person("kim")])
        try:
            assert await load.send_one() == 202
            filler, first = _fill(small_disk), server.process
            connection = await server.connect()
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await connection.execute("SELECT pg_switch_wal()")
                await connection.execute("CREATE TABLE more AS SELECT 1")
            connection.terminate()
            assert first is not None
            async with asyncio.timeout(60):
                await first.wait()
            assert await load.send_one() in (503, 507)
            assert load.odd == []

            filler.unlink()
            async with asyncio.timeout(60):
                while await load.send_one() != 202:
                    await asyncio.sleep(0.2)
            await rest(alder)
            for uri in load.accepted:
                assert await alder.post(uri) is not None
            await invariants.hold(alder)
        finally:
            await good.stop()
            await nodes.stop()
    assert any("started again" in line for line in said)
