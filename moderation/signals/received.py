"""Advice from elsewhere, kept in rows that say where each line stands (MOD-5.16).

What stands may count in `effects`, as far as the rule about its host lets it. A line of a pact's
dataset writes the log at every step; of a plain list, which may bring thousands, a line for each
reading.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.arrays import any_of
from kernel.errors import NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.schema.pacts import PactState, SignalState
from kernel.schema.tables import pacts, signal_sources, signals
from moderation import alerting, audit, labelling_peers
from moderation.signals import guards, people
from moderation.signals.chain import Rewritten
from moderation.signals.lines import GRACE, Line, Standing, states
from moderation.signals.rules import Kind, Mode, Rules
from moderation.signals.sources import Source
from moderation.signals.vocabulary import ACTOR_HASH, Change, Policy

PAGE: Final = 50
SWEPT: Final = 500  # rows in one round
ONE_BY_ONE: Final = 25  # lines at once; of more, the log says how many
MAX_LINES: Final = 20_000  # of one source
MAX_ABOUT: Final = 200  # of these about one thing
REMIND: Final = timedelta(days=7)
NO_OPINION: Final = timedelta(days=30)
IGNORED: Final = SignalState.IGNORED
_CHOSEN: Final = frozenset({SignalState.SHOWN, SignalState.IGNORED})
_OPEN: Final = (SignalState.HELD, SignalState.SHOWN)
_KINDS: Final[Mapping[str, Kind]] = {
    "domain": Kind.ADVICE_DOMAIN,
    ACTOR_HASH: Kind.ADVICE_ACTOR,
    "object": Kind.LABEL_CONTENT,
    "resource": Kind.LABEL_RESOURCE,
}
_USUAL: Final[Mapping[Mode, SignalState]] = {
    Mode.IGNORE: SignalState.IGNORED,
    Mode.SHOW: SignalState.SHOWN,
    Mode.HOLD: SignalState.HELD,
    Mode.APPLY: SignalState.SHOWN,  # nobody has to look at each: what they do together is held
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A line as a person reads it, and who says it."""

    id: int
    host: str
    pact: bool
    kind: Change
    entity_kind: str
    entity_key: str
    policy: str
    labels: Sequence[str]
    summary: str
    basis: str
    confidence: float | None
    case_count: int | None
    approvals: int | None
    first_seen: date | None
    published: date | None
    ends: date
    state: SignalState
    quarantined: str
    listens: bool  # to its source, where that is a pact peer's

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        values = dict(row._mapping)
        values["kind"], values["state"] = Change(row.kind), SignalState(row.state)
        return cls(**values)

    @property
    def label_names(self) -> Sequence[str]:
        """The last part of each label's address: what it is called."""
        return [label.rstrip("/").rpartition("/")[2] for label in self.labels]


async def take_in(conn: AsyncConnection, here: Here, source: Source, lines: Sequence[Line]) -> int:
    """Keep lines of a source, each once, and find out anew where what they touch stands.

    How many were new. Raises Rewritten: it goes on and on, or about one thing (MOD-5.10).
    """
    if lines and await is_full(conn, source):
        raise Rewritten("too long")
    today = here.now().date()
    rows = [
        {
            **{name: getattr(line, name) for name in Line.__slots__},
            "labels": list(line.labels),
            "filters": list(line.filters),
            "derived_from": list(line.derived_from),
            "sources": list(line.sources),
            "source_id": source.id,
            "state": SignalState.HELD,
            "day": today,
            "came": today,
        }
        for line in lines
    ]
    new = 0
    if rows:
        adding = insert(signals).values(rows).on_conflict_do_nothing()
        new = (await conn.execute(adding)).rowcount
    erased = [line.uri for line in lines if line.kind is Change.TOMBSTONE]
    if erased:  # it may stand where something else did
        await conn.execute(
            sa.update(signals)
            .where(signals.c.source_id == source.id, signals.c.uri.in_(erased))
            .values(kind=Change.TOMBSTONE, summary="", labels=[], policy="", retracts=signals.c.uri)
        )
    moved = await _settle(conn, source, lines, today)
    await _log(conn, here, source, moved)
    if source.pact and SignalState.HELD in moved.values():
        await alerting.call(conn, None)
    await guards.watch(conn, here, source, lines)
    await labelling_peers.take_in(conn, here, source, lines)
    if source.people and lines:
        await people.look_anew(conn)
    return new


