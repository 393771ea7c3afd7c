"""The node's reader: one follow for each group elsewhere that somebody here belongs to (WIRE-G6).

It keeps a group's threads coming whoever joins and leaves, so that this hangs on nobody's own
membership. Members ask to join under their own names all the same: groups may let only members
post, and may want to know them first.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.audience import blocks_host
from activitypub.keys import KeyPair
from kernel.here import Here
from kernel.rows import constant
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.tables import actors, domain_blocks, follows
from members import follows as follow_store

STEP: Final = 50  # groups in one round
_HANDLE: Final = "node-reader"  # neither a member nor a group can have this name


def uri(here: Here) -> str:
    """The address of the node's reader."""
    return f"{here.origin}/desk/{_HANDLE}"


async def keep_up(engine: AsyncEngine, here: Here, keys: Callable[[], Awaitable[KeyPair]]) -> int:
    """Follow groups elsewhere that let somebody of ours in, leave those where nobody is left.

    How many changed: up to `STEP` each way in one round. `keys` is asked once, for the first.
    """
    async with engine.connect() as conn:
        reader = await actor_store.by_uri(conn, uri(here))
        wanted = await _groups(conn, reader, followed=False)
        left = await _groups(conn, reader, followed=True) if reader else []
    if wanted and reader is None:
        pair = await keys()
        async with engine.begin() as conn:
            reader = await actor_store.create_local(
                conn,
                here,
                kind=ActorKind.SERVICE,
                handle=_HANDLE,
                name=f"Reader of {here.host}",
                keys=pair,
                uri=uri(here),
            )
    if reader is None:
        return 0
    for group in wanted:
        async with engine.begin() as conn:
            await follow_store.request(conn, here, reader, group)
    for group in left:
        async with engine.begin() as conn:
            await follow_store.end(conn, here, reader, group)
    return len(wanted) + len(left)


async def _groups(
    conn: AsyncConnection, reader: Actor | None, *, followed: bool
) -> Sequence[Actor]:
    """Groups elsewhere that the reader follows while nobody else here does, or the other way.

    It is in no circle: only people may be (MOD-5.6).
    """
    mine = actors.alias("mine")
    reader_id = reader.id if reader is not None else None
    reads = sa.exists().where(
        follows.c.followed_id == actors.c.id, follows.c.follower_id == reader_id
    )
    belong = (
        sa.exists()
        .select_from(follows.join(mine, mine.c.id == follows.c.follower_id))
        .where(
            follows.c.followed_id == actors.c.id,
            follows.c.state == constant(FollowState.ACCEPTED),
            mine.c.local,
            mine.c.id.is_distinct_from(reader_id),
        )
    )
    query = sa.select(*actor_store.columns()).where(
        actors.c.kind == constant(ActorKind.GROUP),
        actors.c.state == constant(ActorState.ACTIVE),
        ~actors.c.local,
    )
    if followed:
        query = query.where(reads, sa.or_(~belong, actors.c.members_only))
    else:
        blocked = sa.exists().where(blocks_host(actors.c.host)).correlate_except(domain_blocks)
        query = query.where(belong, ~reads, ~blocked, ~actors.c.members_only)
    rows = await conn.execute(query.order_by(actors.c.id).limit(STEP))
    return [Actor.of(row) for row in rows]
