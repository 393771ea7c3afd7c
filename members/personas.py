"""Personas: pseudonyms whose ids the member's root key gives, and nothing stored ties (DESIGN).

A transaction here may look for several personas of a member; it writes one of them at most.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors
from activitypub.actors import Actor
from activitypub.keys import KeyPair
from kernel import db
from kernel.arrays import any_of
from kernel.clock import Clock
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.said import said
from kernel.schema import tables
from kernel.schema.actors import ActorKind, ActorState
from kernel.sealing import Unsealable, derive, seal, unseal
from kernel.throttle import Throttle
from members import silence
from members.handles import suggest_handle
from members.member import Member
from members.order import stir
from members.sessions import Session
from members.vault import persona_id, persona_ids
from moderation import standing
from moderation.standing import Speaker

MAX_PERSONAS: Final = 8
MAX_NAME: Final = 50
ONE_TIME_A_DAY: Final = 10
GAP: Final = 20  # this many ids in a row without a persona: there are no more

_BATCH = 2 * GAP
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Persona:
    """One of a member's own personas. Only the member's root key can tell that it is one-time."""

    actor: Actor
    one_time: bool


@dataclass(frozen=True, slots=True)
class Voices:
    """Every persona of a member, closed and one-time ones too: a ban may name them."""

    ids: tuple[UUID, ...] = field(repr=False)
    mine: Sequence[Persona] = field(repr=False)
    """The open ones in the order they were made, one-time ones after the others."""
    stopped: Sequence[Actor] = field(default=(), repr=False)
    """Those that the people who look after this place stopped: none of the others acts either."""


NOBODY: Final = Voices((), ())


@dataclass(frozen=True, slots=True)
class _Found:
    index: int
    one_time: bool
    actor: Actor
    stopped: bool

    @property
    def id(self) -> UUID:
        return self.actor.id

    @property
    def state(self) -> ActorState:
        return self.actor.state


def one_time_throttle(clock: Clock) -> Throttle:
    """Counts one-time personas per member and day; a node has one, in memory."""
    return Throttle(ONE_TIME_A_DAY, 24 * 60 * 60, clock)


async def create(
    conn: AsyncConnection, here: Here, member: Member, *, handle: str, name: str, keys: KeyPair
) -> Actor:
    """A new persona, which looks like a new member's to everybody else.

    See to it first that the handle is not the log-in name (`accounts.handle_is_login`). Raises
    Malformed: the handle or the name cannot be used. Raises Conflict: the handle is taken. Raises
    NotAllowed: there are eight already, or a moderator suspended one of them (DESIGN-V3).
    """
    handle = handle.strip().lower()
    for _ in range(_TRIES):
        found = await _scan(conn, member)
        open_ones = [each for each in found if not each.one_time and _is_open(each)]
        if len(open_ones) >= MAX_PERSONAS:
            raise NotAllowed(
                said(
                    "You have {limit} names already. You can close one to make room.",
                    limit=MAX_PERSONAS,
                )
            )
        try:
            return await _insert(conn, here, member, found, handle, name, keys, one_time=False)
        except Conflict:
            if await actors.by_handle(conn, handle) is not None:
                raise
            # another page of the same member took the next id just now: look again
    raise Conflict("Something changed at the same moment. Please try again.")


async def create_one_time(
    conn: AsyncConnection, here: Here, member: Member, *, keys: KeyPair, throttle: Throttle
) -> Actor:
    """A persona for one thread, under a handle of our choosing; it closes itself (DOM-A3).

    One that is not made after all, since the transaction is undone, does not count. Raises TooMany:
    ten were made today. Raises NotAllowed: a moderator suspended a sibling.
    """
    counted = derive(member.root, "one-time throttle")
    throttle.check(counted)
    db.if_undone(conn, lambda: throttle.give_back(counted))
    for _ in range(_TRIES):
        handle = suggest_handle()
        found = await _scan(conn, member)
        try:
            made = await _insert(conn, here, member, found, handle, "", keys, one_time=True)
        except Conflict:
            continue
        await silence.watch(conn, here, made.id)
        return made
    raise Conflict("We found no free name just now. Please try again.")


async def voices(conn: AsyncConnection, member: Member) -> Voices:
    """All of a member's personas, found by one question where there are few."""
    found = await _scan(conn, member)
    open_ones = sorted(filter(_is_open, found), key=lambda each: (each.one_time, each.index))
    return Voices(
        ids=tuple(each.id for each in found),
        mine=[Persona(each.actor, each.one_time) for each in open_ones],
        stopped=[each.actor for each in found if each.stopped],
    )