async def is_full(conn: AsyncConnection, source: Source) -> bool:
    """Whether a source has said as much as anybody may."""
    count = await conn.scalar(
        sa.select(sa.func.count()).select_from(signals).where(signals.c.source_id == source.id)
    )
    return (count or 0) >= MAX_LINES


async def missing(conn: AsyncConnection, source: Source, lines: Sequence[Line]) -> Sequence[Line]:
    """Those of the lines that are not here."""
    known = await conn.scalars(
        _KNOWN, {"source_id": source.id, "uris": [line.uri for line in lines]}
    )
    here = set(known)
    return [line for line in lines if line.uri not in here]


_KNOWN = sa.select(signals.c.uri).where(
    signals.c.source_id == sa.bindparam("source_id", type_=sa.BigInteger),
    any_of(signals.c.uri, "uris"),
)


async def _settle(
    conn: AsyncConnection, source: Source, lines: Sequence[Line], today: date
) -> dict[str, SignalState]:
    """Write where lines, and all that is about the same, stand now; those that moved.

    Raises Rewritten: there is too much about one thing.
    """
    named = [*(line.uri for line in lines), *(line.retracts for line in lines if line.retracts)]
    rows = (await conn.execute(_ABOUT, {"source_id": source.id, "uris": named})).all()
    lengths = Counter((row.entity_kind, row.entity_key) for row in rows if row.entity_key)
    lengths.update(("", row.retracts) for row in rows if row.retracts)
    if any(length > MAX_ABOUT for length in lengths.values()):
        raise Rewritten("too much about one")
    usual = await _usual(conn, source.host, (row.entity_kind for row in rows))
    found = states((_standing(row, usual) for row in rows), today)
    fresh = {line.uri for line in lines}
    moved = {
        row.uri: found[row.uri] for row in rows if row.state != found[row.uri] or row.uri in fresh
    }
    for state in set(moved.values()):
        await conn.execute(
            sa.update(signals)
            .where(
                signals.c.source_id == source.id,
                signals.c.uri.in_([uri for uri, it in moved.items() if it is state]),
                signals.c.state != state,
            )
            .values(state=state, day=today)
        )
    return moved


@dataclass(frozen=True, slots=True)
class _Usual:
    """Where a line of a host stands while nobody decided about it, as the rules say."""

    host: str
    rules: Mapping[Kind, Rules]

    def of(self, entity_kind: str, labels: Sequence[str]) -> SignalState:
        kind = _KINDS.get(entity_kind)
        if kind is None:
            return SignalState.HELD
        return _USUAL[self.rules[kind].of(self.host, labels).mode]


async def _usual(conn: AsyncConnection, host: str, entity_kinds: Iterable[str]) -> _Usual:
    kinds = {_KINDS[each] for each in set(entity_kinds) if each in _KINDS}
    return _Usual(host, {kind: await Rules.read(conn, [host], kind) for kind in sorted(kinds)})


_STANDING: Final = ("uri", "kind", "entity_kind", "entity_key", "retracts", "place", "ends")


def _standing(row: AnyRow, usual: _Usual) -> Standing:
    values: dict[str, Any] = {name: getattr(row, name) for name in _STANDING}
    values["kind"] = Change(row.kind)
    return Standing(
        **values,
        chosen=SignalState(row.answer) if row.answer else IGNORED if row.closed else None,
        usual=usual.of(row.entity_kind, row.labels),
    )


