"""Row order tells nothing: sensitive tables lie in the order of their random keys (DESIGN).

What was written together would lie together otherwise, on the disk and in every dump. So whoever
writes such a row also rewrites others beside it, and calls a worker, which lays the table out anew
a moment later, in a transaction of its own.
"""

import math
import time
from collections.abc import Callable, Collection
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import db
from kernel.db import Laid
from kernel.schema.tables import (
    accounts,
    actor_keys,
    actors,
    appeals,
    blocks,
    care_cases,
    care_handovers,
    care_looks,
    care_objections,
    care_words,
    case_notes,
    cases,
    check_ins,
    conversations,
    correspondents,
    departures,
    drawers,
    follows,
    message_boxes,
    messages,
    moderators,
    notices,
    poll_votes,
    reactions,
    reports,
    sessions,
    severed_follows,
    severed_moderators,
    spent,
)

CHANNEL: Final = "hearthold_order"
SENSITIVE: Final = (
    accounts, drawers, sessions, actors, actor_keys, blocks, check_ins, departures, follows,
    moderators, notices, poll_votes, reactions, spent, conversations, correspondents,
    message_boxes, messages, reports, cases, case_notes, appeals, severed_follows,
    severed_moderators, care_cases, care_words, care_handovers, care_looks,
    care_objections,
)  # fmt: skip
ROWS: Final = 100

_OURS: Final = {  # which rows can stand in for the one just written, where not all can
    "actors": "local",
    "follows": "follower_id IN (SELECT id FROM actors WHERE local)",
}
_REST: Final = 100.0
_REST_LONGER: Final = 500.0


async def stir(conn: AsyncConnection, table: sa.Table) -> None:
    """Rewrite what this transaction wrote in `table` and a hundred random rows, one by one.

    They are written in the order of their keys, so that the new row may stand anywhere among them.
    Nothing changes in them; rows that somebody holds are left out, so nobody waits. It covers the
    moment until the worker comes and no more: PostgreSQL leaves a row in its page if there is room.
    """
    name, ours = f'"{table.name}"', _OURS.get(table.name, "true")
    key = [column.name for column in table.primary_key.columns]
    statement = f"""
        DO $$
        DECLARE place tid;
        BEGIN
            FOR place IN
                SELECT ctid FROM {name}
                WHERE xmin = pg_current_xact_id()::xid OR ctid = ANY (ARRAY(
                    SELECT ctid FROM {name} WHERE {ours} ORDER BY random() LIMIT {ROWS}))
                ORDER BY {", ".join(key)}
                FOR NO KEY UPDATE SKIP LOCKED
            LOOP
                UPDATE {name} SET {key[0]} = {key[0]} WHERE ctid = place;
            END LOOP;
        END $$"""  # noqa: S608  (names of our own schema)
    await conn.execute(sa.text(statement))
    await call(conn, table)


async def call(conn: AsyncConnection, *tables: sa.Table) -> None:
    """Call a worker to lay `tables` out once this transaction has committed."""
    calls = (sa.func.pg_notify(CHANNEL, table.name).label(table.name) for table in tables)
    await conn.execute(sa.select(*calls))


class Keeper:
    """Lays the sensitive tables out again when they are called for and their order says something.

    A table cannot be used meanwhile, so it then rests a hundred times as long as that took; one
    that took longer than a fifth of a second rests longer in proportion (5 s: some 3.5 hours).
    """

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._clock = engine, clock
        self._rested: dict[str, float] = {}
        self._called = {table.name for table in SENSITIVE}

    def call(self, name: str = "") -> None:
        """That table is to be looked at; without a name all of them."""
        self._called |= {table.name for table in SENSITIVE if name in ("", table.name)}

    async def restore(self, tables: Collection[sa.Table] | None = None) -> float:
        """Lay `tables` out, or those that were called for.

        Seconds until a table should be looked at again; infinite where all is well.
        """
        if tables is None:
            tables = [table for table in SENSITIVE if table.name in self._called]
        wait = math.inf
        for table in tables:
            begun = self._clock()
            rest = self._rested.get(table.name, begun) - begun
            if rest <= 0:
                self._called.discard(table.name)  # who calls meanwhile is heard
                laid = await db.rewrite_in_key_order(self._engine, table)
                took = self._clock() - begun
                rest = took * max(_REST, _REST_LONGER * took)
                self._rested[table.name] = self._clock() + rest
                if laid is Laid.ALREADY:
                    continue
                self._called.add(table.name)
            wait = min(wait, rest)
        return wait
