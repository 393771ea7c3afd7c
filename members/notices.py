"""What a persona is told, and what its member reads of that (DOM-A16, SEC-U10).

A row says that something happened, to the minute, and names no words: those stand in the post
alone, so that they go with it. What a member has read is in no table (`members/quiet.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from kernel import keep_times, live
from kernel.arrays import Rows, any_of
from kernel.clock import COARSE, to_five_minutes
from kernel.here import Here
from kernel.ids import LAST_ID, first_of_minute, released, within_minute
from kernel.rows import AnyRow, AnySelect, at_most, constant
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState, ReactionKind
from kernel.schema.tables import (
    actors,
    blocks,
    follows,
    notices,
    posts,
    reactions,
    threads,
    waiting,
)
from moderation.visibility import Viewer, host_is_welcome, may_see_group

MOST: Final = 200  # notices of one persona: the oldest go
KEPT: Final = keep_times.NOTICE
HEARERS: Final = 20  # names of those who heard one post

_OF_MESSAGES: Final = (NoticeKind.MESSAGE, NoticeKind.ASKS, NoticeKind.AGREED)
_OF_OTHERS: Final = (NoticeKind.ANSWER, NoticeKind.MENTION, NoticeKind.HEARD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Something that the persona `uri` is told; nothing happens where it is none of ours.

    It is about a post, or else about a group or a person. `by` is whose act it is: nobody is told
    of their own, nor what somebody did who wants nothing from them. `within`: only who may read
    that group.
    """

    uri: str
    kind: NoticeKind
    post_id: int | None = None
    group_id: UUID | None = None
    by: UUID | None = None
    within: UUID | None = None
    coarse: bool = False  # nobody is to know the minute (SEC-U24)
    decision_id: int | None = None  # where moderators decided it: its line in the log

    def time(self, now: datetime) -> datetime:
        """What its id tells: the minute, or the end of the five minutes.

        Not their beginning: everything older may have been marked as seen by now.
        """
        return to_five_minutes(now) + COARSE if self.coarse else now


async def tell(conn: AsyncConnection, here: Here, several: Collection[Telling]) -> None:
    """Tell personas something, and open pages that there is news: one statement for all.

    A later notice about the same takes the place of an earlier one.
    """
    if not several:
        return
    rows = [
        {
            "uri": each.uri,
            "id": within_minute(each.time(here.now())),
            "kind": each.kind.value,
            "post_id": each.post_id,
            "group_id": each.group_id,
            "by": each.by,
            "within": each.within,
            "decision_id": each.decision_id,
        }
        for each in several
    ]
    await conn.execute(_TELL, _TOLD.values(rows))


_TOLD: Final = Rows(
    "telling",
    uri=sa.Text,
    id=sa.BigInteger,
    kind=sa.Text,
    post_id=sa.BigInteger,
    group_id=sa.Uuid,
    by=sa.Uuid,
    within=sa.Uuid,
    decision_id=sa.BigInteger,
)


def _is_there(select: AnySelect) -> sa.ColumnElement[bool]:
    """SQL: asked one row after the other (`kernel.rows.has_one`)."""
    return select.limit(1).correlate(actors, _TOLD.table).scalar_subquery().is_not(None)


def _may_hear() -> sa.ColumnElement[bool]:
    """SQL: the persona may read the group, and the other one wants something to do with it."""
    one = sa.literal_column("1", sa.Integer)
    group = actors.alias("within")
    closed = sa.select(one).where(group.c.id == _TOLD.c.within, group.c.members_only)
    member = sa.select(one).where(
        follows.c.follower_id == actors.c.id,
        follows.c.followed_id == _TOLD.c.within,
        follows.c.state == constant(FollowState.ACCEPTED),
    )
    blocked = sa.select(one).where(
        blocks.c.blocker_id == _TOLD.c.by, blocks.c.persona_id == actors.c.id
    )
    return sa.and_(~_is_there(blocked), sa.or_(~_is_there(closed), _is_there(member)))


