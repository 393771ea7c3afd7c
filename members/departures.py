"""Personas close one by one, each at a time drawn for it alone (SEC-U9), when their member leaves.

Who is about to close, and when, is sealed under the node key: a date beside each persona would
show which of them belong together (DESIGN-V1).
"""

import base64
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from kernel import keep_times, tombstone_log
from kernel.errors import NotAllowed
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.said import noted
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.messages import MessageState
from kernel.schema.tables import actors, departures, messages
from kernel.schema.tables import waiting as unsaid
from kernel.sealing import seal, unseal
from kernel.tombstone_log import Act
from members.order import stir
from members.vault import closes

FIRST: Final = keep_times.LEAVING_FROM
LAST: Final = keep_times.LEAVING_UNTIL

_NOTED: Final = 50  # personas in one line of the tombstone log
_NOTE: Final = 1024  # bytes: every such line is as long
_UUID: Final = 16
_LEFT: Final = "left 1"

_WRONG_CODE: Final = noted(
    "That name and code do not fit together, or the name is closed already. "
    "Please check both, then try again."
)


class Why(IntEnum):
    """Why a persona closes."""

    LEFT = 0  # its member left, or asked for it
    ONE_THREAD = 1  # it was made for one thread, if that has ended by then
    SILENT = 2  # it has not written for years, if it has not by then


_WHY: Final = 30  # bits of the minute before it

_dice = random.SystemRandom()


async def schedule(conn: AsyncConnection, here: Here, persona_id: UUID) -> None:
    """Let the persona close at a random minute, 1 to 14 days from now."""
    await _silence(conn, persona_id)
    wait = _dice.uniform(FIRST.total_seconds(), LAST.total_seconds())
    await expect(conn, here, persona_id, here.now() + timedelta(seconds=wait), Why.LEFT)


async def _silence(conn: AsyncConnection, persona_id: UUID) -> None:
    """What it did not say yet is not said any more; it goes with its pictures at the closing."""
    await conn.execute(sa.update(unsaid).where(unsaid.c.author_id == persona_id).values(due=None))
    await conn.execute(
        sa.update(messages)
        .where(messages.c.author_id == persona_id, messages.c.due.is_not(None))
        .values(state=MessageState.WITHHELD, due=None)
    )


async def expect(
    conn: AsyncConnection, here: Here, persona_id: UUID, when: datetime, why: Why
) -> None:
    """Come back to the persona at that minute."""
    noted = int(when.timestamp() // 60) | why << _WHY
    row_id = random_uuid()
    sealed = seal(_key(here), persona_id.bytes + noted.to_bytes(4, "big"), _context(row_id))
    await conn.execute(departures.insert().values(id=row_id, sealed=sealed))
    await stir(conn, departures)


async def close_by_code(
    conn: AsyncConnection, here: Here, handle: str, code: str, *, at_once: bool
) -> None:
    """Let a persona close by the code on its owner's printed sheet (DESIGN-V4).

    At once, or on a random day like those of a member who left, so that several closed by one sheet
    need not close together. Raises NotAllowed: in the same words whether nobody has that name, it
    is closed already, or the code is another's (SEC-U20).
    """
    persona = await actor_store.by_handle(conn, handle, kind=ActorKind.PERSON)
    fits = closes(here, persona.id if persona else random_uuid(), code)
    if persona is None or not fits or persona.state is ActorState.CLOSED:
        raise NotAllowed(_WRONG_CODE)
    if at_once:
        await close_today(conn, here, persona.id)
    else:
        await schedule(conn, here, persona.id)
        note(conn, here, random_uuid(), [persona.id])  # a restore lets it close, too


@dataclass(frozen=True, slots=True)
class Departure:
    """A persona that closes at `when`, for sure if its member left."""

    row_id: UUID
    persona_id: UUID
    when: datetime
    why: Why


async def expected(conn: AsyncConnection, here: Here) -> Sequence[Departure]:
    """Every persona that may close, and why."""
    rows = await conn.execute(sa.select(departures.c.id, departures.c.sealed))
    key = _key(here)
    return [_read(key, row.id, row.sealed) for row in rows]


async def waiting(conn: AsyncConnection, here: Here) -> Sequence[tuple[UUID, UUID, datetime]]:
    """(row, persona, when it closes) of everybody who is on the way out for sure."""
    return [
        (each.row_id, each.persona_id, each.when)
        for each in await expected(conn, here)
        if each.why is Why.LEFT
    ]


async def forget(conn: AsyncConnection, row_id: UUID) -> None:
    """Come back to a persona no more."""
    await conn.execute(sa.delete(departures).where(departures.c.id == row_id))


async def fall_due(engine: AsyncEngine, here: Here) -> int:
    """Mark the personas whose time has come to close today, each in a transaction of its own."""
    async with engine.connect() as conn:
        due = [found for found in await waiting(conn, here) if found[2] <= here.now()]
    for row_id, persona_id, _ in due:
        async with engine.begin() as conn:
            await forget(conn, row_id)
            await close_today(conn, here, persona_id)
    return len(due)


async def close_everybody(conn: AsyncConnection, here: Here) -> None:
    """The node ends: nobody speaks any more, and tidying closes every persona, one by one."""
    await conn.execute(sa.update(unsaid).values(due=None))
    await conn.execute(
        sa.update(messages)
        .where(messages.c.due.is_not(None))
        .values(state=MessageState.WITHHELD, due=None)
    )
    await conn.execute(
        sa.update(actors)
        .where(
            actors.c.local,
            actors.c.kind == ActorKind.PERSON,
            actors.c.state != ActorState.CLOSED,
        )
        .values(closes_on=here.now().date())
    )


async def close_today(conn: AsyncConnection, here: Here, persona_id: UUID) -> None:
    """The persona speaks no more, from now on; the next round of tidying closes it."""
    await _silence(conn, persona_id)
    await conn.execute(
        sa.update(actors)
        .where(actors.c.id == persona_id, actors.c.state != ActorState.CLOSED)
        .values(closes_on=here.now().date())
    )


def note(conn: AsyncConnection, here: Here, account_id: UUID, leaving: Sequence[UUID]) -> None:
    """Let a restored backup know that a member left with these personas, and nobody else."""
    for at in range(0, len(leaving) or 1, _NOTED):
        ids = (account_id, *leaving[at : at + _NOTED])
        plain = b"".join(each.bytes for each in ids)
        sealed = seal(_key(here), plain, _LEFT, padded_to=_NOTE)
        tombstone_log.note(conn, Act.LEFT, base64.b64encode(sealed).decode())


def read_note(here: Here, text: str) -> tuple[UUID, Sequence[UUID]]:
    """The account that `note` wrote of, and its personas. Raises Unsealable."""
    plain = unseal(_key(here), base64.b64decode(text), _LEFT)
    ids = [UUID(bytes=plain[at : at + _UUID]) for at in range(0, len(plain), _UUID)]
    return ids[0], ids[1:]


def _key(here: Here) -> bytes:
    return here.node_key.derive("departures")


def _context(row_id: UUID) -> str:
    return f"departure {row_id}"


def _read(key: bytes, row_id: UUID, sealed: bytes) -> Departure:
    plain = unseal(key, sealed, _context(row_id))
    noted = int.from_bytes(plain[16:], "big")
    minute = noted & ((1 << _WHY) - 1)
    when = datetime.fromtimestamp(minute * 60, UTC)
    return Departure(row_id, UUID(bytes=plain[:16]), when, Why(noted >> _WHY))
