"""What follows from all that is said about domains: slowly, in steps that can be undone (MOD-5.10).

`take` brings the effects of advice into line with what is said now: whatever came, in any order
and however often, the end is the same. What would take somebody away from anybody here is never
done by it: a person looks at that. None skips the preview of what it would do (MOD-5.16).
"""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.here import Here
from kernel.schema.effects import EffectState
from kernel.schema.moderation import Level
from kernel.schema.pacts import PactState
from kernel.schema.tables import domain_policies, pacts, signal_effects
from moderation import alerting, audit, names, policy
from moderation.impact import Impact
from moderation.policy import ADVICE
from moderation.signals import effects
from moderation.signals.effects import Effect
from moderation.signals.scoring import NOTHING, Verdict
from moderation.signals.voices import Voices

BATCH: Final = 10  # effects at once because of one host, beyond which a person looks at each
A_DAY: Final = 25  # because of one host, whatever they come to
FIRST_MILD: Final = timedelta(hours=72)  # in which a domain is only off public lists
REMIND: Final = timedelta(days=7)
NO_OPINION: Final = timedelta(days=30)
KEPT: Final = timedelta(days=365)  # once it is over
_HOUR: Final = timedelta(hours=1)
_e: Final = signal_effects


async def take(conn: AsyncConnection, here: Here) -> bool:
    """Bring what acts into line with what is said now; whether any policy has changed.

    Whoever opened the transaction does the rest in `node.keeping_away.settled`.
    """
    await effects.lock(conn)
    await conn.execute(
        sa.delete(_e).where(_e.c.state.in_(effects.OVER), _e.c.day < here.now().date() - KEPT)
    )
    now, voices = await effects.live(conn), await Voices.read(conn, here)
    if not now and not voices.by_domain:
        return False
    stock = _Stock(conn, here, voices)
    await stock.look_around([*(effect.domain for effect in now), *voices.by_domain])
    for effect in now:
        await _keep_up(stock, effect)
    await _begin(stock)
    await _next_steps(stock)
    await _age(stock)
    if stock.changed:
        await policy.settle(conn)
    return stock.changed


@dataclass(slots=True)
class _Stock:
    """One round: what is said, and what stands in the way."""

    conn: AsyncConnection
    here: Here
    voices: Voices
    decided: frozenset[str] = frozenset()  # where we or a list said something, at or above them
    rows: frozenset[str] = frozenset()  # that hold by advice
    peers: frozenset[str] = frozenset()
    busy: set[str] = field(default_factory=set)  # domains with an effect
    changed: bool = False

    @property
    def today(self) -> date:
        return self.here.now().date()

    def hour(self, later: timedelta) -> datetime:
        """A whole hour, no sooner than `later`."""
        then = self.here.now() + later + _HOUR
        return then.replace(minute=0, second=0, microsecond=0)

    def verdict(
        self, domain: str, *, aged: bool, trial: bool = False, stands: bool = False
    ) -> Verdict:
        """What enough of them say, of those that may act: as `effects.verdict_of`."""
        voices = self.voices.of(domain)
        return effects.verdict_of(voices, aged=aged, trial=trial, stands=stands)

    def begins(self, domain: str, *, trial: bool = False) -> Verdict:
        """What may begin: the milder of what is said lately and of what counts once it is there.

        Either alone would end, or grow, by itself in the next round.
        """
        lately = self.verdict(domain, aged=True, trial=trial)
        ever = self.verdict(domain, aged=False, trial=trial)
        if NOTHING in (lately, ever):
            return NOTHING
        return min(lately, ever, key=lambda it: effects.rank(effects.level_of(it)))

    def is_called_for(self, domain: str, level: Level, *, trial: bool = False) -> bool:
        """Whether what is said lately carries so much: nothing gets harsher by what is old."""
        lately = self.verdict(domain, aged=True, trial=trial)
        return lately is not NOTHING and effects.rank(level) <= effects.rank(
            effects.level_of(lately)
        )

    async def look_around(self, concerned: Collection[str]) -> None:
        above = {name for domain in concerned for name in names.above(domain)}
        rows = (await self.conn.execute(_SAID, {"names": sorted(above)})).all()
        others = {domain for domain, source in rows if source != ADVICE}
        self.decided = frozenset(
            domain for domain in concerned if not others.isdisjoint(names.above(domain))
        )
        self.rows = frozenset(domain for domain, source in rows if source == ADVICE)
        self.peers = frozenset(
            (
                await self.conn.scalars(
                    sa.select(pacts.c.host).where(pacts.c.state == PactState.MADE)
                )
            ).all()
        )

    def forbids(self, domain: str) -> bool:
        """Whether nothing may be decided about it at all (MOD-5.10)."""
        return names.is_spared(self.here, domain) or names.is_canary(domain)

    def is_peer(self, domain: str) -> bool:
        """Whether somebody whom we trust lives there."""
        return any(domain in names.above(host.partition(":")[0]) for host in self.peers)


