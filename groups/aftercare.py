"""After somebody was hurt: steps with who sees to them and until when, and help for who was near.

Nothing that happened is written down, and nobody's name: a thread, the steps, and days (DOM-D17).
When it is ended the steps go, and the log keeps that it was seen to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from groups import desk
from groups.groups import Group
from groups.posts import Post
from kernel import chance
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most
from kernel.said import noted
from kernel.schema.aftercare import Owner
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, aftercare, aftercare_steps, audit_chain, posts, threads
from members import notices
from members.notices import Telling
from moderation import alerting

MOST: Final = 20  # under way in one group
NEAR: Final = 200  # people of ours who wrote in a thread and are told
YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A step as everybody begins with it: within how many days, and who sees to it."""

    words: str
    owner: Owner
    days: int


STEPS: Final[Mapping[str, Plan]] = {
    "safe": Plan(
        words=noted("Is somebody still in danger? They come first. The help page has the numbers."),
        owner=Owner.NOW,
        days=0,
    ),
    "words": Plan(
        words=noted("No post says why or how it happened. Posts that do are held or taken out."),
        owner=Owner.NOW,
        days=0,
    ),
    "hush": Plan(
        words=noted("The thread is quiet: new answers in it call nobody for a while."),
        owner=Owner.NOW,
        days=0,
    ),
    "near": Plan(
        words=noted("Those who wrote in the thread hear that help is there for them, too."),
        owner=Owner.NEXT,
        days=1,
    ),
    "others": Plan(
        words=noted("All moderators know of it, and nobody watches for longer than two hours."),
        owner=Owner.GROUP,
        days=1,
    ),
    "debrief": Plan(
        words=noted("There is a time at which those who looked after it talk about it together."),
        owner=Owner.GROUP,
        days=3,
    ),
    "look": Plan(
        words=noted("Somebody asks once more how people are: in the thread, and among you."),
        owner=Owner.GROUP,
        days=14,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    name: str
    owner: Owner
    due: date
    done: date | None
    today: date

    @property
    def late(self) -> bool:
        return self.done is None and self.due < self.today


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """One that a group sees to."""

    thread_id: int
    left: int
    late: bool


async def begin(conn: AsyncConnection, here: Here, group: Group, actor: Actor, root: Post) -> None:
    """Begin the steps for a thread. `actor` is the desk.

    Raises NotFound: it is no thread of that group. Raises NotAllowed: the group is elsewhere, or
    sees to as many as it may. Raises Conflict: they are begun.
    """
    if group.settings is None:
        raise NotAllowed("Only groups of this place can do that.")
    if root.group_id != group.id or not root.is_root:
        raise NotFound
    here_and_now = here.now().date()
    if await _of(conn, root) is not None:
        raise Conflict("These steps are begun already.")
    if len(await under_way(conn, here, group.id)) >= MOST:
        raise NotAllowed("There are many of these already. Please end one of them first.")
    made = chance.new_uuid()
    await conn.execute(
        aftercare.insert().values(id=made, group_id=group.id, thread_id=root.id, began=here_and_now)
    )
    rows = [
        {
            "aftercare_id": made,
            "step": name,
            "owner": plan.owner,
            "due": here_and_now + timedelta(days=plan.days),
        }
        for name, plan in STEPS.items()
    ]
    await conn.execute(aftercare_steps.insert(), rows)
    await desk.note(conn, here, group, actor, "aftercare", root.uri)
    await alerting.call(conn, group.id, urgent=True)


async def change(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    root: Post,
    name: str,
    *,
    owner: str,
    done: bool,
) -> None:
    """Somebody else sees to a step, or it is done; what it does by itself happens then.

    Raises NotFound: nothing is begun, or there is no such step. Raises Malformed: no such owner.
    """
    found = await _of(conn, root)
    if found is None or name not in STEPS:
        raise NotFound
    if owner not in set(Owner):
        raise Malformed("Please choose who sees to it.")
    where = (aftercare_steps.c.aftercare_id == found, aftercare_steps.c.step == name)
    await conn.execute(sa.update(aftercare_steps).where(*where).values(owner=owner))
    if not done:
        return
    today = here.now().date()
    first = await conn.execute(
        sa.update(aftercare_steps)
        .where(*where, aftercare_steps.c.done.is_(None))
        .values(done=today)
    )
    if not first.rowcount:
        return
    await desk.note(conn, here, group, actor, "aftercare step", root.uri)
    if name == "hush":
        await _hush(conn, root, hushed=True)
    elif name == "near":
        await _tell_near(conn, here, root)


async def end(conn: AsyncConnection, here: Here, group: Group, actor: Actor, root: Post) -> None:
    """It is seen to: the steps go, and answers call people again. Raises NotFound: none begun."""
    found = await _of(conn, root)
    if found is None:
        raise NotFound
    await conn.execute(sa.delete(aftercare).where(aftercare.c.id == found))
    await _hush(conn, root, hushed=False)
    await desk.note(conn, here, group, actor, "end aftercare", root.uri)


async def _hush(conn: AsyncConnection, root: Post, *, hushed: bool) -> None:
    await conn.execute(
        sa.update(threads).where(threads.c.id == root.thread_id).values(hushed=hushed)
    )


async def _tell_near(conn: AsyncConnection, here: Here, root: Post) -> None:
    """Names of ours that wrote in the thread are told that help is there, not what happened."""
    wrote = (
        sa.select(actors.c.uri)
        .join(posts, posts.c.author_id == actors.c.id)
        .where(
            posts.c.thread_id == root.thread_id, posts.c.state == PostState.SHOWN, actors.c.local
        )
        .where(actors.c.id != root.group_id)
        .distinct()
        .order_by(actors.c.uri)
        .limit(NEAR)
    )
    told = [
        Telling(uri=uri, kind=NoticeKind.NEAR, post_id=root.id) for uri in await conn.scalars(wrote)
    ]
    await notices.tell(conn, here, told)


async def _of(conn: AsyncConnection, root: Post) -> UUID | None:
    found: UUID | None = await conn.scalar(
        sa.select(aftercare.c.id).where(aftercare.c.thread_id == root.thread_id)
    )
    return found


async def steps(conn: AsyncConnection, here: Here, root: Post) -> Sequence[Step]:
    """The steps of a thread in their order; none where nothing is begun."""
    rows = await conn.execute(
        sa.select(
            aftercare_steps.c.step,
            aftercare_steps.c.owner,
            aftercare_steps.c.due,
            aftercare_steps.c.done,
        )
        .join(aftercare, aftercare.c.id == aftercare_steps.c.aftercare_id)
        .where(aftercare.c.thread_id == root.thread_id)
    )
    today = here.now().date()
    found = {
        row.step: Step(
            name=row.step, owner=Owner(row.owner), due=row.due, done=row.done, today=today
        )
        for row in rows
    }
    return [found[name] for name in STEPS if name in found]


async def under_way(conn: AsyncConnection, here: Here, group_id: UUID) -> Sequence[UnderWay]:
    """What a group sees to."""
    rows = await conn.execute(_UNDER_WAY, {"group_id": group_id, "today": here.now().date()})
    return [UnderWay(**row._mapping) for row in rows]


def _under_way() -> AnySelect:
    undone = aftercare_steps.c.done.is_(None)
    count = sa.func.count()
    late = aftercare_steps.c.due < sa.bindparam("today", type_=sa.Date)
    return (
        sa.select(
            aftercare.c.thread_id,
            count.filter(undone).label("left"),
            (count.filter(undone, late) > 0).label("late"),
        )
        .join(aftercare_steps, aftercare_steps.c.aftercare_id == aftercare.c.id)
        .where(
            aftercare.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
            aftercare.c.thread_id.is_not(None),
        )
        .group_by(aftercare.c.id)
        .order_by(aftercare.c.id)
        .limit(at_most(MOST))
    )


_UNDER_WAY: Final[AnySelect] = _under_way()


async def ended(conn: AsyncConnection, group_id: UUID, today: date) -> int:
    """How often a group saw to one to its end, within a year."""
    count = await conn.scalar(
        sa.select(sa.func.count())
        .select_from(audit_chain)
        .where(
            audit_chain.c.group_id == group_id,
            audit_chain.c.verb == "end aftercare",
            audit_chain.c.day > today - YEAR,
        )
    )
    return count or 0
