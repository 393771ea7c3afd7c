"""What peers advise about people elsewhere does here: only about somebody who is met (MOD-5.2).

Their lines name nobody. When somebody acts here, or is looked up, it is worked out which hashes
would stand for them. `settle` is asked anew whenever anything changed: what comes late, twice or
turned round ends the same. At most somebody is off public lists, and is asked before they come
into a group; nothing is cut, and nothing that they wrote waits.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from kernel.arrays import any_of
from kernel.errors import Conflict, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most, constant
from kernel.said import noted
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.care import CareState
from kernel.schema.effects import EffectState
from kernel.schema.pacts import Afterwards, PactState, SignalState
from kernel.schema.tables import (
    actors,
    care_cases,
    follows,
    moderators,
    node,
    pacts,
    people_effects,
    posts,
    signal_sources,
    signals,
)
from moderation import alerting, audit, names
from moderation.pact_terms import Flow, Paper
from moderation.signals import effects, hashing, scoring
from moderation.signals.rules import Kind, Mode, Rules
from moderation.signals.scoring import Verdict
from moderation.signals.sources import MAX_SOURCES
from moderation.signals.vocabulary import ACTOR_HASH, Policy
from moderation.signals.voices import LINE, Issuer, Voice, voice_of

PAGE: Final = 50
STEP: Final = 200  # effects that are looked at together
MOST_TIES: Final = 5  # of somebody with people here, beyond which a person looks at it (MOD-5.10)
REMIND: Final = timedelta(days=7)
NO_OPINION: Final = timedelta(days=30)
KEPT: Final = timedelta(days=365)  # that somebody said no; the lines that they answered stay so
_HOUR: Final = timedelta(hours=1)
_ACTING: Final = (EffectState.APPLIED, EffectState.AGREED, EffectState.REVIEW)
_KINDS: Final = (ActorKind.PERSON, ActorKind.SERVICE)
_OVER: Final = noted("That is over already.")
_e: Final = people_effects


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What peers advise about somebody who was met, and how far it has come."""

    actor_id: UUID
    uri: str
    host: str
    handle: str
    name: str
    state: EffectState
    why: str
    basis: Sequence[str]
    hosts: Sequence[str]
    score: float
    issuers: int
    decision: int | None
    began: date
    due: datetime | None
    day: date

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls(**{**row._mapping, "state": EffectState(row.state)})

    @property
    def acts(self) -> bool:
        """Whether it holds now."""
        return self.state in _ACTING

    @property
    def sort(self) -> EffectState:
        """Whether rules let it act, ask a person, or only be noted."""
        if self.state is EffectState.TRIAL:
            return EffectState.TRIAL
        return EffectState.HELD if self.why == "rule" else EffectState.WAITING

    @property
    def asks(self) -> bool:
        """Whether a person has to say something."""
        return self.state in (EffectState.HELD, EffectState.REVIEW)


def _select() -> sa.Select[Any]:
    mine = {*_e.c.keys()}
    beside = (actors.c[name] for name in Effect.__slots__ if name not in mine)
    return sa.select(*(_e.c[name] for name in Effect.__slots__ if name in mine), *beside).join(
        actors, actors.c.id == _e.c.actor_id
    )


def place(here: Here, actor_id: UUID) -> str:
    """What the log calls somebody: an id of this node, and no address."""
    return f"{here.origin}/settings/node/people/{actor_id}"


# ---- Meeting somebody


def is_new(actor: Actor, people_round: int) -> bool:
    """Whether advice about people has changed since somebody elsewhere was last looked at."""
    return not actor.local and actor.advice_round != people_round


async def look_anew(conn: AsyncConnection) -> None:
    """Whoever is met from now on is looked at once more: advice, or a rule about it, changed."""
    await conn.execute(sa.update(node).values(people_round=node.c.people_round + 1))


