"""Posts as stored, and as they are told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.documents import FIRST_REPLIES, Attached, NoteSource
from groups import parts as part_store
from groups.pictures import Shown, pictures_of
from kernel.arrays import any_of
from kernel.errors import NotFound
from kernel.here import Here
from kernel.ids import LAST_ID
from kernel.rows import AnyRow, AnySelect, at_most, constant, has_one
from kernel.schema.posts import PostState, ReactionKind, Wish
from kernel.schema.tables import actors, posts, reactions, threads
from media.studio import MEDIA_TYPE
from members import blocks
from moderation import labelling
from moderation.visibility import Viewer, host_is_welcome, is_mine, may_see_group, moderates

UNANSWERED: Final = timedelta(days=30)  # then whoever asked is told that no answer came


class Post(NamedTuple):
    """A post with what a page shows of its author and thread. Times are UTC.

    A tuple, since a page makes fifty of them, and a dataclass of as many fields costs ten times it.

    `content` is HTML to be cleaned. While `state` is not SHOWN (or HELD, ASKED or DECLINED, for
    those who may look) the words are left out. `answers_by` and `likes_by` are a `Permission.line`;
    `approval` is where an author elsewhere says that this answer may stand.
    """

    id: int
    uri: str
    author_id: UUID
    author_uri: str
    author_name: str
    author_handle: str
    author_host: str
    author_local: bool
    thread_id: int
    thread_uri: str
    locked: bool
    pinned: bool
    wish: Wish | None
    moved_to: str | None
    memorial: bool
    slow_until: datetime | None
    hushed: bool  # nobody is told of answers for a while
    group_id: UUID
    parent_id: int | None
    title: str
    source: str
    content: str
    note: str
    labels: str
    given: str
    sensitive: bool
    language: str
    published: datetime
    edited: datetime | None
    url: str | None
    state: PostState
    reason: str
    mentioned: str
    poll: bool
    attached: int
    answers_closed: bool
    likes_closed: bool
    answers_by: str
    likes_by: str
    approval: str | None
    expires: date | None
    was_shown: bool
    likes: int

    @property
    def is_root(self) -> bool:
        return self.id == self.thread_id

    @property
    def shown(self) -> bool:
        return self.state is PostState.SHOWN

    @property
    def no_replies(self) -> bool:
        """Whether whoever began the thread wishes for no answers but their own (DOM-A8)."""
        return self.wish is Wish.NO_REPLIES

    @property
    def waits(self) -> bool:
        """Whether an author elsewhere was asked about it and did not say yes, or not any more."""
        return self.state in (PostState.ASKED, PostState.DECLINED)

    def is_slow(self, now: datetime) -> bool:
        """Whether its thread is slow on purpose at the moment (`groups.slowing`)."""
        return self.slow_until is not None and now < self.slow_until

    def waits_in_vain(self, now: datetime) -> bool:
        """Whether the author who was asked has not answered for so long that they hardly will."""
        return self.state is PostState.ASKED and now - self.published > UNANSWERED

    @property
    def by_group(self) -> bool:
        """Whether the group itself said it, such as its welcome (WIRE-A8)."""
        return self.author_id == self.group_id

    @property
    def author_address(self) -> str:
        """As people write it: `@name@host`."""
        return f"@{self.author_handle}@{self.author_host}"

    @property
    def author_path(self) -> str:
        """The page of an author who lives here."""
        return f"/{'g' if self.by_group else 'u'}/{self.author_handle}"

    @property
    def stands_in(self) -> bool:
        """Whether it only keeps a place: what was there could not be read when it was needed."""
        return self.state is PostState.DELETED and self.author_id == self.group_id

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row of `select_posts()`."""
        values = list(row)
        values[_STATE] = PostState(values[_STATE])
        values[_WISH] = Wish(values[_WISH]) if values[_WISH] else None
        return cls._make(values)


_STATE: Final = Post._fields.index("state")
_WISH: Final = Post._fields.index("wish")


