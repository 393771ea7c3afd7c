"""What this node decides about other domains: applied at the edge, before a body is read.

(SEC-S20, MOD-3.10)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.audience import blocks_host
from kernel import tombstone_log
from kernel.arrays import any_of
from kernel.errors import Malformed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.said import noted, said
from kernel.schema.moderation import Level, ListMode
from kernel.schema.tables import domain_blocks, domain_lists, domain_policies
from kernel.tombstone_log import Act
from moderation import audit, names, policy
from moderation.names import read_domain as read_domain
from moderation.policy import OWN, Policy

MAX_COMMENT: Final = 500  # letters
_LISTS: Final = 20  # of which the words about one server are shown
_STEP: Final = 5_000  # rows that are read at once, where all are

GRADES: Final = {
    Level.ACCEPT: noted("as any other"),
    Level.NOTE: noted("only a note"),
    Level.FILTER: noted("off public lists"),
    Level.REJECT: noted("not talked to"),
    Level.DROP: noted("not talked to, in silence"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one source says about a domain and everything below it.

    `source` is the id of a list, or `OWN`; `until` is the last day it holds. `source_name` and
    `in_force` come from the database.
    """

    domain: str
    policy: Policy
    public_comment: str = ""
    private_comment: str = field(default="", repr=False)
    obfuscate: bool = False
    until: date | None = None
    source: str = OWN
    source_name: str = ""
    day: date | None = None
    in_force: bool = False

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row of `select_rules`."""
        return cls(
            domain=row.domain,
            policy=Policy(Level(row.level), row.reject_media, row.reject_reports),
            public_comment=row.public_comment,
            private_comment=row.private_comment,
            obfuscate=row.obfuscate,
            until=row.until,
            source=row.source,
            source_name=row.source_name,
            day=row.day,
            in_force=row.in_force,
        )

    @property
    def grade(self) -> str:
        """How the domain is treated, in plain words."""
        return GRADES[self.policy.level]


@dataclass(frozen=True, slots=True)
class Change:
    """What is in force about a domain, before and after a decision."""

    domain: str
    before: Policy
    after: Policy

    @property
    def cuts(self) -> bool:
        """Whether the node stops to talk with it."""
        return self.after.blocks and not self.before.blocks

    @property
    def refuses_media(self) -> bool:
        """Whether copies of its pictures are let go."""
        return self.before.takes_media and not self.after.takes_media


async def set_policy(
    conn: AsyncConnection,
    here: Here,
    domain: str,
    chosen: Policy,
    *,
    public_comment: str = "",
    private_comment: str = "",
    obfuscate: bool = False,
    until: date | None = None,
) -> Change:
    """Decide about a domain; it holds in every process within two seconds.

    What waits for a blocked domain stays where it is (WIRE-M23). Whoever opened the transaction
    does the rest in `node.keeping_away`, which is the one place where relations are cut.

    Raises Malformed: not a domain, or what is written is too long. Raises NotAllowed: it is our
    own, or protected.
    """
    domain = read_domain(domain)
    names.check_ours(here, domain)
    if until is not None and until < here.now().date():
        raise Malformed(noted("That day is over."))
    rule = Rule(
        domain=domain,
        policy=chosen,
        public_comment=_comment(public_comment),
        private_comment=_comment(private_comment),
        obfuscate=obfuscate,
        until=until,
        day=here.now().date(),
    )
    before = await policy.of_host(conn, domain)
    await _write(conn, rule)
    await audit.note(
        conn, here, verb=f"domain {chosen.level}", about=domain, reason=rule.private_comment
    )
    return await _settled(conn, domain, before)


def _comment(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > MAX_COMMENT:
        raise Malformed(said("A comment can have up to {limit} letters.", limit=MAX_COMMENT))
    return text


async def _write(conn: AsyncConnection, rule: Rule) -> None:
    values = values_of(rule)
    await conn.execute(
        insert(domain_policies)
        .values(**values)
        .on_conflict_do_update(index_elements=["domain", "source", "held"], set_=values)
    )
    note_for_restore(conn, rule)


async def _settled(conn: AsyncConnection, domain: str, before: Policy) -> Change:
    await policy.settle(conn)
    return Change(domain, before, await policy.of_host(conn, domain))


def values_of(rule: Rule, *, held: bool = False) -> dict[str, object]:
    """The columns of a rule."""
    return {
        "domain": rule.domain,
        "source": rule.source,
        "held": held,
        "level": rule.policy.level.value,
        "reject_media": rule.policy.reject_media,
        "reject_reports": rule.policy.reject_reports,
        "public_comment": rule.public_comment,
        "private_comment": rule.private_comment,
        "obfuscate": rule.obfuscate,
        "until": rule.until,
        "day": rule.day,
    }


def note_for_restore(conn: AsyncConnection, rule: Rule) -> None:
    """A restore of an older backup decides this again: neither words nor days are in the log."""
    flags = "m" * rule.policy.reject_media + "r" * rule.policy.reject_reports + "o" * rule.obfuscate
    tombstone_log.note(conn, Act.POLICY, rule.domain, rule.source, rule.policy.level.value, flags)


def note_gone(conn: AsyncConnection, domain: str, source: str) -> None:
    """A restore of an older backup takes it away again."""
    tombstone_log.note(conn, Act.POLICY, domain, source, "", "")


async def forget(conn: AsyncConnection, here: Here, domain: str) -> Change:
    """Take our own decision about a domain back; what lists say about it counts again.

    Raises Malformed: not a domain. What nothing was decided about stays as it is.
    """
    domain = read_domain(domain)
    before = await policy.of_host(conn, domain)
    gone = await conn.execute(
        sa.delete(domain_policies).where(
            domain_policies.c.domain == domain, domain_policies.c.source == OWN
        )
    )
    if gone.rowcount:
        note_gone(conn, domain, OWN)
        await audit.note(conn, here, verb="domain forgotten", about=domain)
    return await _settled(conn, domain, before)


async def is_blocked(conn: AsyncConnection, host: str) -> bool:
    """Whether a block covers `host` (`name` or `name:port`)."""
    return await how_blocked(conn, host) is not None


async def how_blocked(conn: AsyncConnection, host: str) -> Level | None:
    """Whether `host` is told that it is blocked (`REJECT`), or not (`DROP`); None: it is not."""
    drops = await conn.scalar(_HOW_BLOCKED, {"host": host})
    return None if drops is None else Level.DROP if drops else Level.REJECT


async def takes_reports(conn: AsyncConnection, host: str) -> bool:
    """Whether reports from `host` are read (MOD-3.10)."""
    return (await policy.of_host(conn, host)).takes_reports


async def find(
    conn: AsyncConnection, *, search: str = "", after: str = "", limit: int = 100
) -> Sequence[Rule]:
    """What is in force, by domain, of those whose name holds `search`; a page at a time."""
    values = {"search": search.strip().lower(), "after": after}
    rows = await conn.execute(
        select_rules()
        .where(
            domain_policies.c.in_force,
            domain_policies.c.domain > sa.bindparam("after", type_=sa.Text),
            sa.func.position(
                sa.bindparam("search", type_=sa.Text).op("IN")(domain_policies.c.domain)
            )
            > 0,
        )
        .order_by(domain_policies.c.domain)
        .limit(limit),
        values,
    )
    return [Rule.of(row) for row in rows]


async def every(conn: AsyncConnection) -> Sequence[Rule]:
    """All that is in force, by domain, read a part at a time."""
    rules: list[Rule] = []
    while page := await find(conn, after=rules[-1].domain if rules else "", limit=_STEP):
        rules += page
    return rules


async def counting(conn: AsyncConnection, hosts: Sequence[str]) -> dict[str, Rule]:
    """What is in force about each of these servers: the longest suffix wins."""
    above = {host: names.above(host.partition(":")[0]) for host in hosts}
    wanted = [name for each in above.values() for name in each]
    rows = await conn.execute(
        select_rules().where(domain_policies.c.in_force, any_of(domain_policies.c.domain, "names")),
        {"names": wanted},
    )
    rules = {rule.domain: rule for rule in map(Rule.of, rows)}
    found = {
        host: next((rules[name] for name in each if name in rules), None)
        for host, each in above.items()
    }
    return {host: rule for host, rule in found.items() if rule is not None}


async def by_lists(conn: AsyncConnection, host: str) -> Sequence[Rule]:
    """What lists that were taken say of a server or of a domain above it, notes among it."""
    rows = await conn.execute(
        select_rules()
        .where(
            any_of(domain_policies.c.domain, "names"),
            domain_policies.c.source.not_in([OWN, policy.ADVICE]),
            ~domain_policies.c.held,
        )
        .order_by(domain_policies.c.domain, domain_policies.c.source)
        .limit(_LISTS),
        {"names": names.above(host.partition(":")[0])},
    )
    return [Rule.of(row) for row in rows]


async def own(conn: AsyncConnection, domain: str) -> Rule:
    """What we decided about a domain. Raises NotFound: nothing."""
    rows = await conn.execute(
        select_rules().where(domain_policies.c.domain == domain, domain_policies.c.source == OWN)
    )
    row = rows.first()
    if row is None:
        raise NotFound
    return Rule.of(row)


def select_rules() -> sa.Select[*tuple[object, ...]]:
    """SQL: the columns of `Rule`. The caller adds WHERE, order and limit."""
    columns = (column for column in domain_policies.c if column.name != "held")
    return sa.select(
        *columns, sa.func.coalesce(domain_lists.c.name, "").label("source_name")
    ).select_from(
        domain_policies.outerjoin(domain_lists, domain_lists.c.id == domain_policies.c.source)
    )


async def expire(conn: AsyncConnection, here: Here) -> Sequence[str]:
    """Let end what was decided until a day that is over: about which domains."""
    gone = (
        sa.delete(domain_policies)
        .where(domain_policies.c.until < here.now().date())
        .returning(domain_policies.c.domain, domain_policies.c.source, domain_policies.c.held)
    )
    ended = [row for row in await conn.execute(gone) if not row.held]
    for row in ended:
        note_gone(conn, row.domain, row.source)
        await audit.note(conn, here, verb="domain decision ended", about=row.domain)
    if ended:
        await policy.settle(conn)
    return [row.domain for row in ended]


async def go_on(conn: AsyncConnection, here: Here, domain: str) -> None:
    """What we decided about a domain has no last day any more: a person says when it ends."""
    await conn.execute(sa.update(domain_policies).where(_is(domain, OWN)).values(until=None))
    await audit.note(conn, here, verb="domain end waits", about=domain)


async def redo(
    conn: AsyncConnection, here: Here, decided: Mapping[tuple[str, str], tuple[str, str]]
) -> Sequence[str]:
    """After a restore: what was last decided about (domain, source), as `note_for_restore` wrote.

    The domains about which it was otherwise in the backup. A list that the backup does not know is
    there again as a file that a person looks at.
    """
    rows = await conn.execute(select_rules().where(~domain_policies.c.held))
    known = {(rule.domain, rule.source): rule for rule in map(Rule.of, rows)}
    changed = list[str]()
    for (domain, source), (level, flags) in decided.items():
        before = known.get((domain, source))
        if not level:
            if before is None:
                continue
            await conn.execute(sa.delete(domain_policies).where(_is(domain, source)))
            note_gone(conn, domain, source)
        else:
            chosen = _chosen(level, flags)
            hides = "o" in flags or (before is not None and before.obfuscate)
            if chosen is None or (
                before is not None and (before.policy, before.obfuscate) == (chosen, hides)
            ):
                continue
            if source != OWN:
                await conn.execute(_KEPT_LIST, {"id": source, "name": source})
            rule = before or Rule(
                domain=domain, policy=chosen, source=source, day=here.now().date()
            )
            await _write(conn, replace(rule, policy=chosen, obfuscate=hides))
        changed.append(domain)
    if changed:
        await policy.settle(conn)
    return list(dict.fromkeys(changed))


def _chosen(level: str, flags: str) -> Policy | None:
    try:
        return Policy(Level(level), "m" in flags, "r" in flags)
    except ValueError:
        return None  # of a newer version


def _is(domain: str, source: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        domain_policies.c.domain == domain,
        domain_policies.c.source == source,
        ~domain_policies.c.held,
    )


_HOST: Final = sa.bindparam("host", type_=sa.Text)
_HOW_BLOCKED: Final = (
    sa.select(domain_blocks.c.drops)
    .where(blocks_host(_HOST))
    .order_by(sa.func.length(domain_blocks.c.domain).desc())
    .limit(1)
)
_KEPT_LIST: Final = (
    insert(domain_lists)
    .values(
        id=sa.bindparam("id"),
        name=sa.bindparam("name"),
        mode=ListMode.DRAFT,
        max_level=Level.REJECT,
    )
    .on_conflict_do_nothing()
)