async def stand_anew(conn: AsyncConnection, here: Here, host: str) -> None:
    """After a rule about a host changed: lines that nobody decided about stand as it says now."""
    rows = (
        await conn.execute(
            sa.select(signals.c.id, signals.c.entity_kind, signals.c.labels, signals.c.state)
            .join(signal_sources, signal_sources.c.id == signals.c.source_id)
            .where(
                signal_sources.c.host == host,
                signals.c.state.in_([SignalState.HELD, *_CHOSEN]),
                signals.c.answer.is_(None),
                ~signals.c.closed,
            )
        )
    ).all()
    usual = await _usual(conn, host, (row.entity_kind for row in rows))
    moved: dict[SignalState, list[int]] = {}
    for row in rows:
        state = usual.of(row.entity_kind, row.labels)
        if state != row.state:
            moved.setdefault(state, []).append(row.id)
    for state, ids in moved.items():
        await conn.execute(
            sa.update(signals)
            .where(any_of(signals.c.id, "ids"))
            .values(state=state, day=here.now().date()),
            {"ids": ids},
        )
    await labelling_peers.stand_anew(conn, here, host)
    await people.look_anew(conn)


def _about() -> sa.Executable:
    """All lines of a source that are about the same as those named, or take one of them back."""
    mine = signals.alias("mine")
    source = sa.bindparam("source_id", type_=sa.BigInteger)
    named = (
        sa.select(mine.c.entity_kind, mine.c.entity_key)
        .where(mine.c.source_id == source, any_of(mine.c.uri, "uris"), mine.c.entity_key != "")
        .distinct()
        .subquery()
    )
    columns = [signals.c[name] for name in (*_STANDING, "state", "labels", "answer", "closed")]
    same = sa.select(*columns).join(
        named,
        sa.and_(
            signals.c.source_id == source,
            signals.c.entity_kind == named.c.entity_kind,
            signals.c.entity_key == named.c.entity_key,
        ),
    )
    own = sa.select(*columns).where(signals.c.source_id == source, any_of(signals.c.uri, "uris"))
    backs = sa.select(*columns).where(
        signals.c.source_id == source, any_of(signals.c.retracts, "uris")
    )
    return sa.union(same, own, backs)


_ABOUT = _about()


async def _log(
    conn: AsyncConnection, here: Here, source: Source, moved: dict[str, SignalState]
) -> None:
    if source.pact and len(moved) <= ONE_BY_ONE:
        for uri, state in moved.items():
            await audit.note(conn, here, verb=f"signal {state}", about=uri)
    elif moved:
        counts = Counter(moved.values())
        said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        await audit.note(conn, here, verb="list read", about=source.url, reason=said)


async def listed(
    conn: AsyncConnection,
    state: SignalState = SignalState.HELD,
    *,
    before: int | None = None,
    limit: int = PAGE,
) -> Sequence[Signal]:
    """Lines that stand so, newest first, a page at a time."""
    others = ("host", "pact", "quarantined", "listens")
    names = [name for name in Signal.__slots__ if name not in others]
    listens = sa.exists().where(
        pacts.c.host == signal_sources.c.host,
        pacts.c.state == PactState.MADE,
        ~pacts.c.frozen,
        ~pacts.c.frozen_there,
    )
    query = (
        sa.select(
            *(signals.c[name] for name in names),
            signal_sources.c.host,
            signal_sources.c.pact,
            signal_sources.c.quarantined,
            listens.label("listens"),
        )
        .join(signal_sources, signal_sources.c.id == signals.c.source_id)
        .where(signals.c.state == state)
        .order_by(signals.c.id.desc())
        .limit(at_most(limit))
    )
    if before is not None:
        query = query.where(signals.c.id < before)
    return [Signal.of(row) for row in await conn.execute(query)]


