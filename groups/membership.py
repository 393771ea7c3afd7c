"""Joining and leaving groups, here and on other nodes (WIRE 3.1)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from groups import room
from groups.admission import GuidelinesChanged
from groups.groups import Group, Membership, is_moderator, membership_columns
from kernel.arrays import any_of
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.release import act_due
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.actors import FollowState
from kernel.schema.groups import Joining
from kernel.schema.tables import actors, follows, group_invitations
from kernel.sealing import digest
from members import follows as follow_store
from members.order import stir
from moderation import standing
from moderation.standing import Speaker


async def join(
    conn: AsyncConnection,
    here: Here,
    speaker: Speaker,
    group: Group,
    *,
    guidelines: int = 0,
    invitation: str = "",
) -> FollowState:
    """Become a member, or ask to; a full group lets people in later (see `room`).

    A group elsewhere answers later.
    Raises NotAllowed: banned, not invited, or a sibling is a member where one voice is the rule.
    Raises GuidelinesChanged: `guidelines` is not the version to accept.
    """
    await standing.check(conn, here, speaker, group.id)
    settings = group.settings
    if settings is None:
        due = act_due(here)
        return await follow_store.request(conn, here, speaker.actor, group.actor, due=due)
    if guidelines < group.accept_from:
        raise GuidelinesChanged("Please read this group's guidelines and tick that you did.")
    if settings.one_voice and await _has_other_voice(conn, speaker, group):
        raise NotAllowed("You are a member already under another name. Here it is one name each.")
    state = FollowState.ACCEPTED
    if settings.joining is Joining.INVITATION:
        await _redeem(conn, group, invitation)
    elif settings.joining is Joining.APPROVAL:
        state = FollowState.PENDING
    turn = None
    if state is FollowState.ACCEPTED:
        turn = await room.turn_for(conn, group, speaker.actor)
        state = FollowState.ACCEPTED if turn is None else FollowState.PENDING
    await conn.execute(
        insert(follows)
        .values(
            follower_id=speaker.id,
            followed_id=group.id,
            state=state,
            uri=here.new_activity_uri(),
            guidelines=guidelines,
            turn=turn,
        )
        .on_conflict_do_update(
            index_elements=["follower_id", "followed_id"], set_={"guidelines": guidelines}
        )
    )
    await stir(conn, follows)
    current: str | None = await conn.scalar(
        sa.select(follows.c.state).where(
            follows.c.follower_id == speaker.id, follows.c.followed_id == group.id
        )
    )
    return FollowState(current or state)


async def _has_other_voice(conn: AsyncConnection, speaker: Speaker, group: Group) -> bool:
    others = [voice for voice in speaker.voices if voice != speaker.id]
    found = await conn.scalar(
        sa.select(follows.c.follower_id)
        .where(follows.c.followed_id == group.id, follows.c.follower_id.in_(others))
        .limit(1)
    )
    return found is not None


async def leave(conn: AsyncConnection, here: Here, speaker: Speaker, group: Group) -> None:
    """Stop being a member; a group elsewhere is told (WIRE-G3).

    Raises NotAllowed: the only moderator cannot leave the group alone.
    """
    if await is_moderator(conn, group.id, [speaker.id]):
        raise NotAllowed("You look after this group. Ask somebody else to do that first.")
    await follow_store.end(conn, here, speaker.actor, group.actor)


async def accept_guidelines(
    conn: AsyncConnection, speaker: Speaker, group: Group, version: int
) -> None:
    """Note that this persona read and accepted a version."""
    await conn.execute(
        sa.update(follows)
        .where(follows.c.follower_id == speaker.id, follows.c.followed_id == group.id)
        .values(guidelines=sa.func.greatest(follows.c.guidelines, version))
    )
    await stir(conn, follows)


_MEMBERSHIPS: Final = sa.select(*membership_columns()).where(
    follows.c.followed_id == sa.bindparam("group_id", type_=sa.Uuid),
    any_of(follows.c.follower_id, "persona_ids"),
)


async def of(
    conn: AsyncConnection, group: Group, persona_ids: Sequence[UUID]
) -> Sequence[Membership]:
    """The memberships among `persona_ids` in the group."""
    rows = await conn.execute(_MEMBERSHIPS, {"group_id": group.id, "persona_ids": persona_ids})
    return [Membership.of(row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in a list of members or of people who wait."""

    id: UUID
    name: str
    address: str
    approved: bool