_LIKES: Final = (
    sa.select(sa.func.count())
    .where(reactions.c.post_id == posts.c.id, reactions.c.kind == constant(ReactionKind.LIKE))
    .scalar_subquery()
)
_BESIDE: Final[Mapping[str, sa.ColumnElement[Any]]] = {
    "author_uri": actors.c.uri,
    "author_name": actors.c.name,
    "author_handle": actors.c.handle,
    "author_host": actors.c.host,
    "author_local": actors.c.local,
    "thread_uri": threads.c.uri,
    "locked": threads.c.locked,
    "pinned": threads.c.pinned,
    "wish": threads.c.wish,
    "moved_to": threads.c.moved_to,
    "memorial": threads.c.memorial,
    "slow_until": threads.c.slow_until,
    "hushed": threads.c.hushed,
    "likes": _LIKES,
}
_SELECT: Final[AnySelect] = sa.select(
    *(_BESIDE[name].label(name) if name in _BESIDE else posts.c[name] for name in Post._fields)
).select_from(
    posts.join(actors, actors.c.id == posts.c.author_id).join(
        threads, threads.c.id == posts.c.thread_id
    )
)


def select_posts() -> AnySelect:
    """The columns `Post.of` reads, in its order; the caller adds WHERE, order and limit."""
    return _SELECT


_FOR_FEW: Final = (PostState.HELD, PostState.ASKED, PostState.DECLINED)


def visible() -> sa.ColumnElement[bool]:
    """SQL: the viewer may see that the post is there (its words only if it is shown)."""
    return sa.and_(
        may_see_group(threads.c.group_id),
        host_is_welcome(actors),
        sa.or_(
            posts.c.state.not_in([constant(state) for state in _FOR_FEW]),
            posts.c.was_shown,
            is_mine(posts.c.author_id),
            held_for_viewer(),
        ),
    )


def held_for_viewer() -> sa.ColumnElement[bool]:
    """SQL: the post is held, and the viewer is one who may let it go."""
    return sa.and_(posts.c.state == constant(PostState.HELD), moderates(threads.c.group_id))


def readable() -> sa.ColumnElement[bool]:
    """SQL: the viewer may read the words of a post that is `visible` to them.

    Its author has those of a removed one still, and of one that waits.
    """
    return sa.or_(
        posts.c.state == constant(PostState.SHOWN),
        sa.and_(posts.c.state != constant(PostState.DELETED), is_mine(posts.c.author_id)),
        held_for_viewer(),
    )


_BY_ID: Final = select_posts().where(posts.c.id == sa.bindparam("post_id"))
_BY_ID_VISIBLE: Final = _BY_ID.where(visible())
_ROOT_OF: Final = select_posts().where(
    threads.c.uri == sa.bindparam("thread_uri"), posts.c.id == threads.c.id
)
_BY_URI: Final = select_posts().where(posts.c.uri == sa.bindparam("post_uri"))


async def get(conn: AsyncConnection, post_id: int, viewer: Viewer | None = None) -> Post:
    """Raises NotFound: there is no such post, or the viewer may not see it."""
    if not 0 <= post_id <= LAST_ID:
        raise NotFound
    if viewer is None:
        found = await conn.execute(_BY_ID, {"post_id": post_id})
    else:
        found = await conn.execute(_BY_ID_VISIBLE, {"post_id": post_id, **viewer.values})
    row = found.first()
    if row is None:
        raise NotFound
    return Post.of(row)


async def still(conn: AsyncConnection, post: Post) -> Post:
    """The post as it is now, for whoever shows it again; nobody else changes it meanwhile.

    Raises NotFound: it stands otherwise than it was read, such as where its author deleted it.
    """
    await labelling.lock(conn, [post.id])
    now = await get(conn, post.id)
    if now.state is not post.state:
        raise NotFound
    return now


async def is_closed_to(conn: AsyncConnection, post: Post, author_id: UUID) -> bool:
    """Whether the post's thread takes no answers of this author.

    Moderators closed it, or whoever began it wishes for none but their own (DOM-A8).
    """
    if post.locked or not post.no_replies:
        return post.locked
    return (await get(conn, post.thread_id)).author_id != author_id


async def by_uri(conn: AsyncConnection, uri: str) -> Post | None:
    """The post with exactly this id, whatever its state."""
    row = (await conn.execute(_BY_URI, {"post_uri": uri})).first()
    return Post.of(row) if row else None


