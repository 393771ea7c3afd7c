"""How a month went here, for everybody to read: rounded, and nothing that is small (DOM-H6).

A month is counted once, when it has been over for two days, and then stays as it is. So nobody can
compare two days; two months have nothing in common; and no number is about fewer than ten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.ids import first_of
from kernel.rows import at_most, constant
from kernel.schema.cases import Outcome
from kernel.schema.messages import Why
from kernel.schema.posts import PostState
from kernel.schema.tables import audit_chain, cases, groups, month_numbers, posts

FEWEST: Final = 10  # fewer are not told
STEP: Final = 5
MONTHS: Final = 12  # that a page shows
COUNTED: Final = 200_000  # posts of a month that are looked at; nothing is said of a fuller one

_WAIT: Final = timedelta(days=2)  # until the last post of a month had a day to be answered
_DAY: Final = 24 * 60 * 60 * 1000  # milliseconds, as ids tell them
_HOUR: Final = 60 * 60 * 1000
_REPORTS: Final = "reports "
_ID_BITS: Final = 16  # below the milliseconds of an id


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """Numbers of one month by name; None: too few to say."""

    first: date
    numbers: Mapping[str, int | None]

    def get(self, name: str) -> int | None:
        return self.numbers.get(name)

    @property
    def reports(self) -> Mapping[Why, int | None]:
        """Reports by their reason."""
        return {why: self.numbers.get(f"{_REPORTS}{why.value}") for why in Why}


def rounded(number: int | None) -> int | None:
    """To the nearest five; None: it is below ten."""
    if number is None or number < FEWEST:
        return None
    return (2 * number + STEP) // (2 * STEP) * STEP


async def count(conn: AsyncConnection, today: date) -> bool:
    """Count the last month that is over, once. False: there is nothing to count."""
    this = (today - _WAIT).replace(day=1)
    month = (this - timedelta(days=1)).replace(day=1)
    known = sa.select(month_numbers.c.month).where(month_numbers.c.month == month).limit(1)
    if await conn.scalar(known) is not None:
        return False
    found = {
        **await _posts(conn, month, this),
        **await _reports(conn, month, this),
        **await _second_looks(conn, month, this),
    }
    rows = [{"month": month, "name": name, "number": found[name]} for name in sorted(found)]
    made = insert(month_numbers).on_conflict_do_nothing()
    await conn.execute(made, rows)
    return True


async def _posts(conn: AsyncConnection, month: date, after: date) -> dict[str, int | None]:
    first, last = (first_of(datetime(day.year, day.month, 1, tzinfo=UTC)) for day in (month, after))
    row = (await conn.execute(_POSTS, {"first": first, "last": last})).one()
    if row.posts > COUNTED:
        return dict.fromkeys(("posts", "answered", "hours"))
    share = hours = None
    if row.roots >= FEWEST:
        share = round(100 * row.in_a_day / row.roots / STEP) * STEP
    if row.answered >= FEWEST:
        hours = max(1, round(row.median / _HOUR))
    return {"posts": rounded(row.posts), "answered": share, "hours": hours}


def _of_posts() -> sa.Select[int, int, int, int, int]:
    """SQL: what was written in groups here, and how long first posts waited for somebody else.

    Ids tell the minute, so the key of the table and the index of its threads hold all of it.
    """
    some = (
        sa.select(posts.c.id, posts.c.parent_id, posts.c.thread_id, posts.c.author_id)
        .join(groups, groups.c.actor_id == posts.c.group_id)
        .where(
            posts.c.id >= sa.bindparam("first", type_=sa.BigInteger),
            posts.c.id < sa.bindparam("last", type_=sa.BigInteger),
            posts.c.state == constant(PostState.SHOWN),
            posts.c.author_id != posts.c.group_id,  # a group's own welcome waits for no answer
        )
        .limit(at_most(COUNTED + 1))
        .subquery("some")
    )
    other = posts.alias("other")
    answer = (
        sa.select(other.c.id)
        .where(
            other.c.thread_id == some.c.id,
            other.c.author_id != some.c.author_id,
            other.c.state == constant(PostState.SHOWN),
        )
        .order_by(other.c.id)
        .limit(at_most(1))
        .lateral("answer")
    )
    waited = (answer.c.id - some.c.id).op(">>")(sa.literal_column(str(_ID_BITS)))
    is_root = some.c.parent_id.is_(None)
    count = sa.func.count()
    return sa.select(
        count.label("posts"),
        count.filter(is_root).label("roots"),
        count.filter(is_root, waited < sa.literal_column(str(_DAY))).label("in_a_day"),
        count.filter(is_root, answer.c.id.is_not(None)).label("answered"),
        sa.func.percentile_disc(sa.literal_column("0.5"))
        .within_group(waited)
        .filter(is_root)
        .label("median"),
    ).select_from(some.outerjoin(answer, is_root))


_POSTS: Final = _of_posts()


async def _reports(conn: AsyncConnection, month: date, after: date) -> dict[str, int | None]:
    """What was reported, as cases: what was passed on is counted where it went."""
    number = sa.func.count()
    rows = await conn.execute(
        sa.select(cases.c.why, number)
        .where(
            cases.c.since >= month,
            cases.c.since < after,
            cases.c.outcome.is_distinct_from(Outcome.PASSED.value),
        )
        .group_by(cases.c.why)
    )
    found = {why: rounded(many) for why, many in rows}
    return {f"{_REPORTS}{why.value}": found.get(why.value) for why in Why}


async def _second_looks(conn: AsyncConnection, month: date, after: date) -> dict[str, int | None]:
    """How many people were answered who asked again, and for how many it was changed."""
    number = sa.func.count()
    rows = await conn.execute(
        sa.select(audit_chain.c.verb, number)
        .where(
            audit_chain.c.day >= month,
            audit_chain.c.day < after,
            audit_chain.c.verb.in_(_LOOKED),
        )
        .group_by(audit_chain.c.verb)
    )
    found = {str(verb): int(many) for verb, many in rows}
    total, changed = sum(found.values()), found.get(_LOOKED[0], 0)
    return {"appeals": rounded(total), "changed": rounded(changed)}


_LOOKED: Final = ("change after appeal", "uphold after appeal")


async def latest(conn: AsyncConnection) -> Sequence[Month]:
    """The last months, newest first."""
    newest = sa.select(month_numbers.c.month).distinct().order_by(month_numbers.c.month.desc())
    rows = await conn.execute(
        sa.select(month_numbers.c.month, month_numbers.c.name, month_numbers.c.number)
        .where(month_numbers.c.month.in_(newest.limit(MONTHS)))
        .order_by(month_numbers.c.month.desc())
    )
    months: dict[date, dict[str, int | None]] = {}
    for row in rows:
        months.setdefault(row.month, {})[row.name] = row.number
    return [Month(first=first, numbers=numbers) for first, numbers in months.items()]
