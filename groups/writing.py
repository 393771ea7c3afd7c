"""Posts enter their tables: one, or many at once, in the same few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from groups import parts as part_store
from groups import pictures
from groups import posts as post_store
from groups.admission import Draft
from groups.groups import Group
from groups.parts import NO_PARTS, Parts
from groups.pictures import Chosen
from groups.posts import Post
from kernel import live, text
from kernel.arrays import Rows
from kernel.clock import to_five_minutes, to_minute
from kernel.here import Here
from kernel.ids import next_post_ids, released
from kernel.rows import constant
from kernel.schema.posts import PostState, Wish
from kernel.schema.tables import posts, threads
from moderation import alerting, labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What goes into a post's row, from a composer or from another server."""

    title: str
    source: str
    content: str  # HTML
    note: str
    sensitive: bool
    language: str
    published: datetime
    edited: datetime | None = None
    url: str | None = None
    mentioned: str = ""  # URIs, with blanks between them
    answers_closed: bool = False
    likes_closed: bool = False
    answers_by: str = ""  # `Permission.line`
    likes_by: str = ""
    labels: str = ""  # ids, with blanks between them
    wish: Wish | None = None  # of a thread, so only with its first post
    expires: date | None = None  # of ours: the day on which it is deleted

    def columns(self) -> dict[str, Any]:
        """What of it stands in the row of a post."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "wish"}


def written(here: Here, draft: Draft) -> tuple[Words, Parts]:
    """A member's draft as of now, its time to the minute (WIRE-P7, WIRE-P8)."""
    marks = text.Marks(f"{here.origin}/tags/", draft.people)
    content = text.render(draft.source, marks)
    words = Words(
        title=" ".join(draft.title.split()),
        source=draft.source.strip(),
        content=content,
        note=draft.whole_note,
        labels=" ".join(labels.picked(draft.labels)),
        wish=draft.wish,
        sensitive=bool(draft.whole_note),
        language=draft.language,
        published=to_minute(here.now()),
        mentioned=" ".join(marks.mentioned),
        expires=here.now().date() + timedelta(days=draft.days) if draft.days else None,
    )
    return words, Parts(hashtags=tuple(marks.tags), poll=draft.poll)


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """A post to be written; `uri` where it was said elsewhere. Without a `parent` it is a root."""

    author: Actor
    group: Group
    parent: Post | None
    words: Words
    state: PostState
    uri: str | None = None
    parts: Parts = NO_PARTS
    pictures: Sequence[Chosen] = ()
    named: Sequence[str] = ()  # ids of actors that a post from elsewhere mentions

    @property
    def shown(self) -> bool:
        return self.state is PostState.SHOWN

    @property
    def after(self) -> datetime:
        """When its id may say it was released: not before what it answers."""
        earliest = released(self.parent.id) if self.parent else self.words.published
        return max(self.words.published, earliest)

    def post(self, here: Here, post_id: int) -> Post:
        """As it stands in the tables once it is written."""
        parent = self.parent
        return Post(
            id=post_id,
            uri=self.uri or post_store.local_uri(here, post_id),
            author_id=self.author.id,
            author_uri=self.author.uri,
            author_name=self.author.name,
            author_handle=self.author.handle,
            author_host=self.author.host,
            author_local=self.author.local,
            thread_id=parent.thread_id if parent else post_id,
            thread_uri=parent.thread_uri if parent else f"{here.origin}/t/{post_id}",
            locked=parent.locked if parent else False,
            pinned=parent.pinned if parent else False,
            moved_to=parent.moved_to if parent else None,
            memorial=parent.memorial if parent else False,
            slow_until=parent.slow_until if parent else None,
            hushed=parent.hushed if parent else False,
            group_id=self.group.id,
            parent_id=parent.id if parent else None,
            state=self.state,
            reason="",
            approval=None,
            was_shown=False,
            given="",
            likes=0,
            poll=self.parts.poll is not None,
            attached=len(self.parts.attachments) + len(self.pictures),
            wish=parent.wish if parent else self.words.wish,
            **self.words.columns(),
        )

    def timed(self) -> Self:
        """With times as fine as the group lets them be known; so is the id (SEC-U24).

        How long a poll from elsewhere is open is for its own server to say.
        """
        if not self.group.coarse:
            return self
        words = replace(self.words, published=to_five_minutes(self.words.published))
        poll = self.parts.poll
        if poll is None or poll.ends is None or not self.author.local:
            return replace(self, words=words)
        poll = replace(poll, ends=to_five_minutes(poll.ends))
        return replace(self, words=words, parts=replace(self.parts, poll=poll))


