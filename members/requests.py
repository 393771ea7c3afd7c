"""Asking whether one may write to somebody, in no words, and the answer (SEC-U8).

Whoever asks is told the same whatever became of it: not seen yet, not now, blocked, off, or full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from kernel import keep_times
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import at_most, constant
from kernel.said import noted, said
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.messages import Standing
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import actors, blocks, correspondents
from members import decisions, letters, notices, order
from members.correspondents import (
    NEW,
    accept,
    check,
    is_banned,
    is_newcomer,
    is_there,
    takes_messages,
    with_box,
)
from members.decisions import Decision
from members.notices import Telling
from moderation.standing import Speaker

MAX_ASKING: Final = 5  # people that one persona has asked and not heard from
MAX_ASKED: Final = 10  # people who wait for one persona's yes
MAX_OF_SERVER: Final = 3  # of these, from one server elsewhere
PAGE: Final = 50
KEPT: Final = keep_times.ASKED

_OFF: Final = noted("Messages are off for this name. You can turn them on first.")
_MANY: Final = said(
    "You have asked {people} people who have not answered. Each question ends after {days} days. "
    "Then you can ask somebody else.",
    people=MAX_ASKING,
    days=KEPT.days,
)


async def ask(conn: AsyncConnection, here: Here, speaker: Speaker, other: Actor) -> None:
    """Let somebody know, without words, that the persona would like to write to them.

    Who asks wants to hear from them too, so they may write at once. Twice is as once. Raises
    NotAllowed: for what is true of the member or the persona that asks, never of the other one.
    Raises Malformed: it is a name of their own. Raises NotFound: nobody can be asked there.
    """
    await check(conn, here, speaker)
    if other.id in speaker.voices:
        raise Malformed(noted("That is a name of your own."))
    if other.kind is not ActorKind.PERSON or other.state is not ActorState.ACTIVE:
        raise NotFound
    if await is_newcomer(conn, here, speaker.actor):
        raise NotAllowed(NEW)
    if not await takes_messages(conn, [speaker.id]):
        raise NotAllowed(_OFF)
    new = not await _asks(conn, here, speaker.id, other.id)
    if new:
        asking_now = await conn.scalar(_ASKING, {"asker": speaker.id, "today": here.now().date()})
        if (asking_now or 0) >= MAX_ASKING:
            raise NotAllowed(_MANY)
    await accept(conn, here, speaker.id, other.id)
    if new:
        await knock(conn, here, speaker.actor, other)
        await letters.write_fixed(conn, here, speaker.actor, other, letters.ASKS)


async def _asks(conn: AsyncConnection, here: Here, asker: UUID, other: UUID) -> bool:
    found = sa.select(correspondents.c.state).where(
        correspondents.c.owner_id == other,
        correspondents.c.other_id == asker,
        correspondents.c.until >= here.now().date(),
    )
    return await conn.scalar(found) is not None


async def knock(conn: AsyncConnection, here: Here, asker: Actor, other: Actor) -> None:
    """Somebody would like to write to `other`: it is noted, and shown only where it may be.

    What is noted of people elsewhere and not shown is of no use to anybody, so it is left out.
    """
    shown = await _may_be_shown(conn, here, asker, other)
    if not shown and not asker.local:
        return
    state = Standing.ASKED if shown else Standing.HIDDEN
    made = await conn.execute(
        insert(correspondents)
        .values(owner_id=other.id, other_id=asker.id, state=state, until=here.now().date() + KEPT)
        .on_conflict_do_update(
            index_elements=["owner_id", "other_id"],
            set_={"until": here.now().date() + KEPT},
            where=sa.and_(
                correspondents.c.state == constant(Standing.BLOCKED),
                correspondents.c.until.is_(None),
            ),
        )
        .returning(correspondents.c.state)
    )
    await order.call(conn, correspondents)
    if made.scalar() == Standing.ASKED:
        await _tell(conn, here, other, NoticeKind.ASKS, asker)


async def _may_be_shown(conn: AsyncConnection, here: Here, asker: Actor, other: Actor) -> bool:
    if not other.local:
        return True  # their own server says what becomes of it
    today = here.now().date()
    found = (
        await conn.execute(
            _DOOR, {"owner": other.id, "asker": asker.id, "host": asker.host, "today": today}
        )
    ).one()
    of_server = MAX_ASKED if asker.local else MAX_OF_SERVER
    return bool(found.there) and found.all < MAX_ASKED and found.of_server < of_server


_other: Final = actors.alias("asked_actor")
_asker: Final = actors.alias("asker")
_host_of: Final = actors.alias("asking_actor")
_asked_there: Final = sa.and_(
    correspondents.c.owner_id == _other.c.id,
    correspondents.c.state == constant(Standing.ASKED),
    correspondents.c.until >= sa.bindparam("today", type_=sa.Date),
)
_DOOR: Final = (
    sa.select(
        sa.and_(
            is_there(_other),
            is_there(_asker),
            with_box(_other),
            ~is_banned(_other),
            ~is_banned(_asker),
            _asker.c.kind == constant(ActorKind.PERSON),
            ~sa.exists().where(
                blocks.c.blocker_id == _asker.c.id, blocks.c.persona_id == _other.c.id
            ),
        ).label("there"),
        sa.select(sa.func.count())
        .select_from(correspondents)
        .where(_asked_there)
        .correlate(_other)
        .scalar_subquery()
        .label("all"),
        sa.select(sa.func.count())
        .select_from(correspondents.join(_host_of, _host_of.c.id == correspondents.c.other_id))
        .where(_asked_there, _host_of.c.host == sa.bindparam("host", type_=sa.Text))
        .correlate(_other)
        .scalar_subquery()
        .label("of_server"),
    )
    .select_from(_other.join(_asker, sa.true()))
    .where(
        _other.c.id == sa.bindparam("owner", type_=sa.Uuid),
        _asker.c.id == sa.bindparam("asker", type_=sa.Uuid),
    )
)
_ASKING: Final = sa.select(sa.func.count()).where(
    correspondents.c.other_id == sa.bindparam("asker", type_=sa.Uuid),
    correspondents.c.until >= sa.bindparam("today", type_=sa.Date),
)


async def say_yes(conn: AsyncConnection, here: Here, speaker: Speaker, other: Actor) -> None:
    """They may write to the persona from now on, and it to them.

    Raises NotFound: they did not ask, or not lately. Raises NotAllowed: see `check`.
    """
    await check(conn, here, speaker)
    if not await takes_messages(conn, [speaker.id]):
        raise NotAllowed(_OFF)
    await _answered(conn, here, speaker.id, other.id, Standing.ACCEPTED)
    if not other.local:
        await accept(conn, here, other.id, speaker.id)
    await _tell(conn, here, other, NoticeKind.AGREED, speaker.actor)
    await letters.write_fixed(conn, here, speaker.actor, other, letters.AGREES)


async def say_not_now(conn: AsyncConnection, here: Here, persona: UUID, other: UUID) -> None:
    """The question goes; whoever asked is not told. Raises NotFound: they did not ask."""
    await _answered(conn, here, persona, other, Standing.HIDDEN)


async def _answered(
    conn: AsyncConnection, here: Here, owner: UUID, other: UUID, state: Standing
) -> None:
    values: dict[str, object] = {"state": state}
    if state is Standing.ACCEPTED:
        values["until"] = None
    done = await conn.execute(
        sa.update(correspondents)
        .where(
            correspondents.c.owner_id == owner,
            correspondents.c.other_id == other,
            correspondents.c.state == Standing.ASKED,
            correspondents.c.until >= here.now().date(),
        )
        .values(values)
    )
    if not done.rowcount:
        raise NotFound
    if state is Standing.ACCEPTED:
        decisions.note(conn, here, Decision.ACCEPTED, owner, other)
    await order.call(conn, correspondents)


async def _tell(
    conn: AsyncConnection, here: Here, reader: Actor, kind: NoticeKind, about: Actor
) -> None:
    if reader.local:
        telling = Telling(uri=reader.uri, kind=kind, group_id=about.id, by=about.id)
        await notices.tell(conn, here, [telling])


# ---- Lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody whom a persona has to do with."""

    id: UUID
    name: str
    address: str
    host: str


