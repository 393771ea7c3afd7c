"""What the worker's round removes, and when."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.keys import generate
from groups import groups as group_store
from groups import membership
from kernel.clock import to_month
from kernel.here import Here
from kernel.schema.actors import ActorKind
from kernel.schema.tables import activities, deliveries
from members import follows, personas
from node.tidy import tidy
from tests.members.people import persona, sign_up
from tests.privacy.world import meet


async def _kinds(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as conn:
        return set(await conn.scalars(sa.select(activities.c.kind)))


async def test_a_follow_goes_once_it_is_delivered_and_tells_its_month_alone(
    engine: AsyncEngine, here: Here
) -> None:
    member = (await sign_up(engine, here)).member
    ana = await persona(engine, here, member, "ana")
    async with engine.begin() as conn:
        actor = await meet(conn, here, "https://birch.example/g/grief", ActorKind.GROUP, generate())
        group = await group_store.get(conn, actor.id)
        speaker = await personas.speaker(conn, member, ana.id)
        await membership.join(conn, here, speaker, group)
        assert await conn.scalar(sa.select(activities.c.month)) == to_month(here.now())
    await tidy(engine, here)
    assert await _kinds(engine) == {"Follow"}  # it waits for the other server
    async with engine.begin() as conn:
        await conn.execute(sa.delete(deliveries))
    await tidy(engine, here)
    assert await _kinds(engine) == set()
    async with engine.begin() as conn:  # and can be asked again, and taken back
        await membership.join(conn, here, speaker, group)
        await follows.end(conn, here, ana, group.actor)
    assert await _kinds(engine) == {"Follow", "Undo"}
