"""Row order: a new row does not stand out as the last one, and nobody waits for that."""

import asyncio

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.here import Here
from kernel.schema.tables import accounts, sessions
from members import order
from tests.members.people import sign_up


async def rewritten(conn: AsyncConnection) -> int | None:
    """How many accounts this transaction wrote."""
    count: int | None = await conn.scalar(
        sa.text("SELECT count(*) FROM accounts WHERE xmin::text = pg_current_xact_id()::text")
    )
    return count


async def test_a_new_row_moves_a_few_others_and_changes_none(
    engine: AsyncEngine, here: Here
) -> None:
    for n in range(8):
        await sign_up(engine, here, f"member-{n}")
    async with engine.begin() as conn:
        before = set((await conn.execute(sa.select(accounts))).all())
        assert await rewritten(conn) == 0
        await order.stir(conn, accounts)
        assert await rewritten(conn) == order.ROWS
        assert set((await conn.execute(sa.select(accounts))).all()) == before


async def test_as_many_rows_as_there_are(engine: AsyncEngine, here: Here) -> None:
    async with engine.begin() as conn:
        await order.stir(conn, accounts)
        await order.stir(conn, sessions)
    await sign_up(engine, here)
    async with engine.begin() as conn:
        await order.stir(conn, accounts)
        assert await rewritten(conn) == 1


async def test_a_row_that_somebody_holds_is_left_out(engine: AsyncEngine, here: Here) -> None:
    await sign_up(engine, here)
    async with engine.begin() as holder:
        await holder.execute(sa.select(accounts.c.id).with_for_update())
        async with asyncio.timeout(10), engine.begin() as conn:
            await order.stir(conn, accounts)