_SAID: Final = sa.select(domain_policies.c.domain, domain_policies.c.source).where(
    any_of(domain_policies.c.domain, "names"), ~domain_policies.c.held
)


async def _keep_up(stock: _Stock, effect: Effect) -> None:
    """An effect that is there follows what is said now; its age alone ends nothing."""
    trial = effect.state is EffectState.TRIAL
    verdict = stock.verdict(effect.domain, aged=False, trial=trial, stands=effect.stands)
    if effect.state in effects.BY_PERSON:
        if effect.domain not in stock.decided | stock.rows:  # somebody took it back
            await effects.end(stock.conn, stock.here, effect, "taken back")
            return
        stock.busy.add(effect.domain)
        if effect.state is EffectState.AGREED and verdict.policy is None:
            await _review(stock, effect, "basis gone")
    elif effect.domain in stock.decided:
        await effects.end(stock.conn, stock.here, effect, "decided")
        stock.changed = True
    elif stock.forbids(effect.domain):
        await effects.end(stock.conn, stock.here, effect, "protected")
        stock.changed = True
    elif verdict.policy is None:
        await effects.end(stock.conn, stock.here, effect, "basis gone")
        stock.changed = stock.changed or effect.acts
    elif trial and stock.begins(effect.domain) is not NOTHING:
        await effects.end(stock.conn, stock.here, effect, "acts now")
    else:
        stock.busy.add(effect.domain)
        await _follow(stock, effect, verdict)


async def _review(stock: _Stock, effect: Effect, why: str) -> None:
    """It stays, and somebody looks at it again."""
    await effects.step(stock.conn, stock.here, effect, EffectState.REVIEW, "review", why=why)
    await alerting.call(stock.conn, None)


async def _follow(stock: _Stock, effect: Effect, verdict: Verdict) -> None:
    level, trial = effects.level_of(verdict), effect.state is EffectState.TRIAL
    if effects.rank(level) > effects.rank(effect.level):
        called_for = stock.is_called_for(effect.domain, level, trial=trial)
        level = level if called_for else effect.level
    said: dict[str, Any] = {
        "basis": list(verdict.basis),
        "hosts": list(verdict.hosts),
        "score": verdict.score,
        "issuers": verdict.issuers,
    }
    effect = replace(effect, **said)
    if effect.acts and effect.domain not in stock.rows:  # it would have cut somebody off
        await stock.conn.execute(
            sa.delete(domain_policies).where(
                domain_policies.c.domain == effect.domain, domain_policies.c.source == ADVICE
            )
        )
        await effects.step(
            stock.conn, stock.here, effect, EffectState.HELD, "held", why="ties", due=None
        )
        await alerting.call(stock.conn, None)
    elif level is effect.level or not effect.acts:
        values = {**said, "level": level.value}
        await stock.conn.execute(sa.update(_e).where(_e.c.id == effect.id).values(**values))
    elif effects.rank(level) < effects.rank(effect.level):
        await effects.treat(stock.conn, stock.here, effect.domain, level)
        stock.changed = True
        milder = replace(effect, level=level)
        await effects.step(stock.conn, stock.here, milder, EffectState.APPLIED, "milder", due=None)
    else:
        harsher, due = replace(effect, level=level), stock.hour(FIRST_MILD)
        await effects.step(stock.conn, stock.here, harsher, EffectState.BEGUN, "waits", due=due)


