"""`hearthold doctor`: each thing that can be wrong is found, and each finding says what to do."""

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from activitypub.state import SETTINGS
from kernel import tombstone_log
from kernel.clock import utcnow
from kernel.postgres import Server
from kernel.schema.moderation import Level
from kernel.settings import Settings
from members import nights
from moderation import domains
from moderation.policy import Policy
from node import doctor
from node.doctor import Report, examine
from node.opening import KEY
from tests.nodes import Node, Nodes
from tests.operations.places import debian_server, settings_of

pytestmark = pytest.mark.slow


@pytest.fixture
async def alder(nodes: Nodes) -> Node:
    alder = await nodes.start("alder.test")
    await alder.persona("ana")
    return alder


async def look(node: Node, settings: Settings | None = None) -> dict[str, str]:
    """What is found, by check; plain http is what nodes of tests are."""
    report = await examine(settings or settings_of(node), resolver=node.names)
    return {
        found.check: found.says
        for found in report.findings
        if not found.says.startswith("http://alder.test is plain http")
        and found.check != "durability"
    }


async def execute(node: Node, statement: str) -> None:
    async with node.engine.begin() as conn:
        await conn.execute(sa.text(statement))


async def test_a_node_in_order_has_nothing_to_see_to(alder: Node) -> None:
    assert await look(alder) == {}
    assert Report().lines(as_json=False) == ["All is well."]


async def test_a_directory_without_a_node_is_said(tmp_path: Path) -> None:
    report = await examine(Settings(data_dir=tmp_path))

    assert [found.check for found in report.findings] == ["node"]
    assert "start it with `hearthold serve`" in report.findings[0].says


async def test_mod_5_12_a_log_of_decisions_whose_end_is_cut_is_said(alder: Node) -> None:
    tombstone_log.append(alder.app[SETTINGS].tombstones, [("head", "3", "00")])
    assert "line 3 was noted: the end is cut" in (await look(alder))["decisions"]


async def test_mod_5_10_decisions_against_what_is_protected_by_now_are_named(alder: Node) -> None:
    async with alder.engine.begin() as conn:
        for domain, level in (
            ("sub.clinic.example", Level.FILTER), ("up.example", Level.REJECT),
            ("kind.example", Level.ACCEPT), ("other.example", Level.REJECT),
        ):  # fmt: skip
            await domains.set_policy(conn, alder.here, domain, Policy(level))
    assert "protected" not in await look(alder)
    names = ("clinic.example", "b.up.example", "kind.example")
    said = await look(alder, replace(settings_of(alder), protected_domains=names))
    assert "(sub.clinic.example, up.example)" in said["protected"]


async def test_files_that_others_can_read_are_named(alder: Node) -> None:
    settings = settings_of(alder)
    os.chmod(settings.tombstones, 0o644)
    assert (await look(alder))["modes"].endswith(f"`chmod 600 '{settings.tombstones}'`.")
    os.chmod(settings.tombstones, 0o600)
    written = settings.data_dir / "hearthold.toml"
    written.write_text('s3_secret = "x"\n')
    os.chmod(written, 0o644)
    assert (await look(alder))["modes"].endswith(f"`chmod 600 '{written}'`.")
    os.chmod(written, 0o600)
    os.chmod(settings.data_dir, 0o750)
    assert "Others can look into" in (await look(alder))["modes"]


