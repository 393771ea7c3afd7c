"""What advice about domains does here: its rows, and the steps that each of them goes through.

An effect is a row of `domain_policies` with a source of its own, so it counts and ends like any
other decision (MOD-5.10, MOD-5.16). Every step writes a line of the log. `stock` says which come.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.errors import NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.schema.effects import EffectState as EffectState
from kernel.schema.moderation import Level
from kernel.schema.tables import domain_policies, signal_effects
from moderation import audit, domains, impact, names, policy
from moderation.domains import Rule
from moderation.impact import Impact
from moderation.policy import ADVICE, LEVELS
from moderation.policy import Policy as Treated
from moderation.signals import scoring
from moderation.signals.scoring import Verdict
from moderation.signals.voices import Voice, Voices

PAGE: Final = 50
OVER: Final = (EffectState.ENDED, EffectState.REFUSED)
ACTS: Final = (EffectState.BEGUN, EffectState.APPLIED)
BY_PERSON: Final = (EffectState.AGREED, EffectState.REVIEW)
_ONE_AT_A_TIME: Final = sa.text("SELECT pg_advisory_xact_lock(hashtext('advice'))")
_e: Final = signal_effects


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What enough peers ask for about a domain, and how far it has come.

    `level` is what they ask for; what holds may be milder. `due` is when its next step is.
    """

    id: int
    domain: str
    level: Level
    state: EffectState
    why: str
    basis: Sequence[str]
    hosts: Sequence[str]
    score: float
    issuers: int
    impact: Impact | None
    decision: int | None
    first_yes: int | None
    reminded: bool
    began: date
    due: datetime | None
    day: date

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        values = dict(row._mapping)
        values["level"], values["state"] = Level(row.level), EffectState(row.state)
        values["impact"] = Impact.of_json(row.impact) if row.impact else None
        return cls(**values)

    @property
    def acts(self) -> bool:
        """Whether something holds because of it, and nobody here decided so."""
        return self.state in ACTS

    @property
    def stands(self) -> bool:
        """Whether something holds because of it, whoever decided so."""
        return self.acts or self.state in BY_PERSON

    @property
    def asks(self) -> bool:
        """Whether a person has to say something: to all of it, or to its harsher part."""
        return self.state in (EffectState.HELD, EffectState.REVIEW) or (
            self.state is EffectState.BEGUN and self.due is None
        )

    def as_json(self) -> dict[str, Any]:
        """For tools."""
        return {
            "id": self.id,
            "domain": self.domain,
            "level": self.level.value,
            "state": self.state.value,
            "why": self.why,
            "basis": list(self.basis),
            "peers": list(self.hosts),
            "score": self.score,
            "issuers": self.issuers,
            "impact": self.impact.as_json() if self.impact else None,
            "decision": self.decision,
            "began": self.began.isoformat(),
            "due": self.due.isoformat() if self.due else None,
            "day": self.day.isoformat(),
        }


# Reading


async def one(conn: AsyncConnection, effect_id: int, *, to_change: bool = False) -> Effect:
    """An effect. Raises NotFound."""
    query = sa.select(_e).where(_e.c.id == effect_id)
    row = (await conn.execute(query.with_for_update() if to_change else query)).one_or_none()
    if row is None:
        raise NotFound
    return Effect.of(row)


