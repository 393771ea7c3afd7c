"""Posts as lines of a list: what each is, where it was said, and as much as may be read of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from groups.posts import visible
from kernel.rows import AnySelect, constant
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, posts, threads
from moderation.visibility import host_is_listed, host_is_welcome, may_see_group


@dataclass(frozen=True, slots=True, kw_only=True)
class PostLine:
    """A post in a list; `content` is HTML to be cleaned, times are UTC."""

    id: int
    title: str  # of its thread, while its first post is shown
    content: str
    note: str
    sensitive: bool
    labels: str
    given: str
    thread_id: int
    beginner_id: UUID
    beginner_host: str
    author_id: UUID
    author_host: str
    author_name: str
    group_name: str
    group_address: str
    published: datetime


_root: Final = posts.alias("root")
_beginner: Final = actors.alias("beginner")
_group: Final = actors.alias("group_actor")


def _root_is_shown() -> sa.ColumnElement[bool]:
    return sa.and_(_root.c.state == constant(PostState.SHOWN), host_is_welcome(_beginner))


def select_lines(found: sa.FromClause, post_id: sa.ColumnElement[int]) -> AnySelect:
    """The columns of `PostLine` for the ids in `found`, of posts that the viewer may read.

    The caller adds WHERE, order and limit.
    """
    return (
        sa.select(
            posts.c.id,
            sa.case((_root_is_shown(), _root.c.title), else_="").label("title"),
            posts.c.content,
            posts.c.note,
            posts.c.sensitive,
            posts.c.labels,
            posts.c.given,
            posts.c.thread_id,
            _beginner.c.id.label("beginner_id"),
            _beginner.c.host.label("beginner_host"),
            posts.c.author_id,
            actors.c.host.label("author_host"),
            actors.c.name.label("author_name"),
            _group.c.name.label("group_name"),
            sa.case(
                (_group.c.local, _group.c.handle),
                else_=_group.c.handle.concat("@").concat(_group.c.host),
            ).label("group_address"),
            posts.c.published,
        )
        .select_from(
            found.join(posts, posts.c.id == post_id)
            .join(threads, threads.c.id == posts.c.thread_id)
            .join(_root, _root.c.id == posts.c.thread_id)
            .join(_beginner, _beginner.c.id == _root.c.author_id)
            .join(actors, actors.c.id == posts.c.author_id)
            .join(_group, _group.c.id == posts.c.group_id)
        )
        .where(
            posts.c.state == constant(PostState.SHOWN),
            visible(),
            may_see_group(_group.c.id),
            host_is_welcome(_group),
            host_is_listed(_group),
            host_is_listed(actors),
        )
    )
