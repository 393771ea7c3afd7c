"""Taking a name along, receipts and consents are read from an index, however much there is."""

from datetime import date

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import receipts
from activitypub.actors import Actor
from groups import belongings
from kernel.schema.tables import posts
from members import openness
from tests.plans.conftest import LARGE, Asking, Seeded

pytestmark = pytest.mark.slow


async def _busiest(engine: AsyncEngine) -> Actor:
    async with engine.connect() as conn:
        author = await conn.scalar(
            sa.select(posts.c.author_id)
            .group_by(posts.c.author_id)
            .order_by(sa.func.count().desc())
            .limit(1)
        )
        assert author is not None
        return await actor_store.get(conn, author)


async def test_the_words_of_one_name(seeded: Seeded, reading: AsyncEngine, asking: Asking) -> None:
    persona = await _busiest(reading)

    async def work(conn: AsyncConnection) -> None:
        await belongings.count(conn, persona)
        async for _ in belongings.said(conn, seeded.here, persona):
            pass
        async for _ in belongings.pictures(conn, persona):
            pass

    plans = await asking.plans(work)
    own = [plan for plan in plans if "author_id =" in plan.statement]
    assert len(own) >= 3
    for plan in own:
        assert plan.indexes & {"ix_posts_author_id_id", "pk_attachments"}, plan.statement
    for plan in plans:
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)


async def test_receipts_of_one_name_and_what_a_server_refused(
    seeded: Seeded, reading: AsyncEngine, asking: Asking
) -> None:
    persona = await _busiest(reading)

    async def work(conn: AsyncConnection) -> None:
        await receipts.summary(conn, persona.id)
        await receipts.page(conn, persona.id, after="", limit=50)
        await receipts.mark(conn, {1: 403})
        await receipts.sweep(conn, date(2025, 1, 1))

    wanted = ["ix_receipts_persona_id_host", "ix_receipts_persona_id_host", "pk_receipts"]
    plans = await asking.plans(work)
    for plan, index in zip(plans, [*wanted, "ix_receipts_until"], strict=True):
        assert index in plan.indexes, (plan.statement, plan.indexes)
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)


async def test_consents_whose_day_has_come(
    seeded: Seeded, reading: AsyncEngine, asking: Asking
) -> None:
    plans = await asking.plans(lambda _: openness.sweep(reading, seeded.here))
    assert len(plans) == 1
    assert "ix_actors_opens_on" in plans[0].indexes, plans[0].statement
