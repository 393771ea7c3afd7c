"""The migrations lead to exactly the tables that `kernel/schema/` describes."""

import re
import uuid
from datetime import UTC, datetime
from importlib import import_module

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import db
from kernel.here import Here
from kernel.postgres import Server
from kernel.schema.accounts import AccountState
from kernel.schema.cases import Subject
from kernel.schema.tables import accounts, metadata
from kernel.sealing import SEALED_MORE
from members import approval, factors, nights
from members.accounts import prepare
from moderation import cases, reports
from moderation import sealed as cases_sealed
from moderation.cases import About
from tests.members.people import CHEAP, PASSWORD, log_in

_MORE_WAYS_IN = "kernel.migrations.versions.0023_more_ways_in"


async def test_an_empty_database_is_upgraded_to_the_schema(postgres: Server) -> None:
    name = f"test_{uuid.uuid4().hex}"
    await postgres.create_database(name)
    engine = db.connect(postgres.url(name))
    await db.migrate(engine)
    await db.migrate(engine)  # a second start finds nothing to do

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))

    async with engine.connect() as conn:
        found = await conn.run_sync(differences)
        checks = await _checks(conn)
    await engine.dispose()
    assert found == []
    described = [
        (table.name, _words(str(constraint.sqltext)))
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint)
    ]
    assert sorted(described) == checks
    assert len([words for _, words in checks if len(words) > 1]) > 30


async def _checks(conn: AsyncConnection) -> list[tuple[str, list[str]]]:
    """The tables with checks, and the words that each of these lets in."""
    rows = await conn.execute(
        sa.text(
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conrelid <> 0"
        )
    )
    return sorted((table, _words(text)) for table, text in rows)


def _words(text: str) -> list[str]:
    return sorted(re.findall(r"'([^']*)'", text))


async def test_accounts_from_before_there_were_second_steps_go_on(
    postgres: Server, here: Here
) -> None:
    """They get as many random bytes as others have sealed ones, each its own; then come nights."""
    name = f"test_{uuid.uuid4().hex}"
    await postgres.create_database(name)
    engine = db.connect(postgres.url(name))
    new = ("factors", "passkey_roots", "epoch")
    earlier = [column for column in accounts.columns if column.name not in new]
    async with engine.begin() as conn:
        await db.upgrade(conn, import_module(_MORE_WAYS_IN).down_revision)
        for login in ("ana-at-night", "ben-by-day"):
            made = await prepare(here, login=login, password=PASSWORD, cost=CHEAP)
            row = {
                **made.row,
                "request": approval.seal_request(here, made.member.account_id, ""),
                "state": approval.seal_state(here, made.member.account_id, AccountState.ACTIVE),
            }
            old = sa.table("accounts", *(sa.column(c.name, c.type) for c in earlier))
            await conn.execute(old.insert().values({c.name: row[c.name] for c in earlier}))
    await db.migrate(engine)
    for column in (accounts.c.factors, accounts.c.passkey_roots):
        async with engine.connect() as conn:
            values = list(await conn.scalars(sa.select(column)))
        assert [len(value) for value in values] == [_length(column) - SEALED_MORE] * 2
        assert values[0] != values[1]
    member = await log_in(engine, here)
    assert not (await factors.read(engine, here, member)).wanted
    async with engine.begin() as conn:
        await factors.set_totp(conn, here, member, b"t" * 20)
    await nights.work(engine, here)
    assert (await factors.read(engine, here, member)).totp == b"t" * 20
    assert (await log_in(engine, here)).account_id == member.account_id
    async with engine.connect() as conn:
        for column in (accounts.c.salt, accounts.c.factors, accounts.c.blob):
            lengths = await conn.scalars(sa.select(sa.func.octet_length(column)))
            assert list(lengths) == [_length(column)] * 2
        assert member.account_id not in list(await conn.scalars(sa.select(accounts.c.id)))
    await engine.dispose()


_FILL = {"text": "", "bool": False, "int4": 0, "int8": 0, "int2": 0, "uuid": uuid.uuid4()}


async def _put(conn: AsyncConnection, table: str, **values: object) -> None:
    """A row of a table as it was at some revision; what need not be known of it is empty."""
    needed = await conn.execute(
        sa.text(
            "SELECT column_name, udt_name FROM information_schema.columns WHERE table_name = :name"
            " AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'"
        ),
        {"name": table},
    )
    now = datetime(2026, 1, 2, tzinfo=UTC)
    fill = {**_FILL, "timestamptz": now, "date": now.date()}
    row = {name: fill.get(kind, "") for name, kind in needed} | values
    columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in row]
    await conn.execute(sa.table(table, *columns).insert().values(row))


async def test_reports_from_before_there_were_cases_are_carried_along(
    postgres: Server, here: Here
) -> None:
    name = f"test_{uuid.uuid4().hex}"
    await postgres.create_database(name)
    engine = db.connect(postgres.url(name))
    group = uuid.uuid4()
    async with engine.begin() as conn:
        await db.upgrade(conn, "0024")
        await conn.execute(sa.text("SET LOCAL session_replication_role = replica"))
        await _put(conn, "actors", id=group, uri="http://alder.test/g/a", kind="Group")
        await _put(conn, "posts", id=1, group_id=group, state="shown", uri="http://alder.test/p/1")
        for number, (why, post_id, where) in enumerate(
            (("unkind", 1, group), ("worried", 1, group), ("else", 1, None), ("else", None, None))
        ):
            made = uuid.uuid4()
            said = {"words": f"Words {number}", "author": "", "address": "", "content": ""}
            sealed = cases_sealed.put(here, "reports", f"report {made}", said)
            await _put(
                conn, "reports", id=made, bearer=bytes([number]) * 32, group_id=where,
                post_id=post_id, why=why, sealed=sealed,
            )  # fmt: skip
    await db.migrate(engine)
    about = About(
        subject=Subject.POST, uri="http://alder.test/p/1", actor_id=group, name="", address="",
        post_id=1,
    )  # fmt: skip
    async with engine.begin() as conn:
        (of_group,) = await cases.waiting(conn, here, group)
        of_node = await cases.waiting(conn, here, None)
        assert (of_group.why, of_group.how_many, of_group.about) == ("worried", "few", None)
        words = {each.said.words for each in await reports.of_case(conn, here, of_group.id)}
        assert words == {"Words 0", "Words 1"}
        # Nobody moderates that group, so its case waits at the node's desk too.
        assert sorted(each.subject for each in of_node) == ["message", "post", "post"]
        again = await cases.gather(conn, here, group, about, of_group.why)
        assert again == of_group.id  # what is reported from now on joins them
    await engine.dispose()


def _length(column: sa.Column[bytes]) -> int:
    assert isinstance(column.type, sa.LargeBinary)
    assert column.type.length is not None
    return column.type.length
