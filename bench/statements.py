"""What a node asks its database: every round trip counted, and plans of what was asked.

SQLAlchemy tells of statements; asyncpg tells of what lies between them: BEGIN, COMMIT, ROLLBACK,
and the question whether a pooled connection still lives.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

_SPACE = re.compile(r"\s+")
_FROM = re.compile(r"\b(?:FROM|INTO|UPDATE) (\w+)")
_INNER = re.compile(r"\([^()]*\)")
_TYPE = re.compile(r"::[A-Z]+")
_PING = ";"


@dataclass(slots=True)
class Statements:
    """Counts from `attach` on; `asked` holds each different statement with its last values."""

    counts: Counter[str] = field(default_factory=Counter)
    asked: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    between: int = 0  # round trips for transactions and pings
    pings: int = 0

    @property
    def statements(self) -> int:
        return self.counts.total()

    @property
    def round_trips(self) -> int:
        return self.statements + self.between

    def attach(self, engine: AsyncEngine) -> None:
        """Listen to an engine that has no connection yet."""
        sa.event.listen(engine.sync_engine, "connect", self._connected)
        sa.event.listen(engine.sync_engine, "before_cursor_execute", self._executing)

    def clear(self) -> None:
        """Count from nothing."""
        self.counts.clear()
        self.asked.clear()
        self.between = self.pings = 0

    def _connected(self, connection: Any, _record: object) -> None:
        connection.driver_connection.add_query_logger(self._logged)

    def _logged(self, record: Any) -> None:
        words = record.query.split(None, 1)
        if not words or words[0].rstrip(";") in ("BEGIN", "COMMIT", "ROLLBACK", ""):
            self.between += 1
            self.pings += record.query.strip() == _PING

    def _executing(
        self, _conn: object, _cursor: object, statement: str, values: Any, *_rest: object
    ) -> None:
        self.counts[short(statement)] += 1
        self.asked[statement] = tuple(values)


def short(statement: str) -> str:
    """A statement in a few words: what it does to which table, and the end of its condition."""
    whole = _TYPE.sub("", _SPACE.sub(" ", statement).strip())
    flat, left = whole, 1
    while left:
        flat, left = _INNER.subn("…", flat)
    table = _FROM.search(flat)
    where = flat.partition(" WHERE ")[2][:60].replace(f"{table[1]}." if table else " ", "")
    if table is None:
        return whole[:60]
    return f"{flat.split()[0]} {table[1]}" + (f" WHERE {where}" if where else "")


async def explain(connection: asyncpg.Connection, statement: str, values: tuple[Any, ...]) -> str:
    """How PostgreSQL runs a statement, with time and pages. Undo what it changes yourself."""
    rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", *values)
    return "\n".join(row[0] for row in rows)
