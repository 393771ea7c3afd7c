"""The way to PostgreSQL: a connection that ended is replaced before somebody uses it."""

import asyncio

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import db


async def test_reading_needs_no_transaction_and_leaves_none_to_others(engine: AsyncEngine) -> None:
    reading = db.at_once(engine)
    async with reading.connect() as conn:
        first = await conn.scalar(sa.select(sa.func.pg_current_xact_id()))
        assert await conn.scalar(sa.select(sa.func.pg_current_xact_id())) != first
        reader = await conn.scalar(sa.select(sa.func.pg_backend_pid()))
    async with engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.pg_backend_pid())) == reader
        first = await conn.scalar(sa.select(sa.func.pg_current_xact_id()))
        assert await conn.scalar(sa.select(sa.func.pg_current_xact_id())) == first


async def _backend(engine: AsyncEngine) -> int:
    async with engine.connect() as conn:
        found: int = await conn.scalar(sa.select(sa.func.pg_backend_pid())) or 0
        return found


async def test_a_connection_that_the_server_ended_is_replaced(
    engine: AsyncEngine, database_url: str
) -> None:
    first = await _backend(engine)
    assert await _backend(engine) == first  # it is kept while it lives

    other = db.connect(database_url)
    async with other.begin() as conn:
        await conn.execute(sa.select(sa.func.pg_terminate_backend(first, 5000)))
    await other.dispose()
    for _ in range(10):
        await asyncio.sleep(0)  # the loop hears of the end

    assert await _backend(engine) != first
