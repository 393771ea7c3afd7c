"""What comes in is dealt with along indexes, however much came before."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import announcing, enqueue, rotation
from groups import admission, writing
from groups import groups as group_store
from groups import posts as post_store
from inbox import backfill, claim, intake, refreshes, together
from kernel.clock import utcnow
from kernel.schema.tables import threads
from tests.plans.conftest import LARGE, Asking, Plan, Seeded

pytestmark = pytest.mark.slow


def _read_nothing_whole(plans: list[Plan], count: int) -> None:
    assert len(plans) == count
    for plan in plans:
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)


async def test_a_claim_looks_at_what_waits_and_at_nothing_else(asking: Asking) -> None:
    plans = await asking.plans(_claim)
    _read_nothing_whole(plans, 1)
    assert {"ix_received_due", "ix_received_signer"} <= plans[0].indexes


async def test_a_claim_that_was_planned_while_nothing_waited(engine: AsyncEngine) -> None:
    (plan,) = await Asking(engine).plans(_claim)
    assert plan.scanned <= {"node"}  # its one row
    assert plan.indexes == {"ix_received_due", "ix_received_signer", "pk_received"}
    whole = [node for node in plan.nodes if "Index Name" in node and "Index Cond" not in node]
    assert not whole


async def _claim(conn: AsyncConnection) -> None:
    now = utcnow()
    values = {
        "now": now,
        "until": now + timedelta(seconds=1),
        "holder": uuid4(),
        "limit": 0,
        "without": [],
        "is_plain": True,
    }
    await conn.execute(claim._CLAIM, values)


async def test_what_an_arrival_is_held_against(asking: Asking, seeded: Seeded) -> None:
    now = seeded.here.now()
    values = {"hosts": [], "channels": [], "at": now, "day": now.date()}

    async def work(conn: AsyncConnection) -> None:
        await conn.execute(intake._KEEP, {**intake._KEPT.values([]), **values})

    plans = await asking.plans(work)
    _read_nothing_whole(plans, 1)
    assert "uq_actors_uri" in plans[0].indexes


async def test_whose_key_it_is_and_which_old_keys_may_go(asking: Asking) -> None:
    async def work(conn: AsyncConnection) -> None:
        await actor_store.by_key_id(conn, "https://a.test/u/x#ed25519-key")
        await rotation.forget_earlier(conn)

    plans = await asking.plans(work)
    _read_nothing_whole(plans, 2)
    assert {"ix_actors_key_id", "ix_actors_ed25519_id"} <= plans[0].indexes
    assert "ix_actor_keys_until" in plans[1].indexes


async def test_what_is_looked_up_for_many_answers(asking: Asking, seeded: Seeded) -> None:
    async def work(conn: AsyncConnection) -> None:
        await conn.execute(together._PEOPLE, {"uris": []})
        await conn.execute(together._BURIED, {"uris": []})
        await post_store.by_uris(conn, [])
        await group_store.several(conn, [])
        await admission.facts(conn, seeded.here, [])

    _read_nothing_whole(await asking.plans(work), 5)


async def test_whether_it_was_announced_and_who_hears_it(asking: Asking, seeded: Seeded) -> None:
    async def work(conn: AsyncConnection) -> None:
        await conn.execute(announcing._NEWS, announcing._ITEM.values([]))
        queued = enqueue.values(seeded.here)
        await conn.execute(announcing._TELL, {**announcing._TOLD.values([]), **queued})

    news, told = await asking.plans(work)
    _read_nothing_whole([news], 1)
    assert "ix_activities_object_uri" in news.indexes
    assert {"CTE audience", "CTE listener"} <= news.once  # not once more for each activity
    assert told.scanned & LARGE <= {"actors"}  # in a small node most of them are followers


async def test_threads_that_move_up(asking: Asking) -> None:
    async def work(conn: AsyncConnection) -> None:
        await conn.execute(writing._COUNT_IN, writing._COUNT.values([]))

    plans = await asking.plans(work)
    _read_nothing_whole(plans, 1)
    assert "pk_threads" in plans[0].indexes


async def test_which_thread_is_read_anew_and_what_it_lacks(
    asking: Asking, seeded: Seeded, reading: AsyncEngine
) -> None:
    now = seeded.here.now()
    async with reading.connect() as conn:
        thread_id = await conn.scalar(sa.select(threads.c.id).limit(1))

    async def work(conn: AsyncConnection) -> None:
        await conn.execute(refreshes._CLAIM, {"now": now, "until": now})
        asked = refreshes._ASKED.values([{"id": thread_id}])
        await conn.execute(refreshes._ASK, {**asked, "due": now, "rest": refreshes.REST})
        await conn.execute(backfill._KNOWN, {"uris": []})

    claim, ask, known = await asking.plans(work)
    _read_nothing_whole([claim, ask, known], 3)
    assert {"ix_refreshes_due", "pk_refreshes"} <= claim.indexes
    assert "uq_posts_uri" in known.indexes