async def root_of(conn: AsyncConnection, thread_uri: str) -> Post | None:
    """The first post of the thread with exactly this name, whatever its state."""
    row = (await conn.execute(_ROOT_OF, {"thread_uri": thread_uri})).first()
    return Post.of(row) if row else None


async def by_uris(conn: AsyncConnection, uris: Sequence[str]) -> dict[str, Post]:
    """Those of the posts that are here, by URI, whatever their state."""
    rows = await conn.execute(_BY_URIS, {"uris": uris})
    return {row.uri: Post.of(row) for row in rows}


async def by_ids(conn: AsyncConnection, post_ids: Sequence[int]) -> dict[int, Post]:
    """Those of the posts that are here, by id, whatever their state."""
    if not post_ids:
        return {}
    rows = await conn.execute(_BY_IDS, {"post_ids": post_ids})
    return {row.id: Post.of(row) for row in rows}


_BY_IDS: Final = select_posts().where(any_of(posts.c.id, "post_ids"))
_BY_URIS: Final = select_posts().where(any_of(posts.c.uri, "uris"))


async def note_source(conn: AsyncConnection, here: Here, post: Post) -> NoteSource:
    """Everything a post's document says (WIRE 8.1).

    Whoever wants nothing from its author is left out: they are not told (WIRE-M10).
    """
    parent = await get(conn, post.parent_id) if post.parent_id is not None else None
    wanted = {post.author_id, post.group_id, *([parent.author_id] if parent else [])}
    mentioned = post.mentioned.split()
    people = await _people(conn, wanted, mentioned)
    elsewhere = [each.uri for each in people.values() if not each.local]
    away = await blocks.who_block(conn, post.author_id, elsewhere)
    tags = await part_store.hashtags_of(conn, [post.id] if "#" in post.source else [])
    asked = await part_store.polls_of(conn, [post.id] if post.poll else [])
    replies, total = await reply_uris(conn, post.id, limit=FIRST_REPLIES)
    shown = await pictures_of(conn, [post.id] if post.attached else [])
    source = _source(here, post, parent, people, tags, shown, replies, total)
    answered = source.parent_author
    return replace(
        source,
        parent_author=None if answered and answered.uri in away else answered,
        mentioned=[each for each in source.mentioned if each.uri not in away],
        poll=asked.get(post.id),
    )


async def root_sources(
    conn: AsyncConnection, here: Here, roots: Sequence[Post]
) -> list[NoteSource]:
    """As `note_source`, of several first posts at once; of their replies nothing is said."""
    people = await _people(
        conn,
        {each for root in roots for each in (root.author_id, root.group_id)},
        [uri for root in roots for uri in root.mentioned.split()],
    )
    tags = await part_store.hashtags_of(conn, [root.id for root in roots if "#" in root.source])
    shown = await pictures_of(conn, [root.id for root in roots if root.attached])
    return [_source(here, root, None, people, tags, shown, (), None) for root in roots]


async def told_sources(
    conn: AsyncConnection, here: Here, several: Sequence[Post]
) -> list[NoteSource]:
    """As `note_source`, of several posts at once by a fixed number of statements.

    Of their replies nothing is said, and nobody is left out: it is for their author alone.
    """
    answered = {each.parent_id for each in several if each.parent_id is not None}
    rows = await conn.execute(
        sa.select(posts.c.id, posts.c.uri, posts.c.author_id).where(any_of(posts.c.id, "ids")),
        {"ids": list(answered)},
    )
    parents = {row.id: row for row in rows}
    people = await _people(
        conn,
        {who for each in several for who in (each.author_id, each.group_id)}
        | {row.author_id for row in parents.values()},
        [uri for each in several for uri in each.mentioned.split()],
    )
    tags = await part_store.hashtags_of(conn, [each.id for each in several])
    shown = await pictures_of(conn, [each.id for each in several if each.attached])
    asked = await part_store.polls_of(conn, [each.id for each in several if each.poll])
    found = []
    for each in several:
        source = _source(here, each, None, people, tags, shown, (), None)
        parent = parents.get(each.parent_id or 0)
        found.append(
            replace(
                source,
                parent_uri=parent.uri if parent else None,
                parent_author=people[parent.author_id] if parent else None,
                poll=asked.get(each.id),
            )
        )
    return found


