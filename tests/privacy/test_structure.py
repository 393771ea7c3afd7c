"""DESIGN-V1, part (a): the shape of the database and of what is said to it ties nothing."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub.actors import Actor
from kernel.here import Here
from kernel.schema.accounts import AccountState
from kernel.schema.base import Side
from kernel.schema.tables import accounts as account_table
from kernel.schema.tables import actors, metadata
from members import (
    account_rows,
    accounts,
    approval,
    departures,
    drawers,
    factors,
    invitations,
    nights,
    personas,
    sessions,
    silence,
    spent,
    totp,
)
from members.factors import Factors
from members.member import Member, Preferences, Theme
from members.passkeys import MAX_ID, MAX_KEY, Passkey
from tests.members.people import CHEAP, PASSWORD, keys, log_in, persona, sign_up
from tests.privacy.recorder import Recorder, violations

LONG = "a river " * 128


def strangers(columns: Iterable[sa.Column[object]]) -> list[str]:
    """Columns that stand nowhere, or on the account side with a type that could tell.

    Allowed there: random ids, and bytes of a declared length (HMAC, salt, ciphertext). And the
    night of which a row is, in which every row is alike (`test_every_row_is_of_the_same_night`).
    """
    found = []
    for column in columns:
        side = column.info.get("side")
        allowed = isinstance(column.type, sa.Uuid) or (
            isinstance(column.type, sa.LargeBinary) and column.type.length is not None
        )
        allowed = allowed or column.name == "epoch"
        if side not in set(Side):
            found.append(f"{column} has no side")
        elif side is Side.ACCOUNT and not allowed:
            found.append(f"{column} could tell")
        elif side is Side.ACCOUNT and column.nullable:
            found.append(f"{column} may be missing")
    return found


def crossings(columns: Iterable[sa.Column[object]]) -> list[str]:
    """Foreign keys between the account side and anything else."""
    return [
        f"{column} → {key.column}"
        for column in columns
        for key in column.foreign_keys
        if (column.info["side"] is Side.ACCOUNT) != (key.column.info["side"] is Side.ACCOUNT)
    ]


def all_columns(of: sa.MetaData) -> list[sa.Column[object]]:
    return [column for table in of.tables.values() for column in table.columns]


def test_every_column_stands_on_a_side_and_the_account_side_could_not_tell() -> None:
    columns = all_columns(metadata)
    assert {column.info["side"] for column in columns} == set(Side)
    assert strangers(columns) == []
    assert crossings(columns) == []


def test_a_planted_column_and_a_planted_key_are_found() -> None:
    planted = sa.MetaData()
    account = {"side": Side.ACCOUNT}
    sa.Table(
        "voices", planted, sa.Column("id", sa.Uuid, primary_key=True, info={"side": Side.PERSONA})
    )
    sa.Table(
        "logins",
        planted,
        sa.Column("id", sa.Uuid, primary_key=True, info=account),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, info=account),
        sa.Column("expires", sa.Date, nullable=False, info=account),
        sa.Column("locale", sa.Text, nullable=False, info=account),
        sa.Column("bytes", sa.LargeBinary, nullable=False, info=account),
        sa.Column("maybe", sa.LargeBinary(32), info=account),
        sa.Column("nowhere", sa.Uuid),
        sa.Column("voice", sa.Uuid, sa.ForeignKey("voices.id"), nullable=False, info=account),
    )
    found = [line.split()[0] for line in strangers(all_columns(planted))]
    assert found == [
        f"logins.{name}" for name in ("since", "expires", "locale", "bytes", "maybe", "nowhere")
    ]
    columns = [column for column in all_columns(planted) if column.name != "nowhere"]
    assert crossings(columns) == ["logins.voice → voices.id"]


async def odd_lengths(conn: AsyncConnection) -> list[str]:
    """Account-side values that are not exactly as long as their column says."""
    found = []
    for column in all_columns(metadata):
        if column.info["side"] is Side.ACCOUNT and isinstance(column.type, sa.LargeBinary):
            lengths = await conn.scalars(sa.select(sa.func.octet_length(column)).distinct())
            if set(lengths) != {column.type.length}:
                found.append(str(column))
    return found


async def populate(engine: AsyncEngine, here: Here, more: str = "") -> list[Member]:
    """Members who differ in everything that a row could show."""
    waits = AccountState.WAITING
    made = [
        await sign_up(engine, here, f"abc{more}"),
        await sign_up(engine, here, f"{more}x".ljust(64, "x"), password=LONG),
        await sign_up(engine, here, f"head{more}", roles=frozenset({"administrator"})),
        await sign_up(engine, here, f"asks{more}", state=waits, request="Please." * 200),
        await sign_up(engine, here, f"asked{more}", state=waits, request="Let me in."),
    ]
    members = [each.member for each in made]
    for member in members[:3]:
        await sessions.open(engine, here, member)
    async with engine.begin() as conn:
        await approval.approve(conn, here, members[4].account_id)
        many = Preferences(theme=Theme.DARK, languages=tuple(["sr-Latn-RS"] * 30))
        await accounts.save_preferences(conn, here, members[0], lambda _: many)
    for member, words in zip(members, ("", "short", "long " * 5000), strict=False):
        async with engine.begin() as conn:
            await drawers.keep(conn, here, member, "/g/sleep/new", {"text": [words]})
    await accounts.change_password(engine, here, members[1], LONG, PASSWORD, cost=CHEAP)
    await sessions.open(engine, here, members[1])
    await sessions.open_half(engine, here, members[2])
    many_keys = [Passkey(id=bytes([n]) * MAX_ID, public_key=b"k" * MAX_KEY) for n in range(4)]
    async with engine.begin() as conn:
        await factors.set_totp(conn, here, members[0], b"t" * 20)
        await factors.handle(conn, here, members[0])
        for each in many_keys:
            await factors.add_passkey(conn, here, members[0], each, each.id[:32])
        await spent.spend(conn, here, f"a code{more}".encode())
    return members


async def test_every_row_of_the_account_side_has_the_same_size(
    engine: AsyncEngine, here: Here
) -> None:
    await populate(engine, here)
    async with engine.connect() as conn:
        assert await odd_lengths(conn) == []


async def test_every_row_is_of_the_same_night(engine: AsyncEngine, here: Here) -> None:
    await populate(engine, here)
    await nights.work(engine, here)
    members = await populate(engine, here, "2")
    async with engine.begin() as conn:
        await accounts.save_preferences(
            conn, here, members[0], lambda liked: replace(liked, theme=Theme.DARK)
        )
    tables = [table for table in metadata.tables.values() if "epoch" in table.columns]
    assert {table.name for table in tables} == {
        name for name, table in metadata.tables.items() if table.info["side"] is Side.ACCOUNT
    }
    async with engine.connect() as conn:
        for table in tables:
            assert list(await conn.scalars(sa.select(table.c.epoch).distinct())) == [1], table.name


async def test_a_planted_longer_row_is_found(engine: AsyncEngine, here: Here) -> None:
    members = await populate(engine, here)
    async with engine.begin() as conn:
        row = await account_rows.get(conn, here, members[2].account_id)
        assert row is not None
        await conn.execute(
            sa.update(account_table)
            .where(account_table.c.id == row.place)
            .values(blob=account_table.c.blob.concat(b"x"))
        )
        assert await odd_lengths(conn) == ["accounts.blob"]


async def test_no_value_of_the_account_side_occurs_twice_or_elsewhere(
    engine: AsyncEngine, here: Here
) -> None:
    """Equal values would join rows."""
    members = await populate(engine, here)
    for number, member in enumerate(members):
        for letter in "ab":
            await persona(engine, here, member, f"{letter}{number}")
    secrets = {member.root for member in members} | {b"administrator", PASSWORD.encode()}
    async with engine.connect() as conn:
        secrets |= {persona_id.bytes for persona_id in await conn.scalars(sa.select(actors.c.id))}
        seen: dict[object, str] = {}
        for column in all_columns(metadata):
            if column.info["side"] is Side.ACCOUNT and column.name != "epoch":
                for value in await conn.scalars(sa.select(column)):
                    assert value not in seen, f"{column} repeats {seen[value]}"
                    assert not isinstance(value, bytes) or not any(s in value for s in secrets)
                    seen[value] = str(column)
        ids = set(await conn.scalars(sa.select(actors.c.id)))
        assert not ids & seen.keys()
        accounts_ids = set(await conn.scalars(sa.select(account_table.c.id)))
        assert len(accounts_ids) == len(members)


@pytest.fixture
async def recorder(engine: AsyncEngine) -> AsyncIterator[Recorder]:
    with Recorder.listening(engine) as recorder:
        yield recorder


async def journey(engine: AsyncEngine, here: Here, login: str) -> list[Actor]:
    """A member's whole life here; gives their personas."""
    async with engine.begin() as conn:
        secret = await invitations.create(conn, uses=1)
    made = await accounts.prepare(here, login=login, password=PASSWORD, cost=CHEAP)
    async with engine.begin() as conn:
        await invitations.redeem(conn, secret)
        await accounts.insert(conn, here, made)
    member = await log_in(engine, here, login)
    cookie = await sessions.open(engine, here, member)
    mine: list[Actor] = []
    for number in range(3):
        handle = f"{login}_{number}"
        assert not await accounts.handle_is_login(engine, here, member, handle)
        mine.append(await persona(engine, here, member, handle))
    throttle = personas.one_time_throttle(here.clock)
    async with engine.begin() as conn:
        mine.append(
            await personas.create_one_time(conn, here, member, keys=keys(), throttle=throttle)
        )
    session = await sessions.read(engine, here, cookie)
    assert session is not None
    half = await sessions.read_half(engine, here, await sessions.open_half(engine, here, member))
    assert half is not None
    async with engine.begin() as conn:
        set_up = Factors(totp=b"t" * 20)
        await factors.set_totp(conn, here, member, set_up.totp)
        code = totp.code(b"t" * 20, int(here.now().timestamp()) // totp.STEP)
        await factors.check_code(conn, here, member, set_up, code)
        await sessions.end_half(conn, here, half)
    async with engine.connect() as conn:
        assert len(await personas.mine(conn, session.member)) == 4
        await personas.speaker(conn, session.member, mine[0].id)
    async with engine.begin() as conn:
        await drawers.keep(conn, here, member, "/g/sleep/new", {"text": ["Words."]})
        [draft] = await drawers.mine(conn, here, member)
        await drawers.drop(conn, here, member, draft.which)
    async with engine.begin() as conn:
        await accounts.save_preferences(
            conn, here, member, lambda liked: replace(liked, theme=Theme.LIGHT)
        )
    await accounts.change_password(engine, here, member, PASSWORD, PASSWORD, cost=CHEAP)
    member, _ = await accounts.recover(
        engine, here, login, made.recovery_code, PASSWORD, cost=CHEAP
    )
    await sessions.end(engine, here, await sessions.open(engine, here, member))
    await accounts.close(engine, here, member, PASSWORD, cost=CHEAP)
    return mine


async def test_no_transaction_of_a_members_life_names_both_sides_or_writes_two_siblings(
    engine: AsyncEngine, here: Here, recorder: Recorder
) -> None:
    families = [await journey(engine, here, login) for login in ("ana", "ben")]
    later = Here(here.origin, here.node_key, lambda: here.now().replace(year=here.now().year + 1))
    assert await departures.fall_due(engine, later) == 8
    assert await silence.fall_due(engine, later) == 0  # they are closing already

    assert violations(recorder.transactions, families) == []
    named = [frozenset().union(*(s.tables for s in t.statements)) for t in recorder.transactions]
    assert {
        "accounts",
        "drawers",
        "sessions",
        "spent",
        "actors",
        "actor_keys",
        "departures",
    } <= frozenset().union(*named)  # the recorder did hear it
    for actor in families[0]:
        written = [t for t in recorder.transactions if t.written([actor])]
        assert len(written) == 3  # made, leaving, closed


async def test_planted_transactions_are_found(
    engine: AsyncEngine, here: Here, recorder: Recorder
) -> None:
    made = await sign_up(engine, here)
    one, two = [await persona(engine, here, made.member, handle) for handle in ("ana", "ana2")]
    assert violations(recorder.transactions, [[one, two]]) == []

    async with engine.begin() as conn:  # a look at both sides
        await accounts.preferences(conn, here, made.member)
        await personas.mine(conn, made.member)
    async with engine.begin() as conn:  # both siblings, by id
        for each in (one, two):
            await conn.execute(sa.update(actors).where(actors.c.id == each.id).values(name="A"))
    async with engine.begin() as conn:  # both siblings, one of them by address, one only locked
        await conn.execute(sa.update(actors).where(actors.c.uri == one.uri).values(name="A"))
        await conn.execute(sa.select(actors).where(actors.c.id == two.id).with_for_update())
    async with engine.begin() as conn:  # in one statement, as text, inside a longer text
        await conn.execute(
            sa.text("INSERT INTO tombstones VALUES (:uri, '2026-01-01')"),
            {"uri": f'{{"from": "{one.uri}", "to": "{two.id}"}}'},
        )
    async with engine.begin() as conn:  # a sibling's address that another one's begins with
        await conn.execute(sa.update(actors).where(actors.c.uri == two.uri).values(name="A"))

    assert violations(recorder.transactions, [[one, two]]) == [
        "both sides: ['accounts'] with ['actors', 'stops']",
        *["siblings: ['ana', 'ana2']"] * 3,
    ]
