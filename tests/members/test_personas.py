"""Personas: nobody else can tell them from other members, and a ban still finds their owner."""

import asyncio
import re
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.actors import signing_keys
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound, TooMany
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.tables import actors, departures
from members import departures as leaving
from members import personas
from members.handles import suggest_handle
from members.member import Member
from tests.members.people import keys, persona

ANA = Member(account_id=random_uuid(), root=b"a" * 32)
BEN = Member(account_id=random_uuid(), root=b"b" * 32)


async def once(engine: AsyncEngine, here: Here, member: Member) -> UUID:
    throttle = personas.one_time_throttle(here.clock)
    async with engine.begin() as conn:
        made = await personas.create_one_time(conn, here, member, keys=keys(), throttle=throttle)
    return made.id


async def set_state(engine: AsyncEngine, actor_id: UUID, state: ActorState) -> None:
    async with engine.begin() as conn:
        await conn.execute(sa.update(actors).where(actors.c.id == actor_id).values(state=state))


async def test_a_persona_is_an_actor_like_any_other(engine: AsyncEngine, here: Here) -> None:
    async with engine.begin() as conn:
        made = await personas.create(
            conn, here, ANA, handle=" Ana ", name="  Ana \n K ", keys=keys()
        )
        assert await signing_keys(conn, here, made.id) is not None
    assert (made.kind, made.handle, made.name) == (ActorKind.PERSON, "ana", "Ana K")
    assert made.since == here.now().date().replace(day=1)
    plain = await persona(engine, here, ANA, "ana2")
    assert plain.name == "ana2"


async def test_a_member_finds_their_own_personas_and_nobody_elses(
    engine: AsyncEngine, here: Here
) -> None:
    first = await persona(engine, here, ANA, "ana")
    bens = await persona(engine, here, BEN, "ben")
    unnamed = await once(engine, here, ANA)
    second = await persona(engine, here, ANA, "ana2")
    async with engine.connect() as conn:
        assert [(each.actor.id, each.one_time) for each in await personas.mine(conn, ANA)] == [
            (first.id, False),
            (second.id, False),
            (unnamed, True),
        ]
        assert set(await personas.ids(conn, ANA)) == {first.id, second.id, unnamed}
        assert await personas.ids(conn, BEN) == (bens.id,)
        assert await personas.ids(conn, replace(ANA, root=b"c" * 32)) == ()


async def test_closed_ones_still_count_for_a_ban_but_cannot_speak(
    engine: AsyncEngine, here: Here
) -> None:
    kept, gone = [await persona(engine, here, ANA, handle) for handle in ("ana", "ana2")]
    unnamed = await once(engine, here, ANA)
    await set_state(engine, gone.id, ActorState.CLOSED)
    await set_state(engine, unnamed, ActorState.CLOSED)
    async with engine.connect() as conn:
        assert [each.actor.id for each in await personas.mine(conn, ANA)] == [kept.id]
        assert set(await personas.ids(conn, ANA)) == {kept.id, gone.id, unnamed}
        assert await personas.open_ids(conn, ANA) == (kept.id,)
        speaker = await personas.speaker(conn, ANA, kept.id)
        assert speaker.actor.id == kept.id
        assert set(speaker.voices) == {kept.id, gone.id, unnamed}
        assert not speaker.one_time
        with pytest.raises(NotFound):
            await personas.speaker(conn, ANA, gone.id)


async def test_nobody_speaks_as_somebody_else(engine: AsyncEngine, here: Here) -> None:
    bens = await persona(engine, here, BEN, "ben")
    async with engine.connect() as conn:
        for actor_id in (bens.id, random_uuid()):
            with pytest.raises(NotFound):
                await personas.speaker(conn, ANA, actor_id)


async def test_a_one_time_persona_speaks_as_one(engine: AsyncEngine, here: Here) -> None:
    unnamed = await once(engine, here, ANA)
    async with engine.connect() as conn:
        assert (await personas.speaker(conn, ANA, unnamed)).one_time


@pytest.mark.parametrize("count", [19, 20, 21, 45])
async def test_all_ids_are_found_however_many(engine: AsyncEngine, here: Here, count: int) -> None:
    made = {await once(engine, here, ANA) for _ in range(count)}
    async with engine.connect() as conn:
        assert set(await personas.ids(conn, ANA)) == made


async def test_ids_after_a_gap_of_nineteen_are_found(engine: AsyncEngine, here: Here) -> None:
    made = [await once(engine, here, ANA) for _ in range(41)]
    for first, last in ((1, 20), (21, 40)):  # as after a restore that lost some
        async with engine.begin() as conn:
            await conn.execute(sa.delete(actors).where(actors.c.id.in_(made[first:last])))
    async with engine.connect() as conn:
        assert set(await personas.ids(conn, ANA)) == {made[0], made[20], made[40]}