async def insert(conn: AsyncConnection, here: Here, several: Sequence[New]) -> list[Post]:
    """Write posts, and the threads of roots; shown answers move their threads up."""
    several = [new.timed() for new in several]
    try:
        async with conn.begin_nested():
            return await _write(conn, here, several)
    except IntegrityError:  # somebody else drew the same id in the same minute: draw again
        return await _write(conn, here, several)


async def _write(conn: AsyncConnection, here: Here, several: Sequence[New]) -> list[Post]:
    ids = await next_post_ids(conn, [new.after for new in several])
    made = [new.post(here, post_id) for new, post_id in zip(several, ids, strict=True)]
    if roots := [post for post in made if post.is_root]:
        rows = [
            {
                "id": post.id,
                "uri": post.thread_uri,
                "group_id": post.group_id,
                "latest_id": post.id,
                "shown": post.shown,
                "wish": post.wish,
            }
            for post in roots
        ]
        await conn.execute(_INSERT_THREADS, _THREAD.values(rows))
    rows = [{name: getattr(post, name) for name in _POST.names} for post in made]
    await conn.execute(_INSERT_POSTS, _POST.values(rows))
    await part_store.write(
        conn, here, [(post.id, new.parts) for new, post in zip(several, made, strict=True)]
    )
    for new, post in zip(several, made, strict=True):
        await pictures.attach(conn, post.id, new.pictures)
    for group_id in {post.group_id for post in made if post.state is PostState.HELD}:
        await alerting.call(conn, group_id)
    latest: dict[int, int] = {}
    replies: dict[int, int] = {}
    for post in made:
        if post.shown and not post.is_root:
            latest[post.thread_id] = max(post.id, latest.get(post.thread_id, 0))
            replies[post.thread_id] = replies.get(post.thread_id, 0) + 1
    if latest:
        rows = [{"id": n, "latest_id": latest[n], "more": replies[n]} for n in sorted(latest)]
        found = await conn.execute(_COUNT_IN, _COUNT.values(rows))
        rows_found = found.all()
        made = await _follow_threads(conn, made, {row.id: row.group_id for row in rows_found})
        if strayed := {row.id for row in rows_found if row.rearranged}:
            made = await _rejoin(conn, made, strayed)
    return made


async def _follow_threads(
    conn: AsyncConnection, made: list[Post], homes: Mapping[int, UUID]
) -> list[Post]:
    """Answers whose threads moved to another group while they were written go there as well."""
    behind = [post for post in made if homes.get(post.thread_id, post.group_id) != post.group_id]
    if not behind:
        return made
    home = sa.select(threads.c.group_id).where(threads.c.id == posts.c.thread_id)
    await conn.execute(
        sa.update(posts)
        .where(posts.c.id.in_([post.id for post in behind]))
        .values(group_id=home.scalar_subquery())
    )
    return [post._replace(group_id=homes.get(post.thread_id, post.group_id)) for post in made]


_THREAD = Rows(
    "thread",
    id=sa.BigInteger,
    uri=sa.Text,
    group_id=sa.Uuid,
    latest_id=sa.BigInteger,
    shown=sa.Boolean,
    wish=sa.Text,
)
_INSERT_THREADS = threads.insert().from_select(_THREAD.names, sa.select(*_THREAD.c))

