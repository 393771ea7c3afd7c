"""Who may write to whom: one rule for pages and for what comes from elsewhere.

A persona hears from the desks of its groups and of its node, and from people it said yes to. To ask
for that yes takes no words (`members/requests.py`), so nobody who was not let in can say anything.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.audience import blocks_host
from kernel.arrays import any_of
from kernel.clock import to_month
from kernel.errors import NotAllowed
from kernel.here import Here
from kernel.rows import at_most, constant
from kernel.said import noted
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.messages import Standing
from kernel.schema.posts import PostState
from kernel.schema.tables import (
    actors,
    bans,
    blocks,
    correspondents,
    domain_blocks,
    follows,
    message_boxes,
    posts,
)
from members import decisions, order
from members.decisions import Decision
from moderation import standing
from moderation.standing import Speaker

NEW: Final = noted(
    "A name can send messages once it has a post here, and its first month is over. "
    "This keeps people safe from those who make a name only to write to others."
)
_BATCH: Final = 1000


# ---- The rule


async def may_write(conn: AsyncConnection, here: Here, writer: UUID, reader: UUID) -> bool:
    """Whether an actor may send another one a message, by whatever door it comes.

    Desks and groups of this node may, and groups elsewhere that the reader asked to join. Anybody
    else has to be accepted, and of the two who lives here takes messages, and is not banned from
    a group now. Nobody who is closed, about to close, suspended or on a blocked domain writes or
    reads, and nobody writes to whom they told to leave them alone.
    """
    values = {"writer": writer, "reader": reader, "today": here.now().date()}
    return bool(await conn.scalar(_MAY_WRITE, values))


_writer: Final = actors.alias("writer_actor")
_reader: Final = actors.alias("reader_actor")


def with_box(who: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: the actor takes messages, or lives elsewhere."""
    box = sa.exists().where(message_boxes.c.persona_id == who.c.id)
    return sa.or_(~who.c.local, box)