async def listed(
    conn: AsyncConnection,
    states: Collection[EffectState],
    *,
    why: str | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> Sequence[Effect]:
    """Those that stand so, newest first, a page at a time."""
    query = sa.select(_e).where(_e.c.state.in_(sorted(states)))
    if why is not None:
        query = query.where(_e.c.why == why)
    if before is not None:
        query = query.where(_e.c.id < before)
    rows = await conn.execute(query.order_by(_e.c.id.desc()).limit(at_most(limit)))
    return [Effect.of(row) for row in rows]


async def live(conn: AsyncConnection, host: str = "") -> Sequence[Effect]:
    """All that is not over, by domain; with `host` what rests on it, among others."""
    query = sa.select(_e).where(_e.c.state.not_in(OVER)).order_by(_e.c.domain)
    if host:
        query = query.where(sa.literal(host) == sa.any_(_e.c.hosts))
    return [Effect.of(row) for row in await conn.execute(query)]


async def decider(conn: AsyncConnection, here: Here, domain: str) -> dict[str, Any]:
    """What decides about a domain now, in the order in which it is asked (MOD-5.7).

    Our own decision, what lists say, what enough peers say, that it is protected, or nothing. What
    is in force is told although the name was protected since.
    """
    rows = await conn.execute(
        sa.select(
            domain_policies.c.domain,
            domain_policies.c.source,
            domain_policies.c.level,
        ).where(any_of(domain_policies.c.domain, "names"), domain_policies.c.in_force),
        {"names": names.above(domain)},
    )
    found = max(rows, key=lambda row: len(row.domain), default=None)
    by = "protected" if names.is_spared(here, domain) else "default"
    if found is not None:
        by = {policy.OWN: "own", ADVICE: "peers"}.get(found.source, "list")
    verdict = verdict_of((await Voices.read(conn, here)).of(domain), aged=True)
    return {
        "by": by,
        "about": found.domain if found is not None else "",
        "source": found.source if by == "list" and found is not None else "",
        "level": found.level if found is not None else Level.ACCEPT.value,
        "peers": {
            "level": level_of(verdict).value if verdict.policy else Level.ACCEPT.value,
            "score": verdict.score,
            "issuers": verdict.issuers,
            "basis": list(verdict.basis),
        },
    }


# Writing


async def lock(conn: AsyncConnection) -> None:
    """Nobody else changes effects until this commits."""
    await conn.execute(_ONE_AT_A_TIME)


def verdict_of(
    voices: Sequence[Voice], *, aged: bool, trial: bool = False, stands: bool = False
) -> Verdict:
    """The verdict of those that may act; `trial`: as if all of them might.

    `stands`: it is asked of what holds already, which nothing ends that nobody has read.
    """
    return scoring.decide(
        (it.opinion for it in voices if (trial or it.acts) and (it.ends or not stands)), aged=aged
    )


def level_of(verdict: Verdict) -> Level:
    """How a domain is treated by it: more than `reject` only a person decides."""
    assert verdict.policy is not None
    asked = Level(verdict.policy.value)
    return Level.REJECT if asked is Level.DROP else asked


def rank(level: Level) -> int:
    """Harsher levels have greater ones."""
    return LEVELS.index(level)


async def preview(conn: AsyncConnection, here: Here, domain: str) -> Impact:
    """What it would do not to talk with a domain at all: more than advice does by itself."""
    return await impact.of(conn, here, [domain], Level.REJECT)


# What one effect goes through


async def step(
    conn: AsyncConnection,
    here: Here,
    effect: Effect,
    state: EffectState,
    verb: str,
    *,
    why: str = "",
    **values: Any,
) -> int:
    """Write that it has come so far, with a line of the log; the line's id."""
    line = await audit.note(
        conn,
        here,
        verb=f"advice {verb}",
        about=effect.domain,
        reason=why,
        rule=policy_words(effect),
        basis=effect.basis,
        impact=effect.impact.as_json() if effect.impact else None,
        before={"state": effect.state.value},
        after={"state": state.value, "level": effect.level.value},
        undo=f"effect {effect.id}",
    )
    kept: Mapping[str, Any] = {
        "level": effect.level.value,
        "basis": list(effect.basis),
        "hosts": list(effect.hosts),
        "score": effect.score,
        "issuers": effect.issuers,
        "impact": json.dumps(effect.impact.as_json()) if effect.impact else "",
    }
    await conn.execute(
        sa.update(_e)
        .where(_e.c.id == effect.id)
        .values(
            state=state,
            why=why,
            decision=line,
            day=here.now().date(),
            **kept,
            **values,
        )
    )
    return line


def policy_words(effect: Effect) -> str:
    """Which rule decided: how many said it, and how much they count together."""
    return f"enough peers: {effect.issuers} independent, together {effect.score:.2f}"


async def treat(conn: AsyncConnection, here: Here, domain: str, level: Level) -> None:
    """Write how advice lets a domain be treated; `policy.settle` makes it count."""
    rule = Rule(domain=domain, policy=Treated(level), source=ADVICE, day=here.now().date())
    values = domains.values_of(rule)
    await conn.execute(
        insert(domain_policies)
        .values(**values)
        .on_conflict_do_update(index_elements=["domain", "source", "held"], set_=values)
    )


async def end(conn: AsyncConnection, here: Here, effect: Effect, why: str) -> None:
    """It is over; what held because of it does not any more, once `policy.settle` ran."""
    await conn.execute(
        sa.delete(domain_policies).where(
            domain_policies.c.domain == effect.domain, domain_policies.c.source == ADVICE
        )
    )
    if effect.state is EffectState.TRIAL:
        why = f"trial: {why}"
    await step(conn, here, effect, EffectState.ENDED, "ends", why=why, due=None)


def is_less(verdict: Verdict, effect: Effect) -> bool:
    """Whether the verdict no longer carries all of an effect."""
    return verdict.policy is None or rank(level_of(verdict)) < rank(effect.level)