async def people(
    conn: AsyncConnection,
    group: Group,
    state: FollowState,
    *,
    after: UUID | None = None,
    limit: int = 50,
) -> Sequence[Person]:
    """Members, or people who wait to join, in no order that tells anything; for moderators."""
    rows = await conn.execute(
        _people(state, limit), {"group_id": group.id, "after": after or UUID(int=0)}
    )
    return [
        Person(
            id=row.id,
            name=row.name,
            address=f"@{row.handle}@{row.host}",
            approved=row.approved,
        )
        for row in rows
    ]


@cache
def _people(state: FollowState, limit: int) -> AnySelect:
    return (
        sa.select(actors.c.id, actors.c.name, actors.c.handle, actors.c.host, follows.c.approved)
        .join(follows, follows.c.follower_id == actors.c.id)
        .where(
            follows.c.followed_id == sa.bindparam("group_id", type_=sa.Uuid),
            follows.c.state == constant(state),
            follows.c.turn.is_(None),
            follows.c.follower_id > sa.bindparam("after", type_=sa.Uuid),
        )
        .order_by(follows.c.follower_id)
        .limit(at_most(limit))
    )


async def admit(conn: AsyncConnection, here: Here, group: Group, follower: Actor) -> None:
    """A moderator lets somebody in; in a full group they have their turn from now on.

    Raises NotFound: nobody of that name waits.
    """
    turn = await room.turn_for(conn, group, follower)
    if turn is None:
        await follow_store.accept(conn, here, follower, group.actor)
        await room.has_a_place(conn, here, group, follower)
    else:
        await room.wait(conn, group, follower, turn)


async def decline(conn: AsyncConnection, here: Here, group: Group, follower: Actor) -> None:
    """A moderator says no, or takes a membership back (WIRE-G3)."""
    await follow_store.reject(conn, here, follower, group.actor)


async def approve(conn: AsyncConnection, group: Group, persona_id: UUID, approved: bool) -> None:
    """Let a member post where only approved members may. Raises NotFound: not a member."""
    changed = await conn.execute(
        sa.update(follows)
        .where(follows.c.followed_id == group.id, follows.c.follower_id == persona_id)
        .values(approved=approved)
    )
    if not changed.rowcount:
        raise NotFound


async def invite(conn: AsyncConnection, group: Group, *, uses: int) -> str:
    """A bearer secret that lets `uses` people join; only its hash is kept."""
    secret = secrets.token_urlsafe(18)
    await conn.execute(
        group_invitations.insert().values(
            id=digest(secret.encode()), group_id=group.id, uses_left=max(1, min(uses, 1000))
        )
    )
    return secret


async def is_invited(conn: AsyncConnection, group: Group, secret: str) -> bool:
    """Whether `secret` can still let somebody join: they may see what they are invited to."""
    uses_left = await conn.scalar(
        sa.select(group_invitations.c.uses_left).where(
            group_invitations.c.id == digest(secret.encode(errors="surrogatepass")),
            group_invitations.c.group_id == group.id,
        )
    )
    return bool(uses_left)


async def _redeem(conn: AsyncConnection, group: Group, secret: str) -> None:
    used = await conn.execute(
        sa.update(group_invitations)
        .where(
            group_invitations.c.id == digest(secret.encode()),
            group_invitations.c.group_id == group.id,
            group_invitations.c.uses_left > 0,
        )
        .values(uses_left=group_invitations.c.uses_left - 1)
    )
    if not used.rowcount:
        raise NotAllowed("You can join this group with an invitation from its moderators.")