def is_banned(who: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: the actor is banned from a group now; `today` is a parameter."""
    until = bans.c.until >= sa.bindparam("today", type_=sa.Date)
    return sa.exists().where(bans.c.actor_id == who.c.id, sa.or_(bans.c.until.is_(None), until))


def is_there(who: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: the actor is neither gone, about to go, suspended nor on a blocked domain."""
    blocked = sa.exists().where(blocks_host(who.c.host)).correlate_except(domain_blocks)
    return sa.and_(
        who.c.state == constant(ActorState.ACTIVE),
        who.c.closes_on.is_(None),
        sa.or_(who.c.local, ~blocked),
    )


def _may_write() -> sa.Select[bool]:
    asked_to_join = sa.exists().where(
        follows.c.follower_id == _reader.c.id, follows.c.followed_id == _writer.c.id
    )
    no_person = _writer.c.kind != constant(ActorKind.PERSON)
    is_group = _writer.c.kind == constant(ActorKind.GROUP)
    speaks_for_many = sa.and_(
        _reader.c.local, no_person, sa.or_(_writer.c.local, sa.and_(is_group, asked_to_join))
    )
    accepted = sa.exists().where(
        correspondents.c.owner_id == _reader.c.id,
        correspondents.c.other_id == _writer.c.id,
        correspondents.c.state == constant(Standing.ACCEPTED),
    )
    left_alone = sa.exists().where(
        blocks.c.blocker_id == _writer.c.id, blocks.c.persona_id == _reader.c.id
    )
    return (
        sa.select(
            sa.and_(
                is_there(_writer),
                is_there(_reader),
                _reader.c.kind == constant(ActorKind.PERSON),
                ~left_alone,
                sa.or_(
                    speaks_for_many,
                    sa.and_(
                        accepted,
                        with_box(_writer),
                        with_box(_reader),
                        ~is_banned(_writer),
                        ~is_banned(_reader),
                    ),
                ),
            )
        )
        .select_from(_writer.join(_reader, sa.true()))
        .where(
            _writer.c.id == sa.bindparam("writer", type_=sa.Uuid),
            _reader.c.id == sa.bindparam("reader", type_=sa.Uuid),
            _writer.c.id != _reader.c.id,
        )
    )


_MAY_WRITE: Final = _may_write()


async def check(conn: AsyncConnection, here: Here, speaker: Speaker) -> None:
    """Raises NotAllowed: one of the member's names is suspended, or banned from a group now.

    That is told to the member alone, who is refused under every name (DESIGN-V3).
    """
    await standing.check(conn, here, speaker, None)
    values = {"voices": list(speaker.voices), "today": here.now().date()}
    if await conn.scalar(_ANY_BANNED, values):
        raise NotAllowed(
            noted(
                "Moderators of a group asked you to stay away from it. "
                "While that holds, you cannot send messages."
            )
        )


_ANY_BANNED: Final = (
    sa.select(bans.c.actor_id)
    .where(
        any_of(bans.c.actor_id, "voices"),
        sa.or_(bans.c.until.is_(None), bans.c.until >= sa.bindparam("today", type_=sa.Date)),
    )
    .limit(at_most(1))
)


# ---- Taking messages


async def is_newcomer(conn: AsyncConnection, here: Here, persona: Actor) -> bool:
    """Whether a persona has no post that is shown, or was made this month."""
    if persona.since is None or persona.since >= to_month(here.now()):
        return True
    shown = sa.select(posts.c.id).where(
        posts.c.author_id == persona.id, posts.c.state == PostState.SHOWN
    )
    return await conn.scalar(shown.limit(1)) is None


async def takes_messages(conn: AsyncConnection, persona_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the personas that take messages."""
    return frozenset(await conn.scalars(_TAKES, {"ids": persona_ids}))


_TAKES: Final = sa.select(message_boxes.c.persona_id).where(
    any_of(message_boxes.c.persona_id, "ids")
)


async def turn_on(conn: AsyncConnection, here: Here, speaker: Speaker) -> None:
    """From now on others can ask. Raises NotAllowed: see `check`; or the name is new here."""
    await check(conn, here, speaker)
    if speaker.one_time:
        raise NotAllowed(
            noted("This name was made for one thread. Please use a name that you keep.")
        )
    if await is_newcomer(conn, here, speaker.actor):
        raise NotAllowed(NEW)
    if await _open_box(conn, speaker.id):
        decisions.note(conn, here, Decision.ON, speaker.id)


async def _open_box(conn: AsyncConnection, persona_id: UUID) -> bool:
    made = await conn.execute(
        insert(message_boxes).values(persona_id=persona_id).on_conflict_do_nothing()
    )
    await order.call(conn, message_boxes)
    return made.rowcount > 0


async def turn_off(conn: AsyncConnection, here: Here, persona_id: UUID) -> None:
    """Nobody but desks can write to the persona, nor it to anybody; nobody is told."""
    if await _close_box(conn, persona_id):
        decisions.note(conn, here, Decision.OFF, persona_id)


async def _close_box(conn: AsyncConnection, persona_id: UUID) -> bool:
    gone = await conn.execute(
        sa.delete(message_boxes).where(message_boxes.c.persona_id == persona_id)
    )
    await order.call(conn, message_boxes)
    return gone.rowcount > 0


# ---- Said yes to, and not any more


async def accept(conn: AsyncConnection, here: Here, owner: UUID, other: UUID) -> None:
    """`other` may write to `owner`, who asked or said yes, or wrote from elsewhere."""
    if await _accept(conn, owner, other):
        decisions.note(conn, here, Decision.ACCEPTED, owner, other)


async def _accept(conn: AsyncConnection, owner: UUID, other: UUID) -> bool:
    made = await conn.execute(
        insert(correspondents)
        .values(owner_id=owner, other_id=other, state=Standing.ACCEPTED)
        .on_conflict_do_update(
            index_elements=["owner_id", "other_id"],
            set_={"state": Standing.ACCEPTED, "until": None},
            where=correspondents.c.state != constant(Standing.ACCEPTED),
        )
    )
    await order.call(conn, correspondents)
    return made.rowcount > 0


async def stop(conn: AsyncConnection, here: Here, persona: UUID, other: UUID) -> None:
    """Neither may write to the other any more, until one asks and the other says yes."""
    if await _stop(conn, persona, other) + await _stop(conn, other, persona):
        decisions.note(conn, here, Decision.STOPPED, persona, other)


async def _stop(conn: AsyncConnection, owner: UUID, other: UUID) -> int:
    gone = await conn.execute(
        sa.delete(correspondents).where(
            correspondents.c.owner_id == owner,
            correspondents.c.other_id == other,
            correspondents.c.state == Standing.ACCEPTED,
        )
    )
    await order.call(conn, correspondents)
    return gone.rowcount


async def block(conn: AsyncConnection, here: Here, persona: UUID, other: UUID) -> None:
    """As `stop`, and the persona hears of no question of theirs; nobody is told."""
    await _stop(conn, other, persona)
    await _block(conn, persona, other)
    decisions.note(conn, here, Decision.BLOCKED, persona, other)


async def _block(conn: AsyncConnection, owner: UUID, other: UUID) -> None:
    await conn.execute(
        insert(correspondents)
        .values(owner_id=owner, other_id=other, state=Standing.BLOCKED)
        .on_conflict_do_update(
            index_elements=["owner_id", "other_id"], set_={"state": Standing.BLOCKED}
        )
    )
    await order.call(conn, correspondents)


async def unblock(conn: AsyncConnection, here: Here, persona: UUID, other: UUID) -> None:
    """They may ask again; whoever did while they were blocked is not told (SEC-U8)."""
    if await _unblock(conn, persona, other):
        decisions.note(conn, here, Decision.UNBLOCKED, persona, other)


async def _unblock(conn: AsyncConnection, owner: UUID, other: UUID) -> bool:
    blocked = sa.and_(
        correspondents.c.owner_id == owner,
        correspondents.c.other_id == other,
        correspondents.c.state == Standing.BLOCKED,
    )
    asks = correspondents.c.until.is_not(None)
    hidden = await conn.execute(
        sa.update(correspondents).where(blocked, asks).values(state=Standing.HIDDEN)
    )
    gone = await conn.execute(sa.delete(correspondents).where(blocked))
    await order.call(conn, correspondents)
    return hidden.rowcount + gone.rowcount > 0


async def redo(conn: AsyncConnection, here: Here, lines: Iterable[str]) -> None:
    """After a restore: what personas decided since the backup, the last thing about each two.

    Whoever is not there, or closed since, is left out. Writes no line of its own.
    """
    found = list(decisions.last(here, lines).items())
    for at in range(0, len(found), _BATCH):
        some = found[at : at + _BATCH]
        ids = {each for pair, _ in some for each in pair}
        known = await actor_store.several(conn, list(ids))
        there = {each.id for each in known.values() if each.state is not ActorState.CLOSED}
        for (persona, other), decision in some:
            if {persona, other} <= there:
                await _redo(conn, decision, persona, other)


async def _redo(conn: AsyncConnection, decision: Decision, persona: UUID, other: UUID) -> None:
    match decision:
        case Decision.ON:
            await _open_box(conn, persona)
        case Decision.OFF:
            await _close_box(conn, persona)
        case Decision.ACCEPTED:
            await _accept(conn, persona, other)
        case Decision.BLOCKED:
            await _block(conn, persona, other)
        case Decision.STOPPED:
            await _stop(conn, persona, other)
        case Decision.UNBLOCKED:
            await _stop(conn, persona, other)
            await _unblock(conn, persona, other)


async def forget_persona(conn: AsyncConnection, persona_id: UUID) -> None:
    """A persona, or somebody elsewhere, is gone."""
    await conn.execute(
        sa.delete(correspondents).where(
            sa.or_(correspondents.c.owner_id == persona_id, correspondents.c.other_id == persona_id)
        )
    )
    await conn.execute(sa.delete(message_boxes).where(message_boxes.c.persona_id == persona_id))
