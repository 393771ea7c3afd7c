"""Labels that others than its author gave a post: who says so, why, and for how long (MOD-5.18).

Each stands in a row of its own; what readers see of all of them stands once more in the row of the
post (`posts.given`), so that no list or page asks anything more. Labels that blame somebody are
for moderators alone. Nothing here changes what a post says, here or elsewhere (WIRE-M11).
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import live
from kernel.arrays import any_of
from kernel.errors import Conflict, Malformed, NotFound
from kernel.ids import random_uuid
from kernel.rows import AnyRow, AnySelect, at_most, constant
from kernel.said import said
from kernel.schema.labels import Effect, Giver
from kernel.schema.pacts import Afterwards, PactState
from kernel.schema.tables import pacts, post_labels, posts
from kernel.urls import parse
from moderation.labels import BY_ID, MEDICAL, may_give

MAX_WHY: Final = 500  # letters
MAX_SOURCES: Final = 5
MAX_SOURCE: Final = 300  # letters of an address
MAX_GIVEN: Final = 40  # labels of one post, by everybody
NEEDED: Final = 2  # sources of a reviewer's note (DOM-C14)
_OVER: Final = date(1970, 1, 1)  # what is due since then is looked at next


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A label as readers of a post see it. `by`: "group", "node", or the host of another server.

    `older`: the post was changed since, so it is about words that are not there any more.
    """

    label: str
    by: str
    effect: Effect
    starts: date
    ends: date
    why: str
    sources: tuple[str, ...]
    older: bool

    @property
    def name(self) -> str:
        """What it is called, to be translated."""
        return BY_ID[self.label].name

    @property
    def folds(self) -> bool:
        """Whether words with it are opened by a click, where their reader chose nothing else."""
        return self.effect in (Effect.FOLD, Effect.HOLD) and not self.older

    @property
    def by_peer(self) -> bool:
        """Whether another server says so."""
        return self.by not in (Giver.GROUP, Giver.NODE)


def read(given: str, today: date) -> Sequence[Given]:
    """What holds today of a post's labels by others; what is over is so without anybody's doing."""
    if not given:
        return ()
    return [each for each in _read(given) if each.starts <= today < each.ends]


