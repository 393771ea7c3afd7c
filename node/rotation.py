"""`hearthold keys rotate`: new keys for one of those who speak here, or for all of them."""

from collections.abc import Callable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import rotation
from activitypub.actors import Actor
from activitypub.keys import Pool
from groups import groups as group_store
from kernel.errors import NotFound
from kernel.here import Here
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.tables import actor_keys, actors
from members import order
from moderation import pacts

Progress = Callable[[int, int], None]
"""Called with how many have new keys, and how many there are."""

_PAGE = 100
_OURS = sa.and_(actors.c.local, actors.c.state == ActorState.ACTIVE)


async def rotate_one(engine: AsyncEngine, here: Here, pool: Pool, handle: str) -> str:
    """New keys for the person, group or desk of that name; its address.

    Raises NotFound: nobody of that name speaks here.
    """
    async with engine.connect() as conn:
        actor = await actor_store.by_handle(conn, handle)
    if actor is None or actor.state is not ActorState.ACTIVE:
        raise NotFound("There is nobody of that name on this node.")
    await _rotate(engine, here, pool, actor.id)
    return actor.address


async def rotate_all(engine: AsyncEngine, here: Here, pool: Pool, progress: Progress) -> int:
    """New keys for everybody who speaks here, the node itself too; how many that were.

    In the order of their random ids, each in a transaction of its own. Whoever is interrupted
    begins again: whose keys are new by then has newer ones in the end.
    """
    done, after = 0, UUID(int=0)
    async with engine.connect() as conn:
        total = await conn.scalar(sa.select(sa.func.count()).select_from(actors).where(_OURS)) or 0
    while page := await _page(engine, after):
        for actor_id in page:
            await _rotate(engine, here, pool, actor_id)
            done, after = done + 1, actor_id
            progress(done, total)
    return done


async def _page(engine: AsyncEngine, after: UUID) -> Sequence[UUID]:
    async with engine.connect() as conn:
        found = await conn.scalars(
            sa.select(actors.c.id)
            .where(_OURS, actors.c.id > after)
            .order_by(actors.c.id)
            .limit(_PAGE)
        )
        return found.all()


async def _rotate(engine: AsyncEngine, here: Here, pool: Pool, actor_id: UUID) -> None:
    pair = await pool.take()
    async with engine.begin() as conn:
        actor = await actor_store.get(conn, actor_id)
        await rotation.rotate(conn, here, actor, pair, _tell)
        for table in (actors, actor_keys):  # whoever was written last would lie last
            await order.call(conn, table)


async def _tell(conn: AsyncConnection, here: Here, changed: Actor) -> None:
    """Of a group that is not for everyone, and of its desk, no other server hears (WIRE-T12)."""
    if changed.kind is ActorKind.GROUP:
        await group_store.tell(conn, here, changed.id)
        return
    if changed.kind is ActorKind.SERVICE:
        behind = await group_store.behind_desk(conn, changed.id)
        if behind is not None and not behind.federates:
            return
        if behind is None and changed.ed25519 is not None:
            await pacts.tell_new_key(conn, here, changed.ed25519)
    await rotation.tell(conn, here, changed)