_LATER = ("reason", "findable", "was_shown", "given")  # what no post has at first
_POST = Rows("post", **{each.name: each.type for each in posts.c if each.name not in _LATER})
_INSERT_POSTS = posts.insert().from_select(_POST.names, sa.select(*_POST.c))

_COUNT = Rows("counted", id=sa.BigInteger, latest_id=sa.BigInteger, more=sa.Integer)
_COUNT_IN = (
    sa.update(threads)
    .where(threads.c.id == _COUNT.c.id)
    .values(
        replies=threads.c.replies + _COUNT.c.more,
        latest_id=sa.func.greatest(threads.c.latest_id, _COUNT.c.latest_id),
        shown=True,
    )
    .returning(
        threads.c.id, threads.c.group_id, threads.c.rearranged, live.thread_changed(threads.c.id)
    )
)


async def _rejoin(conn: AsyncConnection, made: list[Post], threads_of: set[int]) -> list[Post]:
    """Answers whose parents went to another thread while they were written go there as well.

    Whoever rearranges a thread holds its row, so this sees what they did.
    """
    parent = posts.alias("parent")
    moved = await conn.execute(
        sa.update(posts)
        .where(
            posts.c.id.in_([post.id for post in made if post.thread_id in threads_of]),
            parent.c.id == posts.c.parent_id,
            parent.c.thread_id != posts.c.thread_id,
        )
        .values(thread_id=parent.c.thread_id)
        .returning(posts.c.id, posts.c.thread_id)
    )
    homes: dict[int, int] = {row.id: row.thread_id for row in moved}
    if not homes:
        return made
    for thread_id in sorted({*threads_of, *homes.values()}):
        await recount(conn, thread_id)
    return [await post_store.get(conn, post.id) if post.id in homes else post for post in made]


async def recount(conn: AsyncConnection, thread_id: int) -> None:
    """Count a thread's shown posts anew; without any it leaves the lists."""
    shown = sa.and_(posts.c.thread_id == thread_id, posts.c.state == constant(PostState.SHOWN))
    answers = sa.select(sa.func.count()).select_from(posts).where(shown, posts.c.id != thread_id)
    newest = sa.select(sa.func.max(posts.c.id)).where(shown)
    await conn.execute(
        sa.update(threads)
        .where(threads.c.id == thread_id)
        .values(
            replies=answers.scalar_subquery(),
            latest_id=sa.func.coalesce(newest.scalar_subquery(), thread_id),
            shown=sa.exists().where(shown),
        )
    )


async def count_in(conn: AsyncConnection, thread_id: int, post_id: int) -> None:
    """A post that was written earlier became visible: its thread moves up."""
    is_reply = sa.case((threads.c.id == post_id, 0), else_=1)
    await conn.execute(
        sa.update(threads)
        .where(threads.c.id == thread_id)
        .values(
            replies=threads.c.replies + is_reply,
            latest_id=sa.func.greatest(threads.c.latest_id, post_id),
            shown=True,
        )
        .returning(live.thread_changed(threads.c.id))
    )


async def count_out(conn: AsyncConnection, post: Post) -> None:
    """A post is no longer shown: it is counted off; with its last one a thread leaves the lists.

    A thread without its first post is not pinned either.
    """
    await conn.execute(
        sa.select(threads.c.id).where(threads.c.id == post.thread_id).with_for_update()
    )  # what is counted in beside this is seen below
    left = sa.exists().where(posts.c.thread_id == post.thread_id, posts.c.state == PostState.SHOWN)
    changed: dict[str, object] = {"pinned": False}
    if not post.is_root:
        changed = {"replies": sa.func.greatest(threads.c.replies - 1, 0)}
    await conn.execute(
        sa.update(threads)
        .where(threads.c.id == post.thread_id)
        .values(shown=left, **changed)
        .returning(live.thread_changed(threads.c.id))
    )