async def test_a_full_disk_is_said(alder: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE", 10**18)

    assert "MiB left: make room" in (await look(alder))["disk"]


async def test_a_key_that_is_none_and_one_of_another_node_are_said(alder: Node) -> None:
    key = alder.app[SETTINGS].data_dir / KEY
    os.chmod(key, 0o644)
    assert "Others may read the node key" in (await look(alder))["key"]
    os.chmod(key, 0o600)
    key.write_bytes(bytes(32))
    assert "is not the key of this database" in (await look(alder))["key"]


async def test_a_database_that_is_away_is_said(alder: Node, tmp_path: Path) -> None:
    settings = settings_of(alder)
    away = Settings(data_dir=settings.data_dir, database_url="postgresql://127.0.0.1:1/x")

    assert "does not answer" in (await look(alder, away))["database"]


async def test_another_schema_and_another_origin_are_said(alder: Node) -> None:
    settings = settings_of(alder)
    other = Settings(
        data_dir=settings.data_dir,
        database_url=settings.database_url,
        origin="https://birch.example",
        allow_networks=settings.allow_networks,
    )
    assert "is http://alder.test for ever" in (await look(alder, other))["origin"]
    await execute(alder, "UPDATE alembic_version SET version_num = 'later'")
    assert "of a newer hearthold" in (await look(alder))["schema"]


async def test_an_address_at_which_nobody_or_somebody_else_answers_is_said(
    alder: Node, nodes: Nodes
) -> None:
    birch = await nodes.start("birch.test")
    nodes.names.ports["alder.test"] = birch.port
    assert "does not answer at http://alder.test (" in (await look(alder))["origin"]
    del nodes.names.ports["alder.test"]
    assert "that the name leads here" in (await look(alder))["origin"]


async def test_a_database_in_a_narrow_alphabet_is_said(alder: Node, postgres: Server) -> None:
    connection = await postgres.connect()
    try:
        await connection.execute(
            "CREATE DATABASE narrow ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'"
            " TEMPLATE template0"
        )
    finally:
        await connection.close()
    narrow = Settings(data_dir=alder.app[SETTINGS].data_dir, database_url=postgres.url("narrow"))

    assert "keeps text as LATIN1" in (await look(alder, narrow))["database"]


async def test_clocks_that_differ_are_said(alder: Node) -> None:
    report = await examine(
        settings_of(alder), clock=lambda: utcnow() + timedelta(hours=1), resolver=alder.names
    )

    says = next(found.says for found in report.findings if found.check == "clock")
    assert "3600 s apart" in says
    assert "timedatectl" in says


async def test_what_waits_too_long_and_what_was_parked_is_said(alder: Node) -> None:
    insert = (
        "INSERT INTO received (origin, activity_uri, signer_uri, body, state, next_attempt, plain,"
        " reason, day) VALUES ('https://x.example', '{id}', '', '', '{state}',"
        " now() - interval '10 minutes', false, '{reason}', now())"
    )
    await execute(alder, insert.format(id=1, state="new", reason=""))
    await execute(alder, insert.format(id=2, state="parked", reason="KeyError"))
    await execute(
        alder, "INSERT INTO peers (host, next_attempt, failures) VALUES ('away.example', now(), 12)"
    )
    await execute(alder, "UPDATE node SET counted = current_date - 3")
    report = await examine(settings_of(alder), resolver=alder.names)
    says = "\n".join(found.says for found in report.findings)

    assert "1 activities wait for more than 5 minutes" in says
    assert "1 activities broke the program and are parked (KeyError)" in says
    assert "did not answer for long (away.example)" in says
    assert "Nothing was tidied since" in says
    assert (report.queues.received_waiting, report.queues.received_parked) == (1, 1)
    shown = json.loads(report.lines(as_json=True)[0])
    assert shown["ok"] is False
    assert {"check", "says"} == set(shown["findings"][0])
    assert shown["queues"]["received_parked"] == 1


async def test_a_server_that_logs_what_people_write_is_said(nodes: Nodes, alder: Node) -> None:
    async with debian_server("log_statement=all", "log_min_duration_statement=0") as debian:
        settings = Settings(
            data_dir=alder.app[SETTINGS].data_dir, database_url=await debian.create_database()
        )
        report = await examine(settings)
    says = [found.says for found in report.findings if found.check == "logging"]

    assert any("because log_statement is all" in line for line in says)
    assert any("because log_min_duration_statement is 0" in line for line in says)
    assert all("ALTER DATABASE … SET" in line for line in says)
    durability = [found.says for found in report.findings if found.check == "durability"]
    assert ["because fsync is off" in line for line in durability] == [True]
    assert any(found.check == "schema" for found in report.findings)


async def test_v1_nights_that_were_left_out_are_said(alder: Node) -> None:
    assert "veil" not in await look(alder)  # it has not run for a night yet
    await execute(alder, "UPDATE node SET counted = current_date")
    assert "look the same in the database, so" in (await look(alder))["veil"]
    await execute(alder, "UPDATE veil SET day = current_date - 3")
    assert "look the same in the database since 20" in (await look(alder))["veil"]
    assert await nights.work(alder.engine, alder.here)
    assert "veil" not in await look(alder)