async def test_there_are_eight_and_closing_one_makes_room(engine: AsyncEngine, here: Here) -> None:
    made = [await persona(engine, here, ANA, f"ana{n}") for n in range(8)]
    await once(engine, here, ANA)  # does not count
    with pytest.raises(NotAllowed, match="close one"):
        await persona(engine, here, ANA, "ana8")
    await set_state(engine, made[3].id, ActorState.CLOSED)
    await persona(engine, here, ANA, "ana8")
    with pytest.raises(NotAllowed):
        await persona(engine, here, ANA, "ana9")
    await persona(engine, here, BEN, "ben")


async def test_eight_hold_when_asked_for_at_once(engine: AsyncEngine, here: Here) -> None:
    for n in range(6):
        await persona(engine, here, ANA, f"ana{n}")
    results = await asyncio.gather(
        *(persona(engine, here, ANA, f"more{n}") for n in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, NotAllowed) for result in results) == 2
    async with engine.connect() as conn:
        assert len(await personas.mine(conn, ANA)) == 8


async def test_a_suspension_holds_against_every_sibling_to_come(
    engine: AsyncEngine, here: Here
) -> None:
    named = await persona(engine, here, ANA, "ana")
    await set_state(engine, named.id, ActorState.SUSPENDED)
    with pytest.raises(NotAllowed, match="moderators"):
        await persona(engine, here, ANA, "ana2")
    with pytest.raises(NotAllowed, match="moderators"):
        await once(engine, here, ANA)
    await persona(engine, here, BEN, "ben")


async def test_ten_one_time_personas_a_day(engine: AsyncEngine, here: Here) -> None:
    now = here.now()

    def clock() -> datetime:
        return now

    here = replace(here, clock=clock)
    throttle = personas.one_time_throttle(clock)

    async def unnamed(member: Member) -> None:
        async with engine.begin() as conn:
            await personas.create_one_time(conn, here, member, keys=keys(), throttle=throttle)

    for _ in range(10):
        await unnamed(ANA)
    with pytest.raises(TooMany):
        await unnamed(ANA)
    await unnamed(BEN)
    now += timedelta(days=1)
    await unnamed(ANA)


async def test_a_one_time_persona_counts_where_it_is_made(engine: AsyncEngine, here: Here) -> None:
    """Somebody whose words are refused ten times can still say the next ones."""
    throttle = personas.one_time_throttle(here.clock)

    async def unnamed(*, refused: bool) -> None:
        async with engine.begin() as conn:
            await personas.create_one_time(conn, here, ANA, keys=keys(), throttle=throttle)
            if refused:
                raise NotAllowed

    for _ in range(11):
        with pytest.raises(NotAllowed):
            await unnamed(refused=True)
    for _ in range(10):
        await unnamed(refused=False)
    with pytest.raises(TooMany):
        await unnamed(refused=False)


@pytest.mark.parametrize("handle", ["", "ana k", "ána", "a" * 31, "a-b", "../a"])
async def test_odd_handles_are_refused(engine: AsyncEngine, here: Here, handle: str) -> None:
    with pytest.raises(Malformed):
        await persona(engine, here, ANA, handle)


@pytest.mark.parametrize("name", ["x" * 51, "bell\x07", "over\u202eride"])
async def test_odd_names_are_refused(engine: AsyncEngine, here: Here, name: str) -> None:
    async with engine.begin() as conn:
        with pytest.raises(Malformed):
            await personas.create(conn, here, ANA, handle="ana", name=name, keys=keys())


async def test_a_taken_handle_is_said_to_be_taken(engine: AsyncEngine, here: Here) -> None:
    await persona(engine, here, BEN, "ben")
    with pytest.raises(Conflict, match="name"):
        await persona(engine, here, ANA, "ben")
    assert (await persona(engine, here, ANA, "ana")).handle == "ana"


def test_a_suggested_handle_can_be_used() -> None:
    suggested = {suggest_handle() for _ in range(200)}
    assert len(suggested) > 190
    assert all(re.fullmatch(r"[a-z0-9_]{1,30}", handle) for handle in suggested)


async def test_personas_of_a_member_who_left_close_when_their_time_comes(
    engine: AsyncEngine, here: Here
) -> None:
    now = here.now()

    def clock() -> datetime:
        return now

    here = replace(here, clock=clock)
    made = [await persona(engine, here, ANA, f"ana{n}") for n in range(3)]
    for each in made:
        async with engine.begin() as conn:
            await leaving.schedule(conn, here, each.id)
    assert await leaving.fall_due(engine, here) == 0

    closing = sa.select(sa.func.count()).select_from(actors).where(actors.c.closes_on.is_not(None))
    now += timedelta(days=14, minutes=1)
    assert await leaving.fall_due(engine, here) == 3
    async with engine.connect() as conn:
        assert await conn.scalar(closing) == 3
        assert await conn.scalar(sa.select(sa.func.count()).select_from(departures)) == 0
    assert await leaving.fall_due(engine, here) == 0
