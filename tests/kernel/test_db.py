"""The way to PostgreSQL: a connection that ended is replaced before somebody uses it."""

import asyncio

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import db


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
