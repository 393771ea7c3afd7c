"""Taking a list, taken back: each of its rows is as it was before, in any order (MOD-5.10).

Each time that rows of a list are taken, or go, it is kept for 90 days what the list said about
these domains before. What is taken back in between makes later ones remember what came before it.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.arrays import any_of
from kernel.errors import NotFound
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.moderation import Level, ListMode
from kernel.schema.tables import domain_lists, domain_policies, list_taken_rows, list_takings
from moderation import audit, domains, names, policy
from moderation.domains import Rule
from moderation.lists import rules as list_rules
from moderation.lists.sources import Source
from moderation.policy import Policy

PAGE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """One time that so many `rows` of a list were taken, or went."""

    id: int
    list_id: str
    name: str
    day: date
    rows: int


async def note(conn: AsyncConnection, here: Here, source: Source, about: Collection[str]) -> None:
    """Remember what a list says about these domains, before that changes."""
    if not about:
        return
    made = list_takings.insert().values(list_id=source.id, day=here.now().date())
    taking_id = (await conn.execute(made.returning(list_takings.c.id))).scalar_one()
    await conn.execute(_NOTE, {"taking": taking_id, "source": source.id, "domains": sorted(about)})


def _rule(list_id: str, domain: str, text: str) -> Rule:
    row = json.loads(text)
    return Rule(
        domain=domain,
        policy=Policy(Level(row["level"]), row["reject_media"], row["reject_reports"]),
        public_comment=row["public_comment"],
        private_comment=row["private_comment"],
        obfuscate=row["obfuscate"],
        source=list_id,
        day=date.fromisoformat(row["day"]),
    )


async def history(conn: AsyncConnection, *, list_id: str = "") -> Sequence[Taking]:
    """The newest that can be taken back, of all lists or of one, newest first."""
    query = _TAKINGS.order_by(list_takings.c.id.desc()).limit(at_most(PAGE))
    if list_id:
        query = query.where(list_takings.c.list_id == list_id)
    return [Taking(**row._mapping) for row in await conn.execute(query)]


async def one(conn: AsyncConnection, taking_id: int) -> Taking:
    """One of them. Raises NotFound."""
    row = (await conn.execute(_TAKINGS.where(list_takings.c.id == taking_id))).first()
    if row is None:
        raise NotFound("There is no such import, or it was taken back.")
    return Taking(**row._mapping)


async def undo(conn: AsyncConnection, here: Here, taking_id: int) -> Taking:
    """Let the list say about those domains what it said before; what later ones changed stays.

    It says nothing about what is protected by now.
    From now on a person looks at new rows of the list, or they would come back by themselves.
    Raises NotFound.
    """
    found = await one(conn, taking_id)
    values = {"taking": found.id, "list": found.list_id}
    later = set(await conn.scalars(_PASS_ON, values))
    rows = await conn.execute(_ROWS, values)
    back = {
        row.domain: "" if names.is_spared(here, row.domain) else row.before
        for row in rows
        if row.domain not in later
    }
    await conn.execute(_DROP, {"source": found.list_id, "domains": list(back)})
    before = [_rule(found.list_id, domain, text) for domain, text in back.items() if text]
    await list_rules.put(conn, before)
    for rule in before:
        domains.note_for_restore(conn, rule)
    for domain, text in back.items():
        if not text:
            domains.note_gone(conn, domain, found.list_id)
    await conn.execute(sa.delete(list_takings).where(list_takings.c.id == found.id))
    await conn.execute(
        sa.update(domain_lists)
        .where(domain_lists.c.id == found.list_id)
        .values(mode=ListMode.DRAFT, trouble="")
    )
    what = f"{len(back)} rows as before"
    await audit.note(conn, here, verb="list taken back", about=found.list_id, reason=what)
    await policy.settle(conn)
    return found


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """What was taken 90 days ago is not taken back any more."""
    last = here.now().date() - keep_times.SEVERED
    await conn.execute(sa.delete(list_takings).where(list_takings.c.day < last))


_count: Final = (
    sa.select(sa.func.count())
    .where(list_taken_rows.c.taking_id == list_takings.c.id)
    .correlate(list_takings)
    .scalar_subquery()
)
_TAKINGS: Final = sa.select(
    list_takings.c.id,
    list_takings.c.list_id,
    domain_lists.c.name,
    list_takings.c.day,
    _count.label("rows"),
).join(domain_lists, domain_lists.c.id == list_takings.c.list_id)
_ROWS: Final = sa.select(list_taken_rows.c.domain, list_taken_rows.c.before).where(
    list_taken_rows.c.taking_id == sa.bindparam("taking", type_=sa.BigInteger)
)
_DROP: Final = sa.delete(domain_policies).where(
    domain_policies.c.source == sa.bindparam("source", type_=sa.Text),
    any_of(domain_policies.c.domain, "domains"),
)
_NOTE: Final = sa.text(
    """
    INSERT INTO list_taken_rows (taking_id, domain, before)
    SELECT :taking, given.domain, coalesce(CAST(to_jsonb(said) AS text), '')
    FROM unnest(:domains) AS given (domain)
    LEFT JOIN domain_policies AS said
        ON said.domain = given.domain AND said.source = :source AND NOT said.held
    """
).bindparams(
    sa.bindparam("taking", type_=sa.BigInteger),
    sa.bindparam("source", type_=sa.Text),
    sa.bindparam("domains", type_=ARRAY(sa.Text)),
)
# The next time that the list said something else about a domain remembers what came before this.
_PASS_ON: Final = sa.text(
    """
    UPDATE list_taken_rows AS later SET before = mine.before
    FROM list_taken_rows AS mine, LATERAL (
        SELECT rows.taking_id FROM list_takings
        JOIN list_taken_rows AS rows ON rows.taking_id = list_takings.id
        WHERE list_takings.list_id = :list AND list_takings.id > :taking
            AND rows.domain = mine.domain
        ORDER BY rows.taking_id LIMIT 1
    ) AS next
    WHERE mine.taking_id = :taking AND later.taking_id = next.taking_id
        AND later.domain = mine.domain
    RETURNING later.domain
    """
).bindparams(sa.bindparam("taking", type_=sa.BigInteger), sa.bindparam("list", type_=sa.Text))