async def _begin(stock: _Stock) -> None:
    """What enough say that is new: it waits for its delay, or for a person."""
    fresh: list[tuple[str, Verdict, bool]] = []
    for domain in sorted(stock.voices.by_domain):
        if domain in stock.busy or domain in stock.decided or stock.forbids(domain):
            continue
        if (verdict := stock.begins(domain)) is not NOTHING:
            fresh.append((domain, verdict, False))
        elif (verdict := stock.begins(domain, trial=True)) is not NOTHING:
            fresh.append((domain, verdict, True))
    fresh = await _not_answered(stock, fresh)
    at_once = Counter(host for _, verdict, _ in fresh for host in verdict.hosts)
    spent = await _spent(stock)
    for domain, verdict, trial in fresh:
        if any(spent[host] >= A_DAY for host in verdict.hosts):
            continue  # another day
        rules = [it.rule for it in stock.voices.of(domain) if it.opinion.uri in verdict.basis]
        would = await effects.preview(stock.conn, stock.here, domain)
        if would.asks_for_a_look:
            why = "caps"
        elif stock.is_peer(domain):
            why = "peer"
        elif any(at_once[host] > BATCH for host in verdict.hosts):
            why = "batch"
        elif any(spent[rule.host] >= rule.budget for rule in rules):
            why = "budget"
        else:
            why = ""
        spent.update(verdict.hosts)
        delay = max(rule.delay for rule in rules)
        await _new(stock, domain, verdict, would, why, trial=trial, delay=delay)


async def _not_answered(
    stock: _Stock, fresh: list[tuple[str, Verdict, bool]]
) -> list[tuple[str, Verdict, bool]]:
    """Without what a person refused, or took back, while nobody says anything new since."""
    rows = await stock.conn.execute(
        sa.select(_e.c.domain, _e.c.basis).where(
            any_of(_e.c.domain, "names"),
            sa.or_(_e.c.state == EffectState.REFUSED, _e.c.why == "taken back"),
        ),
        {"names": [domain for domain, _, _ in fresh]},
    )
    known: dict[str, set[str]] = {}
    for domain, basis in rows:
        known.setdefault(domain, set()).update(basis)
    return [each for each in fresh if not set(each[1].basis) <= known.get(each[0], set())]


async def _spent(stock: _Stock) -> Counter[str]:
    """How many effects began today because of each host."""
    host = sa.func.unnest(_e.c.hosts).label("host")
    mine = sa.select(host).where(_e.c.began == stock.today).subquery()
    rows = await stock.conn.execute(
        sa.select(mine.c.host, sa.func.count()).group_by(mine.c.host)
    )  # fmt: skip
    return Counter({row[0]: row[1] for row in rows})


async def _new(
    stock: _Stock,
    domain: str,
    verdict: Verdict,
    would: Impact,
    why: str,
    *,
    trial: bool,
    delay: timedelta,
) -> None:
    state = EffectState.TRIAL if trial else EffectState.HELD if why else EffectState.WAITING
    values: dict[str, Any] = {
        "domain": domain,
        "level": effects.level_of(verdict).value,
        "state": state,
        "why": why,
        "basis": list(verdict.basis),
        "hosts": list(verdict.hosts),
        "score": verdict.score,
        "issuers": verdict.issuers,
        "impact": json.dumps(would.as_json()),
        "began": stock.today,
        "due": stock.hour(delay) if state is EffectState.WAITING else None,
        "day": stock.today,
    }
    made = await stock.conn.execute(_e.insert().values(**values).returning(_e))
    effect = Effect.of(made.one())
    weighed = {"score": verdict.score, "issuers": verdict.issuers, "level": effect.level.value}
    note = partial(audit.note, stock.conn, stock.here, about=domain, basis=effect.basis)
    await note(verb="advice weighed", rule=effects.policy_words(effect), after=weighed)
    await note(verb="advice previewed", impact=would.as_json())
    verb = {EffectState.TRIAL: "would act", EffectState.HELD: "held"}.get(state, "waits")
    await effects.step(stock.conn, stock.here, effect, state, verb, why=why)
    if state is EffectState.HELD:
        await alerting.call(stock.conn, None)


