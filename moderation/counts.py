"""Decisions in numbers: about one person for moderators, and for everybody, rounded (MOD-5.12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.schema.moderation import Role
from kernel.schema.tables import audit, audit_chain, follows, posts

FEWEST: Final = 5  # fewer of a kind in a month are not told
STEP: Final = 5  # what is told is rounded down to this

TOLD: Final = (
    "ban", "change after appeal", "end limit", "end suspend", "hold", "label", "limit", "lock",
    "release", "remove", "restore", "suspend", "unban", "unlock", "uphold after appeal", "warn",
)  # fmt: skip
"""What everybody is told the number of; nothing that was done out of care is among it."""

COUNTED: Final = ("ban", "limit", "remove", "warn")
"""What was done about somebody, least of all first."""


@dataclass(frozen=True, slots=True)
class Month:
    """How often what was decided in a month that is over."""

    first: date
    numbers: Mapping[str, int]


async def by_month(conn: AsyncConnection, here: Here, group_id: UUID | None) -> Sequence[Month]:
    """Decisions in a group, or everywhere here, by month, newest first.

    Only months that are over, so that nobody sees a number grow; only kinds with five or more,
    rounded down, so that no number tells of a single person.
    """
    this = here.now().date().replace(day=1)
    since = date(this.year - 1, this.month, 1)
    month = sa.func.date_trunc("month", audit_chain.c.day).cast(sa.Date)
    number = sa.func.count()
    query = (
        sa.select(month.label("month"), audit_chain.c.verb, number.label("number"))
        .where(
            audit_chain.c.day >= since,
            audit_chain.c.day < this,
            audit_chain.c.verb.in_(TOLD),
        )
        .group_by(month, audit_chain.c.verb)
        .having(number >= FEWEST)
    )
    if group_id is not None:
        of_group = audit_chain.c.role == Role.GROUP.value  # not what the node decided there
        query = query.where(audit_chain.c.group_id == group_id, of_group)
    found: dict[date, dict[str, int]] = {}
    for row in await conn.execute(query):
        found.setdefault(row.month, {})[row.verb] = row.number // STEP * STEP
    return [Month(first, dict(sorted(found[first].items()))) for first in sorted(found)[::-1]]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a desk decided about a persona before. `known`: it has to do with the group."""

    known: bool
    lately: Mapping[str, int] = field(default_factory=dict)
    faded: int = 0


async def of_person(conn: AsyncConnection, here: Here, group_id: UUID, person_id: UUID) -> Earlier:
    """How a persona's time in a group went so far, by kind; of a sibling nothing (DESIGN-V2)."""
    known = await conn.scalar(
        sa.select(
            sa.or_(
                sa.exists().where(
                    follows.c.follower_id == person_id, follows.c.followed_id == group_id
                ),
                sa.exists().where(posts.c.author_id == person_id, posts.c.group_id == group_id),
                sa.exists().where(audit.c.person_id == person_id, audit.c.group_id == group_id),
            )
        )
    )
    if not known:
        return Earlier(known=False)
    faded = audit.c.day < here.now().date() - timedelta(days=here.decisions_fade)
    rows = await conn.execute(
        sa.select(
            audit.c.verb,
            sa.func.count().filter(~faded).label("lately"),
            sa.func.count().filter(faded).label("faded"),
        )
        .where(
            audit.c.person_id == person_id,
            audit.c.group_id == group_id,
            audit.c.role == Role.GROUP.value,
            audit.c.verb.in_(COUNTED),
        )
        .group_by(audit.c.verb)
    )
    lately, old = {}, 0
    for row in rows:
        old += row.faded
        if row.lately:
            lately[row.verb] = row.lately
    return Earlier(known=True, lately=dict(sorted(lately.items())), faded=old)
