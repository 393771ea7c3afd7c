"""Row order: a new row does not stand out, its table is soon laid out anew, and nobody waits."""

import asyncio
import math
import random
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import remote
from activitypub.vocab import ActorDocument
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema.actors import ActorKind
from kernel.schema.tables import (
    accounts,
    actors,
    appeals,
    case_notes,
    cases,
    departures,
    sessions,
)
from members import order
from node import worker
from tests.members.people import keys, persona, sign_up
from tests.nodes import NodeFactory

FEW = 8


async def rewritten(conn: AsyncConnection, table: sa.Table) -> Sequence[UUID]:
    """Which rows this transaction wrote, as they lie."""
    rows = await conn.scalars(
        sa.select(table.c.id)
        .where(sa.text("xmin = pg_current_xact_id()::xid"))
        .order_by(sa.text("ctid"))
    )
    return rows.all()


async def lie(engine: AsyncEngine, table: sa.Table) -> Sequence[UUID]:
    """The ids of all rows as they lie."""
    async with engine.connect() as conn:
        return (await conn.scalars(sa.select(table.c.id).order_by(sa.text("ctid")))).all()


async def fill(engine: AsyncEngine, rows: int) -> None:
    """`departures` with rows in the order in which they came."""
    async with engine.begin() as conn:
        values = [{"id": random_uuid(), "sealed": bytes(52)} for _ in range(rows)]
        random.shuffle(values)
        await conn.execute(departures.insert(), values)


async def test_a_new_row_moves_others_and_changes_none(engine: AsyncEngine, here: Here) -> None:
    for n in range(FEW):
        await sign_up(engine, here, f"member-{n}")
    async with engine.begin() as conn:
        before = set((await conn.execute(sa.select(accounts))).all())
        assert await rewritten(conn, accounts) == []
        await order.stir(conn, accounts)
        assert len(await rewritten(conn, accounts)) == FEW
        assert set((await conn.execute(sa.select(accounts))).all()) == before


async def test_the_new_row_stands_anywhere_among_a_hundred_others(engine: AsyncEngine) -> None:
    await fill(engine, 5 * order.ROWS)
    await order.Keeper(engine).restore([departures])
    places = []
    for _ in range(20):
        async with engine.connect() as conn:
            new = random_uuid()
            await conn.execute(departures.insert().values(id=new, sealed=bytes(52)))
            await order.stir(conn, departures)
            moved = await rewritten(conn, departures)
            assert len(moved) in (order.ROWS, order.ROWS + 1)
            places.append(moved.index(new) / len(moved))
            await conn.rollback()
    assert min(places) < 0.4
    assert max(places) > 0.6


async def test_somebody_from_elsewhere_does_not_stand_in(engine: AsyncEngine, here: Here) -> None:
    base = "https://far.example/u/kim"
    async with engine.begin() as conn:
        stranger = await remote.store(
            conn,
            here,
            ActorDocument(
                id=base,
                kind=ActorKind.PERSON,
                handle="kim",
                name="Kim",
                summary="",
                url=None,
                inbox=f"{base}/inbox",
                shared_inbox=None,
                followers=None,
                moderators=None,
                locked=False,
                key_id=f"{base}#main-key",
                public_key=keys().public_pem,
                ed25519=None,
                wrapped=False,
            ),
        )
    made = await sign_up(engine, here)
    ana = await persona(engine, here, made.member, "ana")
    async with engine.begin() as conn:
        await order.stir(conn, actors)
        moved = await rewritten(conn, actors)
    assert ana.id in moved
    assert stranger.id not in moved


async def test_a_row_that_somebody_holds_is_left_out(engine: AsyncEngine, here: Here) -> None:
    await sign_up(engine, here)
    async with engine.begin() as holder:
        await holder.execute(sa.select(accounts.c.id).with_for_update())
        async with asyncio.timeout(10), engine.begin() as conn:
            await order.stir(conn, accounts)
            assert await rewritten(conn, accounts) == []