def _telling() -> sa.Executable:
    told = (
        sa.select(
            actors.c.id.label("persona_id"),
            *(_TOLD.c[name] for name in ("id", "kind", "post_id", "group_id", "decision_id")),
        )
        .select_from(_TOLD.table.join(actors, actors.c.uri == _TOLD.c.uri))
        .where(
            actors.c.local,
            actors.c.kind == constant(ActorKind.PERSON),
            actors.c.state == constant(ActorState.ACTIVE),
            actors.c.id.is_distinct_from(_TOLD.c.by),
            _may_hear(),
        )
        .cte("told")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    made = (
        insert(notices)
        .from_select(
            ["persona_id", "id", "kind", "post_id", "group_id", "decision_id"],
            sa.select(
                *(
                    told.c[name]
                    for name in ("persona_id", "id", "kind", "post_id", "group_id", "decision_id")
                )
            ),
        )
        .on_conflict_do_nothing()
        .returning(notices.c.persona_id)
        .cte("made")
    )
    theirs = sa.and_(notices.c.persona_id == told.c.persona_id, notices.c.kind == told.c.kind)
    of_post = sa.and_(theirs, notices.c.post_id == told.c.post_id)
    of_group = sa.and_(
        theirs,
        told.c.post_id.is_(None),
        notices.c.post_id.is_(None),
        notices.c.group_id == told.c.group_id,
    )
    earlier = sa.select(notices.c.persona_id, notices.c.id)
    whose = sa.select(told.c.persona_id).distinct().subquery("whose")
    old = notices.alias("old")
    last = (
        sa.select(old.c.id)
        .where(old.c.persona_id == whose.c.persona_id)
        .order_by(old.c.id.desc())
        .offset(at_most(MOST - 1))
        .limit(at_most(1))
        .lateral("last")
    )
    edge = sa.select(whose.c.persona_id, last.c.id).join(last, sa.true()).subquery("edge")
    over = sa.select(notices.c.persona_id, notices.c.id).join(
        edge, sa.and_(notices.c.persona_id == edge.c.persona_id, notices.c.id <= edge.c.id)
    )
    return (
        sa.select(live.persona_told(made.c.persona_id))
        .group_by(made.c.persona_id)
        .add_cte(
            _drop(earlier.join(told, of_post), "of_post"),
            _drop(earlier.join(told, of_group), "of_group"),
            _drop(over, "over"),
        )
    )


def _drop(rows: sa.Select[UUID, int], name: str) -> sa.CTE:
    """SQL: delete these, but for what somebody else is deleting: nobody waits for anybody."""
    free = rows.with_for_update(skip_locked=True, of=notices).cte(f"{name}_free")
    return (
        sa.delete(notices)
        .where(notices.c.persona_id == free.c.persona_id, notices.c.id == free.c.id)
        .returning(notices.c.id)
        .cte(name)
    )


_TELL: Final = _telling()


async def forget_post(conn: AsyncConnection, post_id: int) -> None:
    """Its author took a post back: nobody is told of it any more."""
    await conn.execute(_FORGET, {"about": post_id})


_FORGET: Final = sa.delete(notices).where(
    notices.c.post_id == sa.bindparam("about", type_=sa.BigInteger)
)


async def forget_held(conn: AsyncConnection, post_id: int) -> None:
    """Somebody decided about a post that was held: that it waits is no news any more."""
    await conn.execute(
        _FORGET.where(
            notices.c.kind.in_([constant(NoticeKind.HELD), constant(NoticeKind.READ_AGAIN)])
        ),
        {"about": post_id},
    )


async def unheard(conn: AsyncConnection, post_id: int) -> None:
    """A sign was taken back: with the last one its notice goes."""
    left = sa.exists().where(
        reactions.c.post_id == post_id, reactions.c.kind == constant(ReactionKind.LIKE)
    )
    await conn.execute(
        sa.delete(notices).where(
            notices.c.post_id == post_id, notices.c.kind == constant(NoticeKind.HEARD), ~left
        )
    )


async def forget_unsent(conn: AsyncConnection, several: Collection[tuple[UUID, UUID]]) -> None:
    """Personas and groups: where none of a persona's posts lies there any more that did not go out,
    nothing is said of them."""
    pairs = [{"author_id": author_id, "group_id": group_id} for author_id, group_id in several]
    await conn.execute(_FORGET_UNSENT, _PAIRS.values(pairs))


_PAIRS: Final = Rows("dealt_with", author_id=sa.Uuid, group_id=sa.Uuid)


def _forget_unsent() -> sa.Delete:
    left = sa.exists().where(
        waiting.c.author_id == notices.c.persona_id,
        waiting.c.group_id == notices.c.group_id,
        waiting.c.due.is_(None),
        waiting.c.reason != "",
    )
    return sa.delete(notices).where(
        notices.c.persona_id == _PAIRS.c.author_id,
        notices.c.group_id == _PAIRS.c.group_id,
        notices.c.kind == constant(NoticeKind.UNSENT),
        ~left,
    )


_FORGET_UNSENT: Final = _forget_unsent()


async def forget_persona(conn: AsyncConnection, persona_id: UUID) -> None:
    """A persona closes."""
    await conn.execute(sa.delete(notices).where(notices.c.persona_id == persona_id))


async def sweep(conn: AsyncConnection, now: datetime) -> None:
    """Drop what is older than `KEPT`."""
    await conn.execute(_SWEEP, {"first": first_of_minute(now - KEPT)})


_SWEEP: Final = sa.delete(notices).where(notices.c.id < sa.bindparam("first", type_=sa.BigInteger))


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What stands before words: their author's note, and labels (`node.pages.covers`)."""

    note: str
    sensitive: bool
    labels: str
    given: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One line for one of the viewer's personas.

    What tells of a message has the person it is about where else the group stands.

    `content` (HTML to be cleaned) and `title` are of the post it is about and of that post's
    thread; either is empty where there is none. `author_id` is who wrote the post.
    """

    persona_id: UUID
    id: int
    kind: NoticeKind
    post_id: int | None
    decision_id: int | None
    thread_id: int | None
    content: str
    note: str
    sensitive: bool
    labels: str
    given: str
    reason: str
    author_id: UUID | None
    author_name: str
    author_host: str
    title: str
    title_note: str
    title_sensitive: bool
    title_labels: str
    title_given: str
    group_id: UUID
    group_name: str
    group_address: str
    group_host: str

    @property
    def time(self) -> datetime:
        """To the minute or, in a group that asks for it, to five; UTC."""
        return released(self.id)

    @property
    def by_others(self) -> bool:
        """Whether somebody else's words or sign are what it tells of."""
        return self.kind in _OF_OTHERS

    @property
    def of_message(self) -> bool:
        """Whether it tells of a message, or of who would like to write one."""
        return self.kind in _OF_MESSAGES

    @property
    def title_marks(self) -> Marks:
        """What stands before the thread's title."""
        return Marks(
            note=self.title_note,
            sensitive=self.title_sensitive,
            labels=self.title_labels,
            given=self.title_given,
        )

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row of `_LIST`."""
        values = dict(row._mapping)
        values["kind"] = NoticeKind(values["kind"])
        return cls(**values)


_author: Final = actors.alias("author")
_group: Final = actors.alias("about_group")
_root: Final = posts.alias("root")


def _text(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    return sa.func.coalesce(column, "")


def _or_no(column: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.func.coalesce(column, sa.false())


def _mine() -> sa.Subquery:
    """SQL: what the viewer's personas were told, each looked up by the key, at most all of it.

    Otherwise PostgreSQL would walk through everybody's, newest first, until a page is full.
    """
    voices = (
        sa.func.unnest(sa.bindparam("viewer_voices", type_=sa.ARRAY(sa.Uuid)))
        .table_valued(sa.column("id", sa.Uuid))
        .render_derived(name="voices")
    )
    theirs = (
        sa.select(notices)
        .where(
            notices.c.persona_id == voices.c.id,
            notices.c.id < sa.bindparam("before", type_=sa.BigInteger),
            notices.c.id >= sa.bindparam("from", type_=sa.BigInteger),
        )
        .order_by(notices.c.id.desc())
        .limit(at_most(MOST))
        .lateral("theirs")
    )
    return sa.select(theirs).select_from(voices.join(theirs, sa.true())).subquery("mine")


_told: Final = _mine()
_about: Final = (  # LIMIT keeps it a look-up for each line: PostgreSQL would read all threads
    sa.select(
        posts.c.id,
        posts.c.thread_id,
        posts.c.content,
        posts.c.note,
        posts.c.sensitive,
        posts.c.labels,
        posts.c.given,
        posts.c.reason,
        posts.c.author_id,
        _author.c.name.label("author_name"),
        _author.c.host.label("author_host"),
        sa.case((_root.c.state == constant(PostState.SHOWN), _root.c.title), else_="").label(
            "title"
        ),
        _root.c.note.label("title_note"),
        _root.c.sensitive.label("title_sensitive"),
        _root.c.labels.label("title_labels"),
        _root.c.given.label("title_given"),
        threads.c.group_id,
    )
    .select_from(
        posts.join(_author, _author.c.id == posts.c.author_id)
        .join(threads, threads.c.id == posts.c.thread_id)
        .join(_root, _root.c.id == threads.c.id)
    )
    .where(
        posts.c.id == _told.c.post_id,
        may_see_group(threads.c.group_id),
        host_is_welcome(_author),
        sa.or_(
            posts.c.state == constant(PostState.SHOWN),
            sa.and_(
                posts.c.state != constant(PostState.DELETED),
                _told.c.kind.not_in([constant(kind) for kind in _OF_OTHERS]),
            ),
        ),
    )
    .limit(at_most(1))
    .lateral("about")
)
_LIST: Final[AnySelect] = (
    sa.select(
        _told.c.persona_id,
        _told.c.id,
        _told.c.kind,
        _told.c.post_id,
        _told.c.decision_id,
        _about.c.thread_id,
        *(
            _text(_about.c[name]).label(name)
            for name in ("content", "note", "labels", "given", "reason")
        ),
        _or_no(_about.c.sensitive).label("sensitive"),
        _about.c.author_id,
        *(_text(_about.c[name]).label(name) for name in ("author_name", "author_host", "title")),
        *(
            _text(_about.c[name]).label(name)
            for name in ("title_note", "title_labels", "title_given")
        ),
        _or_no(_about.c.title_sensitive).label("title_sensitive"),
        _group.c.id.label("group_id"),
        _group.c.name.label("group_name"),
        sa.case(
            (_group.c.local, _group.c.handle),
            else_=_group.c.handle.concat("@").concat(_group.c.host),
        ).label("group_address"),
        _group.c.host.label("group_host"),
    )
    .select_from(
        _told.outerjoin(_about, sa.true()).join(
            _group, _group.c.id == sa.func.coalesce(_told.c.group_id, _about.c.group_id)
        )
    )
    .where(
        sa.or_(_told.c.post_id.is_(None), _about.c.id.is_not(None)),
        host_is_welcome(_group),
    )
    .order_by(_told.c.id.desc(), _told.c.persona_id)
)


@cache
def _page(limit: int) -> AnySelect:
    return _LIST.limit(at_most(limit))


async def page(
    conn: AsyncConnection, viewer: Viewer, *, before: int | None = None, after: int = 0, limit: int
) -> Sequence[Notice]:
    """What the viewer's personas were told and may still read, newest first.

    Only what has an id from `after` on, and below `before`.
    """
    values = {"before": LAST_ID if before is None else before, "from": after, **viewer.values}
    return [Notice.of(row) for row in await conn.execute(_page(limit), values)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearer:
    """Somebody who let the author of a post know that they heard it."""

    id: UUID
    name: str
    host: str


async def hearers(conn: AsyncConnection, post_ids: Sequence[int]) -> Mapping[int, Sequence[Hearer]]:
    """Who heard these posts, for their author's eyes alone; up to `HEARERS` of each."""
    found: dict[int, list[Hearer]] = {}
    if post_ids:
        for row in await conn.execute(_HEARERS, {"post_ids": post_ids}):
            who = Hearer(id=row.id, name=row.name, host=row.host)
            found.setdefault(row.post_id, []).append(who)
    return found


_one: Final = (
    sa.select(actors.c.id, actors.c.name, actors.c.host)
    .select_from(reactions.join(actors, actors.c.uri == reactions.c.actor_uri))
    .where(
        reactions.c.post_id == posts.c.id,
        reactions.c.kind == constant(ReactionKind.LIKE),
        reactions.c.named,  # what a group elsewhere only says of them is nobody's (WIRE-G16)
        host_is_welcome(actors),
    )
    .limit(at_most(HEARERS))
    .correlate(posts)
    .lateral("one")
)
_HEARERS: Final = (
    sa.select(posts.c.id.label("post_id"), _one.c.id, _one.c.name, _one.c.host)
    .select_from(posts.join(_one, sa.true()))
    .where(any_of(posts.c.id, "post_ids"))
)


def of_membership(follower: Actor, followed: Actor, kind: NoticeKind) -> list[Telling]:
    """That a group let somebody of ours in, or not; of others than groups nothing is told."""
    if not follower.local or followed.kind is not ActorKind.GROUP:
        return []
    return [Telling(uri=follower.uri, kind=kind, group_id=followed.id)]
