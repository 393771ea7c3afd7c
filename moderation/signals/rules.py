"""How far what another node says may go here: per host, kind and label (MOD-5.7).

Where nothing was written, a pact peer's labels are shown and its advice waits for a person, and of
strangers everything waits. Nothing acts by itself unless an administrator said so of that peer.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.errors import Conflict, Malformed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.said import noted, said
from kernel.schema.effects import Kind as Kind
from kernel.schema.effects import Mode as Mode
from kernel.schema.pacts import PactState
from kernel.schema.tables import pacts, signal_rules
from moderation import audit, labels
from moderation.signals.vocabulary import Policy

MAX_RULES: Final = 1_000
MAX_WORD: Final = 100  # letters of a label, of a group
MAX_DELAY: Final = timedelta(days=30)
MAX_TTL: Final = timedelta(days=180)
MAX_BUDGET: Final = 25  # effects that one peer may bring about in a day (MOD-5.10)
MODES: Final = tuple(Mode)  # from nothing to most
POLICIES: Final = tuple(Policy)  # from the mildest
DEFAULTS_OF_PACT: Final[Mapping[Kind, Mode]] = {
    Kind.CARE: Mode.APPLY,  # opens a case at once, and does nothing else
    Kind.LABEL_CONTENT: Mode.SHOW,
    Kind.LABEL_RESOURCE: Mode.SHOW,
    Kind.ADVICE_DOMAIN: Mode.HOLD,
    Kind.ADVICE_ACTOR: Mode.IGNORE,
    Kind.TAKEDOWN: Mode.HOLD,
    Kind.REPORT: Mode.HOLD,
    Kind.APPEAL: Mode.HOLD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How far a host's signals of a kind go. `group`: hosts of one count as one in a quorum.

    `max_policy` is the harshest that they count for, `weight` how much one counts, from 0 to 1,
    `delay` how long an effect waits before it begins, `ttl_cap` how long a signal holds at most,
    `budget` how many effects may begin in a day because of this host.
    """

    host: str = ""
    kind: Kind = Kind.ADVICE_DOMAIN
    label: str = ""
    mode: Mode = Mode.HOLD
    max_policy: Policy = Policy.FILTER
    weight: float = 0.5
    delay: timedelta = timedelta(hours=24)
    ttl_cap: timedelta = MAX_TTL
    budget: int = MAX_BUDGET
    group: str = ""

    @classmethod
    def of_row(cls, row: AnyRow) -> Self:
        return cls(
            host=row.host,
            kind=Kind(row.kind),
            label=row.label,
            mode=Mode(row.mode),
            max_policy=Policy(row.max_policy),
            weight=row.weight,
            delay=timedelta(hours=row.delay),
            ttl_cap=timedelta(days=row.ttl_cap),
            budget=row.budget,
            group=row.quorum_group,
        )

    def check(self) -> None:
        """Raises Malformed: a number is out of its bounds, or a word too long."""
        hour = timedelta(hours=1)
        for value, least, most, problem in (
            (self.weight, 0, 1, noted("How much it counts is a number from 0 to 1.")),
            (self.budget, 0, MAX_BUDGET, said("Up to {number} in a day.", number=MAX_BUDGET)),
            (self.delay / hour, 0, MAX_DELAY / hour, noted("Wait up to 30 days.")),
            (self.ttl_cap.days, 1, MAX_TTL.days, noted("It may hold from 1 to 180 days.")),
            (max(len(self.label), len(self.group)), 0, MAX_WORD, noted("That word is too long.")),
        ):
            if not least <= value <= most:
                raise Malformed(problem)


def usual(kind: Kind, *, pact: bool) -> Rule:
    """What holds where nothing was written: of a pact peer, or of a stranger."""
    if pact:
        return Rule(kind=kind, mode=DEFAULTS_OF_PACT[kind])
    mode = Mode.IGNORE if kind in (Kind.CARE, Kind.ADVICE_ACTOR) else Mode.HOLD
    return Rule(kind=kind, mode=mode, weight=0.2)


async def of(conn: AsyncConnection, host: str, kind: Kind, label: str = "") -> Rule:
    """The rule that decides about a host's signals of a kind, with one label or none."""
    return (await Rules.read(conn, [host], kind)).of(host, [label] if label else [])