async def test_tables_are_laid_out_by_their_keys(engine: AsyncEngine, here: Here) -> None:
    await fill(engine, 50)
    for n in range(FEW):
        await sign_up(engine, here, f"member-{n}")
    before = await lie(engine, departures)
    assert list(before) != sorted(before)
    keeper = order.Keeper(engine)
    assert await keeper.restore() < math.inf
    assert await lie(engine, departures) == sorted(before)
    assert await lie(engine, accounts) == sorted(await lie(engine, accounts))
    async with engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(sessions)) == 0
    assert await order.Keeper(engine).restore() == math.inf  # nothing to do


async def test_what_moderators_and_those_who_ask_write_is_laid_out_too(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here)
    ana = await persona(engine, here, made.member, "ana")
    case = {
        "subject": "person", "why": "else", "priority": 2, "state": "open",
        "since": here.now().date(), "whose": bytes(32),
    }  # fmt: skip
    ids = sorted((random_uuid() for _ in range(FEW)), reverse=True)
    long = random.randbytes(8_092)
    async with engine.begin() as conn:
        for place, each in enumerate(ids):
            await conn.execute(cases.insert().values(id=each, mark=each.bytes, **case))
            await conn.execute(case_notes.insert().values(case_id=each, place=0, sealed=long))
            await conn.execute(
                appeals.insert().values(
                    decision_id=FEW - place, person_id=ana.id, state="open", words=long,
                    answer=long, day=here.now().date(),
                )
            )  # fmt: skip
    assert {case_notes, appeals} <= {*order.SENSITIVE}
    await order.Keeper(engine).restore([case_notes, appeals])
    async with engine.connect() as conn:
        for column in (case_notes.c.case_id, appeals.c.decision_id):
            lie = list(await conn.scalars(sa.select(column).order_by(sa.text("ctid"))))
            assert (len(lie), lie) == (FEW, sorted(lie)), column


async def test_a_table_rests_after_it_was_laid_out(engine: AsyncEngine) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.01  # what a round takes
        return now[0]

    keeper = order.Keeper(engine, clock)
    await fill(engine, 20)
    rest = await keeper.restore([departures])
    assert 0.9 < rest < 1.1
    await fill(engine, 20)
    assert 0 < await keeper.restore([departures]) < rest
    rows = list(await lie(engine, departures))
    assert rows != sorted(rows)
    now[0] += rest
    await keeper.restore([departures])
    assert await lie(engine, departures) == sorted(rows)


async def test_a_table_in_use_is_left_for_later(engine: AsyncEngine) -> None:
    await fill(engine, 20)
    rows = await lie(engine, departures)
    async with engine.begin() as reader:
        await reader.execute(sa.select(departures.c.id).limit(1))
        async with asyncio.timeout(10):
            assert await order.Keeper(engine).restore([departures]) < math.inf
    assert await lie(engine, departures) == rows
    await order.Keeper(engine).restore([departures])
    assert await lie(engine, departures) == sorted(rows)


async def test_the_worker_comes_when_it_is_called(node: NodeFactory) -> None:
    alder = await node("alder.test")
    connection = await asyncpg.connect(
        alder.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    )
    stop = asyncio.Event()
    work = asyncio.create_task(worker.run(alder.app, stop))
    try:
        async with asyncio.timeout(30):
            while not await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' "
                "AND datname = current_database()"
            ):
                pass
            for n in range(FEW):
                await sign_up(alder.engine, alder.here, f"member-{n}")
            rows: Sequence[UUID] = []
            while len(rows) < FEW or list(rows) != sorted(rows):
                rows = await lie(alder.engine, accounts)
    finally:
        stop.set()
        await work
        await connection.close()


async def test_a_table_that_nobody_calls_for_is_not_looked_at(engine: AsyncEngine) -> None:
    """Not even while another one rests: all that looking would take the processor for itself."""
    keeper = order.Keeper(engine)
    assert await keeper.restore() == math.inf  # each is looked at once
    await fill(engine, 20)
    rows = await lie(engine, departures)
    assert await keeper.restore() == math.inf
    assert await lie(engine, departures) == rows
    keeper.call(departures.name)
    assert await keeper.restore() < math.inf
