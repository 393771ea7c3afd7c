"""Who acts, and whether a decision of a moderator stands in the way (DESIGN-V3)."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from kernel.errors import NotAllowed
from kernel.here import Here
from kernel.rows import constant
from kernel.said import joined, noted, said
from kernel.schema.actors import ActorState
from kernel.schema.tables import actors, bans, limits, stops

PAUSED: Final = noted(
    "The moderators of this node have paused what you can do here. "
    "Why, and how to ask for a second look, stands under “Your names”."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """An actor who acts now, with every id its owner answers for.

    `voices` are the ids of the member's personas, the speaking one among them; of a remote actor
    only its own. They live in memory, for the length of a request, and are written nowhere.
    """

    actor: Actor
    voices: tuple[UUID, ...] = field(repr=False)
    one_time: bool = False

    @property
    def id(self) -> UUID:
        return self.actor.id

    @classmethod
    def alone(cls, actor: Actor) -> "Speaker":
        """Someone from elsewhere, who answers for one name."""
        return cls(actor=actor, voices=(actor.id,))


def is_stopped() -> sa.ColumnElement[bool]:
    """SQL: moderators of this node stopped this one of `actors`.

    A name that is gone stays closed, and its stop holds until it ends: against its owner's other
    names, and should it come back from elsewhere. Erasing it is no way around (DESIGN-V3).
    """
    erased = (
        sa.select(sa.true())
        .where(stops.c.actor_id == actors.c.id)
        .limit(1)
        .correlate(actors)
        .scalar_subquery()
    )
    return sa.or_(
        actors.c.state == constant(ActorState.SUSPENDED),
        sa.and_(actors.c.state == constant(ActorState.CLOSED), erased),
    )


async def stopped_of(conn: AsyncConnection, ids: Sequence[UUID]) -> Set[UUID]:
    """Those of `ids` that are stopped on this node now."""
    found = sa.select(actors.c.id).where(actors.c.id.in_(ids), is_stopped())
    return set(await conn.scalars(found))


async def stopped_among(conn: AsyncConnection, ids: Sequence[UUID]) -> bool:
    """Whether one of `ids` is stopped on this node now."""
    return bool(await stopped_of(conn, ids))


async def check(conn: AsyncConnection, here: Here, speaker: Speaker, group_id: UUID | None) -> None:
    """Raises NotAllowed: a voice of the speaker is banned from the group, or from this node.

    The answer is shown to the member alone and does not say which voice was meant.
    """
    refuse(suspended=await stopped_among(conn, speaker.voices), ban=None)
    if group_id is None:
        return
    reason = await conn.scalar(
        sa.select(bans.c.reason)
        .where(
            bans.c.group_id == group_id,
            bans.c.actor_id.in_(speaker.voices),
            sa.or_(bans.c.until.is_(None), bans.c.until >= here.now().date()),
        )
        .limit(1)
    )
    refuse(suspended=False, ban=reason)


def refuse(*, suspended: bool, ban: str | None) -> None:
    """Raises NotAllowed: somebody suspended, or banned for the reason `ban`, does not act here."""
    if suspended:
        raise NotAllowed(PAUSED)
    if ban is not None:
        away = noted("The moderators of this group asked you to stay away.")
        raise NotAllowed(joined(away, said("They wrote: “{reason}”", reason=ban) if ban else ""))


async def forget_ended(conn: AsyncConnection, today: date) -> None:
    """Bans that ended go, and their reasons with them; so do limits."""
    await conn.execute(sa.delete(bans).where(bans.c.until < today))
    await conn.execute(sa.delete(limits).where(limits.c.until < today))


async def limit(conn: AsyncConnection, group_id: UUID, person_id: UUID, until: date) -> None:
    """Until that day, itself included, a moderator reads first what this persona posts.

    It is of the one name: held posts of a sibling would show whose they are (DESIGN-V2).
    """
    await conn.execute(
        insert(limits)
        .values(group_id=group_id, actor_id=person_id, until=until)
        .on_conflict_do_update(index_elements=["group_id", "actor_id"], set_={"until": until})
    )


async def end_limit(conn: AsyncConnection, group_id: UUID, person_id: UUID) -> bool:
    """A limit is over. False: there was none."""
    gone = await conn.execute(
        sa.delete(limits).where(limits.c.group_id == group_id, limits.c.actor_id == person_id)
    )
    return gone.rowcount > 0


async def limited_until(
    conn: AsyncConnection, here: Here, group_id: UUID, person_id: UUID
) -> date | None:
    """The last day of a persona's limit in a group; None: it has none."""
    until: date | None = await conn.scalar(
        sa.select(limits.c.until).where(
            limits.c.group_id == group_id,
            limits.c.actor_id == person_id,
            limits.c.until >= here.now().date(),
        )
    )
    return until


async def banned_among(
    conn: AsyncConnection, here: Here, group_id: UUID, ids: Sequence[UUID]
) -> bool:
    """Whether one of `ids` is banned from the group now."""
    found = await conn.scalar(
        sa.select(bans.c.actor_id)
        .where(
            bans.c.group_id == group_id,
            bans.c.actor_id.in_(ids),
            sa.or_(bans.c.until.is_(None), bans.c.until >= here.now().date()),
        )
        .limit(1)
    )
    return found is not None
