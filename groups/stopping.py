"""A name is stopped on the whole node, and may go on again (DESIGN-V3, MOD-5.12, MOD-H12).

Of a member all names rest with it, and they read what visitors read, at once and in every process:
each request derives their ids and looks. What was written stays. Somebody elsewhere is listened to
no more and leaves the groups here; what their server fetched before it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.vocab import PUBLIC
from groups import explaining
from kernel import live, tombstone_log
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most, constant
from kernel.said import noted
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.moderation import Role
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import actors, follows, stops
from kernel.tombstone_log import Act
from members import follows as follow_store
from members import notices
from members.notices import Telling
from members.order import stir
from moderation import appeals, audit, standing

PAGE: Final = 50
LEAVES: Final = 200  # groups and people here that somebody elsewhere leaves in one step

CHANGED: Final = noted("Somebody has changed this already. Nothing was done twice.")


async def stop(
    conn: AsyncConnection,
    here: Here,
    desk: Actor,
    person: Actor,
    reason: str,
    until: date | None = None,
) -> int:
    """Stop a name until that day, itself included; None: until somebody changes it.

    They are told, and why; the line in the log is returned. `desk` is the node's. Raises Malformed:
    there is no reason, or that day is over. Raises NotAllowed: it is no person's name. Raises
    Conflict: it is stopped already, or gone.
    """
    reason = reason.strip()[: audit.MAX_REASON]
    if not reason:
        raise Malformed("Please choose a sentence for them, or write one.")
    if until is not None and until < here.now().date():
        raise Malformed("That day is over. Please choose a later one.")
    if person.kind not in (ActorKind.PERSON, ActorKind.SERVICE) or person.uri == desk.uri:
        raise NotAllowed("Only the name of a person can be stopped.")
    decision = await audit.note(
        conn, here, verb="suspend", about=person.uri, reason=reason, role=Role.NODE, until=until
    )
    await _tell(conn, here, desk, person, NoticeKind.STOPPED, decision)
    await _set_state(conn, person, ActorState.ACTIVE, ActorState.SUSPENDED)
    await conn.execute(
        insert(stops)
        .values(actor_id=person.id, decision_id=decision, until=until)
        .on_conflict_do_update(
            index_elements=["actor_id"], set_={"decision_id": decision, "until": until}
        )
    )
    tombstone_log.note(conn, Act.SUSPENDED, person.uri, until.isoformat() if until else "")
    if person.local:
        await _say_so(conn, here, person)
    else:
        await let_go(conn, here, person)
        await explaining.tell_of_node(conn, here, desk, decision)
    return decision


async def go_on(conn: AsyncConnection, here: Here, desk: Actor, person: Actor) -> None:
    """Whoever was stopped may go on. Raises Conflict: they are not stopped.

    A name that is gone stays gone: the other names of its member go on, and what was noted about
    its stop is forgotten.
    """
    over = await conn.execute(sa.delete(stops).where(stops.c.actor_id == person.id))
    is_gone = person.state is ActorState.CLOSED
    if not is_gone:
        await _set_state(conn, person, ActorState.SUSPENDED, ActorState.ACTIVE)
    elif not over.rowcount:
        raise Conflict(CHANGED)
    tombstone_log.note(conn, Act.UNSUSPENDED, person.uri)
    decision = await audit.note(conn, here, verb="end suspend", about=person.uri, role=Role.NODE)
    if is_gone:
        await appeals.forget_person(conn, person.id)
        await audit.forget_about(conn, person.id)
        return
    await _tell(conn, here, desk, person, NoticeKind.GOES_ON, decision)
    if person.local:
        await _say_so(conn, here, person)


async def _set_state(
    conn: AsyncConnection, person: Actor, before: ActorState, after: ActorState
) -> None:
    changed = await conn.execute(
        sa.update(actors)
        .where(actors.c.id == person.id, actors.c.state == before)
        .values(state=after)
    )
    if not changed.rowcount:
        raise Conflict(CHANGED)
    if person.local:
        await stir(conn, actors)
        await conn.execute(sa.select(live.persona_told(sa.literal(person.id, sa.Uuid))))


async def _tell(
    conn: AsyncConnection, here: Here, desk: Actor, person: Actor, kind: NoticeKind, decision: int
) -> None:
    """Only who is not stopped is told anything: so of a stop before it, of its end after it."""
    told = Telling(uri=person.uri, kind=kind, group_id=desk.id, decision_id=decision)
    await notices.tell(conn, here, [told] if person.local else [])


async def _say_so(conn: AsyncConnection, here: Here, person: Actor) -> None:
    """Servers of its followers read that the name is stopped, or that it is not (WIRE 2.1)."""
    now = await actor_store.get(conn, person.id)
    document = documents.activity(
        here.new_activity_uri(), "Update", now.uri, documents.actor(now), to=[PUBLIC]
    )
    await outbox.supersede(conn, now.uri)
    await outbox.publish_to_followers(conn, here, document, signer=now)


async def stop_again(conn: AsyncConnection, here: Here, person: Actor, until: date | None) -> bool:
    """As it was before a restore, until that day; why is lost. False: they were stopped already.

    A name that is gone stays so, and the stop holds.
    """
    changed = await conn.execute(
        sa.update(actors)
        .where(actors.c.id == person.id, actors.c.state == ActorState.ACTIVE)
        .values(state=ActorState.SUSPENDED)
    )
    stop = insert(stops).values(actor_id=person.id, until=until)
    await conn.execute(
        stop.on_conflict_do_update(index_elements=["actor_id"], set_={"until": until})
    )
    if not person.local:
        await let_go(conn, here, person)
    return changed.rowcount > 0


async def go_on_again(conn: AsyncConnection, person: Actor) -> bool:
    """They went on before a restore. False: they were not stopped."""
    changed = await conn.execute(
        sa.update(actors)
        .where(actors.c.id == person.id, actors.c.state == ActorState.SUSPENDED)
        .values(state=ActorState.ACTIVE)
    )
    await conn.execute(sa.delete(stops).where(stops.c.actor_id == person.id))
    return changed.rowcount > 0


async def let_go(conn: AsyncConnection, here: Here, person: Actor) -> None:
    """Nothing of groups or people here is sent to somebody elsewhere any more."""
    followed = (
        sa.select(follows.c.followed_id)
        .join(actors, actors.c.id == follows.c.followed_id)
        .where(follows.c.follower_id == person.id, actors.c.local)
        .order_by(follows.c.followed_id)
        .limit(LEAVES)
    )
    while ids := list(await conn.scalars(followed)):
        for each in (await actor_store.several(conn, ids)).values():
            await follow_store.reject(conn, here, person, each, quietly=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Somebody who is stopped. `decision_id`: what was said; None: it was lost with a restore.

    `gone`: the name is; its stop still holds against the other names of whoever it was.
    """

    id: UUID
    name: str
    address: str
    until: date | None
    decision_id: int | None
    gone: bool


