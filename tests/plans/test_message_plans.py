"""Messages, and who may write them, are looked up, however many there are."""

from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.schema.tables import conversations as conversation_table
from members import conversations, correspondents, messages, requests
from tests.plans.conftest import LARGE, Asking, Seeded

pytestmark = pytest.mark.slow

NOTHING = UUID(int=0)


async def two(engine: AsyncEngine) -> tuple[UUID, UUID]:
    async with engine.connect() as conn:
        row = (await conn.execute(sa.select(conversation_table).limit(1))).one()
    return row.one_id, row.other_id


async def test_conversations_and_their_messages(
    seeded: Seeded, reading: AsyncEngine, asking: Asking
) -> None:
    one, other = await two(reading)

    async def work(conn: AsyncConnection) -> None:
        await conversations.of(conn, one)
        await conversations.page(conn, seeded.here, one, NOTHING)
        await messages.by_uri(conn, "https://a.test/1")
        await correspondents.may_write(conn, seeded.here, one, other)
        await requests.asking(conn, seeded.here, one)
        await requests.asked(conn, seeded.here, one)

    plans = await asking.plans(work)
    for plan in plans:
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)
    listed, page, by_uri, rule, *_ = plans
    assert {"ix_conversations_one_id_latest", "ix_conversations_other_id_latest"} <= listed.indexes
    assert "ix_messages_conversation_id_place" in page.indexes
    assert "uq_messages_uri" in by_uri.indexes
    assert "pk_correspondents" in rule.indexes


async def test_what_is_due_or_over(seeded: Seeded, asking: Asking) -> None:
    async def work(conn: AsyncConnection) -> None:
        await conn.execute(messages._DUE, {"now": seeded.here.now()})
        await requests.sweep(conn, seeded.here)
        await messages.sweep(conn, seeded.here)

    due, *_rest, old, empty, _ = await asking.plans(work)
    assert "ix_messages_due" in due.indexes
    assert not due.scanned & LARGE
    assert "ix_messages_place" in old.indexes, old.nodes
    assert "ix_messages_conversation_id_place" in empty.indexes, empty.nodes
