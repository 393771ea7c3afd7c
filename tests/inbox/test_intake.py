"""Many arrivals share a commit; each answer waits for its own row (DESIGN 3, WIRE-B16)."""

import asyncio
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from inbox.intake import Intake, Row
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import received

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def _row(number: int, *, again: bool = False, origin: str = "https://a.test") -> Row:
    return Row(
        origin=origin,
        activity_uri=f"https://a.test/{number}",
        signer_uri="https://a.test/u/kay",
        signer_host="a.test",
        body=b"{}",
        at=NOW,
        again=again,
    )


async def _commits(engine: AsyncEngine) -> int:
    async with engine.connect() as conn:
        return await conn.scalar(sa.text("SELECT count(DISTINCT xmin::text) FROM received")) or 0


async def test_what_arrives_together_is_committed_together(engine: AsyncEngine) -> None:
    intake = Intake(engine)
    await asyncio.gather(*(intake.keep(_row(number % 90)) for number in range(100)))
    async with engine.connect() as conn:
        count = await conn.scalar(sa.select(sa.func.count()).select_from(received))
    assert count == 90
    assert await _commits(engine) <= 2


async def test_nobody_occupies_anothers_id(engine: AsyncEngine) -> None:
    intake = Intake(engine)
    await asyncio.gather(intake.keep(_row(1)), intake.keep(_row(1, origin="https://evil.test")))
    async with engine.connect() as conn:
        origins = (await conn.execute(sa.select(received.c.origin))).scalars().all()
    assert sorted(origins) == ["https://a.test", "https://evil.test"]


async def test_asking_again_renews_what_was_done_and_nothing_else(engine: AsyncEngine) -> None:
    intake = Intake(engine)
    await intake.keep(_row(1))
    async with engine.begin() as conn:
        await conn.execute(sa.update(received).values(state=ReceivedState.DONE, body=None))
    await intake.keep(_row(1))
    async with engine.connect() as conn:
        assert await conn.scalar(sa.select(received.c.state)) == ReceivedState.DONE
    await asyncio.gather(intake.keep(_row(1, again=True)), intake.keep(_row(1, again=True)))
    async with engine.connect() as conn:
        row = (await conn.execute(sa.select(received.c.state, received.c.body))).one()
    assert tuple(row) == (ReceivedState.NEW, b"{}")


async def test_who_waits_hears_that_the_database_refused(engine: AsyncEngine) -> None:
    intake = Intake(engine)
    async with engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE received RENAME TO away"))
    with pytest.raises(DBAPIError):
        await intake.keep(_row(1))
    async with engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE away RENAME TO received"))
    await intake.keep(_row(1))
    assert await _commits(engine) == 1
