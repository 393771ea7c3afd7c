"""A thread that is slow on purpose, for a while: a moderator does it out of care (MOD-5.14).

Nobody is told of new answers in it, and moderators read them first. It ends by itself, or when
a moderator ends it. Why is told to nobody, here or elsewhere; who reads it sees that it is so.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from groups.groups import Group, is_moderator
from groups.posts import Post
from kernel.errors import Malformed, NotAllowed
from kernel.here import Here
from kernel.schema.posts import PostState
from kernel.schema.tables import threads

HOURS: Final = (6, 24, 72)  # for how long, as moderators can choose


async def slow(conn: AsyncConnection, here: Here, group: Group, root: Post, hours: int) -> None:
    """Slow a thread down from now on, until a full hour.

    Raises Malformed: not one of `HOURS`. Raises NotAllowed: it belongs to a group elsewhere.
    """
    if hours not in HOURS:
        raise Malformed("Please choose for how long.")
    if group.settings is None or root.group_id != group.id:
        raise NotAllowed("Only threads of groups here can be slowed down.")
    await _set(conn, root.thread_id, _full_hour(here.now() + timedelta(hours=hours)))


async def end(conn: AsyncConnection, root: Post) -> None:
    """It goes on as before; answers that wait still wait for a moderator."""
    await _set(conn, root.thread_id, None)


def _full_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


async def _set(conn: AsyncConnection, thread_id: int, until: datetime | None) -> None:
    await conn.execute(sa.update(threads).where(threads.c.id == thread_id).values(slow_until=until))


async def entering(
    conn: AsyncConnection, here: Here, parent: Post | None, author_id: UUID, state: PostState
) -> PostState:
    """How an answer enters: in a slow thread a moderator reads it first, unless one wrote it.

    Asks nothing of the database where the thread is not slow.
    """
    if parent is None or state is not PostState.SHOWN or not parent.is_slow(here.now()):
        return state
    if await is_moderator(conn, parent.group_id, [author_id]):
        return state
    return PostState.HELD
