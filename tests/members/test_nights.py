"""Every night accounts, sessions and drafts become other bytes (DESIGN-V1), and nobody notices."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import db
from kernel.errors import Conflict, NotAllowed
from kernel.here import Here
from kernel.schema.accounts import AccountState
from kernel.schema.tables import accounts as account_table
from kernel.schema.tables import sessions as session_table
from kernel.schema.tables import veil as veil_table
from kernel.sealing import NodeKey
from members import (
    account_rows,
    accounts,
    approval,
    drawers,
    factors,
    nights,
    sessions,
    spent,
    veil,
)
from members.accounts import Prepared
from members.member import Preferences, Theme
from node import commands
from node.opening import Opened
from tests.members.people import CHEAP, PASSWORD, log_in, sign_up
from tests.nodes import Wall

NEW = "nine large blue clouds"


def elsewhere(here: Here) -> Here:
    """Another process of the same node, which has not looked at the night yet."""
    return replace(here, veils=[])


async def everything(engine: AsyncEngine) -> dict[str, set[Any]]:
    """Every value of the account side, by column."""
    async with engine.connect() as conn:
        return {
            str(column): set(await conn.scalars(sa.select(column)))
            for table in veil.TABLES
            for column in table.columns
            if column.name != "epoch"
        }


async def epochs(engine: AsyncEngine) -> set[int]:
    async with engine.connect() as conn:
        return {
            number
            for table in veil.TABLES
            for number in await conn.scalars(sa.select(table.c.epoch))
        }


async def keep(engine: AsyncEngine, here: Here, made: Prepared, words: str) -> int:
    async with engine.begin() as conn:
        return await drawers.keep(conn, here, made.member, "/g/sleep/new", {"text": [words]})


async def drafts(engine: AsyncEngine, here: Here, made: Prepared) -> list[str]:
    async with engine.connect() as conn:
        return [kept.fields["text"][0] for kept in await drawers.mine(conn, here, made.member)]


def _dark(liked: Preferences) -> Preferences:
    return replace(liked, theme=Theme.DARK)


async def dark(engine: AsyncEngine, here: Here, made: Prepared) -> None:
    async with engine.begin() as conn:
        await accounts.save_preferences(conn, here, made.member, _dark)


async def test_v1_a_night_changes_every_value_and_whoever_was_here_goes_on(
    engine: AsyncEngine, here: Here
) -> None:
    """A session opened before the night works the morning after, in each process."""
    ana, ben = await sign_up(engine, here), await sign_up(engine, here, "ben-by-day")
    cookie = await sessions.open(engine, here, ana.member)
    await sessions.open(engine, here, ben.member)
    await keep(engine, here, ana, "Words.")
    await dark(engine, here, ana)
    async with engine.begin() as conn:
        await factors.set_totp(conn, here, ana.member, b"t" * 20)
        await spent.spend(conn, here, b"a code")
    asleep = elsewhere(here)
    before = await everything(engine)
    for _ in range(3):
        assert await nights.work(engine, here, now=True)
        after = await everything(engine)
        for column, values in after.items():
            assert len(values) == len(before[column]) > 0
            assert values.isdisjoint(before[column]), column
        assert len(await epochs(engine)) == 1
        before = after
    for process in (here, asleep, elsewhere(here)):
        session = await sessions.read(engine, process, cookie)
        assert session is not None
        assert session.preferences.theme is Theme.DARK
        assert await drafts(engine, process, ana) == ["Words."]
        assert (await factors.read(engine, process, ana.member)).totp == b"t" * 20
        assert (await log_in(engine, process)).account_id == ana.member.account_id
        async with engine.begin() as conn:
            assert not await spent.spend(conn, process, b"a code")
            assert await sessions.of_member(conn, process, ana.member) == [session.id]


async def test_a_night_comes_once_a_day_and_at_once_when_it_is_asked_for(
    engine: AsyncEngine, here: Here
) -> None:
    wall = Wall()
    here = replace(here, clock=wall)
    await sign_up(engine, here)
    assert await nights.work(engine, here)  # the first one, since no night ever was
    assert not await nights.work(engine, here)
    wall.now += timedelta(days=1)
    assert await nights.work(engine, here)
    assert not await nights.work(engine, here)
    lines = await commands.reveil(Opened(engine, here))
    assert lines == ["Accounts, sessions and drafts look different now."]
    async with engine.connect() as conn:
        row = (await conn.execute(sa.select(veil_table))).one()
    assert (row.next, row.day) == (None, wall.now.date())
    assert row.current == wall.now.date().toordinal() + 1  # the second of that day


async def test_v1_rows_lie_in_the_order_of_their_new_keys(engine: AsyncEngine, here: Here) -> None:
    for number in range(12):
        await sign_up(engine, here, f"login-{number}")
    await nights.work(engine, here, now=True)
    async with engine.connect() as conn:
        lie = list(await conn.scalars(sa.text("SELECT id FROM accounts ORDER BY ctid")))
    assert lie == sorted(lie)


@pytest.mark.parametrize("table", ["accounts", "drawers"])
async def test_a_night_that_was_stopped_is_gone_on_with(
    engine: AsyncEngine, here: Here, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    people = [await sign_up(engine, here, f"login-{number}") for number in range(3)]
    cookies = [await sessions.open(engine, here, each.member) for each in people]
    for each in people:
        await keep(engine, here, each, "Words.")
    async with engine.begin() as conn:
        for number in range(3):
            await spent.spend(conn, here, bytes([number]))
    await nights.work(engine, here, now=True)
    asleep = elsewhere(here)
    assert await sessions.read(engine, asleep, cookies[0]) is not None
    move = nights._move
    moved: list[tuple[Any, ...]] = []

    async def stop(*given: Any) -> int:
        if given[2].name == table and moved:
            raise KeyboardInterrupt
        if given[2].name == table:
            moved.append(given)
        return await move(*given)

    with monkeypatch.context() as patch:
        patch.setattr(nights, "BATCH", 2)
        patch.setattr(nights, "_move", stop)
        with pytest.raises(KeyboardInterrupt):
            await nights.work(engine, here, now=True)
    _, newer = sorted(await epochs(engine))
    for process in (here, asleep, elsewhere(here)):
        for each, cookie in zip(people, cookies, strict=True):
            assert await sessions.read(engine, process, cookie) is not None
            assert await drafts(engine, process, each) == ["Words."]
            await dark(engine, process, each)
        async with engine.begin() as conn:
            assert not await spent.spend(conn, process, bytes([0]))
    with pytest.raises(Conflict):
        await sign_up(engine, elsewhere(here), "login-2")
    assert await nights.work(engine, here)  # although this day had its night
    assert await epochs(engine) == {newer}
    assert len({(await log_in(engine, asleep, f"login-{n}")).account_id for n in range(3)}) == 3


async def test_of_two_workers_one_does_it(engine: AsyncEngine, here: Here) -> None:
    for number in range(20):
        await sign_up(engine, here, f"login-{number}")
    done = await asyncio.gather(*(nights.work(engine, elsewhere(here), now=True) for _ in range(2)))
    assert True in done
    assert len(await epochs(engine)) == 1
    async with engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(account_table)) == 20
        assert await nights.left(conn) == 0


async def test_a_row_in_use_is_waited_for(engine: AsyncEngine, here: Here) -> None:
    made = await sign_up(engine, here)
    await sign_up(engine, here, "ben-by-day")
    await nights.work(engine, here, now=True)
    async with engine.begin() as conn:
        await account_rows.get(conn, here, made.member.account_id, "blob", lock=True)
        night = asyncio.create_task(nights.work(engine, elsewhere(here), now=True))
        await until(engine, _night_falls)
        await accounts.save_preferences(conn, here, made.member, _dark)
    assert await night
    async with engine.connect() as conn:
        assert (await accounts.preferences(conn, here, made.member)).theme is Theme.DARK


async def _night_falls(engine: AsyncEngine) -> bool:
    """Rows that nobody uses move, the others do not yet."""
    async with engine.connect() as conn:
        newest = await conn.scalar(sa.select(sa.func.max(account_table.c.epoch)))
        return bool(newest == await conn.scalar(sa.select(veil_table.c.next)))


async def _begin(engine: AsyncEngine) -> int:
    """A night falls, and nothing has moved yet."""
    async with engine.begin() as conn:
        following = sa.update(veil_table).values(next=veil_table.c.current + 1)
        number: int | None = await conn.scalar(following.returning(veil_table.c.next))
    assert number is not None
    return number


async def until(engine: AsyncEngine, there: Callable[[AsyncEngine], Awaitable[bool]]) -> None:
    """Ask the database until it is so."""
    async with asyncio.timeout(20):
        while not await there(engine):
            pass


async def _somebody_waits(engine: AsyncEngine) -> bool:
    async with engine.connect() as conn:
        return bool(
            await conn.scalar(
                sa.text(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            )
        )


async def _move_by_hand(conn: AsyncConnection, here: Here, table: sa.Table, target: int) -> None:
    """As a night does it, in a transaction that the test ends."""
    for row in (await conn.execute(sa.select(table).with_for_update())).all():
        moved = veil.cover(here, table, target, veil.uncover(here, table, row))
        await conn.execute(sa.delete(table).where(table.c.id == row.id))
        await conn.execute(sa.insert(table).values(moved))


@pytest.mark.parametrize("looks_first", [True, False])
async def test_whoever_waits_for_a_row_that_moves_finds_it_in_its_new_place(
    engine: AsyncEngine, here: Here, looks_first: bool
) -> None:
    made = await sign_up(engine, here)
    cookies = [await sessions.open(engine, here, made.member) for _ in range(2)]
    await keep(engine, here, made, "Words.")
    await nights.work(engine, here, now=True)
    process = elsewhere(here)
    if looks_first:
        assert await sessions.read(engine, process, cookies[0]) is not None
    target = await _begin(engine)

    async def renew() -> None:
        await accounts.renew_code(engine, process, made.member, PASSWORD, cost=CHEAP)

    async def sign_out() -> None:
        async with engine.begin() as conn:
            await sessions.end_all(conn, process, made.member)

    async def write_on() -> None:
        async with engine.begin() as conn:
            fields = {"text": ["Other words."]}
            [first] = await drawers.mine(conn, process, made.member)
            await drawers.keep(conn, process, made.member, "/g/s/new", fields, before=first.which)

    for table, act in zip(veil.TABLES[:3], (renew, sign_out, write_on), strict=True):
        async with engine.begin() as conn:
            await _move_by_hand(conn, here, table, target)
            acting = asyncio.create_task(act())
            await until(engine, _somebody_waits)
        await acting
    assert [await sessions.read(engine, here, cookie) for cookie in cookies] == [None, None]
    assert await drafts(engine, here, made) == ["Other words."]
    await nights.work(engine, here, now=True)
    assert await drafts(engine, here, made) == ["Other words."]
    async with engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(session_table)) == 0


async def test_people_do_what_they_do_while_night_follows_night(
    engine: AsyncEngine, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, nobody sees an error, and whoever leaves everywhere is out everywhere."""
    monkeypatch.setattr(nights, "BATCH", 1)
    monkeypatch.setattr(nights, "_PAUSE", 0.0)
    people = [await sign_up(engine, here, f"login-{number}") for number in range(3)]
    over = asyncio.Event()

    async def night() -> int:
        count, process = 0, elsewhere(here)
        while not over.is_set():
            count += await nights.work(engine, process, now=True)
        return count

    async def live(number: int) -> None:
        made, process = people[number], elsewhere(here)
        for turn in range(2):
            await keep(engine, process, made, f"Words {turn}.")
            first = await sessions.open(engine, process, made.member)
            await dark(engine, process, made)
            assert await sessions.read(engine, process, first) is not None
            assert await drafts(engine, process, made) == [f"Words {turn}."]
            old, new = (PASSWORD, NEW) if turn % 2 == 0 else (NEW, PASSWORD)
            await accounts.change_password(engine, process, made.member, old, new, cost=CHEAP)
            assert await sessions.read(engine, process, first) is None
            assert (await log_in(engine, process, f"login-{number}", new)) == made.member
            second = await sessions.open(engine, process, made.member)
            async with engine.begin() as conn:
                [kept] = await drawers.mine(conn, process, made.member)
                await drawers.drop(conn, process, made.member, kept.which)
            assert await drafts(engine, process, made) == []
            await sessions.end(engine, process, second)
            assert await sessions.read(engine, process, second) is None
        with pytest.raises(Conflict):
            await sign_up(engine, process, f"login-{number}")
        await sign_up(engine, process, f"second-{number}")

    async def all_live() -> None:
        try:
            await asyncio.gather(*(live(number) for number in range(3)))
        finally:
            over.set()

    count, _ = await asyncio.gather(night(), all_live())
    assert count > 1
    await nights.work(engine, here, now=True)
    async with engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(account_table)) == 6
        assert await conn.scalar(sa.select(sa.func.count()).select_from(session_table)) == 0
        for each in people:
            assert (await accounts.preferences(conn, here, each.member)).theme is Theme.DARK


