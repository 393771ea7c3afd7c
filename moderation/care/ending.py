"""What a care case comes to by itself: nobody looked, its words are gone, a week has passed."""

from collections.abc import Collection
from datetime import date
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.care import CareState, Ending
from kernel.schema.tables import care_cases, care_counts, care_handovers, care_words
from moderation.care import cases, clocks

_STEP: Final = 100  # cases that are dealt with in one round


def _gone() -> sa.Executable:
    """One statement, since it goes along with every post that is taken back."""
    over = (
        sa.update(care_cases)
        .where(care_cases.c.post_id == sa.bindparam("about", type_=sa.BigInteger), cases.OPEN)
        .values(
            state=CareState.CLOSED,
            ending=Ending.GONE,
            closed_on=sa.func.current_date(),
            holder=None,
            due=None,
        )
        .returning(care_cases.c.id)
        .cte("over")
    )
    told = (
        sa.delete(care_words)
        .where(care_words.c.case_id.in_(sa.select(over.c.id)))
        .returning(care_words.c.place)
        .cte("told")
    )
    theirs = sa.select(care_cases.c.id).where(
        care_cases.c.post_id == sa.bindparam("about", type_=sa.BigInteger)
    )
    return sa.delete(care_handovers).where(care_handovers.c.case_id.in_(theirs)).add_cte(over, told)


_GONE: Final = _gone()


async def forget_post(conn: AsyncConnection, post_id: int) -> None:
    """Its author took the words back: nobody looks any more, and what was said of them goes."""
    await conn.execute(_GONE, {"about": post_id})


async def close_again(conn: AsyncConnection, ids: Collection[str]) -> None:
    """What ended after a backup does not wait again after its restore."""
    ended = care_cases.c.id.in_([UUID(each) for each in ids])
    await conn.execute(sa.delete(care_cases).where(ended))


async def escalate(conn: AsyncConnection, here: Here) -> int:
    """Everybody on duty hears again of what nobody looked at in time; how many cases that was.

    Whoever said that they look and was not heard of since holds it no more. The group's desk and
    the node's are called with what is written here, in one transaction: no alert is lost with a
    worker (MOD-H2). From the second time on the pages of both desks say so.
    """
    rows = await conn.execute(
        cases.select()
        .where(cases.OPEN, care_cases.c.due <= here.now())
        .order_by(care_cases.c.due, care_cases.c.id)
        .limit(at_most(_STEP))
        .with_for_update(skip_locked=True)
    )
    late = [cases.read(here, row) for row in rows]
    for case in late:
        missed = min(case.missed + 1, 30_000)
        await cases.put(
            conn,
            case.id,
            state=CareState.OPEN,
            holder=None,
            missed=missed,
            due=clocks.due_again(case.level, here.now(), missed),
        )
        await cases.call_again(conn, case.group_id)
    return len(late)


async def sweep(conn: AsyncConnection, today: date) -> None:
    """A week after it is over a case is a number by month, and nothing else (MOD-5.14)."""
    gone = (
        sa.delete(care_cases)
        .where(care_cases.c.closed_on < today - keep_times.CARE)
        .returning(care_cases.c.closed_on, care_cases.c.ending)
    )
    many: dict[tuple[date, str], int] = {}
    for row in await conn.execute(gone):
        key = (row.closed_on.replace(day=1), row.ending)
        many[key] = many.get(key, 0) + 1
    for (month, ending), number in sorted(many.items()):
        counted = insert(care_counts).values(month=month, ending=ending, number=number)
        await conn.execute(
            counted.on_conflict_do_update(
                index_elements=["month", "ending"],
                set_={"number": care_counts.c.number + number},
            )
        )