async def _people(
    conn: AsyncConnection, wanted: Collection[UUID], named: Sequence[str]
) -> dict[UUID, Actor]:
    of_these = sa.or_(actors.c.id.in_(wanted), actors.c.uri.in_(named))
    rows = await conn.execute(sa.select(*actor_store.columns()).where(of_these))
    return {row.id: Actor.of(row) for row in rows}


def _source(
    here: Here,
    post: Post,
    parent: Post | None,
    people: Mapping[UUID, Actor],
    tags: Mapping[int, Sequence[str]],
    shown: Mapping[int, Sequence[Shown]],
    replies: Sequence[tuple[int, str]],
    total: int | None,
) -> NoteSource:
    mentioned = post.mentioned.split()
    return NoteSource(
        uri=post.uri,
        author=people[post.author_id],
        group=people[post.group_id],
        context=post.thread_uri,
        parent_uri=parent.uri if parent else None,
        parent_author=people[parent.author_id] if parent else None,
        title=post.title,
        content=post.content,
        source=post.source,
        note=post.note,
        labels=post.labels.split(),
        wish=post.wish if post.is_root else None,
        sensitive=post.sensitive,
        language=post.language,
        published=post.published,
        edited=post.edited,
        locked=post.locked or post.no_replies,
        approval=post.approval,
        attachments=[
            Attached(
                url=_picture_uri(here, people[post.group_id], each.media_id),
                media_type=MEDIA_TYPE,
                alt=each.alt,
                width=each.width,
                height=each.height,
                blurhash=each.blurhash,
            )
            for each in shown.get(post.id, ())
        ],
        replies=replies,
        replies_total=total,
        mentioned=[each for each in people.values() if each.uri in mentioned],
        hashtags=[
            (tag, f"{here.origin}/tags/{quote(tag, safe='')}") for tag in tags.get(post.id, ())
        ],
    )


def _picture_uri(here: Here, group: Actor, media_id: UUID) -> str:
    """Where others find a picture; of a circle it is where signatures are read, too."""
    found = here.media_uri(media_id)
    if group.members_only and here.media_origin is not None:
        return found.replace(here.media_origin, here.origin, 1)
    return found


async def reply_uris(
    conn: AsyncConnection, post_id: int, *, after: int = 0, limit: int = 100
) -> tuple[Sequence[tuple[int, str]], int]:
    """A page of (id, URI) of shown replies to a post, oldest first, and how many there are."""
    total = await conn.scalar(_REPLIES, {"post_id": post_id}) or 0
    rows = await conn.execute(_reply_uris(limit), {"post_id": post_id, "after": after})
    return [(reply_id, uri) for reply_id, uri in rows], total


def counted() -> sa.ColumnElement[bool]:
    """SQL: a post that documents list: shown, and not from a blocked domain (SEC-L14)."""
    unwelcome = sa.exists().where(actors.c.id == posts.c.author_id, ~host_is_welcome(actors))
    return sa.and_(posts.c.state == constant(PostState.SHOWN), ~unwelcome.correlate_except(actors))


def told_to(host: str) -> sa.ColumnElement[bool]:
    """SQL: a post by somebody here or there: no other server's people are shown to the `host`.

    A circle may have been shared with another peer before (MOD-5.6).
    """
    author = actors.c.id == posts.c.author_id
    return has_one(posts, actors, author, sa.or_(actors.c.local, actors.c.host == host))


_IS_REPLY: Final = sa.and_(posts.c.parent_id == sa.bindparam("post_id"), counted())
_REPLIES: Final = sa.select(sa.func.count()).select_from(posts).where(_IS_REPLY)


@cache
def _reply_uris(limit: int) -> AnySelect:
    return (
        sa.select(posts.c.id, posts.c.uri)
        .where(_IS_REPLY, posts.c.id > sa.bindparam("after"))
        .order_by(posts.c.id)
        .limit(at_most(limit))
    )


def local_uri(here: Here, post_id: int) -> str:
    """A post of ours by its id."""
    return f"{here.origin}/p/{post_id}"
