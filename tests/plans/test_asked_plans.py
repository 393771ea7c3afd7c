"""What desks ask each other is looked up, however much of it there is (MOD-5.4)."""

from datetime import date
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.schema.directed import Category
from moderation import audit
from moderation.directed import answering, incoming, limiting, sending, sent
from tests.plans.conftest import LARGE, Asking, Seeded

pytestmark = pytest.mark.slow


async def test_what_is_asked_is_looked_up(seeded: Seeded, asking: Asking) -> None:
    here: Here = seeded.here
    some, early = UUID(int=1), date(2020, 1, 1)

    async def work(conn: AsyncConnection) -> None:
        await conn.execute(sending._DUE, {"now": here.now()})
        await sent.listed(conn, here, before=(early, some))
        await answering.listed(conn, here, before=(early, some))
        await sent.of_case(conn, here, some)
        await answering.of_case(conn, here, some)
        await answering._of(conn, some)
        await sent.last_care(conn, here, "b.test", "https://b.test/x")
        await sent.about_signals(conn, here, [1])
        await incoming._known(conn, here, "https://b.test/x")
        await incoming._is_asked(conn, "b.test", Category.REPORT, some)
        await limiting._was_held(conn, 1)
        await limiting.let_go(conn, 1)
        await audit.was_released(conn, some, "https://b.test/x")
        await sent.sweep(conn, early)
        await answering.sweep(conn, early)

    plans = await asking.plans(work)
    for plan in plans:
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)
    assert "ix_asks_out_due" in plans[0].indexes
    assert "ix_asks_out_day" in plans[1].indexes
    assert "ix_asks_in_day" in plans[2].indexes
