"""What became of the advice of another server, for that server and for nobody else (MOD-5.12).

Of the log of decisions it is told what was done about servers because of its own changes: a day, a
word and the change. What was weighed or began to wait, who else said so, what people wrote about
it, and all that is about a person or a post stays here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.rows import AnySelect, at_most
from kernel.schema.tables import audit

PAGE: Final = 100  # decisions
PAGES: Final = 10
_ADVICE: Final = "advice "
_TOLD: Final = tuple(
    _ADVICE + word for word in ("acts", "agreed", "begins", "ends", "kept", "milder", "refused")
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Outcome:
    """That something was done on a day because of a change; `verb` is as the log has it."""

    day: date
    change: str
    verb: str

    @property
    def word(self) -> str:
        """The verb as other servers are told it, such as `agreed`."""
        return self.verb.removeprefix(_ADVICE)


async def of_origin(
    conn: AsyncConnection, origin: str, *, today: date, page: int = 1, limit: int = PAGE
) -> tuple[Sequence[Outcome], bool]:
    """A page of what became of the changes of one origin, newest first; whether more follow.

    A day is told once it is over, and within one nothing stands in the order in which it happened.
    """
    values = {"origin": f"{origin}/", "today": today, "skipped": (page - 1) * limit}
    rows = (await conn.execute(_of_origin(limit + 1), values)).all()
    found = {
        Outcome(day=row.day, change=change, verb=row.verb)
        for row in rows[:limit]
        for change in row.changes
    }
    return sorted(found, reverse=True), len(rows) > limit and page < PAGES


@cache
def _of_origin(limit: int) -> AnySelect:
    """Only what is about a domain: posts, and whatever stands for a person, are addresses."""
    signals = (
        sa.func.unnest(audit.c.basis)
        .table_valued(sa.column("signal", sa.Text))
        .render_derived(name="signals")
    )
    changes = (
        sa.select(sa.func.array_agg(signals.c.signal))
        .where(sa.func.starts_with(signals.c.signal, sa.bindparam("origin", type_=sa.Text)))
        .correlate(audit)
        .scalar_subquery()
    )
    return (
        sa.select(audit.c.day, audit.c.verb, changes.label("changes"))
        .where(
            sa.text("basis <> '{}'"),
            audit.c.verb.in_(_TOLD),
            audit.c.person_id.is_(None),
            audit.c.object_uri.not_like("%/%"),
            audit.c.day < sa.bindparam("today", type_=sa.Date),
            changes.is_not(None),
        )
        .order_by(audit.c.id.desc())
        .limit(at_most(limit))
        .offset(sa.bindparam("skipped", type_=sa.BigInteger))
    )