async def decide(conn: AsyncConnection, here: Here, signal_id: int, state: SignalState) -> None:
    """A person lets a line stand, or leaves it. Raises NotFound: it does not wait any more."""
    changed = await conn.execute(
        sa.update(signals)
        .where(
            signals.c.id == signal_id,
            signals.c.state.in_([SignalState.HELD, *_CHOSEN]),
        )
        .values(state=state, answer=state, day=here.now().date())
        .returning(signals.c.uri, signals.c.entity_kind)
    )
    line = changed.first()
    if line is None:
        raise NotFound("That is over already.")
    await audit.note(conn, here, verb=f"signal {state}", about=line.uri)
    await labelling_peers.decided(conn, here, signal_id)
    if line.entity_kind == ACTOR_HASH:
        await people.look_anew(conn)


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """What says that it holds no longer does not; what has been over for long goes.

    What a wrong clock let end comes back once the clock is right (MOD-H9). Of what waits
    somebody is reminded after a week, and after a month nobody had an opinion (MOD-5.16).
    """
    today = here.now().date()
    await _undo_leap(conn, here)
    rows = await conn.execute(
        sa.update(signals)
        .where(
            signals.c.id.in_(
                sa.select(signals.c.id)
                .where(signals.c.ends <= today - GRACE, signals.c.state.in_(_OPEN))
                .limit(SWEPT)
            )
        )
        .values(state=SignalState.EXPIRED, day=today)
        .returning(signals.c.uri, signals.c.source_id)
    )
    await _log_ended(conn, here, rows.all(), SignalState.EXPIRED)
    await _age(conn, here, today)
    await conn.execute(
        sa.delete(signals).where(
            signals.c.id.in_(
                sa.select(signals.c.id)
                .where(signals.c.state.not_in(_OPEN), signals.c.ends < today - keep_times.SIGNAL)
                .limit(SWEPT)
            )
        )
    )


async def _log_ended(
    conn: AsyncConnection, here: Here, ended: Sequence[AnyRow], state: SignalState, reason: str = ""
) -> None:
    """Each line of a pact's dataset that ended by itself writes the log; of a list, how many."""
    listed = await conn.execute(
        sa.select(signal_sources.c.id, signal_sources.c.url, signal_sources.c.pact).where(
            signal_sources.c.id.in_({row.source_id for row in ended})
        )
    )
    sources = {row.id: row for row in listed}
    counts = Counter(row.source_id for row in ended if not sources[row.source_id].pact)
    for row in ended:
        if sources[row.source_id].pact:
            await audit.note(conn, here, verb=f"signal {state}", about=row.uri, reason=reason)
    for source_id, count in counts.items():
        said = f"{count} {reason or state}"
        await audit.note(conn, here, verb="list read", about=sources[source_id].url, reason=said)


async def _age(conn: AsyncConnection, here: Here, today: date) -> None:
    """Close what nobody answered in a month; that is no answer, so nobody's weight follows it.

    Who would talk with a server counts while that waits (MOD-5.8), and whom a hash is about may be
    met later, which waits for an answer of its own: neither is closed.
    """
    waits = sa.and_(signals.c.state == SignalState.HELD, signals.c.answer.is_(None))
    closes = sa.and_(
        signals.c.day <= today - NO_OPINION,
        signals.c.policy != Policy.ACCEPT,
        signals.c.entity_kind != ACTOR_HASH,
    )
    old = sa.select(signals.c.id).where(waits, closes).limit(SWEPT)
    rows = await conn.execute(
        sa.update(signals)
        .where(signals.c.id.in_(old))
        .values(state=IGNORED, closed=True, day=today)
        .returning(signals.c.uri, signals.c.source_id)
    )
    await _log_ended(conn, here, rows.all(), IGNORED, "no opinion")
    reminded = await conn.execute(
        sa.update(signals)
        .where(waits, ~signals.c.reminded, signals.c.day <= today - REMIND)
        .values(reminded=True)
    )
    if reminded.rowcount:
        await alerting.call(conn, None)


async def _undo_leap(conn: AsyncConnection, here: Here) -> None:
    """Lines that ended on a day that is still to come: our own clock was ahead."""
    today = here.now().date()
    back = await conn.execute(
        sa.update(signals)
        .where(
            signals.c.source_id == signal_sources.c.id,
            signals.c.state == SignalState.EXPIRED,
            signals.c.day > today,
            signals.c.ends > today - GRACE,
        )
        .values(
            state=sa.case(
                (signals.c.answer.is_not(None), signals.c.answer),
                (signals.c.closed, IGNORED.value),
                else_=SignalState.HELD.value,
            ),
            day=today,
        )
        .returning(signal_sources.c.host)
    )
    for host in sorted({row.host for row in back}):
        await stand_anew(conn, here, host)
