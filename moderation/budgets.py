"""How often something from elsewhere may happen here in a day."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.schema.tables import flag_budgets


async def count(conn: AsyncConnection, here: Here, what: str) -> int:
    """Count one more of something today; how many that makes."""
    today = here.now().date()
    same = flag_budgets.c.day == today
    taken = await conn.scalar(
        insert(flag_budgets)
        .values(host=what, day=today, taken=1)
        .on_conflict_do_update(
            index_elements=["host"],
            set_={"day": today, "taken": sa.case((same, flag_budgets.c.taken + 1), else_=1)},
        )
        .returning(flag_budgets.c.taken)
    )
    return int(taken or 0)
