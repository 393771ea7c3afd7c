"""A thread in memory of somebody who died, with moderators who watch over it (DOM-B14).

One act pins it, takes the small signs away and shows where help is. What somebody writes there who
was never shown in the group before is read by a moderator first. The desk is told to take turns,
and on a day that was chosen, to look how people are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from groups import desk, pins
from groups.groups import Group
from groups.posts import Post
from kernel.clock import to_minute
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most
from kernel.schema.tables import memorials, posts, threads

SHIFT: Final = timedelta(hours=2)  # then somebody else should watch
LOOK_BACK: Final = timedelta(days=14)  # unless another day is chosen
MAX_AHEAD: Final = timedelta(days=365)
MAX_WATCHED: Final = 20  # memorials of a group at one time


async def begin(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, root: Post, look_back: date
) -> None:
    """Make a thread of ours a memorial; with one, only the day changes. `actor` is the desk.

    Raises NotFound: it is no first post that is shown in the group. Raises Malformed: the day is
    past, or more than a year away. Raises NotAllowed: there are as many as can be, or no more can
    be pinned.
    """
    if group.settings is None or root.group_id != group.id or not (root.is_root and root.shown):
        raise NotFound
    today = here.now().date()
    if not today < look_back <= today + MAX_AHEAD:
        raise Malformed("Please choose a day after today, and within a year.")
    if root.memorial:
        await _change(conn, root, look_back=look_back)
        return
    if len(await watched(conn, here, group)) >= MAX_WATCHED:
        raise NotAllowed("There are many memorials here already. Please end one of them first.")
    await conn.execute(sa.update(threads).where(threads.c.id == root.id).values(memorial=True))
    await conn.execute(
        memorials.insert().values(
            thread_id=root.id, shift=to_minute(here.now()), look_back=look_back
        )
    )
    await desk.note(conn, here, group, actor, "memorial", root.uri)
    await pins.pin(conn, here, group, actor, root)


async def end(conn: AsyncConnection, here: Here, group: Group, actor: Actor, root: Post) -> None:
    """It is a thread like others again, and no longer pinned. Raises NotFound: it is none."""
    if root.group_id != group.id or not root.memorial:
        raise NotFound
    await conn.execute(sa.update(threads).where(threads.c.id == root.id).values(memorial=False))
    await conn.execute(sa.delete(memorials).where(memorials.c.thread_id == root.id))
    await desk.note(conn, here, group, actor, "end memorial", root.uri)
    await pins.unpin(conn, here, group, actor, root)


async def take_over(conn: AsyncConnection, here: Here, group: Group, root: Post) -> None:
    """Another moderator watches from now on; nobody keeps who. Raises NotFound: it is none."""
    if root.group_id != group.id or not root.memorial:
        raise NotFound
    await _change(conn, root, shift=to_minute(here.now()))


async def _change(conn: AsyncConnection, root: Post, **values: object) -> None:
    await conn.execute(
        sa.update(memorials).where(memorials.c.thread_id == root.id).values(**values)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A memorial as the desk sees it."""

    thread_id: int
    title: str
    look_back: date
    shift: datetime
    now: datetime

    @property
    def tired(self) -> bool:
        """Whether whoever watches should be relieved."""
        return self.now - self.shift >= SHIFT

    @property
    def due(self) -> bool:
        """Whether the day has come to ask how people are."""
        return self.now.date() >= self.look_back


async def watched(conn: AsyncConnection, here: Here, group: Group) -> Sequence[Watched]:
    """The memorials of a group, those first that are looked back at first."""
    rows = await conn.execute(_WATCHED, {"group_id": group.id})
    return [Watched(**row._mapping, now=here.now()) for row in rows]


_WATCHED: Final[AnySelect] = (
    sa.select(memorials.c.thread_id, posts.c.title, memorials.c.look_back, memorials.c.shift)
    .select_from(memorials)
    .join(threads, threads.c.id == memorials.c.thread_id)
    .join(posts, posts.c.id == threads.c.id)
    .where(threads.c.group_id == sa.bindparam("group_id", type_=sa.Uuid))
    .order_by(memorials.c.look_back, memorials.c.thread_id)
    .limit(at_most(MAX_WATCHED))
)
