"""Stories of recovery: how somebody came through, in a group that collects them (DOM-B13).

A story is a thread in four parts. Whoever tells it, a moderator reads it first, and nobody is the
moderator who reads their own. Some are shown beside threads about something heavy.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from groups.groups import Group
from groups.posts import Post
from kernel.errors import Malformed, NotAllowed
from kernel.ids import LAST_ID
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.groups import Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, groups, posts, threads
from moderation.visibility import host_is_welcome

PAGE: Final = 20
BESIDE: Final = 3  # stories beside one thread
GROUPS: Final = 20  # of the node that they are looked for in, the thread's own first
NEWEST: Final = 30  # of each that are looked at
_CHOICE: Final = 4 * BESIDE  # some of them may be none for the reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a story is made of, as typed."""

    like: str  # what it was like
    helped: str
    now: str  # what I do now
    lines: str  # of help

    @property
    def source(self) -> str:
        """The words as one post, in Markdown. Raises Malformed: a part is missing."""
        if not (self.like.strip() and self.helped.strip() and self.now.strip()):
            raise Malformed("A story needs its first three parts. A few words each are enough.")
        parts = (
            ("What it was like", self.like),
            ("What helped", self.helped),
            ("What I do now", self.now),
            ("Where to find help", self.lines),
        )
        return "\n\n".join(
            f"**{title}**\n\n{said.strip()}" for title, said in parts if said.strip()
        )


def check_open(group: Group) -> None:
    """Raises NotAllowed: the group collects no stories."""
    if group.settings is None or not group.settings.stories:
        raise NotAllowed("This group does not collect stories.")


async def check_reader(conn: AsyncConnection, post: Post, voices: Collection[UUID]) -> None:
    """Raises NotAllowed: it is a story by whoever would be its reader."""
    if post.author_id not in voices or not post.is_root:
        return
    is_story = sa.select(threads.c.id).where(threads.c.id == post.id, threads.c.story)
    if await conn.scalar(is_story) is not None:
        raise NotAllowed("Somebody else reads your story first. Please ask another moderator.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A line of the list. `published` is UTC."""

    id: int
    title: str
    note: str
    sensitive: bool
    labels: str
    given: str
    language: str
    author_id: UUID
    author_host: str
    author_name: str
    published: datetime

    @property
    def thread_id(self) -> int:
        """A story is a thread."""
        return self.id


async def told(
    conn: AsyncConnection, group: Group, *, before: int | None = None, limit: int = PAGE
) -> Sequence[Story]:
    """The stories of a group that are shown, newest first."""
    values = {"group_id": group.id, "before": LAST_ID if before is None else before}
    return [Story(**row._mapping) for row in await conn.execute(_told(limit), values)]


_LINE: Final[AnySelect] = sa.select(
    posts.c.id,
    posts.c.title,
    posts.c.note,
    posts.c.sensitive,
    posts.c.labels,
    posts.c.given,
    posts.c.language,
    posts.c.author_id,
    actors.c.host.label("author_host"),
    actors.c.name.label("author_name"),
    posts.c.published,
).where(posts.c.state == constant(PostState.SHOWN), host_is_welcome(actors))
_ROOT: Final = posts.join(actors, actors.c.id == posts.c.author_id)


@cache
def _told(limit: int) -> AnySelect:
    return (
        _LINE.select_from(threads.join(_ROOT, posts.c.id == threads.c.id))
        .where(
            threads.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
            threads.c.story,
            threads.c.shown,
            threads.c.id < sa.bindparam("before", type_=sa.BigInteger),
        )
        .order_by(threads.c.id.desc())
        .limit(at_most(limit))
    )


async def beside(conn: AsyncConnection, root: Post) -> Sequence[Story]:
    """Stories for whoever reads a thread about something heavy, those of its own group first.

    About nothing that its content note does not name; a few more than `BESIDE`, since some may be
    none for the reader. None, and no statement: the thread has no such note, or mourns somebody.
    """
    if not (root.shown and root.labels) or root.memorial:
        return ()
    values = {"group_id": root.group_id, "but": root.id, "topics": root.labels.split()}
    return [Story(**row._mapping) for row in await conn.execute(_BESIDE, values)]


def _beside() -> AnySelect:
    """SQL: the newest of each group by the index of stories, and of those what fits."""
    own = groups.c.actor_id == sa.bindparam("group_id", type_=sa.Uuid)
    places = (
        sa.select(groups.c.actor_id, own.label("own"))
        .where(groups.c.stories, sa.or_(own, groups.c.sees == constant(Sees.EVERYONE)))
        .order_by(own.desc(), groups.c.actor_id)
        .limit(at_most(GROUPS))
        .subquery("places")
    )
    newest = (
        sa.select(threads.c.id)
        .where(threads.c.group_id == places.c.actor_id, threads.c.story, threads.c.shown)
        .where(threads.c.id != sa.bindparam("but", type_=sa.BigInteger))
        .order_by(threads.c.id.desc())
        .limit(at_most(NEWEST))
        .lateral("newest")
    )
    topics = sa.bindparam("topics", type_=ARRAY(sa.Text))
    named = sa.func.string_to_array(posts.c.labels, " ", type_=ARRAY(sa.Text))
    unnoted = sa.and_(posts.c.note == "", ~posts.c.sensitive)
    return (
        _LINE.select_from(places.join(newest, sa.true()).join(_ROOT, posts.c.id == newest.c.id))
        .where(sa.or_(unnoted, sa.and_(posts.c.labels != "", named.contained_by(topics))))
        .order_by(places.c.own.desc(), posts.c.id.desc())
        .limit(at_most(_CHOICE))
    )


_BESIDE: Final = _beside()