async def _next_steps(stock: _Stock) -> None:
    """What waited for its time: each is looked at once more before anything is done."""
    rows = await stock.conn.execute(
        sa.select(_e)
        .where(
            _e.c.state.in_([EffectState.WAITING, EffectState.BEGUN]),
            _e.c.due <= stock.here.now(),
        )
        .order_by(_e.c.domain)
    )
    for effect in [Effect.of(row) for row in rows]:
        would = await effects.preview(stock.conn, stock.here, effect.domain)
        seen = replace(effect, impact=would)
        if effect.state is EffectState.BEGUN:
            await _go_further(stock, seen, would)
        elif would.asks_for_a_look or stock.is_peer(effect.domain):  # of a pact made since
            why = "caps" if would.asks_for_a_look else "peer"
            await effects.step(
                stock.conn, stock.here, seen, EffectState.HELD, "held", why=why, due=None
            )
            await alerting.call(stock.conn, None)
        else:
            await effects.treat(stock.conn, stock.here, effect.domain, Level.FILTER)
            stock.changed = True
            more = effect.level is Level.REJECT
            state = EffectState.BEGUN if more else EffectState.APPLIED
            due = stock.hour(FIRST_MILD) if more else None
            await effects.step(stock.conn, stock.here, seen, state, "begins", due=due)


async def _go_further(stock: _Stock, effect: Effect, would: Impact) -> None:
    """From milder to what was asked for, where nobody here loses anybody by it (MOD-H5).

    Where that is asked for lately no more, it stays as it is.
    """
    ties = would.binds or would.asks_for_a_look
    if ties or stock.is_peer(effect.domain):
        why = "ties" if ties else "peer"
        await effects.step(
            stock.conn, stock.here, effect, EffectState.BEGUN, "held", why=why, due=None
        )
        await alerting.call(stock.conn, None)
    elif not stock.is_called_for(effect.domain, effect.level):
        mild = replace(effect, level=Level.FILTER)
        await effects.step(stock.conn, stock.here, mild, EffectState.APPLIED, "milder", due=None)
    else:
        await effects.treat(stock.conn, stock.here, effect.domain, effect.level)
        stock.changed = True
        await effects.step(stock.conn, stock.here, effect, EffectState.APPLIED, "acts", due=None)


async def _age(stock: _Stock) -> None:
    """Who decides is reminded after a week; after a month, nobody had an opinion."""
    old = await stock.conn.execute(
        sa.select(_e).where(
            _e.c.state == EffectState.HELD,
            sa.or_(
                _e.c.day <= stock.today - NO_OPINION,
                sa.and_(~_e.c.reminded, _e.c.day <= stock.today - REMIND),
            ),
        )
    )
    for effect in [Effect.of(row) for row in old]:
        if effect.day <= stock.today - NO_OPINION:
            await effects.step(
                stock.conn, stock.here, effect, EffectState.REFUSED, "refused", why="no opinion"
            )
        else:
            await stock.conn.execute(
                sa.update(_e).where(_e.c.id == effect.id).values(reminded=True)
            )
            await audit.note(
                stock.conn, stock.here, verb="advice reminder", about=effect.domain,
                basis=effect.basis,
            )  # fmt: skip
            await alerting.call(stock.conn, None)
