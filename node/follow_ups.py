"""What is counted anew or let go once something was decided about domains, crash or no crash.

What there is to do is written down with the decision, in its transaction. Whoever decided does it
right after; `node.tidy` does what a process that ended left. To do it twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.arrays import Rows, any_of
from kernel.rows import at_most
from kernel.schema.tables import domain_errands
from media import copies
from moderation.domains import Change
from moderation.recounting import recount_hosts

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Errand:
    """For a server: whether its answers are counted anew, and copies of its pictures let go."""

    id: int
    host: str
    recount: bool
    pictures: bool


async def note(conn: AsyncConnection, changes: Sequence[Change]) -> None:
    """Write down what follows from changes, to be done once this commits."""
    rows = [
        {
            "host": change.domain,
            "recount": change.before.blocks != change.after.blocks,
            "pictures": change.refuses_media,
        }
        for change in changes
    ]
    if wanted := [row for row in rows if row["recount"] or row["pictures"]]:
        await conn.execute(_NOTE, _ERRANDS.values(wanted))


async def work(engine: AsyncEngine) -> None:
    """Do all that is written down; new errands of others meanwhile are theirs."""
    last = 0
    while True:
        async with engine.connect() as conn:
            rows = await conn.execute(_NEXT, {"last": last})
            errands = [Errand(**row._mapping) for row in rows]
        if not errands:
            return
        if hosts := sorted({each.host for each in errands if each.recount}):
            await recount_hosts(engine, hosts)
        for host in sorted({each.host for each in errands if each.pictures}):
            await copies.forget_of(engine, host)
        async with engine.begin() as conn:
            await conn.execute(_DONE, {"ids": [each.id for each in errands]})
        last = errands[-1].id


_ERRANDS: Final = Rows("errands", host=sa.Text, recount=sa.Boolean, pictures=sa.Boolean)
_NOTE: Final = domain_errands.insert().from_select(
    _ERRANDS.names,
    sa.select(*(_ERRANDS.c[name] for name in _ERRANDS.names)).order_by(_ERRANDS.c.host),
)
_NEXT: Final = (
    sa.select(domain_errands)
    .where(domain_errands.c.id > sa.bindparam("last", type_=sa.BigInteger))
    .order_by(domain_errands.c.id)
    .limit(at_most(_AT_ONCE))
)
_DONE: Final = sa.delete(domain_errands).where(any_of(domain_errands.c.id, "ids"))