async def test_sec_A5_a_code_works_once_across_a_night(engine: AsyncEngine, here: Here) -> None:
    await nights.work(engine, here, now=True)
    async with engine.begin() as conn:
        assert await spent.spend(conn, here, b"a code")
        process = elsewhere(here)
    await _begin(engine)
    async with engine.begin() as conn:
        assert not await spent.spend(conn, process, b"a code")


async def test_who_waits_is_found_in_the_middle_of_a_night(engine: AsyncEngine, here: Here) -> None:
    made = [await sign_up(engine, here, f"login-{n}", state=_WAITING) for n in range(3)]
    async with engine.begin() as conn:
        await conn.execute(sa.update(veil_table).values(current=1, next=2))
    async with engine.connect() as conn:
        first = await approval.waiting(conn, here, limit=2)
        rest = await approval.waiting(conn, here, after=first[-1].place, limit=2)
    assert {each.id for each in (*first, *rest)} == {each.member.account_id for each in made}
    async with engine.begin() as conn:
        await approval.approve(conn, elsewhere(here), first[0].id)
        await approval.decline(conn, elsewhere(here), first[1].id)
    async with engine.connect() as conn:
        assert len(await approval.waiting(conn, here)) == 1


_WAITING = AccountState.WAITING


async def test_rows_of_another_node_key_are_left_as_they_are_and_stop_no_night(
    engine: AsyncEngine, here: Here, tmp_path: Path
) -> None:
    other = replace(here, node_key=NodeKey.load(tmp_path / "other.key"), veils=[])
    await sign_up(engine, here)
    await sign_up(engine, other, "ben-by-day")
    lines = await commands.reveil(Opened(engine, here))
    assert lines[1:] == ["1 rows are locked with another node key, and stay as they are."]
    await nights.work(engine, here, now=True)
    assert (await log_in(engine, here)).account_id
    with pytest.raises(NotAllowed):
        await log_in(engine, here, "ben-by-day")
    await nights.work(engine, other, now=True)  # its key is back: it goes on from where it lies
    assert (await log_in(engine, other, "ben-by-day")).account_id


