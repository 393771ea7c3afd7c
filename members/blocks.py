"""Somebody elsewhere wants nothing from one of ours: honoured, shown nowhere, never sent by us.

A Block between two people tells that one of them has had enough (WIRE-M10); so we keep only that
pair, tell nobody, and make none of our own.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from kernel.arrays import any_of
from kernel.schema.tables import actors, blocks
from members import follows, order


async def honour(conn: AsyncConnection, blocker: Actor, persona: Actor) -> None:
    """From now on nothing of the persona's is sent to the blocker; neither follows the other."""
    await conn.execute(
        insert(blocks).values(blocker_id=blocker.id, persona_id=persona.id).on_conflict_do_nothing()
    )
    await order.call(conn, blocks)
    await follows.forget(conn, blocker, persona)
    await follows.forget(conn, persona, blocker)


async def lift(conn: AsyncConnection, blocker: Actor, persona: Actor) -> None:
    """It was taken back."""
    await conn.execute(
        sa.delete(blocks).where(
            blocks.c.blocker_id == blocker.id, blocks.c.persona_id == persona.id
        )
    )


async def who_block(conn: AsyncConnection, persona_id: UUID, uris: Sequence[str]) -> frozenset[str]:
    """Those of the actors who want nothing from the persona."""
    if not uris:
        return frozenset()
    rows = await conn.scalars(_WHO_BLOCK, {"persona_id": persona_id, "uris": uris})
    return frozenset(rows)


_WHO_BLOCK = (
    sa.select(actors.c.uri)
    .join(blocks, blocks.c.blocker_id == actors.c.id)
    .where(blocks.c.persona_id == sa.bindparam("persona_id"), any_of(actors.c.uri, "uris"))
)
