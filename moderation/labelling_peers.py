"""What pact peers say of posts that are here: as far as the rules let it go, and never further.

By itself a label of theirs is shown at most, unless an administrator lets it act (MOD-5.7). It
never deletes, changes no words, and is about the words that they read: once the post has others,
it folds and holds nothing more (MOD-5.2).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.errors import Conflict
from kernel.here import Here
from kernel.rows import AnyRow, at_most, constant
from kernel.schema.labels import Effect, Giver
from kernel.schema.pacts import SignalState
from kernel.schema.tables import post_labels, posts, signal_sources, signals
from kernel.urls import host_of
from moderation import alerting, audit, label_holds, label_trust, labelling
from moderation.labels import BY_ID, CANARY, CSAM, LONGEST
from moderation.saying import MAX_SOURCES, Saying, is_link
from moderation.signals import rules
from moderation.signals.lines import Line
from moderation.signals.rules import Kind, Mode, Rule, Rules
from moderation.signals.sources import Source
from moderation.signals.vocabulary import OBJECT

MAX_WORD: Final = 60  # letters of a label that we do not know
MAX_ANEW: Final = 2_000  # posts that are looked at again when a rule changes
_STANDS: Final = (SignalState.HELD, SignalState.SHOWN, SignalState.IGNORED)


async def take_in(conn: AsyncConnection, here: Here, source: Source, lines: Sequence[Line]) -> None:
    """Labels that lines of a pact's dataset give, or take back, hold from now on, or no more.

    Of a plain list, which proves nothing, a person looks at each line first.
    """
    named = [*(line.uri for line in lines), *(line.retracts for line in lines if line.retracts)]
    keys = {line.entity_key for line in lines if line.entity_kind == OBJECT} | await _keys(
        conn, source, named
    )
    if keys and source.pact:
        await settle(conn, here, source.host, sorted(keys))


async def stand_anew(conn: AsyncConnection, here: Here, host: str) -> None:
    """After a rule about a host changed: its labels do what the rule says now."""
    if keys := (await conn.scalars(_ALL_KEYS, {"host": host})).all():
        await settle(conn, here, host, keys)
        await label_trust.follow_pact(conn, host)  # no rule lets one act that is not believed


_ALL_KEYS: Final = (
    sa.select(signals.c.entity_key)
    .join(signal_sources, signal_sources.c.id == signals.c.source_id)
    .join(posts, posts.c.uri == signals.c.entity_key)
    .where(
        signal_sources.c.host == sa.bindparam("host", type_=sa.Text),
        signal_sources.c.pact,
        signals.c.entity_kind == OBJECT,
        signals.c.state.in_([state.value for state in _STANDS]),
    )
    .distinct()
    .limit(at_most(MAX_ANEW))
)


async def _keys(conn: AsyncConnection, source: Source, uris: Sequence[str]) -> set[str]:
    rows = await conn.scalars(_KEYS, {"source_id": source.id, "uris": uris})
    return set(rows)


_KEYS: Final = (
    sa.select(signals.c.entity_key)
    .where(
        signals.c.source_id == sa.bindparam("source_id", type_=sa.BigInteger),
        any_of(signals.c.uri, "uris"),
        signals.c.entity_kind == OBJECT,
    )
    .distinct()
)


async def decided(conn: AsyncConnection, here: Here, signal_id: int) -> None:
    """A person looked at a line about a post: it may do all that it says, or nothing."""
    row = (
        await conn.execute(
            sa.select(signals, signal_sources.c.host)
            .join(signal_sources, signal_sources.c.id == signals.c.source_id)
            .where(signals.c.id == signal_id, signals.c.entity_kind == OBJECT)
        )
    ).first()
    if row is None:
        return
    for post_id in await _posts(conn, [row.entity_key]):
        await _weigh(conn, here, row.host, post_id, row)


async def let_go(conn: AsyncConnection, here: Here, post_id: int) -> None:
    """A moderator read a held post and shows it: the lines that wanted it held count no more.

    All that such a line says of the post goes, as it does whenever a person leaves one.
    """
    ignored = SignalState.IGNORED
    lines = await conn.execute(
        _HOLDING, {"about": post_id, "state": ignored, "today": here.now().date()}
    )
    for line in lines.all():
        await audit.note(conn, here, verb=f"signal {ignored}", about=line.uri)
        await label_trust.keep_only(conn, line.host, post_id, ())
    await label_holds.let_go(conn, post_id)


def _words_of(post: sa.ColumnElement[bool]) -> sa.ScalarSelect[datetime]:
    """SQL: when a post got the words that it has."""
    newest = sa.func.coalesce(posts.c.edited, posts.c.published)
    return sa.select(newest).where(post).scalar_subquery()


def _holding() -> sa.Executable:
    """Answer the lines for which a post is held, or soon is."""
    rows = (
        sa.select(post_labels.c.host, post_labels.c.signal)
        .where(
            post_labels.c.post_id == sa.bindparam("about", type_=sa.BigInteger),
            post_labels.c.giver == constant(Giver.PEER),
            post_labels.c.effect == constant(Effect.HOLD),
            ~post_labels.c.over,
        )
        .distinct()
        .subquery()
    )
    return (
        sa.update(signals)
        .where(
            signals.c.source_id == signal_sources.c.id,
            signal_sources.c.host == rows.c.host,
            signal_sources.c.pact,
            signals.c.uri == rows.c.signal,
            signals.c.state.in_([state.value for state in _STANDS]),
        )
        .values(
            state=sa.bindparam("state", type_=sa.Text),
            answer=sa.bindparam("state", type_=sa.Text),
            day=sa.bindparam("today", type_=sa.Date),
            released=_words_of(posts.c.id == sa.bindparam("about", type_=sa.BigInteger)),
        )
        .returning(signals.c.uri, signal_sources.c.host)
    )


_HOLDING: Final = _holding()


async def _posts(conn: AsyncConnection, keys: Sequence[str]) -> dict[int, str]:
    rows = await conn.execute(
        sa.select(posts.c.id, posts.c.uri).where(any_of(posts.c.uri, "uris")), {"uris": list(keys)}
    )
    return {row.id: row.uri for row in rows}


async def settle(conn: AsyncConnection, here: Here, host: str, keys: Sequence[str]) -> None:
    """What a host says of some posts stands here as it stands there now."""
    rows = (await conn.execute(_NOW, {"host": host, "keys": list(keys)})).all()
    found = await _posts(conn, keys)
    await labelling.lock(conn, found.keys())
    now = {row.entity_key: row for row in rows}
    silent = [post_id for post_id, uri in found.items() if uri not in now]
    await label_trust.take_back(conn, host, silent)
    ids = {uri: post_id for post_id, uri in found.items()}
    for uri, row in now.items():  # in the order of their lines: what is too much is the last
        if uri in ids:
            await _weigh(conn, here, host, ids[uri], row)


def _now() -> sa.Executable:
    """What a host says of these posts and did not take back, replace, or let end.

    Lines are locked before posts, here and wherever a person decides about one.
    """
    return (
        sa.select(signals)
        .join(signal_sources, signal_sources.c.id == signals.c.source_id)
        .where(
            signal_sources.c.host == sa.bindparam("host", type_=sa.Text),
            signal_sources.c.pact,
            signals.c.entity_kind == OBJECT,
            any_of(signals.c.entity_key, "keys"),
            signals.c.state.in_([state.value for state in _STANDS]),
        )
        .order_by(signals.c.place)
        .with_for_update(of=signals, key_share=True)
    )


_NOW: Final = _now()


async def _weigh(conn: AsyncConnection, here: Here, host: str, post_id: int, row: AnyRow) -> None:
    """Let the labels of a line go as far as the rule about them does."""
    words = _words(row.labels)
    if not row.answer:
        released = await _released(conn, host, row.entity_key)
        words = [each for each in words if each not in released]
    rule = (await Rules.read(conn, [host], Kind.LABEL_CONTENT)).of(host, words)
    holds = await label_holds.holds(conn, host, post_id)
    mode, most = await _mode(conn, here, rule, words, holds=holds), rule.ttl_cap
    if row.answer:
        answered = Mode.APPLY if row.answer == SignalState.SHOWN else Mode.IGNORE
        mode, most = answered, timedelta(days=LONGEST)
    elif row.closed:  # nobody had an opinion
        mode = Mode.IGNORE
    goes = mode in (Mode.SHOW, Mode.APPLY)
    if not (holds and mode is Mode.HOLD and rule.mode is Mode.APPLY):  # else it waits on
        await label_trust.keep_only(conn, host, post_id, words if goes else ())
    for label in words if goes else ():
        await _give(conn, here, post_id, row, label, mode, most)
    if mode is Mode.HOLD:
        held = await conn.execute(
            sa.update(signals)
            .where(signals.c.id == row.id, signals.c.state != SignalState.HELD)
            .values(state=SignalState.HELD)
        )
        if held.rowcount:
            await alerting.call(conn, None)


async def _released(conn: AsyncConnection, host: str, uri: str) -> frozenset[str]:
    """Labels of a host that held the words which a post has, until a moderator showed them.

    What a person read does not wait again because the same server says the same anew.
    """
    labels = await conn.scalars(_RELEASED, {"host": host, "uri": uri})
    return frozenset(word for each in labels for word in _words(each) if _holds(word))


def _holds(word: str) -> bool:
    return word in BY_ID and BY_ID[word].effect is Effect.HOLD


_RELEASED: Final = (
    sa.select(signals.c.labels)
    .join(signal_sources, signal_sources.c.id == signals.c.source_id)
    .where(
        signal_sources.c.host == sa.bindparam("host", type_=sa.Text),
        signal_sources.c.pact,
        signals.c.entity_kind == OBJECT,
        signals.c.entity_key == sa.bindparam("uri", type_=sa.Text),
        signals.c.released >= _words_of(posts.c.uri == sa.bindparam("uri", type_=sa.Text)),
    )
)


async def _mode(
    conn: AsyncConnection, here: Here, rule: Rule, words: Sequence[str], *, holds: bool
) -> Mode:
    """As the rule says; what is never displayed waits for a person, and what is too much does.

    What `holds` a post already is not too much: however often it is weighed, nobody reads it.
    """
    if CSAM in words and rule.mode is not Mode.IGNORE:
        return Mode.HOLD
    asks = any(map(_holds, words))
    if rule.mode is Mode.APPLY and asks and not holds:
        held = await label_holds.holds_since(conn, rule.host, here.now().date())
        return Mode.HOLD if held >= rule.budget else Mode.APPLY
    return rule.mode


async def _give(
    conn: AsyncConnection,
    here: Here,
    post_id: int,
    row: AnyRow,
    label: str,
    mode: Mode,
    most: timedelta = timedelta(days=LONGEST),
) -> bool:
    """Let a post have a label of a peer. False: it has too many, or it is over."""
    today = here.now().date()
    ends = min(row.ends, (row.began or today) + most)  # whatever the rules were meanwhile
    if ends <= today:
        return False
    saying = Saying(
        label=label,
        giver=Giver.PEER,
        effect=_effect(label, mode),
        why=row.summary,
        sources=_links(row.sources),
        starts=today,
        ends=ends,
        host=host_of(row.uri),
        signal=row.uri,
        version=row.updated or _end_of(row.published or today),
    )
    try:
        await labelling.give(conn, post_id, saying)
    except Conflict:
        return False
    if row.began is None:
        await conn.execute(
            sa.update(signals)
            .where(signals.c.id == row.id, signals.c.began.is_(None))
            .values(began=today)
        )
    return True


def _effect(label: str, mode: Mode) -> Effect:
    """What a label may do: of a word that we do not know nothing, and what is shown is a line."""
    known = BY_ID.get(label)
    if known is None or label == CANARY:
        return Effect.NONE
    if mode is Mode.APPLY:
        return known.effect
    if known.blames or known.effect is Effect.NONE:
        return Effect.NONE  # moderators see it
    return Effect.WARN


def _words(labels: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(word for each in labels if (word := rules.short(each)[:MAX_WORD])))


def _links(sources: Sequence[str]) -> tuple[str, ...]:
    return tuple(link for link in sources[:MAX_SOURCES] if is_link(link))


def _end_of(day: date) -> datetime:
    """Which words somebody meant who names only a day: all up to its end."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)
