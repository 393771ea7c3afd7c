"""The log of decisions cannot be changed without being found out (MOD-5.12)."""

import uuid
from datetime import date, timedelta
from importlib import import_module

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from activitypub.state import SETTINGS
from groups import belongings, closing, desk
from kernel import db, tombstone_log
from kernel.errors import NotFound
from kernel.postgres import Server
from kernel.schema.moderation import Role
from kernel.schema.tables import audit, audit_chain
from kernel.tombstone_log import Act, Line
from moderation import audit as log
from moderation import chain
from moderation.chain import Head, Verdict
from tests.nodes import Node, NodeFactory

_CHAINED = "kernel.migrations.versions.0030_decisions_in_a_chain"


async def decide(node: Node, *verbs: str) -> list[int]:
    found = []
    for verb in verbs:
        async with node.engine.begin() as conn:
            found.append(
                await log.note(conn, node.here, verb=verb, about="bad.example", reason="“ä”\n\t")
            )
    return found


async def verify(node: Node, *lines: Line) -> Verdict:
    async with node.engine.connect() as conn:
        return await chain.verify(conn, lines)


async def head(node: Node) -> Head:
    async with node.engine.connect() as conn:
        return await chain.head(conn)


async def tamper(node: Node, statement: str) -> None:
    """As somebody who owns the database and switched its triggers off."""
    async with node.engine.begin() as conn:
        for table in ("audit", "audit_chain"):
            await conn.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        await conn.execute(sa.text(statement))
        for table in ("audit", "audit_chain"):
            await conn.execute(sa.text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


async def test_mod_5_12_each_decision_is_a_link_and_what_is_changed_is_found(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    await decide(alder, "pause server", "resume server")
    async with alder.engine.connect() as conn:  # what does not commit is no line, and no gap
        await log.note(conn, alder.here, verb="lost", about="x")
    async with alder.engine.begin() as conn:
        await log.note(
            conn,
            alder.here,
            verb="block",
            about="bad.example",
            role=Role.NODE,
            rule="3 \\ “quiet”",
            basis=["https://birch.example/changes/1"],
            impact={"follows": 3, "groups": ["é", 'a"b']},
            before={},
            after={"policy": "reject"},
            undo="u1",
        )
        await log.note(conn, alder.here, verb="note", about="in the same transaction")
    good = await verify(alder)
    assert (good.lines, good.forgotten, good.broken) == (4, 0, "")

    for statement in (
        "UPDATE audit SET reason = 'another'",
        "UPDATE audit_chain SET verb = 'another'",
        "DELETE FROM audit_chain",
        "TRUNCATE audit",
        "TRUNCATE audit_chain",
    ):
        with pytest.raises(DBAPIError, match="what was decided is not changed"):
            async with alder.engine.begin() as conn:
                await conn.execute(sa.text(statement))

    changed = (
        ("UPDATE audit SET reason = 'x' WHERE verb = 'block'", "What line 3 says was changed."),
        ("UPDATE audit SET verb = 'x' WHERE verb = 'block'", "What line 3 says was changed."),
        ("UPDATE audit_chain SET day = day - 1 WHERE seq = 2", "Line 2 was changed"),
        ("UPDATE audit_chain SET group_id = gen_random_uuid() WHERE seq = 2", "Line 2 was changed"),
        ("UPDATE audit_chain SET hash = sha256('') WHERE seq = 1", "Line 1 was changed"),
        ("DELETE FROM audit_chain WHERE seq = 2", "Line 2 is missing"),
        ("UPDATE audit_chain SET seq = 9 WHERE seq = 4", "Line 4 is missing"),
        ("DELETE FROM audit_chain WHERE seq = 4", "has no line in the chain"),
    )
    for statement, says in changed:
        await tamper(alder, "CREATE TABLE kept AS SELECT * FROM audit_chain")
        await tamper(alder, "CREATE TABLE kept_words AS SELECT * FROM audit")
        await tamper(alder, statement)
        assert says in (await verify(alder)).broken, statement
        await tamper(alder, "DELETE FROM audit_chain")
        await tamper(alder, "INSERT INTO audit_chain SELECT * FROM kept")
        await tamper(alder, "DELETE FROM audit")
        await tamper(alder, "INSERT INTO audit OVERRIDING SYSTEM VALUE SELECT * FROM kept_words")
        await tamper(alder, "DROP TABLE kept")
        await tamper(alder, "DROP TABLE kept_words")
        assert not (await verify(alder)).broken


async def test_mod_5_12_a_cut_end_is_missed_and_a_restore_is_no_alarm(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await decide(alder, "one", "two", "three")
    last = await head(alder)
    noted = (Act.HEAD.value, "3", last.hash.hex())
    assert not (await verify(alder, noted)).broken
    await decide(alder, "four")
    assert not (await verify(alder, noted)).broken  # it grew since

    forged = (Act.HEAD.value, "3", "00" * 32)
    assert "Line 3 is not the one that was noted" in (await verify(alder, forged)).broken
    await tamper(alder, "DELETE FROM audit WHERE verb IN ('three', 'four')")
    await tamper(alder, "DELETE FROM audit_chain WHERE seq > 2")
    assert not (await verify(alder)).broken  # nothing else in the database could tell
    assert "line 3 was noted: the end is cut" in (await verify(alder, noted)).broken
    async with alder.engine.connect() as conn:
        assert "the end is cut" in await chain.look(conn, [noted])
        assert await chain.look(conn, []) == ""

    now = await head(alder)
    rewound = (Act.REWOUND.value, "2", now.hash.hex())
    after = await verify(alder, noted, rewound)
    assert not after.broken
    assert after.gone == [
        "A backup was restored that ended at line 2; lines up to 3 are gone with what came after "
        "it."
    ]
    async with alder.engine.connect() as conn:
        assert await chain.look(conn, [noted, rewound]) == ""
        assert "not the one" in await chain.look(conn, [(*rewound[:1], "2", "00")])


async def test_mod_5_12_the_end_is_noted_each_day_beside_the_database(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    await decide(alder, "one")
    path = alder.app[SETTINGS].tombstones
    async with alder.engine.begin() as conn:
        await chain.note_head(conn)
    last = await head(alder)
    assert tombstone_log.read(path.read_text()) == [("head", "1", last.hash.hex())]


async def test_mod_5_12_what_is_said_of_somebody_goes_with_them_and_the_chain_holds(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    ana, ben = await alder.persona("ana"), await alder.persona("ben")
    group = await alder.group("sleep", ana)
    await alder.join(ben, group.actor.uri)
    root = await alder.start(ana, group.actor.uri, "A title", "Hello.")
    said = await alder.reply(ben, root.uri, "Words.")
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, group, ana)
        await desk.remove(conn, alder.here, group, acting, said, "about ben")
        await desk.ban(conn, alder.here, group, acting, ben.actor, "please rest")
        hidden = await desk.note(conn, alder.here, group, acting, "case supported", said.uri)
    async with alder.engine.connect() as conn:
        mine = await log.of_person(conn, ben.id, limit=9)
        assert [each.verb for each in mine] == ["ban", "remove"]
        with pytest.raises(NotFound):
            await log.decision(conn, hidden)
        taken = [each.verb async for some in belongings.decisions(conn, ben.actor) for each in some]
        assert taken == ["remove", "ban"]
        assert await log.of_person(conn, ana.id, limit=9) == []
    async with alder.engine.begin() as conn:
        await closing.close(conn, alder.here, ben.actor)
    verdict = await verify(alder)
    assert (verdict.lines, verdict.forgotten, verdict.broken) == (3, 3, "")
    async with alder.engine.connect() as conn:
        entries = await desk.log(conn, group)
        assert [(each.verb, each.gone, each.reason) for each in entries] == [
            ("case supported", True, ""),
            ("ban", True, ""),
            ("remove", True, ""),
        ]
        assert [each.verb for each in await desk.log(conn, group, verb="ban")] == ["ban"]


async def test_mod_5_12_two_decide_at_once_in_either_order(node: NodeFactory) -> None:
    """The chain is locked only when a decision commits: nobody waits in a circle."""
    alder = await node("alder.test")
    async with alder.engine.connect() as one, alder.engine.connect() as other:
        await log.note(one, alder.here, verb="first", about="x")
        await log.note(other, alder.here, verb="second", about="x")
        await other.commit()
        await one.commit()
    async with alder.engine.connect() as conn:
        verbs = await conn.scalars(sa.select(audit_chain.c.verb).order_by(audit_chain.c.seq))
        assert list(verbs) == ["second", "first"]
        ids = await conn.scalars(sa.select(audit.c.id).order_by(audit.c.id))
        assert len(list(ids)) == 2
    assert not (await verify(alder)).broken


async def test_marks_of_who_decided_tell_nobody_else(node: NodeFactory) -> None:
    alder = await node("alder.test")
    mine, theirs = alder.here.deciding(b"m" * 32), alder.here.deciding(b"t" * 32)
    async with alder.engine.begin() as conn:
        one = await log.note(conn, mine, verb="one", about="x")
        two = await log.note(conn, mine, verb="two", about="x")
        none = await log.note(conn, alder.here, verb="three", about="x")
        for each in (one, two):
            assert await log.decided_it(conn, mine, each)
            assert not await log.decided_it(conn, theirs, each)
            assert not await log.decided_it(conn, alder.here, each)
        assert not await log.decided_it(conn, mine, none)
        marks = list(await conn.scalars(sa.text("SELECT mark FROM audit_marks")))
        assert len({*marks}) == 2
        await log.sweep(conn, alder.here.now().date() + timedelta(days=61))
        assert not await log.decided_it(conn, mine, one)


async def test_mod_5_12_what_was_decided_before_there_was_a_chain_is_chained(
    postgres: Server,
) -> None:
    name = f"test_{uuid.uuid4().hex}"
    await postgres.create_database(name)
    engine = db.connect(postgres.url(name))
    row = {"actor": uuid.uuid4(), "verb": "remove", "about": "https://a.example/“ü”\\"}
    earlier = sa.text(
        "INSERT INTO audit (actor_id, verb, object_uri, reason, day)"
        " SELECT :actor, :verb, :about, n::text || :about, '2026-01-31'"
        " FROM generate_series(1, 1003) AS n"
    )
    async with engine.begin() as conn:
        await db.upgrade(conn, import_module(_CHAINED).down_revision)
        await conn.execute(earlier, row)
    await db.migrate(engine)
    async with engine.begin() as conn:
        await conn.execute(
            audit.insert().values(
                actor_id=row["actor"],
                verb="by hand",
                object_uri="",
                reason="",
                day=date(2026, 2, 1),
            )
        )
    async with engine.connect() as conn:
        found = await chain.verify(conn, [])
        assert found.broken == "What line 1004 says was changed."  # no salt, no sum
        assert found.lines == 1003
        assert await conn.scalar(sa.text("SELECT min(role) FROM audit_chain")) == "administrator"
    await engine.dispose()
