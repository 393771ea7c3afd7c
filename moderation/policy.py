"""What counts about a domain, of all that we and the lists say about it (MOD-3.10, MOD-5.7).

`domain_policies` holds every word of it. `settle` works out what is in force, and lays out for the
statements that run at every step which domains are blocked and which are off public lists.
The longest suffix wins: where there is a row about `sub.example.org`, one about `example.org` says
nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.audience import domains_of
from kernel.schema.moderation import Level
from kernel.schema.tables import domain_blocks, domain_filters, domain_policies, node
from moderation import names

OWN: Final = ""  # the source of our own decisions
ADVICE: Final = "advice"  # the source of what peers advised that acts by itself
LEVELS: Final = tuple(Level)  # from mild to harsh
BLOCKING: Final = (Level.REJECT, Level.DROP)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a domain is treated. What blocks it takes neither its pictures nor its reports."""

    level: Level = Level.ACCEPT
    reject_media: bool = False
    reject_reports: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        """Harsher policies have greater ones."""
        return LEVELS.index(self.level), self.reject_media + self.reject_reports

    @property
    def blocks(self) -> bool:
        """Whether nothing is heard from there or told there."""
        return self.level in BLOCKING

    @property
    def unlists(self) -> bool:
        """Whether its posts are off public lists, and who joins a group from there asks first."""
        return self.blocks or self.level is Level.FILTER

    @property
    def takes_media(self) -> bool:
        """Whether pictures from there are copied and shown."""
        return not (self.blocks or self.reject_media)

    @property
    def takes_reports(self) -> bool:
        """Whether what people there report is read."""
        return not (self.blocks or self.reject_reports)

    def no_harsher_than(self, other: "Policy") -> bool:
        """Whether nothing of it goes further than the other does."""
        if other.blocks:
            return LEVELS.index(self.level) <= LEVELS.index(other.level)
        return (
            LEVELS.index(self.level) <= LEVELS.index(other.level)
            and self.reject_media <= other.reject_media
            and self.reject_reports <= other.reject_reports
        )

    def at_most(self, level: Level) -> "Policy":
        """The same, but no harsher than `level`."""
        if LEVELS.index(self.level) <= LEVELS.index(level):
            return self
        return Policy(level, self.reject_media, self.reject_reports)


ORDINARY: Final = Policy()
"""How a domain is treated that nothing was decided about."""


@dataclass(frozen=True, slots=True)
class Policies:
    """What is in force about every domain, to be asked often."""

    by_domain: Mapping[str, Policy] = field(default_factory=dict)
    drop_somebody: bool = False

    @classmethod
    def of(cls, by_domain: Mapping[str, Policy]) -> Self:
        """With what is asked most worked out once."""
        return cls(by_domain, any(each.level is Level.DROP for each in by_domain.values()))

    def of_host(self, host: str) -> Policy:
        """As `of_host` of the database: a look-up for each label of the name."""
        if self.by_domain:
            for name in names.above(host.partition(":")[0]):
                if (found := self.by_domain.get(name)) is not None:
                    return found
        return ORDINARY


async def in_force(conn: AsyncConnection) -> Policies:
    """All that is in force."""
    columns = (await conn.execute(_IN_FORCE)).one()
    return await asyncio.to_thread(_policies, *(each or () for each in columns))


def _policies(
    names: Sequence[str], levels: Sequence[str], media: Sequence[bool], reports: Sequence[bool]
) -> Policies:
    chosen = map(Policy, map(Level, levels), media, reports)
    return Policies.of(dict(zip(names, chosen, strict=True)))


async def version(conn: AsyncConnection) -> int:
    """How often something was decided so far: another number, other policies."""
    return await conn.scalar(sa.select(node.c.policies)) or 0


async def of_host(conn: AsyncConnection, host: str) -> Policy:
    """What is in force about a server (`name` or `name:port`): the longest suffix wins."""
    row = (await conn.execute(_OF_HOST, {"host": host})).first()
    return (
        ORDINARY if row is None else Policy(Level(row.level), row.reject_media, row.reject_reports)
    )


async def settle(conn: AsyncConnection) -> None:
    """Work out anew what is in force, after anything was changed; one at a time.

    Whoever remembers policies sees by the count that they are others now (`blocklist`).
    """
    await conn.execute(sa.update(node).values(policies=node.c.policies + 1))  # and a lock
    await conn.execute(_COUNTS)
    for statement in _LAY_OUT:
        await conn.execute(statement)


_p: Final = domain_policies
_own: Final = domain_policies.alias("own")


