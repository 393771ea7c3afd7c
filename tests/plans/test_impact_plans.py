"""What a decision would cut is counted along indexes, however large the community is (MOD-5.9)."""

from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.schema.moderation import Level
from members import out_of_reach
from moderation import impact
from tests.plans.conftest import LARGE, Asking, Seeded

pytestmark = pytest.mark.slow


async def test_mod_5_9_a_preview_reads_no_large_table_whole(asking: Asking, seeded: Seeded) -> None:
    domains = [f"bad{number}.example" for number in range(10_000)]

    async def work(conn: AsyncConnection) -> None:
        await impact.of(conn, seeded.here, domains, Level.REJECT)

    plans = await asking.plans(work)
    assert len(plans) == 2
    for plan in plans:
        # Of reports there are as many as people have still to look at; and in this community
        # everybody lives on one server, so that no look-up by a server is worth it.
        few = {"cases", "actors"}
        assert not plan.scanned & (LARGE - few), (plan.statement, plan.scanned)


async def test_mod_5_9_copies_of_pictures_are_counted_without_reading_posts_whole(
    asking: Asking,
) -> None:
    async def work(conn: AsyncConnection) -> None:
        await impact._pictures(conn, [f"bad{number}.example" for number in range(10_000)])

    (plan,) = await asking.plans(work)
    assert not plan.scanned & (LARGE - {"actors"}), plan.scanned


async def test_what_is_out_of_reach_is_looked_up_by_its_members_names(
    asking: Asking, seeded: Seeded
) -> None:
    async def work(conn: AsyncConnection) -> None:
        await out_of_reach.count(conn, [uuid4()])
        await out_of_reach.listed(conn, [uuid4()])

    for plan in await asking.plans(work):
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)