@dataclass(frozen=True, slots=True)
class Rules:
    """All that is written about some hosts, to be asked often."""

    kind: Kind
    written: Mapping[tuple[str, str], Rule]
    peers: frozenset[str]

    @classmethod
    async def read(cls, conn: AsyncConnection, hosts: Collection[str], kind: Kind) -> Self:
        """Those of one kind, about these hosts."""
        values = {"hosts": list(hosts)}
        rows = await conn.execute(
            sa.select(signal_rules).where(
                any_of(signal_rules.c.host, "hosts"), signal_rules.c.kind == kind
            ),
            values,
        )
        found = [Rule.of_row(row) for row in rows]
        peers = await conn.scalars(
            sa.select(pacts.c.host).where(
                any_of(pacts.c.host, "hosts"), pacts.c.state == PactState.MADE
            ),
            values,
        )
        written = {(rule.host, rule.label): rule for rule in found}
        return cls(kind, written, frozenset(peers))

    def of(self, host: str, labels: Iterable[str]) -> Rule:
        """The rule about a signal with these labels: of several, the one that lets it go least far.

        A label is named by its address, or by the last part of it.
        """
        named = (self.written.get((host, short(label))) for label in labels if label)
        found = [rule for rule in named if rule is not None]
        if found:
            return min(found, key=lambda rule: (MODES.index(rule.mode), rule.weight, rule.label))
        general = self.written.get((host, ""))
        if general is not None:
            return general
        return replace(usual(self.kind, pact=host in self.peers), host=host)


def short(label: str) -> str:
    """What a label is called: the last part of its address, by our word where we have one."""
    word = label.rstrip("/").rpartition("/")[2].lower()
    return labels.ALIASES.get(word, word)


async def write(conn: AsyncConnection, here: Here, rule: Rule) -> None:
    """Let what a host says go so far from now on.

    Raises Malformed: as `Rule.check`. Raises Conflict: there are as many rules as may be.
    """
    rule.check()
    rule = replace(rule, label=short(rule.label), group=" ".join(rule.group.lower().split()))
    count = await conn.scalar(sa.select(sa.func.count()).select_from(signal_rules)) or 0
    if count >= MAX_RULES:
        raise Conflict(noted("There are as many rules as there can be."))
    values: dict[str, Any] = {
        "host": rule.host,
        "kind": rule.kind,
        "label": rule.label,
        "mode": rule.mode,
        "max_policy": rule.max_policy,
        "weight": rule.weight,
        "delay": round(rule.delay / timedelta(hours=1)),
        "ttl_cap": rule.ttl_cap.days,
        "budget": rule.budget,
        "quorum_group": rule.group,
    }
    await conn.execute(
        insert(signal_rules)
        .values(**values)
        .on_conflict_do_update(index_elements=["host", "kind", "label"], set_=values)
    )
    about = " ".join(filter(None, (rule.kind, rule.label, rule.mode)))
    await audit.note(conn, here, verb="signal rule", about=rule.host, reason=about)


async def forget(conn: AsyncConnection, here: Here, host: str, kind: Kind, label: str = "") -> None:
    """As usual from now on. Raises NotFound: nothing was written."""
    gone = await conn.execute(
        sa.delete(signal_rules).where(
            signal_rules.c.host == host,
            signal_rules.c.kind == kind,
            signal_rules.c.label == short(label),
        )
    )
    if not gone.rowcount:
        raise NotFound
    about = " ".join(filter(None, (kind, short(label), "as usual")))
    await audit.note(conn, here, verb="signal rule", about=host, reason=about)


async def about(conn: AsyncConnection, host: str, *, limit: int = MAX_RULES) -> Sequence[Rule]:
    """What is written about a host, by kind and label."""
    rows = await conn.execute(
        sa.select(signal_rules)
        .where(signal_rules.c.host == host)
        .order_by(signal_rules.c.kind, signal_rules.c.label)
        .limit(at_most(limit))
    )
    return [Rule.of_row(row) for row in rows]


async def hosts_with(conn: AsyncConnection, kind: Kind, modes: Collection[Mode]) -> Sequence[str]:
    """Of which hosts signals of a kind may go that far, at least with some label."""
    rows = await conn.scalars(
        sa.select(signal_rules.c.host)
        .distinct()
        .where(signal_rules.c.kind == kind, signal_rules.c.mode.in_(sorted(modes)))
    )
    return rows.all()