def _rank(level: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    names = ", ".join(f"'{each.value}'" for each in LEVELS)
    return sa.func.array_position(sa.literal_column(f"ARRAY[{names}]"), level)


def _counted() -> sa.Select[tuple[str, str]]:
    """SQL: domain and source of what counts.

    Where we decided something about a domain, no list says anything about it or what is below it;
    and where we or a list did, advice that acts by itself does not (MOD-5.7).
    Of several lists the mildest counts: a harsh one may be somebody's grudge.
    """
    by_itself = sa.literal_column(f"'{ADVICE}'", sa.Text)
    decided = (
        sa.select(_own.c.domain)
        .where(
            sa.or_(
                _own.c.source == sa.literal_column("''"),
                sa.and_(_p.c.source == by_itself, _own.c.source != by_itself),
            ),
            ~_own.c.held,
            _own.c.domain == sa.any_(domains_of(_p.c.domain)),
        )
        .correlate(_p)
        .exists()
    )
    return (
        sa.select(_p.c.domain, _p.c.source)
        .ext(distinct_on(_p.c.domain))
        .where(~_p.c.held, sa.or_(_p.c.source == sa.literal_column("''"), ~decided))
        .order_by(
            _p.c.domain, _rank(_p.c.level), _p.c.reject_media, _p.c.reject_reports, _p.c.source
        )
    )


def _counts() -> sa.Update:
    """SQL: mark what counts, and write no row that stays as it is."""
    those = _counted().subquery("those")
    counts = sa.and_(
        ~_p.c.held,
        sa.tuple_(_p.c.domain, _p.c.source).in_(sa.select(those.c.domain, those.c.source)),
    )
    return sa.update(_p).values(in_force=counts).where(_p.c.in_force != counts)


def _words(levels: tuple[Level, ...]) -> list[sa.ColumnElement[str]]:
    return [sa.literal_column(f"'{level.value}'", sa.Text) for level in levels]


def _rules(levels: tuple[Level, ...]) -> sa.Select[tuple[str, bool, list[str]]]:
    """SQL: the domains of these levels, whether each drops, and what below it is milder."""
    mild, harsh = _p.alias("mild"), _p.alias("harsh")
    below = sa.select(
        mild.c.domain, sa.func.unnest(domains_of(mild.c.domain)).label("upper")
    ).where(mild.c.in_force, _rank(mild.c.level) < min(LEVELS.index(level) for level in levels) + 1)
    each = below.subquery("each")
    in_order = aggregate_order_by(each.c.domain, each.c.domain)
    spared = (
        sa.select(each.c.upper, sa.func.array_agg(in_order).label("spares"))
        .group_by(each.c.upper)
        .subquery("spared")
    )
    return (
        sa.select(
            harsh.c.domain,
            (harsh.c.level == sa.literal_column("'drop'")).label("drops"),
            sa.func.coalesce(spared.c.spares, sa.literal_column("'{}'::text[]")).label("spares"),
        )
        .select_from(harsh.outerjoin(spared, spared.c.upper == harsh.c.domain))
        .where(harsh.c.in_force, harsh.c.level.in_(_words(levels)))
    )


def _forget(rules: sa.Table, levels: tuple[Level, ...]) -> sa.Delete:
    kept = _rules(levels).subquery("kept")
    return sa.delete(rules).where(rules.c.domain.not_in(sa.select(kept.c.domain)))


def _fill(rules: sa.Table, levels: tuple[Level, ...]) -> sa.Insert:
    names = [column.name for column in rules.c]
    found = _rules(levels).subquery("found")
    added = insert(rules).from_select(names, sa.select(*(found.c[name] for name in names)))
    others = {name: added.excluded[name] for name in names if name != "domain"}
    return added.on_conflict_do_update(
        index_elements=["domain"],
        set_=others,
        where=sa.or_(*(rules.c[name].is_distinct_from(new) for name, new in others.items())),
    )


_IN_FORCE: Final = sa.select(  # columns whole: many rows would keep everybody waiting
    *(
        sa.func.array_agg(_p.c[name], type_=sa.types.NullType())
        for name in ("domain", "level", "reject_media", "reject_reports")
    )
).where(_p.c.in_force)
_COUNTS: Final = _counts()
_LAY_OUT: Final = [
    statement
    for rules, levels in ((domain_blocks, BLOCKING), (domain_filters, (Level.FILTER,)))
    for statement in (_forget(rules, levels), _fill(rules, levels))
]
_OF_HOST: Final = (
    sa.select(_p.c.level, _p.c.reject_media, _p.c.reject_reports)
    .where(_p.c.in_force, _p.c.domain == sa.any_(domains_of(sa.bindparam("host", type_=sa.Text))))
    .order_by(sa.func.length(_p.c.domain).desc())
    .limit(1)
)
