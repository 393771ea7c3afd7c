"""Who does not want a list of phrases to look through what they post (DOM 5.5, rule 9).

It is said for one name. Kept is a mark that the node key alone can make, and nothing beside it: a
stolen database says how many said so, and not who (DESIGN-V1).
"""

from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import tombstone_log
from kernel.arrays import any_of
from kernel.here import Here
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.tables import actors, care_objections
from kernel.sealing import mac
from kernel.tombstone_log import Act


def mark_of(here: Here, author_id: UUID) -> bytes:
    return mac(here.node_key.derive("looks"), "objects", author_id.bytes)


async def choose(conn: AsyncConnection, here: Here, author_id: UUID, *, objects: bool) -> None:
    """What this name posts is not looked through from now on, or is again; a restore knows it."""
    mark = mark_of(here, author_id)
    tombstone_log.note(conn, Act.OBJECTED if objects else Act.AGREED, mark.hex())
    await _keep(conn, mark, objects=objects)


async def _keep(conn: AsyncConnection, mark: bytes, *, objects: bool) -> None:
    if objects:
        await conn.execute(insert(care_objections).values(mark=mark).on_conflict_do_nothing())
    else:
        await conn.execute(sa.delete(care_objections).where(care_objections.c.mark == mark))


async def redo(conn: AsyncConnection, here: Here, chosen: Iterable[tuple[str, bool]]) -> None:
    """After a restore: what was chosen last, by the marks that `choose` noted.

    Names close without a line about their mark, which would tie the two together: a mark that
    belongs to no name of today goes.
    """
    for mark, objects in chosen:
        await _keep(conn, bytes.fromhex(mark), objects=objects)
    strays = set(await conn.scalars(sa.select(care_objections.c.mark)))
    if not strays:
        return
    async with conn.stream_scalars(_NAMES) as names:
        async for persona_id in names:
            strays.discard(mark_of(here, persona_id))
    await conn.execute(_DROP, {"marks": list(strays)})


_NAMES: Final = sa.select(actors.c.id).where(
    actors.c.local, actors.c.kind == ActorKind.PERSON, actors.c.state != ActorState.CLOSED
)
_DROP: Final = sa.delete(care_objections).where(any_of(care_objections.c.mark, "marks"))


async def among(conn: AsyncConnection, here: Here, author_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the names that do not want it."""
    marks = {mark_of(here, each): each for each in author_ids}
    if not marks:
        return frozenset()
    found = await conn.scalars(_AMONG, {"marks": list(marks)})
    return frozenset(marks[each] for each in found)


_AMONG = sa.select(care_objections.c.mark).where(any_of(care_objections.c.mark, "marks"))


async def forget(conn: AsyncConnection, here: Here, author_id: UUID) -> None:
    """A name closes."""
    await _keep(conn, mark_of(here, author_id), objects=False)
