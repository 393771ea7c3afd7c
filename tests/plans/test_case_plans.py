"""Queues of cases, and what is swept of them, are looked up, however many there are."""

from datetime import date
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.here import Here
from kernel.rows import AnyRow
from kernel.schema.cases import Subject
from kernel.schema.messages import Why
from kernel.schema.tables import cases as case_table
from moderation import cases, casework, forwarding, reports
from moderation.cases import About
from tests.plans.conftest import LARGE, Asking, Seeded

pytestmark = pytest.mark.slow


async def a_case(engine: AsyncEngine) -> AnyRow:
    async with engine.connect() as conn:
        found = sa.select(case_table.c.id, case_table.c.group_id, case_table.c.post_id)
        return (await conn.execute(found.where(case_table.c.group_id.is_not(None)).limit(1))).one()


async def test_queues_and_a_case(seeded: Seeded, reading: AsyncEngine, asking: Asking) -> None:
    found = await a_case(reading)
    here: Here = seeded.here

    async def work(conn: AsyncConnection) -> None:
        for desk in (found.group_id, None):
            await cases.waiting(conn, here, desk)
        for desk in (found.group_id, None):
            await cases.closed(conn, here, desk)
        await conn.execute(cases._EARLIER, {"whose": bytes(32), "case_id": found.id})
        await cases.get(conn, here, found.group_id, found.id)
        await casework.notes(conn, here, found.id)
        await conn.execute(reports._OF_CASE, {"case_id": found.id, "after": found.id})

    plans = await asking.plans(work)
    for plan in plans:
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)
    assert all("ix_cases_queue" in plan.indexes for plan in plans[:2])
    assert all("ix_cases_closed" in plan.indexes for plan in plans[2:4])
    assert "ix_cases_whose" in plans[4].indexes


async def test_what_comes_and_goes(seeded: Seeded, asking: Asking) -> None:
    here: Here = seeded.here
    uri = "https://good.test/notes/1"
    about = About(subject=Subject.MESSAGE, uri=uri, actor_id=UUID(int=1), name="", address="")

    async def work(conn: AsyncConnection) -> None:
        await reports.take_back(conn, here, "https://good.test/flags/1")
        await conn.execute(forwarding._DUE, {"now": here.now()})
        case_id = await cases.gather(conn, here, None, about, Why.ELSE)
        await cases.press(conn, case_id, Why.WORRIED)
        await casework.sweep(conn, date(2020, 1, 1), date(2019, 12, 31))

    for plan in await asking.plans(work):
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)
