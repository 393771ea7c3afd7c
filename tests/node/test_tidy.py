"""What the worker's round removes, and when."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.keys import generate
from groups import groups as group_store
from groups import membership
from kernel.clock import to_month
from kernel.here import Here
from kernel.schema.actors import ActorKind
from kernel.schema.tables import activities, deliveries, spent
from members import follows, node, personas, veil
from members import spent as spent_store
from members.ends import seal_end
from node.tidy import tidy
from tests.members.people import persona, sign_up
from tests.privacy.world import meet

SEALED: Final = {"sessions", "spent", "drawers", "bans"}


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


async def test_what_ends_with_a_day_is_looked_for_once_a_day(
    engine: AsyncEngine, here: Here
) -> None:
    """To see which sealed rows are over, each of them is opened: thousands, on a large node."""
    asked: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    sa.event.listen(engine.sync_engine, "before_cursor_execute", note)

    async def sealed_tables() -> set[str]:
        asked.clear()
        await tidy(engine, here)
        return {name for name in SEALED if any(f"FROM {name}" in each for each in asked)}

    async with engine.begin() as conn:
        await node.found(conn, here, instance_keys=generate(), desk_keys=generate())
    assert await sealed_tables() == SEALED
    assert await sealed_tables() == set()
    later = here.now() + timedelta(days=1)
    here = replace(here, clock=lambda: later)
    assert await sealed_tables() == SEALED


async def test_more_rows_than_a_statement_has_parameters_end_at_once(
    engine: AsyncEngine, here: Here
) -> None:
    count = 33_000
    rows = [count_row(here, number) for number in range(count)]
    async with engine.begin() as conn:
        for at in range(0, count, 5_000):
            await conn.execute(spent.insert(), rows[at : at + 5_000])
    later = here.now() + timedelta(days=2)
    async with engine.begin() as conn:
        await spent_store.sweep(conn, replace(here, clock=lambda: later))
        assert await conn.scalar(sa.select(sa.func.count()).select_from(spent)) == 0


def count_row(here: Here, number: int) -> dict[str, object]:
    row_id = number.to_bytes(32)
    row = {"id": row_id, "ends": seal_end(here, spent, row_id, here.now().date())}
    return veil.cover(here, spent, 1, row)
