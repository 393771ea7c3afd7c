"""Threads as they are read: lists of them, and the pages of one (DESIGN, "Groups")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from groups.posts import Post, readable, select_posts, visible
from kernel.arrays import any_of
from kernel.errors import NotFound
from kernel.ids import LAST_ID
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.actors import FollowState
from kernel.schema.posts import PostState, Wish
from kernel.schema.tables import actors, follows, posts, threads
from moderation.visibility import Viewer, host_is_welcome, may_see_group, my_groups

PAGE: Final = 50
FROM_FOLLOWED: Final = 5  # threads of groups that a group follows, on its page
MAX_PINNED: Final = 10  # threads of one group; Lemmy reads some tens


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLine:
    """A thread in a list. `latest_id` is the key to page on; times are UTC."""

    id: int
    latest_id: int
    title: str
    note: str
    labels: str
    given: str
    sensitive: bool
    language: str
    wish: Wish | None
    author_name: str
    author_address: str
    author_uri: str
    author_id: UUID
    group_id: UUID
    group_name: str
    group_address: str
    published: datetime
    replies: int
    locked: bool
    pinned: bool
    moved: bool
    state: PostState


_group_actor: Final = actors.alias("group_actor")
_LINE: Final[AnySelect] = sa.select(
    threads.c.id,
    threads.c.latest_id,
    posts.c.title,
    posts.c.note,
    posts.c.labels,
    posts.c.given,
    posts.c.sensitive,
    posts.c.language,
    threads.c.wish,
    actors.c.name.label("author_name"),
    sa.literal("@")
    .concat(actors.c.handle)
    .concat("@")
    .concat(actors.c.host)
    .label("author_address"),
    actors.c.uri.label("author_uri"),
    posts.c.author_id,
    threads.c.group_id,
    _group_actor.c.name.label("group_name"),
    sa.case(
        (_group_actor.c.local, _group_actor.c.handle),
        else_=_group_actor.c.handle.concat("@").concat(_group_actor.c.host),
    ).label("group_address"),
    posts.c.published,
    threads.c.replies,
    threads.c.locked,
    threads.c.pinned,
    threads.c.moved_to.is_not(None).label("moved"),
    posts.c.state,
).order_by(threads.c.latest_id.desc())
_ROOT: Final = threads.join(posts, posts.c.id == threads.c.id).join(
    actors, actors.c.id == posts.c.author_id
)
_older: Final = threads.c.latest_id < sa.bindparam("before", type_=sa.BigInteger)


_IN_ONE: Final[AnySelect] = _LINE.select_from(
    _ROOT.join(_group_actor, _group_actor.c.id == threads.c.group_id)
).where(
    threads.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
    threads.c.shown,
    may_see_group(_group_actor.c.id),
    host_is_welcome(_group_actor),
    host_is_welcome(actors),
)


@cache
def _latest_in_one(limit: int) -> AnySelect:
    """Lines of one group, by the index that has its threads in this order."""
    return _IN_ONE.where(_older, ~threads.c.pinned).limit(at_most(limit))


@cache
def _first_in_one(limit: int) -> sa.CompoundSelect[*tuple[Any, ...]]:
    """The same for a first page, with what is pinned, and what is new in followed groups.

    WIRE-A8, WIRE-G37.
    """
    pinned = _IN_ONE.where(threads.c.pinned).limit(at_most(MAX_PINNED)).subquery("pins")
    page = _latest_in_one(limit).subquery("page")
    others = _latest_in_followed().subquery("others")
    return sa.union_all(sa.select(pinned), sa.select(page), sa.select(others))


def _latest_in_followed() -> AnySelect:
    """Lines of groups elsewhere that a group follows: some of the newest of each of them."""
    followed = (
        sa.select(follows.c.followed_id)
        .where(
            follows.c.follower_id == sa.bindparam("group_id", type_=sa.Uuid),
            follows.c.state == constant(FollowState.ACCEPTED),
        )
        .subquery("followed")
    )
    newest = (
        sa.select(threads.c.id, threads.c.latest_id)
        .where(threads.c.group_id == followed.c.followed_id, threads.c.shown)
        .order_by(threads.c.latest_id.desc())
        .limit(at_most(FROM_FOLLOWED))
        .lateral("newest_there")
    )
    page = sa.select(newest.c.id).select_from(followed.join(newest, sa.true())).subquery("there")
    return (
        _LINE.select_from(
            page.join(_ROOT, threads.c.id == page.c.id).join(
                _group_actor, _group_actor.c.id == threads.c.group_id
            )
        )
        .where(
            ~_group_actor.c.local,
            may_see_group(_group_actor.c.id),
            host_is_welcome(_group_actor),
            host_is_welcome(actors),
        )
        .limit(at_most(FROM_FOLLOWED))
    )


@cache
def _latest_in_mine(limit: int) -> AnySelect:
    """Lines of all the viewer's groups: the newest of each by that index, the newest of those."""
    mine = my_groups().subquery("mine")
    newest = (
        sa.select(threads.c.id, threads.c.latest_id)
        .select_from(_ROOT)
        .where(threads.c.group_id == mine.c.group_id, threads.c.shown, _older)
        .where(host_is_welcome(actors))
        .order_by(threads.c.latest_id.desc())
        .limit(at_most(limit))
        .lateral("newest")
    )
    page = (
        sa.select(newest.c.id)
        .select_from(
            mine.join(_group_actor, _group_actor.c.id == mine.c.group_id).join(newest, sa.true())
        )
        .where(may_see_group(mine.c.group_id), host_is_welcome(_group_actor))
        .order_by(newest.c.latest_id.desc())
        .limit(at_most(limit))
        .subquery("page")
    )
    return _LINE.select_from(
        page.join(_ROOT, threads.c.id == page.c.id).join(
            _group_actor, _group_actor.c.id == threads.c.group_id
        )
    )


