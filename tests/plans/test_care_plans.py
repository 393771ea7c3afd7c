"""Care cases and what is read sooner are looked up, however many posts there are."""

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from groups import caring, looking
from kernel.here import Here
from moderation.care import cases, ending, incoming
from moderation.care.cases import Desks
from tests.plans.conftest import LARGE, Asking, Seeded
from tests.plans.test_case_plans import a_case

pytestmark = pytest.mark.slow


async def test_the_care_desk(seeded: Seeded, reading: AsyncEngine, asking: Asking) -> None:
    here: Here = seeded.here
    found = await a_case(reading)
    desks = Desks(node=True, groups=(found.group_id,))

    async def work(conn: AsyncConnection) -> None:
        await cases.waiting(conn, here, desks)
        await cases.count(conn, desks)
        await cases.is_open_near(conn, seeded.here, 1)
        await ending.forget_post(conn, 1)
        await ending.escalate(conn, here)
        await caring.tell_some(conn, here)
        await caring.tell_of_help(conn, here)
        await incoming.to_answer(conn)
        await looking.tended_by(conn, [found.id])
        await looking.order(conn, here, [found.group_id], {})

    for plan in await asking.plans(work):
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)
