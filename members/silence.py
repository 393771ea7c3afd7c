"""Personas that nobody needs any more close themselves (DOM-A3).

One made for a single thread closes some 90 days after the last answer there; any other one when it
has not written for two years. Which ones were made for one thread is sealed, like everything about
who closes when, and each closes on a random day of two weeks, so that siblings do not go together.
"""

import random
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import keep_times
from kernel.here import Here
from kernel.ids import first_of, released
from kernel.rows import constant
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.tables import actors, moderators, posts, threads, waiting
from members import departures
from members.departures import Departure, Why

ONE_THREAD: Final = keep_times.ONE_THREAD
SILENT: Final = keep_times.SILENT
SPREAD: Final = timedelta(days=14)  # within so many days more, drawn for each alone

_BATCH: Final = 500

_dice = random.SystemRandom()

_LAST_ANSWER: Final = (
    sa.select(sa.func.max(threads.c.latest_id))
    .select_from(posts.join(threads, threads.c.id == posts.c.thread_id))
    .where(posts.c.author_id == sa.bindparam("persona_id", type_=sa.Uuid))
)
_LAST_POST: Final = sa.select(sa.func.max(posts.c.id)).where(
    posts.c.author_id == sa.bindparam("persona_id", type_=sa.Uuid)
)
_IS_NEEDED: Final = sa.select(  # it looks after a group, or words of it are about to go out
    sa.or_(
        sa.exists().where(moderators.c.actor_id == sa.bindparam("persona_id", type_=sa.Uuid)),
        sa.exists().where(
            waiting.c.author_id == sa.bindparam("persona_id", type_=sa.Uuid),
            waiting.c.due.is_not(None),
        ),
    )
)
_QUIET: Final = (  # a look at each persona's newest post, along the ids
    sa.select(actors.c.id)
    .where(
        actors.c.id > sa.bindparam("after", type_=sa.Uuid),
        actors.c.local,
        actors.c.kind == constant(ActorKind.PERSON),
        actors.c.state == constant(ActorState.ACTIVE),
        actors.c.closes_on.is_(None),
        actors.c.since < sa.bindparam("since", type_=sa.Date),
        ~sa.exists().where(
            posts.c.author_id == actors.c.id,
            posts.c.id >= sa.bindparam("floor", type_=sa.BigInteger),
        ),
        ~sa.exists().where(moderators.c.actor_id == actors.c.id),
    )
    .order_by(actors.c.id)
    .limit(_BATCH)
)


async def watch(conn: AsyncConnection, here: Here, persona_id: UUID) -> None:
    """Come back to a persona that is just made for one thread, when that may have ended."""
    await departures.expect(conn, here, persona_id, _after(here.now(), ONE_THREAD), Why.ONE_THREAD)


async def notice(engine: AsyncEngine, here: Here) -> int:
    """Find the personas that have not written for two years; they close within two weeks.

    Those who look after a group stay. Nothing says when somebody reads, so reading does not count:
    `privacy.md` says so. Once a day is enough.
    """
    async with engine.connect() as conn:
        known = {each.persona_id for each in await departures.expected(conn, here)}
    before = here.now() - SILENT
    asked = {"since": before.date(), "floor": first_of(before), "after": UUID(int=0)}
    found = 0
    while True:
        async with engine.connect() as conn:
            batch = list(await conn.scalars(_QUIET, asked))
        for persona_id in batch:
            if persona_id not in known:
                async with engine.begin() as conn:
                    when = _after(here.now(), timedelta(0))
                    await departures.expect(conn, here, persona_id, when, Why.SILENT)
                found += 1
        if len(batch) < _BATCH:
            return found
        asked["after"] = batch[-1]


async def fall_due(engine: AsyncEngine, here: Here) -> int:
    """Close the personas that are as silent as they were expected to be; how many that are.

    Each in a transaction of its own. One that looks after a group or is about to say something
    stays, and one whose thread was answered meanwhile is looked at later.
    """
    async with engine.connect() as conn:
        due = [
            each
            for each in await departures.expected(conn, here)
            if each.why is not Why.LEFT and each.when <= here.now()
        ]
    closed = 0
    for each in due:
        async with engine.begin() as conn:
            closed += await _decide(conn, here, each)
    return closed


async def _decide(conn: AsyncConnection, here: Here, due: Departure) -> bool:
    await departures.forget(conn, due.row_id)
    row = (
        await conn.execute(
            sa.select(actors.c.state, actors.c.closes_on, actors.c.since).where(
                actors.c.id == due.persona_id
            )
        )
    ).first()
    if row is None or row.state != ActorState.ACTIVE or row.closes_on is not None:
        return False
    one_thread = due.why is Why.ONE_THREAD
    kept = ONE_THREAD if one_thread else SILENT
    asked = {"persona_id": due.persona_id}
    last: int | None = await conn.scalar(_LAST_ANSWER if one_thread else _LAST_POST, asked)
    spoke = released(last) if last is not None else None
    if await conn.scalar(_IS_NEEDED, asked):
        spoke = here.now()
    if spoke is not None and spoke + kept > here.now():
        if one_thread:
            await departures.expect(conn, here, due.persona_id, _after(spoke, kept), due.why)
        return False
    await departures.close_today(conn, here, due.persona_id)
    return True


def _after(then: datetime, kept: timedelta) -> datetime:
    """A random minute within two weeks after that."""
    return then + kept + timedelta(seconds=_dice.uniform(0, SPREAD.total_seconds()))