async def latest(
    conn: AsyncConnection,
    viewer: Viewer,
    *,
    group_id: UUID | None = None,
    before: int | None = None,
    limit: int = 20,
) -> Sequence[ThreadLine]:
    """Threads by newest answer: of one group, or of every group the viewer belongs to.

    What a group has pinned comes first on its first page, and the newest of groups that it follows
    comes last; neither counts towards `limit`.
    """
    values = {"before": LAST_ID if before is None else before, **viewer.values}
    if group_id is None:
        found = await conn.execute(_latest_in_mine(limit), values)
    else:
        query = _first_in_one(limit) if before is None else _latest_in_one(limit)
        found = await conn.execute(query, {"group_id": group_id, **values})
    lines = [
        ThreadLine(
            **{
                **row._mapping,
                "state": PostState(row.state),
                "wish": Wish(row.wish) if row.wish else None,
            }
        )
        for row in found
    ]
    if group_id is not None:
        lines.sort(key=lambda line: _place(group_id, line))
    return lines


def _place(group_id: UUID, line: ThreadLine) -> tuple[bool, bool, int]:
    """Where a line stands on a group's page."""
    theirs = line.group_id != group_id
    return theirs, not theirs and not line.pinned, -line.latest_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadPage:
    """A thread's posts in order of time, root first; `next_after` continues, if there is more."""

    root: Post
    posts: Sequence[Post]
    next_after: int | None


@cache
def _root_and_page(limit: int) -> sa.CompoundSelect[*tuple[Any, ...]]:
    """A thread's root, and so many posts behind a place in it; the root may come twice."""
    thread_id = sa.bindparam("thread_id", type_=sa.BigInteger)
    page = (
        select_posts()
        .where(
            posts.c.thread_id == thread_id,
            posts.c.id > sa.bindparam("after", type_=sa.BigInteger),
            visible(),
        )
        .order_by(posts.c.id)
        .limit(at_most(limit))
    )
    root = select_posts().where(posts.c.id == thread_id, visible())
    return sa.union_all(root, sa.select(page.subquery("page")))


async def show(
    conn: AsyncConnection, thread_id: int, viewer: Viewer, *, after: int = 0, limit: int = PAGE
) -> ThreadPage:
    """A page of a thread. Raises NotFound: there is none, or the viewer may not see it."""
    if max(thread_id, after) > LAST_ID:
        raise NotFound
    rows = await conn.execute(
        _root_and_page(limit + 1), {"thread_id": thread_id, "after": after, **viewer.values}
    )
    found = {post.id: post for post in map(Post.of, rows)}
    root = found.get(thread_id)
    if root is None or not root.is_root:
        raise NotFound
    behind = sorted(post_id for post_id in found if post_id > after)
    page = [found[post_id] for post_id in behind[:limit]]
    return ThreadPage(
        root=root, posts=page, next_after=page[-1].id if len(behind) > limit else None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a post of a thread stands, without its words.

    `readable`: whether the viewer may read them. `given` are its labels by others, as stored.
    """

    id: int
    state: PostState
    author_id: UUID
    author_host: str
    readable: bool
    given: str


@cache
def _changes(limit: int) -> AnySelect:
    return (
        sa.select(
            posts.c.id,
            posts.c.state,
            posts.c.author_id,
            actors.c.host.label("author_host"),
            readable().label("readable"),
            posts.c.given,
        )
        .select_from(
            posts.join(actors, actors.c.id == posts.c.author_id).join(
                threads, threads.c.id == posts.c.thread_id
            )
        )
        .where(
            posts.c.thread_id == sa.bindparam("thread_id", type_=sa.BigInteger),
            posts.c.id >= sa.bindparam("first", type_=sa.BigInteger),
            visible(),
        )
        .order_by(posts.c.id)
        .limit(at_most(limit))
    )


async def changes(
    conn: AsyncConnection, thread_id: int, viewer: Viewer, *, first: int, limit: int
) -> Sequence[Change]:
    """How the posts of a thread from `first` on stand that the viewer may see, in order of time."""
    values = {"thread_id": thread_id, "first": first, **viewer.values}
    rows = await conn.execute(_changes(limit), values)
    return [Change(**{**row._mapping, "state": PostState(row.state)}) for row in rows]


_TITLES: Final = (
    sa.select(posts.c.id, posts.c.title)
    .select_from(_ROOT)
    .where(
        any_of(threads.c.id, "thread_ids"),
        posts.c.state == constant(PostState.SHOWN),
        may_see_group(threads.c.group_id),
        host_is_welcome(actors),
    )
)


async def titles(
    conn: AsyncConnection, viewer: Viewer, thread_ids: Sequence[int]
) -> Mapping[int, str]:
    """The titles of those of the threads that the viewer may see."""
    rows = await conn.execute(_TITLES, {"thread_ids": thread_ids, **viewer.values})
    return {row.id: row.title for row in rows}
