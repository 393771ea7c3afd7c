"""Whom a member's names are tied to on servers that this node talks with no more (MOD-5.9).

It is worked out when its member reads it, from the ledger of what was cut: nobody else can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.rows import AnySelect, at_most, constant
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
    return await conn.scalar(_COUNT, {"voices": list(voices)}) or 0 if voices else 0


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
    rows = await conn.execute(_listed(limit), values)
    return [
        Tie(
            mine=row.mine,
            name=row.name,
            address=f"@{row.handle}@{row.host}",
            group=row.group,
            outward=row.outward,
            place=(row.follower_id, row.followed_id),
        )
        for row in rows
    ]


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


_mine: Final = actors.alias("mine")


def _ties(*, outward: bool) -> AnySelect:
    """SQL: what the member's names followed, or who followed them."""
    cut = severed_follows.c
    ours, theirs = (cut.follower_id, cut.followed_id)[:: 1 if outward else -1]
    return (
        sa.select(
            cut.follower_id,
            cut.followed_id,
            _mine.c.name.label("mine"),
            actors.c.name,
            actors.c.handle,
            actors.c.host,
            (actors.c.kind == constant(ActorKind.GROUP)).label("group"),
            sa.literal_column("true" if outward else "false", sa.Boolean).label("outward"),
        )
        .select_from(
            severed_follows.join(_mine, _mine.c.id == ours).join(actors, actors.c.id == theirs)
        )
        .where(any_of(ours, "voices"))
    )


_ALL: Final = sa.union_all(_ties(outward=True), _ties(outward=False)).subquery("ties")
_COUNT: Final = sa.select(sa.func.count()).select_from(_ALL)


def _listed(limit: int) -> AnySelect:
    place = sa.tuple_(_ALL.c.follower_id, _ALL.c.followed_id)
    last = sa.tuple_(
        sa.bindparam("follower", type_=sa.Uuid), sa.bindparam("followed", type_=sa.Uuid)
    )
    return (
        sa.select(_ALL)
        .where(place > last)
        .order_by(_ALL.c.follower_id, _ALL.c.followed_id)
        .limit(at_most(limit))
    )