@lru_cache(maxsize=1_000)
def _read(given: str) -> tuple[Given, ...]:
    return tuple(
        Given(
            label=each["label"],
            by=each["by"],
            effect=Effect(each["effect"]),
            starts=date.fromisoformat(each["starts"]),
            ends=date.fromisoformat(each["ends"]),
            why=each.get("why", ""),
            sources=tuple(each.get("sources", ())),
            older=each.get("older", False),
        )
        for each in json.loads(given)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What somebody says of a post. `until`: the first day on which it does not hold."""

    label: str
    giver: Giver
    effect: Effect
    why: str = ""
    sources: tuple[str, ...] = ()
    starts: date
    ends: date
    host: str = ""
    signal: str = ""
    version: datetime | None = None

    @classmethod
    def here(
        cls,
        label: str,
        giver: Giver,
        *,
        today: date,
        effect: str = "",
        why: str = "",
        sources: Sequence[str] = (),
        days: int | None = None,
    ) -> Self:
        """As moderators here say it from today on.

        Raises Malformed: there is no such label, or such people may not give it, or something of
        it cannot be. A claim that nobody checked needs a reviewer's note with two sources. What
        blames somebody is shown to no reader, so it holds the post until a person has read it.
        """
        known = may_give(giver).get(label)
        if known is None:
            raise Malformed(said("There is no label called {name}.", name=label[:50]))
        if effect and effect not in {*Effect}:
            raise Malformed("Please choose what the label does.")
        why = " ".join(why.split())
        if len(why) > MAX_WHY:
            raise Malformed(said("That can have up to {limit} letters.", limit=MAX_WHY))
        links = tuple(dict.fromkeys(each.strip() for each in sources if each.strip()))
        if len(links) > MAX_SOURCES:
            raise Malformed(said("Up to {number} sources are enough.", number=MAX_SOURCES))
        for link in links:
            check_link(link)
        if label == MEDICAL and (not why or len(links) < NEEDED):
            raise Malformed(
                "Please write what is known about it, and name two places where that can be read."
            )
        if days is None:
            days = known.days
        if not 1 <= days <= known.days:
            raise Malformed(said("It may hold from 1 to {number} days.", number=known.days))
        return cls(
            label=label,
            giver=giver,
            effect=Effect(effect) if effect and not known.blames else known.effect,
            why=why,
            sources=links,
            starts=today,
            ends=today + timedelta(days=days),
        )

    def later(self, by: timedelta) -> Self:
        """The same, but that others see it later than its author."""
        return replace(self, starts=self.starts + by, ends=self.ends + by)


def check_link(link: str) -> None:
    """Raises Malformed: it is no address of a page, or too long."""
    if len(link) > MAX_SOURCE:
        raise Malformed(said("That can have up to {limit} letters.", limit=MAX_SOURCE))
    parse(link, allow_http=False, allow_fragment=True)


async def lock(conn: AsyncConnection, post_ids: Collection[int]) -> None:
    """Nobody else changes these posts, or their labels, until this transaction ends.

    Whoever changes labels holds their posts first, as whoever takes a post out does; else two of
    them would wait for each other.
    """
    await conn.execute(_LOCK, {"ids": list(post_ids)})


_LOCK: Final = (
    sa.select(posts.c.id)
    .where(any_of(posts.c.id, "ids"))
    .order_by(posts.c.id)
    .with_for_update(key_share=True)
)


async def _lock_of(conn: AsyncConnection, host: str) -> list[int]:
    """The posts that a server says something of, locked."""
    found = await conn.scalars(
        sa.select(post_labels.c.post_id).where(post_labels.c.host == host).distinct()
    )
    ids = list(found)
    await lock(conn, ids)
    return ids


async def give(conn: AsyncConnection, post_id: int, saying: Saying) -> None:
    """Let a post have a label; where the same people gave it before, this is what they say now.

    Raises Conflict: it has as many as a post may have.
    """
    values: dict[str, Any] = {
        "post_id": post_id,
        "label": saying.label,
        "giver": saying.giver,
        "host": saying.host,
        "signal": saying.signal,
        "effect": saying.effect,
        "why": saying.why,
        "sources": list(saying.sources),
        "version": saying.version,
        "starts": saying.starts,
        "ends": saying.ends,
        "due": saying.starts,
        "over": False,
    }
    begins: date | sa.ColumnElement[date] = saying.starts
    if saying.giver is Giver.PEER:  # what goes on as it was began when it did
        goes_on = sa.and_(~post_labels.c.over, post_labels.c.effect == saying.effect)
        begins = sa.case((goes_on, post_labels.c.starts), else_=saying.starts)
    await lock(conn, [post_id])
    count = await conn.scalar(
        sa.select(sa.func.count()).select_from(post_labels).where(post_labels.c.post_id == post_id)
    )
    if (count or 0) >= MAX_GIVEN:
        raise Conflict("This post has as many labels as a post can have.")
    await conn.execute(
        insert(post_labels)
        .values(id=random_uuid(), **values)
        .on_conflict_do_update(
            index_elements=["post_id", "label", "giver", "host"],
            set_={**values, "starts": begins},
        )
    )
    await refresh(conn, [post_id])


async def take_off(conn: AsyncConnection, post_id: int, label: str, giver: Giver) -> None:
    """What such people here said of a post holds no more. Raises NotFound: they said no such."""
    await lock(conn, [post_id])
    gone = await conn.execute(
        sa.delete(post_labels).where(
            post_labels.c.post_id == post_id,
            post_labels.c.label == label,
            post_labels.c.giver == giver,
            post_labels.c.host == "",
            ~post_labels.c.over,
        )
    )
    if not gone.rowcount:
        raise NotFound
    await refresh(conn, [post_id])


async def forget(conn: AsyncConnection, post_ids: Collection[int]) -> None:
    """Posts are gone, or taken out: their labels go, and soon other nodes hear that they do.

    The caller empties `posts.given` together with what else it changes of the posts.
    """
    await conn.execute(_FORGET, {"ids": list(post_ids)})


_FORGET: Final = (
    sa.update(post_labels)
    .where(any_of(post_labels.c.post_id, "ids"))
    .values(over=True, held=False, why="", sources=[], due=_OVER)
)


async def let_go(conn: AsyncConnection, post_id: int) -> None:
    """A moderator read a held post and shows it: what wanted it held, wants so no more."""
    await lock(conn, [post_id])
    await conn.execute(
        sa.update(post_labels)
        .where(post_labels.c.post_id == post_id, post_labels.c.effect == Effect.HOLD)
        .values(over=True, held=False, due=_OVER)
    )
    await refresh(conn, [post_id])


async def take_back(conn: AsyncConnection, host: str, post_ids: Collection[int]) -> None:
    """A server says nothing of these posts any more; what is held for it is let go soon."""
    if not post_ids:
        return
    await lock(conn, post_ids)
    mine = sa.and_(post_labels.c.host == host, post_labels.c.post_id.in_(post_ids))
    await conn.execute(sa.delete(post_labels).where(mine, ~post_labels.c.held))
    await conn.execute(sa.update(post_labels).where(mine).values(over=True))
    await refresh(conn, post_ids)


async def trust(conn: AsyncConnection, host: str, *, trusted: bool) -> None:
    """What a server says of posts is not shown while it is not trusted (MOD-5.10)."""
    await _lock_of(conn, host)
    changed = await conn.scalars(
        sa.update(post_labels)
        .where(post_labels.c.host == host)
        .values(silent=not trusted)
        .returning(post_labels.c.post_id)
    )
    await refresh(conn, set(changed))


async def keep_only(conn: AsyncConnection, host: str, post_id: int, words: Collection[str]) -> None:
    """Of what a server said of a post, only these labels stand still."""
    await lock(conn, [post_id])
    rest = await conn.scalars(
        sa.select(post_labels.c.label).where(
            post_labels.c.post_id == post_id,
            post_labels.c.host == host,
            post_labels.c.label.not_in(list(words)),
        )
    )
    if gone := rest.all():
        mine = sa.and_(
            post_labels.c.post_id == post_id,
            post_labels.c.host == host,
            post_labels.c.label.in_(gone),
        )
        await conn.execute(sa.delete(post_labels).where(mine, ~post_labels.c.held))
        await conn.execute(sa.update(post_labels).where(mine).values(over=True))
        await refresh(conn, [post_id])


async def holds_since(conn: AsyncConnection, host: str, day: date) -> int:
    """How many posts are held because of labels that a server gave since a day."""
    count = await conn.scalar(
        sa.select(sa.func.count(post_labels.c.post_id.distinct()))
        .select_from(post_labels)
        .where(
            post_labels.c.host == host,
            post_labels.c.effect == Effect.HOLD,
            post_labels.c.starts >= day,
        )
    )
    return count or 0


async def holds(conn: AsyncConnection, host: str, post_id: int) -> bool:
    """Whether a server's label holds this post, or will soon."""
    found = await conn.scalar(
        sa.select(post_labels.c.id)
        .where(
            post_labels.c.post_id == post_id,
            post_labels.c.host == host,
            post_labels.c.effect == Effect.HOLD,
            ~post_labels.c.over,
        )
        .limit(at_most(1))
    )
    return found is not None


async def follow_pact(conn: AsyncConnection, host: str) -> None:
    """What a server says of posts stands as the pact with it does (MOD-5.6, MOD-5.10)."""
    row = (
        await conn.execute(
            sa.select(
                pacts.c.state, pacts.c.frozen, pacts.c.frozen_there, pacts.c.afterwards
            ).where(pacts.c.host == host)
        )
    ).first()
    if row is None or row.afterwards == Afterwards.UNDO:
        await drop_host(conn, host)
    elif row.state == PactState.MADE:
        await trust(conn, host, trusted=not (row.frozen or row.frozen_there))
    else:
        await trust(conn, host, trusted=row.afterwards == Afterwards.KEEP)


async def drop_host(conn: AsyncConnection, host: str) -> None:
    """All that a server said of posts is undone, such as once a pact is over."""
    await take_back(conn, host, await _lock_of(conn, host))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A label as moderators see it; of a peer it may be one that we do not know."""

    post_id: int
    label: str
    giver: Giver
    host: str
    signal: str
    effect: Effect
    why: str
    sources: Sequence[str]
    version: datetime | None
    starts: date
    ends: date
    held: bool
    silent: bool

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        values = dict(row._mapping)
        values["giver"], values["effect"] = Giver(row.giver), Effect(row.effect)
        return cls(**values)

    @property
    def known(self) -> bool:
        """Whether it is a word of ours; any other is only text."""
        return self.label in BY_ID

    @property
    def name(self) -> str:
        """What it is called, to be translated; of a strange one its own word."""
        return BY_ID[self.label].name if self.known else self.label

    def is_older(self, edited: datetime | None) -> bool:
        """Whether the post has other words since (MOD-5.2)."""
        return self.version is not None and edited is not None and edited > self.version


_COLUMNS: Final = tuple(post_labels.c[name] for name in Row.__slots__)


async def of_posts(conn: AsyncConnection, post_ids: Collection[int]) -> Sequence[Row]:
    """All that others say of these posts, those that blame somebody too: for moderators."""
    rows = await conn.execute(_OF_POSTS, {"ids": list(post_ids)})
    return [Row.of(row) for row in rows]


_OF_POSTS: Final = (
    sa.select(*_COLUMNS)
    .where(any_of(post_labels.c.post_id, "ids"), ~post_labels.c.over)
    .order_by(post_labels.c.giver, post_labels.c.host, post_labels.c.label)
)


async def refresh(conn: AsyncConnection, post_ids: Collection[int]) -> None:
    """Write anew what readers see of the labels of these posts."""
    if not post_ids:
        return
    values = {"ids": list(post_ids)}
    edited = {row.id: row.edited for row in await conn.execute(_EDITED, values)}
    shown: dict[int, list[dict[str, Any]]] = {post_id: [] for post_id in edited}
    for row in await of_posts(conn, post_ids):
        if row.known and BY_ID[row.label].for_readers and not row.silent:
            shown[row.post_id].append(_as_read(row, edited[row.post_id]))
    for post_id in sorted(shown):
        line = json.dumps(shown[post_id], ensure_ascii=False) if shown[post_id] else ""
        await conn.execute(
            sa.update(posts)
            .where(posts.c.id == post_id, posts.c.given != line)
            .values(given=line)
            .returning(live.thread_changed(posts.c.thread_id))
        )


_EDITED: Final = (
    sa.select(posts.c.id, posts.c.edited)
    .where(any_of(posts.c.id, "ids"))
    .order_by(posts.c.id)
    .with_for_update(key_share=True)
)


def _as_read(row: Row, edited: datetime | None) -> dict[str, Any]:
    return {
        "label": row.label,
        "by": row.host or row.giver.value,
        "effect": row.effect.value,
        "starts": row.starts.isoformat(),
        "ends": row.ends.isoformat(),
        **({"why": row.why} if row.why else {}),
        **({"sources": list(row.sources)} if row.sources else {}),
        **({"older": True} if row.is_older(edited) else {}),
    }


async def next_due(conn: AsyncConnection, today: date) -> int | None:
    """A post one of whose labels begins or ends, or did; locked, so no other worker takes it."""
    found: int | None = await conn.scalar(_DUE, {"today": today})
    return found


AHEAD: Final = 20  # posts among which a worker looks for one that nobody else works on


def _one_of(waiting: sa.Select[int]) -> AnySelect:
    """SQL: one of the posts that wait, locked; rows of labels are not."""
    ids = sa.func.array(waiting.limit(at_most(AHEAD)).scalar_subquery(), type_=ARRAY(sa.BigInteger))
    return (
        sa.select(posts.c.id)
        .where(posts.c.id == sa.any_(ids))
        .limit(at_most(1))
        .with_for_update(skip_locked=True, key_share=True)
    )


_DUE: Final = _one_of(
    sa.select(post_labels.c.post_id)
    .where(post_labels.c.due <= sa.bindparam("today", type_=sa.Date))
    .order_by(post_labels.c.due)
)


async def turn_the_day(conn: AsyncConnection, post_id: int, today: date) -> None:
    """Labels of a post that end do so; those that begin are looked at again when they end."""
    mine = post_labels.c.post_id == post_id
    await lock(conn, [post_id])
    ended = sa.or_(post_labels.c.ends <= today, post_labels.c.over)
    await conn.execute(sa.delete(post_labels).where(mine, ended, ~post_labels.c.held))
    await conn.execute(sa.update(post_labels).where(mine, ended).values(over=True, due=date.max))
    await conn.execute(
        sa.update(post_labels)
        .where(mine, ~ended, post_labels.c.due <= today)
        .values(due=post_labels.c.ends)
    )
    await refresh(conn, [post_id])


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A hold because of another server's label that is not done yet; or, if `held`, not undone.

    `alone`: nothing else held the post, and its words are those that were held.
    """

    id: UUID
    post_id: int
    label: str
    host: str
    signal: str
    held: bool
    alone: bool
    over: bool


async def next_undone(conn: AsyncConnection) -> Undone | None:
    """The next of them, with its post locked; of one post, what wants it held is first."""
    while (post_id := await conn.scalar(_WAITS)) is not None:
        if row := (await conn.execute(_UNDONE, {"about": post_id})).first():
            return Undone(**row._mapping)
    return None


_OTHER: Final = (  # the post has other words than those that a label is about (MOD-5.2)
    sa.select(sa.func.coalesce(posts.c.edited > post_labels.c.version, sa.false()))
    .where(posts.c.id == post_labels.c.post_id)
    .correlate(post_labels)
    .scalar_subquery()
)
_WANTS: Final = sa.and_(
    post_labels.c.effect == constant(Effect.HOLD),
    ~post_labels.c.over,
    ~post_labels.c.silent,
    ~_OTHER,
)
_IS_UNDONE: Final = sa.and_(
    sa.text("giver = 'peer' AND (held OR effect = 'hold')"), post_labels.c.held != _WANTS
)
_WAITS: Final = _one_of(
    sa.select(post_labels.c.post_id).where(_IS_UNDONE).order_by(post_labels.c.post_id)
)
_UNDONE: Final = (
    sa.select(*(post_labels.c[name] for name in Undone.__slots__))
    .where(post_labels.c.post_id == sa.bindparam("about", type_=sa.BigInteger), _IS_UNDONE)
    .order_by(post_labels.c.held)
    .limit(at_most(1))
)


async def is_done(conn: AsyncConnection, undone: Undone, *, alone: bool = False) -> None:
    """A post is held for this label now, or is not any more; what is over goes.

    `alone`: nothing but labels of other servers holds it.
    """
    mine = post_labels.c.id == undone.id
    if undone.over:
        await conn.execute(sa.delete(post_labels).where(mine))
    else:
        done = {"held": not undone.held, "alone": alone}
        await conn.execute(sa.update(post_labels).where(mine).values(done))


async def holds_alone(conn: AsyncConnection, post_id: int) -> bool:
    """Whether a held post waits for nothing but labels of other servers."""
    found = await conn.scalar(
        sa.select(post_labels.c.id)
        .where(post_labels.c.post_id == post_id, post_labels.c.held, post_labels.c.alone)
        .limit(at_most(1))
    )
    return found is not None


async def has_other_words(conn: AsyncConnection, post_id: int) -> None:
    """A held post got other words: somebody reads them, whatever becomes of the labels."""
    await conn.execute(_OTHER_WORDS, {"about": post_id})


_OTHER_WORDS: Final = (
    sa.update(post_labels)
    .where(post_labels.c.post_id == sa.bindparam("about", type_=sa.BigInteger))
    .values(alone=False)
)


async def wants_hold(conn: AsyncConnection, post_id: int) -> bool:
    """Whether a label still wants a post to be read first."""
    found = await conn.scalar(
        sa.select(post_labels.c.id)
        .where(
            post_labels.c.post_id == post_id,
            _WANTS,
        )
        .limit(at_most(1))
    )
    return found is not None