async def asking(conn: AsyncConnection, here: Here, persona: UUID) -> Sequence[Person]:
    """Who waits for the persona's yes: `MAX_ASKED` at most."""
    return await _people(conn, _ASKERS, persona, here)


async def asked(conn: AsyncConnection, here: Here, persona: UUID) -> Sequence[Person]:
    """Whom the persona has asked: `MAX_ASKING` at most, whatever became of it."""
    return await _people(conn, _ASKED, persona, here)


async def blocked(conn: AsyncConnection, here: Here, persona: UUID) -> Sequence[Person]:
    """Whom the persona blocks, up to `PAGE` of them."""
    return await _people(conn, _BLOCKED, persona, here)


async def _people(
    conn: AsyncConnection,
    query: sa.Select[UUID, str, str, str],
    persona: UUID,
    here: Here,
) -> Sequence[Person]:
    values = {"persona": persona, "today": here.now().date()}
    return [Person(**row._mapping) for row in await conn.execute(query, values)]


_person: Final = actors.alias("person")
_PERSONA: Final = sa.bindparam("persona", type_=sa.Uuid)
_TODAY: Final = sa.bindparam("today", type_=sa.Date)
_COLUMNS: Final = (
    _person.c.id,
    _person.c.name,
    sa.literal("@").concat(_person.c.handle).concat("@").concat(_person.c.host).label("address"),
    _person.c.host,
)
_OWNED: Final = (
    sa.select(*_COLUMNS)
    .join(correspondents, correspondents.c.other_id == _person.c.id)
    .where(correspondents.c.owner_id == _PERSONA)
    .order_by(_person.c.id)
    .limit(at_most(PAGE))
)
_ASKERS: Final = _OWNED.where(
    correspondents.c.state == constant(Standing.ASKED),
    correspondents.c.until >= _TODAY,
    is_there(_person),
)
_BLOCKED: Final = _OWNED.where(
    correspondents.c.state == constant(Standing.BLOCKED), _TODAY.is_not(None)
)
_ASKED: Final = (
    sa.select(*_COLUMNS)
    .join(correspondents, correspondents.c.owner_id == _person.c.id)
    .where(correspondents.c.other_id == _PERSONA, correspondents.c.until >= _TODAY)
    .order_by(_person.c.id)
    .limit(at_most(PAGE))
)


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """Questions end; a block stays."""
    today = here.now().date()
    over = correspondents.c.until < today
    blocked_now = correspondents.c.state == Standing.BLOCKED
    await conn.execute(sa.delete(correspondents).where(over, ~blocked_now))
    await conn.execute(sa.update(correspondents).where(over, blocked_now).values(until=sa.null()))
