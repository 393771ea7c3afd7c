"""Who says what of which domain, as far as the rules let it count: read for `effects`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.errors import Malformed
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.schema.pacts import PactState, SignalState
from kernel.schema.tables import pacts, signal_sources, signals
from kernel.urls import host_of
from moderation.pact_terms import Paper
from moderation.signals import rules, scoring
from moderation.signals.lines import GRACE
from moderation.signals.records import Records
from moderation.signals.rules import Kind, Mode, Rule, Rules
from moderation.signals.scoring import Opinion
from moderation.signals.vocabulary import Change, Policy

STEP: Final = 2_000  # rows at once
_OPEN: Final = (SignalState.HELD, SignalState.SHOWN)


@dataclass(frozen=True, slots=True)
class Voice:
    """An opinion, and the rule that lets it count.

    `settled`: somebody let its line stand, or the rule says that nobody has to look.
    """

    opinion: Opinion
    rule: Rule
    settled: bool

    @property
    def acts(self) -> bool:
        """Whether it may bring something about; who would talk with it may always be heard."""
        return self.rule.mode is Mode.APPLY or self.opinion.policy is Policy.ACCEPT

    @property
    def ends(self) -> bool:
        """Whether it counts about what is there: who would talk with it has to be read first."""
        return self.settled or self.opinion.policy is not Policy.ACCEPT


@dataclass(frozen=True, slots=True)
class Voices:
    """All that counts now, by domain. Who says nothing that may act or show is left out."""

    by_domain: Mapping[str, Sequence[Voice]]

    @classmethod
    async def read(cls, conn: AsyncConnection, here: Here) -> Self:
        """From the lines that stand: of peers that are listened to, and of lists."""
        hosts = await rules.hosts_with(conn, Kind.ADVICE_DOMAIN, [Mode.APPLY, Mode.SHOW])
        if not hosts:
            return cls({})
        every = (await conn.scalars(_HOSTS)).all()
        found = await Rules.read(conn, every, Kind.ADVICE_DOMAIN)
        known = await Issuer.read(conn, every)
        by_domain: dict[str, list[Voice]] = {}
        after = 0
        while rows := (await conn.execute(_LINES, {"hosts": hosts, "after": after})).all():
            for row in rows:
                rule = found.of(row.host, row.labels)
                if (voice := _voice(here, row, rule, known[row.host])) is not None:
                    by_domain.setdefault(row.entity_key, []).append(voice)
            after = rows[-1].id
        return cls(by_domain)

    def of(self, domain: str) -> Sequence[Voice]:
        """What counts about a domain."""
        return self.by_domain.get(domain, ())

    def without(self, host: str) -> "Voices":
        """As if a host said nothing."""
        return Voices(
            {
                domain: [each for each in voices if each.opinion.host != host]
                for domain, voices in self.by_domain.items()
            }
        )


@dataclass(frozen=True, slots=True)
class Issuer:
    """What two hosts may have in common, and how the people here found what it said."""

    key: str = field(default="", repr=False)
    operator: str = ""
    records: Records = field(default_factory=Records)

    @classmethod
    async def read(cls, conn: AsyncConnection, hosts: Sequence[str]) -> Mapping[str, Self]:
        """All of these hosts, in two statements."""
        papers = {row.host: row for row in await conn.execute(_PACTS, {"hosts": list(hosts)})}
        found = {}
        for host, records in (await Records.read(conn, hosts)).items():
            pact, operator = papers.get(host), ""
            if pact is not None:
                parties = Paper.kept(pact.document).parties
                operator = next((it.contact for it in parties if it.desk == pact.desk_uri), "")
            found[host] = cls(pact.their_key if pact else "", operator, records)
        return found


def _voice(here: Here, row: AnyRow, rule: Rule, known: Issuer) -> Voice | None:
    counts = rule.mode in (Mode.SHOW, Mode.APPLY)
    accepts = row.policy == Policy.ACCEPT and rule.mode is not Mode.IGNORE
    return voice_of(here, row, rule, known) if counts or accepts else None


def voice_of(here: Here, row: AnyRow, rule: Rule, known: Issuer) -> Voice | None:
    """A row of `LINE` as it counts under a rule; None: for longer than the rule lets it.

    What was said yesterday is not older than what was said today: only days are known, and what is
    said before midnight may be read after it (MOD-H9).
    """
    today, said = here.now().date(), min(row.published or row.came, here.now().date())
    if said + rule.ttl_cap + GRACE <= today:
        return None
    opinion = Opinion(
        uri=row.uri,
        host=row.host,
        policy=Policy(row.policy),
        weight=known.records.weight(rule.weight, row.labels),
        confidence=_confidence(row),
        age=max(today - said - GRACE, timedelta(0)),
        approvals=row.approvals or 0,
        at_most=rule.max_policy,
        ties=scoring.ties_of(
            row.host,
            key=known.key,
            operator=known.operator,
            group=rule.group,
            derived=_hosts(row.derived_from),
        ),
        unanswered=row.unanswered,
    )
    settled = rule.mode is Mode.APPLY or row.state == SignalState.SHOWN
    return Voice(opinion, rule, settled)


def _confidence(row: AnyRow) -> float:
    if row.confidence is not None:
        return float(row.confidence)
    return 1.0 if row.pact else scoring.UNSURE


def _hosts(uris: Sequence[str]) -> list[str]:
    """Whose advice it repeats; what is no address may still be the name of a server."""
    found = []
    for uri in uris:
        try:
            found.append(host_of(uri) if "://" in uri else uri.lower())
        except Malformed:
            continue
    return found


_listens = sa.exists().where(
    pacts.c.host == signal_sources.c.host,
    pacts.c.state == PactState.MADE,
    ~pacts.c.frozen,
    ~pacts.c.frozen_there,
)
_believed = sa.and_(
    signal_sources.c.quarantined == "", sa.or_(~signal_sources.c.pact, _listens)
)  # fmt: skip
_asked = signals.alias("asked")
_unanswered = sa.exists().where(  # an appeal about the same, whichever of its lines it named
    _asked.c.source_id == signals.c.source_id,
    _asked.c.entity_kind == signals.c.entity_kind,
    _asked.c.entity_key == signals.c.entity_key,
    _asked.c.appeal_unanswered,
)
_HOSTS: Final = sa.select(signal_sources.c.host).distinct().where(_believed)
LINE: Final = (  # what `voice_of` reads of it
    sa.select(
        *(
            signals.c[name]
            for name in (
                "id", "uri", "entity_key", "policy", "labels", "confidence", "approvals",
                "published", "came", "derived_from", "state",
            )
        ),
        signal_sources.c.host,
        signal_sources.c.pact,
        _unanswered.label("unanswered"),
    )
    .join(signal_sources, signal_sources.c.id == signals.c.source_id)
    .where(
        _believed, signals.c.kind == Change.RECOMMENDATION, signals.c.state.in_(_OPEN)
    )
)  # fmt: skip
_LINES: Final = (
    LINE.where(
        signals.c.entity_kind == "domain",
        sa.or_(
            signal_sources.c.host == sa.any_(sa.bindparam("hosts", type_=sa.ARRAY(sa.Text))),
            signals.c.policy == Policy.ACCEPT,
        ),
        signals.c.id > sa.bindparam("after", type_=sa.BigInteger),
    )
    .order_by(signals.c.id)
    .limit(STEP)
)
_PACTS: Final = sa.select(
    pacts.c.host, pacts.c.their_key, pacts.c.document, pacts.c.desk_uri
).where(any_of(pacts.c.host, "hosts"), pacts.c.state == PactState.MADE)