async def meet(conn: AsyncConnection, here: Here, met: Sequence[Actor]) -> None:
    """Find what peers advise about people who act here, or were looked up."""
    ids = sorted(actor.id for actor in met if not actor.local)
    now = await conn.scalar(sa.select(node.c.people_round))  # what comes meanwhile is looked at yet
    found = await _voices(conn, here, {actor.id: actor.uri for actor in met if not actor.local})
    concerned = [actor_id for actor_id in ids if found.get(actor_id)]
    if concerned:
        await effects.lock(conn)
        await _settle(conn, here, concerned, found)
    await conn.execute(  # after the lock, as whoever holds it writes to actors too
        sa.update(actors)
        .where(any_of(actors.c.id, "ids"), actors.c.advice_round != now)
        .values(advice_round=now),
        {"ids": ids},
    )


async def take(conn: AsyncConnection, here: Here) -> None:
    """Bring what holds about people into line with what is said now; call it with the lock."""
    old = here.now().date() - KEPT
    await conn.execute(sa.delete(_e).where(_e.c.state == EffectState.REFUSED, _e.c.day < old))
    after = UUID(int=0)
    while rows := (
        await conn.execute(
            sa.select(_e.c.actor_id, actors.c.uri)
            .join(actors, actors.c.id == _e.c.actor_id)
            .where(_e.c.actor_id > after)
            .order_by(_e.c.actor_id)
            .limit(at_most(STEP))
        )
    ).all():
        uris = {row.actor_id: row.uri for row in rows}
        await _settle(conn, here, list(uris), await _voices(conn, here, uris))
        after = rows[-1].actor_id


async def _voices(
    conn: AsyncConnection, here: Here, uris: Mapping[UUID, str]
) -> Mapping[UUID, Sequence[Voice]]:
    """What counts about each of these people: one reading of pacts, and one of lines."""
    if not uris or not (read := (await conn.execute(_SOURCES)).all()):
        return {}
    hosts, meant = await asyncio.to_thread(_hashes, here, read, uris)
    ids = [row.id for row in read if row.host in hosts]
    lines = (await conn.execute(_LINES, {"ids": ids, "hashes": list(meant)})).all()
    if not lines:
        return {}
    rules = await Rules.read(conn, hosts, Kind.ADVICE_ACTOR)
    known = await Issuer.read(conn, hosts)
    found: dict[UUID, list[Voice]] = {}
    for line in lines:
        rule = rules.of(line.host, line.labels)
        voice = voice_of(here, line, rule, known[line.host])
        if voice is not None and rule.mode is not Mode.IGNORE:
            found.setdefault(meant[line.entity_key], []).append(voice)
    return found


def _hashes(
    here: Here, read: Sequence[AnyRow], uris: Mapping[UUID, str]
) -> tuple[Sequence[str], Mapping[str, UUID]]:
    """Hosts whose advice about people counts here, and whom each hash of theirs would stand for."""
    today, desk = here.now().date(), f"{here.origin}/desk/node"
    ids = {uri: actor_id for actor_id, uri in uris.items()}
    hosts: list[str] = []
    meant: dict[str, UUID] = {}
    for row in read:
        paper = Paper.kept(row.document)
        key = hashing.key_with(here, row.host, paper)
        if key is None or Flow.PEOPLE not in paper.flows(paper.other(desk).desk):
            continue
        hosts.append(row.host)
        found = hashing.hashes_of(key, row.host, today, ids)
        meant.update((each, ids[uri]) for each, uri in found)
    return hosts, meant


_SOURCES: Final = (
    sa.select(signal_sources.c.id, signal_sources.c.host, pacts.c.document)
    .join(pacts, pacts.c.host == signal_sources.c.host)
    .where(
        signal_sources.c.people,
        signal_sources.c.seq > 0,
        signal_sources.c.quarantined == "",
        pacts.c.state == constant(PactState.MADE),
        ~pacts.c.frozen,
        ~pacts.c.frozen_there,
    )
    .order_by(signal_sources.c.host)
    .limit(at_most(MAX_SOURCES))
)
_LINES: Final = LINE.where(
    any_of(signals.c.source_id, "ids"),
    signals.c.entity_kind == sa.literal_column(f"'{ACTOR_HASH}'"),
    any_of(signals.c.entity_key, "hashes"),
).order_by(signals.c.id)


