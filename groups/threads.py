"""Threads: starting one, answering, changing one's own words, reading (DESIGN, "Groups")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import digests, outbox
from activitypub.permissions import Act, request_uri
from groups import asking, earlier, noticing, pictures, stories, telling
from groups import groups as group_store
from groups import parts as part_store
from groups import posts as post_store
from groups.admission import Draft, admit_draft, check_edit
from groups.asking import Way
from groups.groups import Group
from groups.noticing import Said
from groups.parts import Parts
from groups.posts import Post, select_posts, visible
from groups.writing import New, Words, count_in, count_out, insert, written
from kernel import tombstone_log
from kernel.arrays import any_of
from kernel.clock import to_minute
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.ids import LAST_ID
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.actors import FollowState
from kernel.schema.posts import PostState, Wish
from kernel.schema.tables import actors, follows, posts, threads
from kernel.tombstone_log import Act as Decision
from members import notices
from moderation import standing
from moderation.standing import Speaker
from moderation.visibility import Viewer, host_is_welcome, may_see_group, my_groups

PAGE: Final = 50
FROM_FOLLOWED: Final = 5  # threads of groups that a group follows, on its page
MAX_PINNED: Final = 10  # threads of one group; Lemmy reads some tens
DIGESTED: Final = 10_000  # posts of a thread whose digest is made: 20 ms


async def start(
    conn: AsyncConnection,
    here: Here,
    speaker: Speaker,
    group: Group,
    draft: Draft,
    *,
    story: bool = False,
) -> Post:
    """Start a thread; a `story` of recovery waits for a moderator, whoever tells it (DOM-B13).

    Raises NotAllowed, Malformed: see `admission`, or the group collects no stories.
    """
    state = await may_start(conn, here, speaker, group, draft)
    if story:
        stories.check_open(group)
        state = PostState.HELD
    words, parts = written(here, draft)
    new = New(
        author=speaker.actor,
        group=group,
        parent=None,
        words=words,
        state=state,
        parts=parts,
        pictures=draft.pictures,
    )
    (post,) = await insert(conn, here, [new])
    if story:
        await conn.execute(sa.update(threads).where(threads.c.id == post.id).values(story=True))
    if post.shown:
        await telling.created(conn, here, group, post)
        await noticing.posted(conn, here, [_said(post, None)])
    return post


async def may_start(
    conn: AsyncConnection, here: Here, speaker: Speaker, group: Group, draft: Draft
) -> PostState:
    """How a thread would enter the group now. Raises NotAllowed, Malformed: see `admission`."""
    draft.check(root=True)
    return await admit_draft(conn, here, speaker, group, draft)


def _said(post: Post, parent: Post | None, before: str = "") -> Said:
    """Whom a post of ours calls, but for whom it called `before`."""
    called = before.split()
    named = [uri for uri in post.mentioned.split() if uri not in called]
    return Said(post=post, parent=parent, named=named)


async def reply(
    conn: AsyncConnection, here: Here, speaker: Speaker, parent: Post, draft: Draft
) -> Post:
    """Answer a post, or ask its author elsewhere whether one may (WIRE-M20).

    Raises NotAllowed: the thread is locked, the author wants no such answers, or see `admission`.
    """
    group, state = await may_reply(conn, here, speaker, parent, draft)
    words, parts = written(here, replace(draft, title=""))
    new = New(
        author=speaker.actor,
        group=group,
        parent=parent,
        words=words,
        state=state,
        parts=parts,
        pictures=draft.pictures,
    )
    (post,) = await insert(conn, here, [new])
    if post.shown:
        await telling.created(conn, here, group, post)
        await noticing.posted(conn, here, [_said(post, parent)])
    elif post.waits:
        await asking.ask(conn, here, post, parent)
    return post


async def may_reply(
    conn: AsyncConnection, here: Here, speaker: Speaker, parent: Post, draft: Draft
) -> tuple[Group, PostState]:
    """The group, and how an answer would enter it now. Raises as `reply`."""
    draft.check(root=False)
    if not parent.shown:
        raise NotAllowed("That post is no longer here, so it cannot be answered.")
    if parent.moved_to is not None:
        raise NotAllowed("This thread moved to another group. It can be answered there.")
    if parent.locked:
        raise NotAllowed("The moderators closed this thread. It can be read, not answered.")
    if await post_store.is_closed_to(conn, parent, speaker.id):
        raise NotAllowed(
            "Whoever began this thread wishes to be read, with no replies. "
            "Your words are still here: you can copy them. “I hear you” tells them you were there."
        )
    group = await group_store.get(conn, parent.group_id)
    way = await asking.way(conn, parent.answers_by, parent, speaker.actor)
    if parent.answers_closed or way is Way.NONE or (way is Way.ASKING and not group.federates):
        raise NotAllowed(
            "Its author, on another server, asked not to be answered by everybody. "
            "Your words are still here: you can answer the thread's other posts."
        )
    state = await admit_draft(conn, here, speaker, group, draft, memorial=parent.memorial)
    if state is PostState.SHOWN and way is Way.ASKING:
        state = PostState.ASKED
    return group, state


async def edit(
    conn: AsyncConnection, here: Here, speaker: Speaker, post: Post, draft: Draft
) -> Post:
    """Change one's own words. Raises NotFound: not one's own; NotAllowed, Malformed: as posting."""
    if post.author_id != speaker.id or post.state not in (PostState.SHOWN, PostState.HELD):
        raise NotFound
    draft.check(root=post.is_root)
    await standing.check(conn, here, speaker, post.group_id)
    group = await group_store.get(conn, post.group_id)
    shown = (await pictures.pictures_of(conn, [post.id])).get(post.id, ()) if post.attached else ()
    before = [post.title, post.source, post.note, *(each.alt for each in shown)]
    await check_edit(conn, speaker, group, before, draft)
    words, parts = written(here, draft if post.is_root else replace(draft, title=post.title))
    if post.poll:  # what was asked stays, since people have answered it
        parts = replace(parts, poll=(await part_store.polls_of(conn, [post.id])).get(post.id))
    went = await pictures.change(conn, post.id, draft.changes) if post.attached else 0
    post = replace(post, attached=post.attached - went)
    await rewrite(conn, here, post, words, parts, to_minute(here.now()))
    changed = await post_store.get(conn, post.id)
    if changed.shown:
        await outbox.forget(conn, post.uri)
        await telling.edited(conn, here, group, changed)
        await noticing.posted(conn, here, [_said(changed, None, post.mentioned)])
    return changed


async def rewrite(
    conn: AsyncConnection, here: Here, post: Post, words: Words, parts: Parts, edited: datetime
) -> None:
    """Replace a post's words and what belongs to them; who, where and when stay.

    What it said before is kept for the moderators for a while.
    """
    before = (post.title, post.content, post.note)
    if before != (words.title, words.content, words.note):
        await earlier.keep(conn, post.id, here.now().date())
    await part_store.rewrite(conn, here, post.id, parts)
    await conn.execute(
        sa.update(posts)
        .where(posts.c.id == post.id)
        .values(
            title=words.title,
            source=words.source,
            content=words.content,
            note=words.note,
            labels=words.labels,
            sensitive=words.sensitive,
            language=words.language,
            mentioned=words.mentioned,
            poll=parts.poll is not None,
            attached=post.attached if post.author_local else len(parts.attachments),
            answers_closed=words.answers_closed,
            likes_closed=words.likes_closed,
            answers_by=words.answers_by,
            likes_by=words.likes_by,
            edited=edited,
        )
    )
    if post.is_root and words.wish != post.wish:
        await _wish(conn, post.thread_id, words.wish)


async def _wish(conn: AsyncConnection, thread_id: int, wish: Wish | None) -> None:
    await conn.execute(sa.update(threads).where(threads.c.id == thread_id).values(wish=wish))


async def fill_in(
    conn: AsyncConnection, here: Here, post: Post, author_id: UUID, words: Words, parts: Parts
) -> None:
    """A place that was kept for a post gets its author, its words and what belongs to them."""
    beside = {"poll": parts.poll is not None, "attached": len(parts.attachments)}
    await part_store.rewrite(conn, here, post.id, parts)
    await conn.execute(
        sa.update(posts)
        .where(posts.c.id == post.id)
        .values(author_id=author_id, state=PostState.SHOWN, **words.columns(), **beside)
    )
    if post.is_root:
        await _wish(conn, post.thread_id, words.wish)
    await count_in(conn, post.thread_id, post.id)


async def delete(conn: AsyncConnection, here: Here, speaker: Speaker, post: Post) -> None:
    """Take one's own words back, here and elsewhere. Raises NotFound: not one's own."""
    if post.author_id != speaker.id or post.state is PostState.DELETED:
        raise NotFound
    await erase(conn, post)
    group = await group_store.get(conn, post.group_id)
    await telling.deleted(conn, here, group, post)


async def erase(conn: AsyncConnection, post: Post, *, state: PostState = PostState.DELETED) -> None:
    """The words are gone; the place in the thread stays so that answers keep their parent."""
    await conn.execute(
        sa.update(posts)
        .where(posts.c.id == post.id)
        .values(
            title="",
            source="",
            content="",
            note="",
            labels="",
            sensitive=False,
            state=state,
            url=None,
            mentioned="",
            poll=False,
            attached=0,
            answers_closed=False,
            likes_closed=False,
            answers_by="",
            likes_by="",
            approval=None,
            expires=None,
        )
    )
    if post.is_root and post.wish is not None:
        await _wish(conn, post.thread_id, None)
    if post.state is PostState.ASKED:
        await outbox.withdraw(conn, request_uri(post.uri, Act.REPLY))
    if post.attached:
        await pictures.let_go(conn, post.id)
    tombstone_log.note(conn, Decision.DELETED, post.uri)
    await part_store.erase(conn, post.id)
    await notices.forget_post(conn, post.id)
    if post.shown:
        await count_out(conn, post)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLine:
    """A thread in a list. `latest_id` is the key to page on; times are UTC."""

    id: int
    latest_id: int
    title: str
    note: str
    labels: str
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
    """How a post of a thread stands, without its words."""

    id: int
    state: PostState
    author_id: UUID
    author_host: str


@cache
def _changes(limit: int) -> AnySelect:
    return (
        sa.select(posts.c.id, posts.c.state, posts.c.author_id, actors.c.host.label("author_host"))
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


async def shown_uris(
    conn: AsyncConnection, thread_id: int, *, after: int = 0, limit: int = 100
) -> Sequence[tuple[int, str]]:
    """(id, URI) of shown posts of a thread in order of time (WIRE-G42)."""
    rows = await conn.execute(_shown_uris(limit), {"thread_id": thread_id, "after": after})
    return [(post_id, uri) for post_id, uri in rows]


_IS_LISTED: Final = sa.and_(
    posts.c.thread_id == sa.bindparam("thread_id", type_=sa.BigInteger), post_store.counted()
)
_LISTED: Final = sa.select(sa.func.count()).select_from(posts).where(_IS_LISTED)
_DIGEST: Final = sa.select(digests.sql(posts.c.uri)).select_from(posts).where(_IS_LISTED)


@cache
def _shown_uris(limit: int) -> AnySelect:
    return (
        sa.select(posts.c.id, posts.c.uri)
        .where(_IS_LISTED, posts.c.id > sa.bindparam("after", type_=sa.BigInteger))
        .order_by(posts.c.id)
        .limit(at_most(limit))
    )


async def sum_up(conn: AsyncConnection, thread_id: int) -> tuple[int, str]:
    """How many posts of a thread are shown, and the digest of their ids (WIRE-G43).

    The digest is empty where there are so many that it would take long.
    """
    total = await conn.scalar(_LISTED, {"thread_id": thread_id}) or 0
    if total > DIGESTED:
        return total, ""
    return total, digests.read(await conn.scalar(_DIGEST, {"thread_id": thread_id}))


async def is_known(conn: AsyncConnection, uri: str) -> bool:
    """Whether there is a thread with this name."""
    found = sa.select(threads.c.id).where(threads.c.uri == uri)
    return await conn.scalar(found) is not None


async def is_emptied(conn: AsyncConnection, thread_id: int) -> bool:
    """Whether all of a thread went to another one, whose first post its own is not."""
    emptied = (
        sa.select(threads.c.id)
        .join(posts, posts.c.id == threads.c.id)
        .where(threads.c.id == thread_id, posts.c.thread_id != threads.c.id)
    )
    return await conn.scalar(emptied) is not None


async def settle_context(conn: AsyncConnection, thread_id: int, uri: str) -> None:
    """The group's server named its thread: from now on our replies repeat that (WIRE-G41)."""
    taken = sa.exists().where(threads.alias("other").c.uri == uri)
    await conn.execute(sa.update(threads).where(threads.c.id == thread_id, ~taken).values(uri=uri))