async def _ids(engine: AsyncEngine) -> set[UUID]:
    async with engine.connect() as conn:
        return set(await conn.scalars(sa.select(account_table.c.id)))


async def test_v1_a_restored_node_wears_no_veil_of_the_days_that_it_lost(
    engine: AsyncEngine, here: Here
) -> None:
    wall = Wall()
    here = replace(here, clock=wall)
    await sign_up(engine, here)
    assert await nights.work(engine, here)
    async with engine.connect() as conn:
        backup = {
            table: [dict(row._mapping) for row in (await conn.execute(sa.select(table))).all()]
            for table in (account_table, veil_table)
        }
    worn = set()
    for _ in range(3):
        wall.now += timedelta(days=1)
        assert await nights.work(engine, here)
        worn |= await _ids(engine)
    async with engine.begin() as conn:
        for table, rows in backup.items():
            await conn.execute(sa.delete(table))
            await conn.execute(sa.insert(table), rows)
    for _ in range(3):
        wall.now += timedelta(days=1)
        assert await nights.work(engine, here)
        assert worn.isdisjoint(await _ids(engine))
    assert (await log_in(engine, here)).account_id


async def test_a_process_that_was_away_for_nights_ends_none_that_others_ended(
    engine: AsyncEngine, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_up(engine, here)
    await nights.work(engine, here, now=True)
    move_all = nights._move_all

    async def fall_asleep(*given: Any) -> bool:
        if given[2] is veil.TABLES[-1]:
            monkeypatch.setattr(nights, "_move_all", move_all)
            for _ in range(2):  # its lock is lost meanwhile
                assert await nights._night(engine, elsewhere(here))
        return await move_all(*given)

    monkeypatch.setattr(nights, "_move_all", fall_asleep)
    assert not await nights._night(engine, here)
    async with engine.connect() as conn:
        current = await conn.scalar(sa.select(veil_table.c.current))
    assert await epochs(engine) == {current}
    assert (await log_in(engine, elsewhere(here))).account_id


async def test_after_a_night_each_table_is_laid_out_once(
    engine: AsyncEngine, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can use it meanwhile."""
    await sign_up(engine, here)
    laid: list[str] = []

    async def lay(_: AsyncEngine, table: sa.Table) -> db.Laid:
        laid.append(table.name)
        return db.Laid.NOW

    monkeypatch.setattr(db, "rewrite_in_key_order", lay)
    assert await nights.work(engine, here, now=True)
    assert sorted(laid) == sorted(table.name for table in veil.TABLES)
