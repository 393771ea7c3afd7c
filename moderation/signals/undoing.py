"""Taking back what advice did, and what people say to what it asks for (MOD-5.10, MOD-5.11).

What a person says of an effect is said of the lines that it rests on: they count no more, or are
upheld, and the weight of whoever wrote them follows slowly (MOD-5.8).
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.errors import Conflict, Problem
from kernel.here import Here
from kernel.said import noted
from kernel.schema.effects import Mode
from kernel.schema.moderation import Level
from kernel.schema.pacts import Afterwards, SignalState
from kernel.schema.tables import (
    domain_policies,
    people_effects,
    signal_effects,
    signal_rules,
    signal_sources,
    signals,
)
from moderation import alerting, audit, domains, labelling_peers
from moderation.impact import Impact
from moderation.policy import ADVICE, Policy
from moderation.signals import effects, people
from moderation.signals.effects import ACTS, Effect, EffectState
from moderation.signals.vocabulary import ACTOR_HASH, OBJECT, SAYS
from moderation.signals.voices import Voices

_ANSWERED: Final = (SignalState.HELD, SignalState.SHOWN, SignalState.IGNORED)
_OVER: Conflict = Conflict(noted("That is over already."))


async def roll_back(conn: AsyncConnection, here: Here, host: str, since: date) -> Sequence[Effect]:
    """A person says that what a host said, which came or did something since a day, was wrong.

    Those lines count no more: neither those that began something, nor those that made harsher what
    was there, nor those that label posts, which are let go. `stock.take`, which is called next,
    ends what nobody else carries; what people decided stays, to be looked at again (MOD-5.10).
    """
    await effects.lock(conn)
    found = [each for each in await effects.live(conn, host) if each.began >= since]
    uris = {uri for each in found for uri in each.basis}
    uris.update(await people.rests_on(conn, host, since))
    await _answer(conn, here, uris, SignalState.IGNORED, host=host)
    about = await _came_since(conn, here, host, since)
    await audit.note(
        conn,
        here,
        verb="roll back",
        about=host,
        reason=since.isoformat(),
        basis=sorted(uris),
        after={"lines": len(about)},
    )
    posts = {key for kind, key in about if kind == OBJECT}
    await labelling_peers.settle(conn, here, host, sorted(posts))
    if any(kind == ACTOR_HASH for kind, _ in about):
        await people.look_anew(conn)
    return found


async def _came_since(
    conn: AsyncConnection, here: Here, host: str, since: date
) -> Sequence[tuple[str, str]]:
    """Answer all that a pact peer has said since a day; what each of these lines is about."""
    mine = sa.select(signal_sources.c.id).where(
        signal_sources.c.host == host, signal_sources.c.pact
    )
    rows = await conn.execute(
        sa.update(signals)
        .where(
            signals.c.source_id.in_(mine),
            signals.c.came >= since,
            signals.c.kind.in_(sorted(SAYS)),
            signals.c.state.in_(_ANSWERED),
        )
        .values(state=SignalState.IGNORED, answer=SignalState.IGNORED, day=here.now().date())
        .returning(signals.c.entity_kind, signals.c.entity_key)
    )
    return [(row.entity_kind, row.entity_key) for row in rows]


async def agreed(
    conn: AsyncConnection, here: Here, effect: Effect, chosen: Level, seen: Impact
) -> None:
    """A person decided about the domain because of it: their decision stays, whatever comes."""
    if not effect.asks:
        raise _OVER
    await _answer(conn, here, effect.basis, SignalState.SHOWN)
    done = replace(effect, impact=seen, level=chosen)
    await conn.execute(sa.delete(domain_policies).where(_row(effect)))
    await effects.step(conn, here, done, EffectState.AGREED, "agreed", due=None)


async def first_yes(conn: AsyncConnection, here: Here, effect: Effect) -> bool:
    """Whether somebody else said yes before; else this is the first of two (MOD-5.10).

    Raises Conflict: it was the same person.
    """
    if effect.first_yes is None:
        line = await audit.note(
            conn, here, verb="advice first yes", about=effect.domain, basis=effect.basis
        )
        await conn.execute(
            sa.update(signal_effects)
            .where(signal_effects.c.id == effect.id)
            .values(first_yes=line)
        )  # fmt: skip
        return False
    if here.decider is None or await audit.decided_it(conn, here, effect.first_yes):
        raise Conflict(noted("You said yes already. It takes one more person."))
    return True


async def refuse(conn: AsyncConnection, here: Here, effect: Effect) -> None:
    """A person says no: it does nothing, and what it rests on counts no more.

    What it did already, in its milder form, ends with it. Raises Conflict: it is over.
    """
    if not effect.asks:
        raise _OVER
    await _answer(conn, here, effect.basis, SignalState.IGNORED)
    await conn.execute(sa.delete(domain_policies).where(_row(effect)))
    await effects.step(conn, here, effect, EffectState.REFUSED, "refused", why="person", due=None)


async def keep(conn: AsyncConnection, here: Here, effect: Effect) -> None:
    """What holds stays as a decision of ours, whoever says so or not. Raises Conflict: it is over.

    Raises NotAllowed: nothing may be decided about it.
    """
    if not effect.asks:
        raise _OVER
    await _make_ours(conn, here, effect)


async def _make_ours(conn: AsyncConnection, here: Here, effect: Effect) -> None:
    level = await conn.scalar(
        sa.delete(domain_policies).where(_row(effect)).returning(domain_policies.c.level)
    )
    if level is not None:
        await domains.set_policy(conn, here, effect.domain, Policy(Level(level)))
    await effects.step(conn, here, effect, EffectState.ENDED, "kept", why="kept", due=None)


def _row(effect: Effect) -> sa.ColumnElement[bool]:
    return sa.and_(
        domain_policies.c.domain == effect.domain, domain_policies.c.source == ADVICE
    )  # fmt: skip


async def _answer(
    conn: AsyncConnection,
    here: Here,
    uris: Collection[str],
    state: SignalState,
    *,
    host: str = "",
) -> None:
    """What a person made of these lines; with `host` only of its own."""
    mine = sa.select(signal_sources.c.id)
    if host:
        mine = mine.where(signal_sources.c.host == host)
    await conn.execute(
        sa.update(signals)
        .where(
            signals.c.source_id.in_(mine),
            any_of(signals.c.uri, "uris"),
            signals.c.state.in_(_ANSWERED),
        )
        .values(state=state, answer=state, day=here.now().date()),
        {"uris": sorted(uris)},
    )


async def after_pact(
    conn: AsyncConnection, here: Here, host: str, afterwards: Afterwards | None
) -> None:
    """A pact has ended: what rests on it stays, is looked at again, or goes (MOD-5.6).

    Where they ended it and nobody said anything yet, somebody looks at each. What goes ends with
    the next `stock.take`, which is previewed like any other.
    """
    await effects.lock(conn)
    voices, waits = await Voices.read(conn, here), False
    for effect in await effects.live(conn, host):
        looked_at = effect.state is EffectState.REVIEW and effect.why == "pact"
        verdict = effects.verdict_of(voices.of(effect.domain), aged=False, stands=effect.stands)
        if not looked_at and not (effect.acts and effects.is_less(verdict, effect)):
            continue
        if afterwards is Afterwards.KEEP:
            try:
                await _make_ours(conn, here, effect)
            except Problem:  # it is protected by now: it ends by itself
                continue
        elif afterwards is Afterwards.UNDO:
            if looked_at:
                await effects.step(conn, here, effect, EffectState.APPLIED, "goes", due=None)
        elif not looked_at:
            await effects.step(
                conn, here, effect, EffectState.REVIEW, "review", why="pact", due=None
            )
            waits = True
    if await people.after_pact(conn, here, host, afterwards) or waits:
        await alerting.call(conn, None)


async def after_restore(conn: AsyncConnection) -> None:
    """After a restore nothing acts by itself until a person said so again.

    What the backup knows of rules and of answers may be old. What acted stays to be looked at.
    """
    await conn.execute(
        sa.update(signal_rules).where(signal_rules.c.mode == Mode.APPLY).values(mode=Mode.HOLD)
    )
    await conn.execute(
        sa.update(signal_effects)
        .where(signal_effects.c.state.in_(ACTS))
        .values(state=EffectState.REVIEW, why="restored", due=None)
    )
    await conn.execute(
        sa.update(people_effects)
        .where(people_effects.c.state.in_(ACTS))
        .values(state=EffectState.REVIEW, why="restored", due=None)
    )
