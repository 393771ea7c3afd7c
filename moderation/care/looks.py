"""How many posts moderators look at sooner in a day, and how often the list was right (DOM-D11).

Kept are numbers by week and language, and for a month a mark of each post that was looked at, which
the node key alone can make: not what the post sounded like, not whose it is, not who looked.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.errors import Malformed
from kernel.here import Here
from kernel.rows import at_most
from kernel.said import said
from kernel.schema.tables import care_looks, look_counts, node
from kernel.sealing import mac

MOST_A_DAY: Final = 200
SAMPLE: Final = 20  # others that moderators read in a week, drawn by chance
WEEKS: Final = 26  # that are shown


def week_of(day: date) -> date:
    """The Monday of it."""
    return day - timedelta(days=day.weekday())


def mark_of(here: Here, post_id: int) -> bytes:
    return mac(here.node_key.derive("looks"), "look", str(post_id).encode())


def draw_of(here: Here, post_id: int) -> bytes:
    """By this order the sample of a week is drawn: nobody can know it, and it stays the same."""
    week = week_of(here.now().date()).isoformat()
    return mac(here.node_key.derive("looks"), "draw", f"{week} {post_id}".encode())


async def a_day(conn: AsyncConnection) -> int:
    """How many the moderators want to look at in a day; 0: nothing is sorted."""
    return await conn.scalar(sa.select(node.c.looks_a_day)) or 0


async def choose(conn: AsyncConnection, number: int) -> None:
    """Raises Malformed: less than none, or more than anybody could read."""
    if not 0 <= number <= MOST_A_DAY:
        raise Malformed(said("Please choose a number from 0 to {most}.", most=MOST_A_DAY))
    await conn.execute(sa.update(node).values(looks_a_day=number))


async def left_today(conn: AsyncConnection, here: Here) -> int:
    """How many more fit into today's number."""
    today = sa.select(sa.func.count()).where(care_looks.c.day == here.now().date())
    return max(0, await a_day(conn) - (await conn.scalar(today) or 0))


async def left_of_sample(conn: AsyncConnection, here: Here) -> int:
    """How many of this week's sample nobody has read yet."""
    read = sa.select(sa.func.sum(look_counts.c.looked)).where(
        look_counts.c.week == week_of(here.now().date()), look_counts.c.sampled
    )
    return max(0, SAMPLE - (await conn.scalar(read) or 0))


async def looked_at(conn: AsyncConnection, here: Here, post_ids: Collection[int]) -> set[int]:
    """Those of the posts that somebody looked at already."""
    marks = {mark_of(here, each): each for each in post_ids}
    found = await conn.scalars(
        sa.select(care_looks.c.mark).where(care_looks.c.mark.in_(list(marks)))
    )
    return {marks[each] for each in found}


async def note(
    conn: AsyncConnection, here: Here, post_id: int, language: str, *, sampled: bool, fitting: bool
) -> bool:
    """Somebody looked. `fitting`: it was right to look sooner. False: it was noted already."""
    today = here.now().date()
    made = await conn.execute(
        insert(care_looks)
        .values(mark=mark_of(here, post_id), day=today)
        .on_conflict_do_nothing()
        .returning(care_looks.c.mark)
    )
    if made.first() is None:
        return False
    one = insert(look_counts).values(
        week=week_of(today), language=language, sampled=sampled, looked=1, fitting=int(fitting)
    )
    await conn.execute(
        one.on_conflict_do_update(
            index_elements=["week", "language", "sampled"],
            set_={
                "looked": look_counts.c.looked + 1,
                "fitting": look_counts.c.fitting + int(fitting),
            },
        )
    )
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Of those the list put first, and of the `sampled` others, so many were `fitting`."""

    week: date
    language: str
    sampled: bool
    looked: int
    fitting: int


async def weeks(conn: AsyncConnection) -> Sequence[Week]:
    """The newest weeks first."""
    rows = await conn.execute(
        sa.select(look_counts)
        .order_by(look_counts.c.week.desc(), look_counts.c.language, look_counts.c.sampled)
        .limit(at_most(WEEKS * 8))
    )
    return [Week(**row._mapping) for row in rows]


async def sweep(conn: AsyncConnection, today: date) -> None:
    """Marks go after a month; the numbers stay."""
    await conn.execute(sa.delete(care_looks).where(care_looks.c.day < today - keep_times.LOOKED))
