"""A node goes from its own PostgreSQL to Debian's, and everybody goes on talking."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from activitypub.state import SETTINGS
from kernel import copying, db
from kernel.errors import Conflict, Misconfigured
from kernel.postgres import Server
from kernel.postgres import running as own_server
from kernel.schema.tables import audit
from kernel.settings import Settings
from node.opening import DATABASE, MOVED, database
from node.safekeeping.move import move
from tests.nodes import Nodes, settle, words
from tests.operations.places import (
    debian_server,
    empty_database,
    nothing,
    remove_what_lies_elsewhere,
    settings_of,
)

pytestmark = pytest.mark.slow


async def test_a_node_moves_to_debians_postgresql_and_goes_on(nodes: Nodes, tmp_path: Path) -> None:
    alder, birch = await nodes.start("alder.test"), await nodes.start("birch.test")
    ana, ben = await alder.persona("ana"), await birch.persona("ben")
    group = await alder.group("sleep", ana)
    await birch.join(ben, group.actor.uri)
    await settle(alder, birch)
    first = await alder.start(ana, group.actor.uri, "Awake", "Before: “ä\\t\\N”\nand more")
    await settle(alder, birch)
    waits = await alder.reply(ana, first.uri, "Waits in the queue while the node moves.")
    async with alder.engine.begin() as conn:
        await conn.execute(sa.text("SELECT setval('audit_id_seq', 4711)"))

    settings = settings_of(alder)
    async with debian_server() as debian:
        target = await debian.create_database()
        with pytest.raises(Conflict, match="still works on the old database"):
            await move(settings, target, say=nothing, show=nothing)
        await alder.stop()
        rows = await move(settings, target, say=nothing, show=nothing)
        assert rows > 10
        with pytest.raises(Misconfigured, match="new database is not empty"):
            await move(settings, target, say=nothing, show=nothing)

        url = db.normalise(target)
        moved = await nodes.start(
            "alder.test",
            database_url=url,
            data_dir=alder.app[SETTINGS].data_dir,
            port=alder.port,
        )
        async with moved.engine.begin() as conn:
            assert await db.server_version(conn) == debian.version
            number = await conn.scalar(
                audit.insert()
                .values(actor_id=ana.id, verb="x", object_uri="", reason="", day=moved.here.now())
                .returning(audit.c.id)
            )
            assert number == 4712
        await settle(moved, birch)
        after = await moved.reply(ana, first.uri, "After.")
        answer = await birch.reply(ben, first.uri, "I hear you.")
        nodes.clock.forward(minutes=10)
        await settle(moved, birch)
        for node in (moved, birch):
            said = words(await node.thread(first.uri))
            assert {first.content, waits.content, after.content, answer.content} == set(said)
        await moved.stop()


async def test_a_move_that_fails_leaves_the_new_database_empty(
    nodes: Nodes, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    alder = await nodes.start("alder.test")
    await alder.persona("ana")
    settings = settings_of(alder)
    await alder.stop()
    target = await empty_database(postgres)
    count = copying.count

    async def one_less(conn: object, table: str) -> int:
        found = await count(conn, table)  # type: ignore[arg-type]
        return found - 1 if table == "actors" and conn is not None and lose.pop() else found

    lose = [False, True]
    monkeypatch.setattr(copying, "count", one_less)
    with pytest.raises(Misconfigured, match=r"actors has \d+ rows here and \d+ there"):
        await move(settings, target, say=nothing, show=nothing)

    async with db.disposed(db.connect(target)) as engine, engine.connect() as conn:
        assert await copying.is_empty(conn)
    with pytest.raises(Misconfigured, match="The new server: The database does not answer"):
        await move(settings, "postgresql://127.0.0.1:1/x", say=nothing, show=nothing)


async def test_a_node_that_moved_from_its_own_server_is_not_started_on_it_by_mistake(
    postgres: Server, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    os.chmod(tmp_path, 0o711)  # under root the database has a user of its own
    request.addfinalizer(lambda: remove_what_lies_elsewhere(tmp_path))
    settings = Settings(data_dir=tmp_path, origin="https://alder.example")
    async with own_server(tmp_path, durable=False) as server:
        await server.create_database(DATABASE)
        async with db.engine_for(server.url(DATABASE)) as engine, engine.begin() as conn:
            await conn.execute(
                sa.text("INSERT INTO node (origin) VALUES ('https://alder.example')")
            )
    target = await empty_database(postgres)

    rows = await move(settings, target, say=nothing, show=nothing)
    assert rows == 2  # the node's own, and which night it is
    assert (tmp_path / MOVED).exists()
    with pytest.raises(Misconfigured, match="was moved to another server: set DATABASE_URL"):
        async with database(settings, nothing, own=True):
            pass
    async with database(replace(settings, database_url=target), nothing, own=True) as url:
        assert url == target
