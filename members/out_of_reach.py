"""Whom a member's names are tied to on servers that this node talks with no more (MOD-5.9).

It is worked out when its member reads it, from the ledger of what was cut: nobody else can.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.rows import AnyRow, AnySelect, at_most
from kernel.schema.actors import ActorKind
from kernel.schema.tables import actors, severed_follows

PAGE: Final = 50
MAX_SAVED: Final = 10_000  # lines of the file that a member can take along


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """Somebody, or a group, that one of the member's names followed or was followed by."""

    mine: str  # the member's name
    name: str
    address: str  # @handle@host
    group: bool
    outward: bool  # the member's name followed them
    place: tuple[UUID, UUID]


async def count(conn: AsyncConnection, voices: Sequence[UUID]) -> int:
    """How many ties of the member's are cut."""
    if not voices:
        return 0
    outward, inward = (await conn.execute(_COUNT, {"voices": list(voices)})).one()
    return int(outward + inward)


async def listed(
    conn: AsyncConnection,
    voices: Sequence[UUID],
    *,
    after: tuple[UUID, UUID] | None = None,
    limit: int = PAGE,
) -> Sequence[Tie]:
    """A page of them, in no order that tells anything."""
    if not voices:
        return []
    follower, followed = after or (UUID(int=0), UUID(int=0))
    values = {"voices": list(voices), "follower": follower, "followed": followed}
    places = [tuple(row) for row in await conn.execute(_places(limit), values)]
    rows = await conn.execute(_WHO, {"ids": [each for place in places for each in place]})
    who = {row.id: row for row in rows}
    return [_tie(who, place) for place in places]


def _tie(who: Mapping[UUID, AnyRow], place: tuple[UUID, UUID]) -> Tie:
    follower, followed = (who[each] for each in place)
    mine, other = (follower, followed) if follower.local else (followed, follower)
    return Tie(
        mine=mine.name,
        name=other.name,
        address=f"@{other.handle}@{other.host}",
        group=other.kind == ActorKind.GROUP,
        outward=follower.local,
        place=place,
    )


async def let_go(
    conn: AsyncConnection, voices: Sequence[UUID], follower: UUID, followed: UUID
) -> None:
    """The member does not want that tie back; nobody is told. Another's stays as it is."""
    await conn.execute(
        sa.delete(severed_follows).where(
            severed_follows.c.follower_id == follower,
            severed_follows.c.followed_id == followed,
            sa.or_(
                severed_follows.c.follower_id.in_(voices), severed_follows.c.followed_id.in_(voices)
            ),
        )
    )


_cut: Final = severed_follows.c
_WHO: Final = sa.select(
    actors.c.id, actors.c.local, actors.c.kind, actors.c.name, actors.c.handle, actors.c.host
).where(any_of(actors.c.id, "ids"))
_COUNT: Final = sa.select(
    *(
        sa.select(sa.func.count()).where(any_of(ours, "voices")).scalar_subquery()
        for ours in (_cut.follower_id, _cut.followed_id)
    )
)


@cache
def _places(limit: int) -> AnySelect:
    last = sa.tuple_(
        sa.bindparam("follower", type_=sa.Uuid), sa.bindparam("followed", type_=sa.Uuid)
    )
    both = sa.union_all(
        *(
            sa.select(_cut.follower_id, _cut.followed_id).where(
                any_of(ours, "voices"), sa.tuple_(_cut.follower_id, _cut.followed_id) > last
            )
            for ours in (_cut.follower_id, _cut.followed_id)
        )
    ).subquery()
    return sa.select(both).order_by(both.c.follower_id, both.c.followed_id).limit(at_most(limit))