# ---- What follows from it


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What enough of them say: to act, to ask a person, or only to be noted."""

    state: EffectState
    verdict: Verdict

    @classmethod
    def of(cls, voices: Sequence[Voice], *, aged: bool, stands: bool = False) -> Self | None:
        """None: nothing follows. `stands`: as in `effects.verdict_of`."""
        acting = effects.verdict_of(voices, aged=aged, stands=stands)
        if acting.policy is not None:
            return cls(EffectState.WAITING, acting)
        asking = [
            it.opinion
            for it in voices
            if it.rule.mode is Mode.HOLD and it.opinion.policy is not Policy.ACCEPT
        ]
        if asking:
            uris, hosts = {it.uri for it in asking}, {it.host for it in asking}
            groups = scoring.independent(asking)
            said = Verdict(
                policy=Policy.FILTER,
                score=0.0,
                issuers=len(groups),
                basis=tuple(sorted(uris)),
                hosts=tuple(sorted(hosts)),
            )
            return cls(EffectState.HELD, said)
        trial = effects.verdict_of(voices, aged=aged, trial=True)
        return None if trial.policy is None else cls(EffectState.TRIAL, trial)


async def _settle(
    conn: AsyncConnection,
    here: Here,
    ids: Sequence[UUID],
    voices: Mapping[UUID, Sequence[Voice]],
) -> None:
    rows = await conn.execute(_select().where(any_of(_e.c.actor_id, "ids")), {"ids": list(ids)})
    there = {row.actor_id: Effect.of(row) for row in rows}
    for actor_id in sorted(ids):
        of_them, effect = voices.get(actor_id, ()), there.get(actor_id)
        if effect is not None:
            effect = await _keep_up(conn, here, effect, of_them)
        if effect is None:
            await _begin(conn, here, actor_id, of_them)


async def _keep_up(
    conn: AsyncConnection, here: Here, effect: Effect, voices: Sequence[Voice]
) -> Effect | None:
    """An effect that is there follows what is said now; None: something else may begin."""
    stays = _Wanted.of(voices, aged=False, stands=effect.acts)
    lately = _Wanted.of(voices, aged=True)
    step = partial(_step, conn, here, effect)
    if effect.state is EffectState.REFUSED:
        if stays is None or set(stays.verdict.basis) <= set(effect.basis):
            return effect
        await conn.execute(sa.delete(_e).where(_e.c.actor_id == effect.actor_id))
        return None
    if effect.state is EffectState.REVIEW or effect.why == "kept":
        return effect
    if effect.state is EffectState.AGREED:
        if stays is None:
            await step(EffectState.REVIEW, "review", why="basis gone")
            await alerting.call(conn, None)
        return effect
    if await _why_not(conn, here, effect.actor_id):
        await _end(conn, here, effect, "protected")
        return effect
    if stays is None:
        await _end(conn, here, effect, "basis gone")
        return effect
    acts = stays.state is EffectState.WAITING
    begins = not acts or (lately is not None and lately.state is EffectState.WAITING)
    if stays.state is not effect.sort and begins:  # by rules that are others now
        await _end(conn, here, effect, "acts now" if acts else "rule")
        return None
    await _follow(conn, here, effect, stays.verdict)
    return effect


async def _follow(conn: AsyncConnection, here: Here, effect: Effect, verdict: Verdict) -> None:
    """It goes on: with who says so now, and further once its time has come."""
    said: dict[str, Any] = {
        "basis": list(verdict.basis),
        "hosts": list(verdict.hosts),
        "score": verdict.score,
        "issuers": verdict.issuers,
    }
    await conn.execute(sa.update(_e).where(_e.c.actor_id == effect.actor_id).values(**said))
    step = partial(_step, conn, here, effect)
    if effect.state is EffectState.WAITING and effect.due and effect.due <= here.now():
        if why := await _held_for(conn, here, effect.actor_id, effect.host):
            await step(EffectState.HELD, "held", why=why)
            await alerting.call(conn, None)
        else:
            await step(EffectState.APPLIED, "begins")
            await _filter(conn, effect.actor_id, filtered=True)
    elif effect.state is EffectState.HELD and effect.day <= here.now().date() - NO_OPINION:
        await step(EffectState.REFUSED, "refused", why="no opinion")
    elif effect.state is EffectState.HELD and effect.day <= here.now().date() - REMIND:
        await _remind(conn, here, effect)


async def _remind(conn: AsyncConnection, here: Here, effect: Effect) -> None:
    """Somebody is told once more that it waits, and only once."""
    changed = await conn.execute(
        sa.update(_e).where(_e.c.actor_id == effect.actor_id, ~_e.c.reminded).values(reminded=True)
    )
    if changed.rowcount:
        await _log(conn, here, effect, "reminder", "", effect.state)
        await alerting.call(conn, None)


async def _begin(
    conn: AsyncConnection, here: Here, actor_id: UUID, voices: Sequence[Voice]
) -> None:
    """What is said of somebody for the first time: it waits for its time, or for a person."""
    lately, ever = _Wanted.of(voices, aged=True), _Wanted.of(voices, aged=False)
    if lately is None or ever is None or await _why_not(conn, here, actor_id):
        return
    wanted = lately if ever.state is EffectState.WAITING else ever
    verdict, state, why = wanted.verdict, wanted.state, ""
    rules = [it.rule for it in voices if it.opinion.uri in verdict.basis]
    today = here.now()
    if state is EffectState.HELD:
        why = "rule"
    elif state is EffectState.WAITING:
        host = await conn.scalar(sa.select(actors.c.host).where(actors.c.id == actor_id)) or ""
        why = await _held_for(conn, here, actor_id, host)
        spent = await _spent(conn, here)
        if not why and any(spent.get(rule.host, 0) >= rule.budget for rule in rules):
            why = "budget"
        state = EffectState.HELD if why else state
    delay = max((rule.delay for rule in rules), default=timedelta(0)) + _HOUR
    due = (today + delay).replace(minute=0, second=0, microsecond=0)
    await conn.execute(
        _e.insert().values(
            actor_id=actor_id,
            state=state,
            why=why,
            basis=list(verdict.basis),
            hosts=list(verdict.hosts),
            score=verdict.score,
            issuers=verdict.issuers,
            began=today.date(),
            due=due if state is EffectState.WAITING else None,
            day=today.date(),
        )
    )
    effect = await one(conn, actor_id)
    note = partial(audit.note, conn, here, about=place(here, actor_id), basis=effect.basis)
    await note(verb="advice weighed", rule=_rule(effect))
    await note(verb="advice previewed", after=await _touches(conn, actor_id))
    verb = {EffectState.TRIAL: "would act", EffectState.HELD: "held"}.get(state, "waits")
    await _step(conn, here, effect, state, verb, why=why, due=effect.due)
    if state is EffectState.HELD:
        await alerting.call(conn, None)


async def _why_not(conn: AsyncConnection, here: Here, actor_id: UUID) -> bool:
    """Whether nothing may follow at all: of people here, of desks, of whom a name protects."""
    row = (
        await conn.execute(
            sa.select(
                actors.c.local,
                actors.c.kind,
                actors.c.host,
                sa.exists().where(pacts.c.desk_uri == actors.c.uri).label("desk"),
            ).where(actors.c.id == actor_id)
        )
    ).one()
    spared = names.is_spared(here, row.host.partition(":")[0])
    return bool(spared or row.local or row.desk or row.kind not in _KINDS)


async def _held_for(conn: AsyncConnection, here: Here, actor_id: UUID, host: str) -> str:
    """Why a person decides about it, in a word; empty where nobody has to (MOD-5.10, MOD-H5)."""
    touches = await _touches(conn, actor_id)
    if touches["ties"] > MOST_TIES or touches["tasks"] or touches["care"]:
        return "caps"
    made = sa.exists().where(pacts.c.host == host, pacts.c.state == constant(PactState.MADE))
    return "peer" if await conn.scalar(sa.select(made)) else ""


async def _touches(conn: AsyncConnection, actor_id: UUID) -> dict[str, int]:
    """How many people here have to do with somebody, and whether anybody is looked after there."""
    other = actors.alias("other")

    def tied(this: sa.ColumnElement[UUID], that: sa.ColumnElement[UUID]) -> sa.Select[int]:
        return (
            sa.select(sa.func.count())
            .select_from(follows.join(other, other.c.id == that))
            .where(
                this == actor_id, other.c.local, follows.c.state == constant(FollowState.ACCEPTED)
            )
        )

    cared = (
        sa.select(sa.func.count())
        .select_from(care_cases.join(posts, posts.c.id == care_cases.c.post_id))
        .where(posts.c.author_id == actor_id, care_cases.c.state != constant(CareState.CLOSED))
    )
    tasks = (
        sa.select(sa.func.count()).select_from(moderators).where(moderators.c.actor_id == actor_id)
    )
    there, back = follows.c.follower_id, follows.c.followed_id
    row = (
        await conn.execute(
            sa.select(
                (tied(there, back).scalar_subquery() + tied(back, there).scalar_subquery()).label(
                    "ties"
                ),
                tasks.scalar_subquery().label("tasks"),
                cared.scalar_subquery().label("care"),
            )
        )
    ).one()
    return {"ties": row.ties, "tasks": row.tasks, "care": int(bool(row.care))}


async def _spent(conn: AsyncConnection, here: Here) -> dict[str, int]:
    """About how many people something began today because of each host."""
    host = sa.func.unnest(_e.c.hosts).label("host")
    mine = sa.select(host).where(_e.c.began == here.now().date()).subquery()
    rows = await conn.execute(
        sa.select(mine.c.host, sa.func.count()).group_by(mine.c.host)
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


async def _step(
    conn: AsyncConnection,
    here: Here,
    effect: Effect,
    state: EffectState,
    verb: str,
    *,
    why: str = "",
    due: datetime | None = None,
) -> None:
    """Write that it has come so far, with a line of the log."""
    line = await _log(conn, here, effect, verb, why, state)
    await conn.execute(
        sa.update(_e)
        .where(_e.c.actor_id == effect.actor_id)
        .values(state=state, why=why, due=due, decision=line, day=here.now().date())
    )


async def _log(
    conn: AsyncConnection, here: Here, effect: Effect, verb: str, why: str, state: EffectState
) -> int:
    return await audit.note(
        conn,
        here,
        verb=f"advice {verb}",
        about=place(here, effect.actor_id),
        reason=why,
        rule=_rule(effect),
        basis=effect.basis,
        before={"state": effect.state.value},
        after={"state": state.value},
    )


def _rule(effect: Effect) -> str:
    return f"enough peers: {effect.issuers} independent, together {effect.score:.2f}"


async def _end(conn: AsyncConnection, here: Here, effect: Effect, why: str) -> None:
    """It is over, and whatever it did with it."""
    await _log(conn, here, effect, "ends", why, EffectState.ENDED)
    await conn.execute(sa.delete(_e).where(_e.c.actor_id == effect.actor_id))
    await _filter(conn, effect.actor_id, filtered=False)


async def _filter(conn: AsyncConnection, actor_id: UUID, *, filtered: bool) -> None:
    await conn.execute(
        sa.update(actors)
        .where(actors.c.id == actor_id, ~actors.c.local, actors.c.filtered != filtered)
        .values(filtered=filtered)
    )


# ---- What people say to it


async def one(conn: AsyncConnection, actor_id: UUID) -> Effect:
    """What holds about somebody. Raises NotFound: nothing does."""
    row = (await conn.execute(_select().where(_e.c.actor_id == actor_id))).first()
    if row is None:
        raise NotFound
    return Effect.of(row)


async def listed(
    conn: AsyncConnection, *, after: UUID | None = None, limit: int = PAGE
) -> Sequence[Effect]:
    """All that there is, in an order that says nothing, a page at a time."""
    query = _select().order_by(_e.c.actor_id).limit(at_most(limit))
    if after is not None:
        query = query.where(_e.c.actor_id > after)
    return [Effect.of(row) for row in await conn.execute(query)]


async def agree(conn: AsyncConnection, here: Here, actor_id: UUID) -> None:
    """A person says yes: it holds until somebody takes it back. Raises NotFound, Conflict."""
    await effects.lock(conn)
    effect = await one(conn, actor_id)
    if effect.state is EffectState.REVIEW:  # nobody says so any more, and a person wants it still
        await _step(conn, here, effect, EffectState.AGREED, "kept", why="kept")
    elif effect.state is EffectState.HELD:
        await _answer(conn, here, effect, SignalState.SHOWN)
        await _step(conn, here, effect, EffectState.AGREED, "agreed")
    else:
        raise Conflict(_OVER)
    await _filter(conn, actor_id, filtered=True)


async def refuse(conn: AsyncConnection, here: Here, actor_id: UUID) -> None:
    """A person says no, or takes it back: the lines it rests on count no more.

    Raises NotFound. Raises Conflict: somebody said so already.
    """
    await effects.lock(conn)
    effect = await one(conn, actor_id)
    if effect.state is EffectState.REFUSED:
        raise Conflict(_OVER)
    await _answer(conn, here, effect, SignalState.IGNORED)
    await _step(conn, here, effect, EffectState.REFUSED, "refused", why="person")
    await _filter(conn, actor_id, filtered=False)


async def _answer(conn: AsyncConnection, here: Here, effect: Effect, state: SignalState) -> None:
    await conn.execute(
        sa.update(signals)
        .where(
            any_of(signals.c.uri, "uris"),
            signals.c.entity_kind == ACTOR_HASH,
            signals.c.state.in_([SignalState.HELD, SignalState.SHOWN, SignalState.IGNORED]),
        )
        .values(state=state, answer=state, day=here.now().date()),
        {"uris": sorted(effect.basis)},
    )


async def filtered(conn: AsyncConnection) -> set[UUID]:
    """Whom anything holds about now: people elsewhere who were met, and are off public lists."""
    return set(await conn.scalars(sa.select(_e.c.actor_id).where(_e.c.state.in_(_ACTING))))


async def rests_on(conn: AsyncConnection, host: str, since: date) -> Sequence[str]:
    """The lines that something about people has rested on since a day, a host's among others."""
    rows = await conn.scalars(
        sa.select(sa.func.unnest(_e.c.basis)).where(
            sa.literal(host) == sa.any_(_e.c.hosts), _e.c.began >= since
        )
    )
    return rows.all()


async def after_pact(
    conn: AsyncConnection, here: Here, host: str, afterwards: Afterwards | None
) -> bool:
    """A pact is over: what acts because of it is kept, asks for a person, or goes with `take`.

    What nobody said anything of yet asks, too. Whether anything does.
    """
    rows = await conn.execute(
        _select().where(
            sa.literal(host) == sa.any_(_e.c.hosts),
            _e.c.state.in_([EffectState.APPLIED, EffectState.REVIEW]),
        )
    )
    asks = False
    for effect in map(Effect.of, rows.all()):
        looked_at = effect.state is EffectState.REVIEW
        if looked_at and effect.why != "pact":
            continue
        step = partial(_step, conn, here, effect)
        if afterwards is Afterwards.KEEP:
            await step(EffectState.AGREED, "kept", why="kept")
        elif afterwards is Afterwards.UNDO:
            if looked_at:
                await step(EffectState.APPLIED, "goes")
        elif not looked_at:
            await step(EffectState.REVIEW, "review", why="pact")
            asks = True
    return asks