async def stopped(conn: AsyncConnection, *, after: UUID, limit: int = PAGE) -> Sequence[Stopped]:
    """Who is stopped, in no order that tells anything."""
    return [
        Stopped(
            id=row.id,
            name=row.name,
            address=f"@{row.handle}@{row.host}",
            until=row.until,
            decision_id=row.decision_id,
            gone=row.state == ActorState.CLOSED,
        )
        for row in await conn.execute(_stopped(limit), {"after": after})
    ]


@cache
def _stopped(limit: int) -> AnySelect:
    resting = sa.select(actors.c.id).where(actors.c.state == constant(ActorState.SUSPENDED))
    return (
        sa.select(
            actors.c.id, actors.c.name, actors.c.handle, actors.c.host, stops.c.until,
            stops.c.decision_id, actors.c.state,
        )
        .select_from(actors.outerjoin(stops, stops.c.actor_id == actors.c.id))
        .where(
            actors.c.id.in_(resting.union(sa.select(stops.c.actor_id))),
            actors.c.id > sa.bindparam("after", type_=sa.Uuid),
        )
        .order_by(actors.c.id)
        .limit(at_most(limit))
    )  # fmt: skip


async def end_one(engine: AsyncEngine, here: Here) -> bool:
    """One name whose last day is over goes on. False: there is none.

    One, since two of a member must not change in one transaction (DESIGN-V1).
    """
    over = sa.select(stops.c.actor_id).where(stops.c.until < here.now().date())
    async with engine.begin() as conn:
        person_id = await conn.scalar(
            over.order_by(stops.c.actor_id).limit(1).with_for_update(skip_locked=True)
        )
        desk = await actor_store.by_uri(conn, f"{here.origin}/desk/node")
        if person_id is None or desk is None:
            return False
        await go_on(conn, here, desk, await actor_store.get(conn, person_id))
        return True


async def get(conn: AsyncConnection, person_id: UUID) -> Actor:
    """Somebody who is stopped. Raises NotFound."""
    if not await standing.stopped_among(conn, [person_id]):
        raise NotFound
    return await actor_store.get(conn, person_id)
