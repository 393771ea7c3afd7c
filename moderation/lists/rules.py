"""What is written down of a list: rows that hold, and rows that wait for a person."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import Rows, any_of
from kernel.schema.tables import domain_policies
from moderation import domains
from moderation.domains import Rule

_STEP: Final = 2_000  # rows at once: what is sent is put together while nobody gets a page


async def of(conn: AsyncConnection, source: str, *, held: bool = False) -> dict[str, Rule]:
    """What is taken of a source, or waits; a list has up to 20,000 rows, and we decide on fewer."""
    rows = await conn.execute(
        domains.select_rules()
        .where(domain_policies.c.source == source, domain_policies.c.held.is_(held))
        .order_by(domain_policies.c.domain)
    )
    return {row.domain: Rule.of(row) for row in rows}


async def put(conn: AsyncConnection, rules: Iterable[Rule], *, held: bool = False) -> None:
    """Write rules down, each in the place of what its source said about the same domain."""
    for values in await asyncio.to_thread(_values, list(rules), held):
        await conn.execute(_PUT, values)


def _values(rules: Sequence[Rule], held: bool) -> list[dict[str, list[object]]]:
    parts = (rules[first : first + _STEP] for first in range(0, len(rules), _STEP))
    return [_RULES.values(domains.values_of(rule, held=held) for rule in part) for part in parts]


async def drop(conn: AsyncConnection, source: str, names: Collection[str]) -> None:
    """Let go what a source says about these domains, and holds."""
    await conn.execute(_DROP, {"source": source, "domains": list(names)})


async def drop_held(conn: AsyncConnection, source: str) -> None:
    """Let go all of a source that waits."""
    await conn.execute(_DROP_HELD, {"source": source})


_COLUMNS: Final[dict[str, Any]] = {
    column.name: column.type for column in domain_policies.c if column.name != "in_force"
}
_RULES: Final = Rows("rules", **_COLUMNS)
_SOURCE: Final = domain_policies.c.source == sa.bindparam("source", type_=sa.Text)
_DROP_HELD: Final = sa.delete(domain_policies).where(_SOURCE, domain_policies.c.held)
_DROP: Final = sa.delete(domain_policies).where(
    _SOURCE, ~domain_policies.c.held, any_of(domain_policies.c.domain, "domains")
)


def _put() -> sa.Insert:
    added = insert(domain_policies).from_select(
        _RULES.names, sa.select(*(_RULES.c[name] for name in _RULES.names))
    )
    keys = ("domain", "source", "held")
    return added.on_conflict_do_update(
        index_elements=keys,
        set_={name: added.excluded[name] for name in _RULES.names if name not in keys},
    )


_PUT: Final = _put()
