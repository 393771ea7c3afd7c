"""Labels that others than its author gave a post: who says so, why, and for how long (MOD-5.18).

Each stands in a row of its own; what readers see of all of them stands once more in the row of the
post (`posts.given`), so that no list or page asks anything more. Labels that blame somebody are
for moderators alone. Nothing here changes what a post says, here or elsewhere (WIRE-M11).
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import live
from kernel.arrays import any_of
from kernel.errors import Conflict, NotFound
from kernel.ids import random_uuid
from kernel.rows import AnyRow, AnySelect, at_most
from kernel.schema.labels import Effect, Giver
from kernel.schema.tables import groups, post_labels, posts
from moderation.labels import BY_ID, IN_GROUPS
from moderation.saying import Saying

MAX_GIVEN: Final = 40  # labels of one post, by everybody
OVER: Final = date(1970, 1, 1)  # what is due since then is looked at next


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
    said_before = sa.and_(
        post_labels.c.label == saying.label,
        post_labels.c.giver == saying.giver,
        post_labels.c.host == saying.host,
    )
    count = await conn.scalar(
        sa.select(sa.func.count())
        .select_from(post_labels)
        .where(post_labels.c.post_id == post_id, ~said_before)
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
    .values(over=True, held=False, why="", sources=[], due=OVER)
)


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

    def says(self, saying: Saying) -> bool:
        """Whether the same people say the same for as long; for which reason does not matter."""
        return all(getattr(self, name) == getattr(saying, name) for name in _SAID)

    def is_older(self, edited: datetime | None) -> bool:
        """Whether the post has other words since (MOD-5.2)."""
        return self.version is not None and edited is not None and edited > self.version


_SAID: Final = ("label", "giver", "host", "effect", "starts", "ends")
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
    found = {row.id: row for row in await conn.execute(_EDITED, values)}
    shown: dict[int, list[dict[str, Any]]] = {post_id: [] for post_id in found}
    for row in await of_posts(conn, post_ids):
        if row.known and BY_ID[row.label].for_readers and not row.silent:
            post = found[row.post_id]
            effect = _in_group(row, post.label_effects or ())
            shown[row.post_id].append(_as_read(row, effect, post.edited))
    for post_id in sorted(shown):
        line = json.dumps(shown[post_id], ensure_ascii=False) if shown[post_id] else ""
        await conn.execute(
            sa.update(posts)
            .where(posts.c.id == post_id, posts.c.given != line)
            .values(given=line)
            .returning(live.thread_changed(posts.c.thread_id))
        )


_EDITED: Final = (
    sa.select(
        posts.c.id,
        posts.c.edited,
        sa.select(groups.c.label_effects)
        .where(groups.c.actor_id == posts.c.group_id)
        .correlate(posts)
        .scalar_subquery()
        .label("label_effects"),
    )
    .where(any_of(posts.c.id, "ids"))
    .order_by(posts.c.id)
    .with_for_update(key_share=True)
)


def _in_group(row: Row, chosen: Collection[str]) -> Effect:
    """What a label does in the group of its post (MOD-5.18).

    What its own moderators chose for this post stays. What the node's chose is never milder for
    it; nothing that holds, or does nothing, is otherwise.
    """
    if row.giver is Giver.GROUP or row.effect not in IN_GROUPS:
        return row.effect
    by_label = dict(each.split(" ", 1) for each in chosen)
    effect = Effect(by_label.get(row.label, row.effect))
    return max(row.effect, effect, key=IN_GROUPS.index) if row.giver is Giver.NODE else effect


def _as_read(row: Row, effect: Effect, edited: datetime | None) -> dict[str, Any]:
    return {
        "label": row.label,
        "by": row.host or row.giver.value,
        "effect": effect.value,
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


def one_of(waiting: sa.Select[int]) -> AnySelect:
    """SQL: one of the posts that wait, locked; rows of labels are not."""
    ids = sa.func.array(waiting.limit(at_most(AHEAD)).scalar_subquery(), type_=ARRAY(sa.BigInteger))
    return (
        sa.select(posts.c.id)
        .where(posts.c.id == sa.any_(ids))
        .limit(at_most(1))
        .with_for_update(skip_locked=True, key_share=True)
    )


_DUE: Final = one_of(
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
