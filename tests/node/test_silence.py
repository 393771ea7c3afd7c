"""Personas close themselves: 90 days after the last answer in their thread, or after two years."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from groups import groups as group_store
from groups import waiting as unsent
from groups.admission import Draft
from groups.groups import Group
from kernel.ids import random_uuid
from kernel.release import Timing
from kernel.schema.actors import ActorState
from kernel.schema.tables import actors, departures, waiting
from members import departures as store
from members import personas, silence
from members.member import Member
from moderation.standing import Speaker
from node.tidy import tidy
from tests.members.people import keys
from tests.nodes import Node, NodeFactory

pytestmark = pytest.mark.slow


async def one_time(node: Node, member: Member) -> Speaker:
    """A persona for one thread."""
    throttle = personas.one_time_throttle(node.here.clock)
    async with node.engine.begin() as conn:
        made = await personas.create_one_time(
            conn, node.here, member, keys=keys(), throttle=throttle
        )
        return await personas.speaker(conn, member, made.id)


async def state(node: Node, persona_id: UUID) -> ActorState:
    async with node.engine.connect() as conn:
        query = sa.select(actors.c.state).where(actors.c.id == persona_id)
        return ActorState((await conn.execute(query)).scalar_one())


async def rows(node: Node) -> list[int]:
    """How long each sealed row about a departure is."""
    async with node.engine.connect() as conn:
        return [len(each) for each in await conn.scalars(sa.select(departures.c.sealed))]


async def day(node: Node, days: float) -> None:
    node.clock.forward(days=days)
    await tidy(node.engine, node.here)


async def test_dom_A3_a_name_of_one_thread_closes_90_days_after_the_last_answer(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana)
    asks = await one_time(alder, Member(account_id=random_uuid(), root=b"r" * 32))
    await alder.join(asks, group.actor.uri)
    thread = await alder.start(asks, group.actor.uri, "Tonight", "I cannot sleep.")
    assert await rows(alder) == [52]
    await day(alder, 60)
    await alder.reply(ana, thread.uri, "Me neither.")
    await day(alder, 45)  # 105 days after it was made: the answer counts
    assert await state(alder, asks.actor.id) is ActorState.ACTIVE
    assert await rows(alder) == [52]
    await day(alder, 40)
    assert await state(alder, asks.actor.id) is ActorState.ACTIVE  # 85 days after the answer
    await day(alder, 20)
    assert await state(alder, asks.actor.id) is ActorState.CLOSED
    assert await state(alder, ana.actor.id) is ActorState.ACTIVE
    assert await rows(alder) == []
    assert (await alder.get(f"/u/{asks.actor.handle}")).status == 410


async def test_dom_A3_silent_names_close_after_two_years_and_not_all_at_once(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    ana, ben = await alder.persona("ana"), await alder.persona("ben")
    dora = await alder.persona("dora")
    silent = [await alder.persona(f"silent{n}") for n in range(4)]
    await alder.group("calm", ana)  # she looks after it and never writes
    group = await alder.group("sleep", dora)
    await alder.join(ben, group.actor.uri)
    await day(alder, 700)
    assert await rows(alder) == []
    await alder.start(dora, group.actor.uri, "Here again", "I look after this.")
    await alder.start(ben, group.actor.uri, "Still here", "Hello.")
    await day(alder, 70)
    assert await rows(alder) == [52] * 4
    async with alder.engine.connect() as conn:
        minutes = {each.when for each in await store.expected(conn, alder.here)}
        assert await store.waiting(conn, alder.here) == []  # nobody left
    assert len(minutes) == 4
    await alder.start(dora, group.actor.uri, "And again", "I look after this.")
    await alder.join(silent[0], group.actor.uri)
    await alder.start(silent[0], group.actor.uri, "Back again", "Hello again.")
    for _ in range(15):
        await day(alder, 1)
    for gone in silent[1:]:
        assert await state(alder, gone.actor.id) is ActorState.CLOSED
    for still in (ana, ben, silent[0]):
        assert await state(alder, still.actor.id) is ActorState.ACTIVE


async def test_dom_A3_the_rounds_are_once_a_day_and_harmless_twice(node: NodeFactory) -> None:
    alder = await node("alder.test")
    silent = await alder.persona("silent")
    alder.clock.forward(days=800)
    assert await silence.notice(alder.engine, alder.here) == 1
    assert await silence.notice(alder.engine, alder.here) == 0
    assert await silence.fall_due(alder.engine, alder.here) == 0
    alder.clock.forward(days=15)
    assert await silence.fall_due(alder.engine, alder.here) == 1
    assert await silence.fall_due(alder.engine, alder.here) == 0
    assert timedelta(days=14) == silence.SPREAD
    await tidy(alder.engine, alder.here)
    assert await state(alder, silent.actor.id) is ActorState.CLOSED


async def test_dom_A3_a_name_that_came_back_just_now_stays_with_its_words(
    node: NodeFactory,
) -> None:
    """What somebody is about to say counts, though it is no post yet; so does a new task."""
    alder = await node("alder.test")
    back, founder = await alder.persona("back"), await alder.persona("founder")
    group_of = await alder.persona("host")
    asks = await one_time(alder, Member(account_id=random_uuid(), root=b"r" * 32))
    alder.clock.forward(days=800)
    assert await silence.notice(alder.engine, alder.here) == 3  # and one that was made for a thread
    alder.clock.forward(days=15)
    group = await alder.group("sleep", group_of)
    await alder.group("fresh", founder)
    for speaker in (back, asks):
        await alder.join(speaker, group.actor.uri)
        await _sends(alder, speaker, group)
    await tidy(alder.engine, alder.here)
    for still in (back, founder, group_of, asks):
        assert await state(alder, still.actor.id) is ActorState.ACTIVE
    async with alder.engine.connect() as conn:
        due = await conn.scalars(sa.select(waiting.c.due.is_not(None)))
        assert list(due) == [True, True]
        [again] = await store.expected(conn, alder.here)  # the name for one thread
    assert again.persona_id == asks.actor.id
    assert again.when > alder.here.now() + silence.ONE_THREAD


async def _sends(node: Node, speaker: Speaker, group: Group) -> None:
    """Words that go out in ten minutes."""
    draft = Draft(title="Back", source="I try again.", language="en", guidelines=1)
    async with node.engine.begin() as conn:
        found = await group_store.get(conn, group.id)
        await unsent.send(conn, node.here, speaker, found, None, draft, Timing(undo=10))