async def mine(conn: AsyncConnection, member: Member) -> Sequence[Persona]:
    """The member's open personas in the order they were made, one-time ones after the others."""
    return (await voices(conn, member)).mine


async def ids(conn: AsyncConnection, member: Member) -> tuple[UUID, ...]:
    """Every persona the member ever made, closed and one-time ones too: a ban may name them."""
    return (await voices(conn, member)).ids


async def open_ids(conn: AsyncConnection, member: Member) -> tuple[UUID, ...]:
    """Every persona that is not closed."""
    found = await _scan(conn, member)
    return tuple(each.id for each in found if each.state is not ActorState.CLOSED)


async def speaker(conn: AsyncConnection, member: Member, actor_id: UUID) -> Speaker:
    """The member, about to act as one of their personas.

    Raises NotFound: it is not theirs, or it is closed or suspended.
    """
    found = await _scan(conn, member)
    for each in found:
        if each.id == actor_id and _is_open(each):
            return Speaker(
                actor=each.actor,
                voices=tuple(voice.id for voice in found),
                one_time=each.one_time,
            )
    raise NotFound


def seal_choice(session: Session, actor_id: UUID, purpose: str) -> str:
    """A form's hidden field: which persona it acts as, readable by this session alone."""
    sealed = seal(session.key, actor_id.bytes, f"choice {purpose}")
    return base64.urlsafe_b64encode(sealed).decode()


def open_choice(session: Session, token: str, purpose: str) -> UUID:
    """The persona a form was made for. Raises Malformed: another session's, form's, or no token."""
    try:
        sealed = base64.urlsafe_b64decode(token.encode("ascii"))
        return UUID(bytes=unseal(session.key, sealed, f"choice {purpose}"))
    except (UnicodeEncodeError, binascii.Error, Unsealable) as error:
        raise Malformed("This page is old. Please open it again; then it works.") from error


def _is_open(found: _Found) -> bool:
    """One that is about to close speaks no more, though its words are here for a minute still."""
    return found.state is ActorState.ACTIVE and found.actor.closes_on is None


_THESE: Final = sa.select(*actors.columns(), standing.is_stopped().label("stopped")).where(
    any_of(tables.actors.c.id, "ids")
)


async def _scan(conn: AsyncConnection, member: Member) -> list[_Found]:
    """Look for the member's ids in batches, until twenty in a row have no persona."""
    found: list[_Found] = []
    begin = {False: 0, True: 0}  # by `one_time`
    while begin:
        asked = {
            persona_id: (one_time, index)
            for one_time, first in begin.items()
            for index, persona_id in enumerate(
                persona_ids(member.root, first, _BATCH, one_time=one_time), first
            )
        }
        rows = await conn.execute(_THESE, {"ids": list(asked)})
        highest: dict[bool, int] = {}
        for row in rows:
            one_time, index = asked[row.id]
            highest[one_time] = max(index, highest.get(one_time, 0))
            found.append(_Found(index, one_time, Actor.of(row), bool(row.stopped)))
        begin = {
            one_time: last + 1
            for one_time, last in highest.items()
            if last + GAP >= begin[one_time] + _BATCH
        }
    return found


async def _insert(
    conn: AsyncConnection,
    here: Here,
    member: Member,
    found: Sequence[_Found],
    handle: str,
    name: str,
    keys: KeyPair,
    *,
    one_time: bool,
) -> Actor:
    if any(each.stopped for each in found):
        raise NotAllowed(standing.PAUSED)
    index = max((each.index for each in found if each.one_time is one_time), default=-1) + 1
    actor = await actors.create_local(
        conn,
        here,
        kind=ActorKind.PERSON,
        handle=handle,
        name=_read_name(name) or handle,
        keys=keys,
        actor_id=persona_id(member.root, index, one_time=one_time),
    )
    await stir(conn, tables.actors)
    await stir(conn, tables.actor_keys)
    return actor


def _read_name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > MAX_NAME or not name.isprintable():
        raise Malformed(said("A name can have up to {limit} letters.", limit=MAX_NAME))
    return name
