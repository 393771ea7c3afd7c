"""Threads: starting one, answering, changing and taking back one's own words (DESIGN, "Groups")."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import digests, outbox
from activitypub.permissions import Act, request_uri
from groups import asking, earlier, holding, noticing, pictures, slowing, stories, telling
from groups import groups as group_store
from groups import parts as part_store
from groups import posts as post_store
from groups.admission import Draft, admit_draft, check_edit
from groups.asking import Way
from groups.groups import Group
from groups.noticing import Said
from groups.parts import Parts
from groups.posts import Post
from groups.writing import New, Words, count_in, count_out, insert, written
from kernel import tombstone_log
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState, Wish
from kernel.schema.tables import posts, threads
from kernel.tombstone_log import Act as Decision
from members import notices
from moderation import label_holds, labelling, standing
from moderation.care import ending as care_ending
from moderation.standing import Speaker

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
        await noticing.posted(conn, here, [_said(group, post, None)])
    await holding.tell(conn, here, group, post, draft.reads())
    return post


async def may_start(
    conn: AsyncConnection, here: Here, speaker: Speaker, group: Group, draft: Draft
) -> PostState:
    """How a thread would enter the group now. Raises NotAllowed, Malformed: see `admission`."""
    draft.check(root=True)
    check_begins(group)
    return await admit_draft(conn, here, speaker, group, draft)


def check_begins(group: Group) -> None:
    """Raises NotAllowed: the group goes on at another place, and so do new threads (WIRE 2.4)."""
    if group.has_moved:
        raise NotAllowed(
            "This group goes on at another place, so new threads begin there. "
            "Your words are still here."
        )


def _said(group: Group, post: Post, parent: Post | None, before: str = "") -> Said:
    """Whom a post of ours calls, but for whom it called `before`."""
    called = before.split()
    named = [uri for uri in post.mentioned.split() if uri not in called]
    return Said(post=post, parent=parent, named=named, coarse=group.coarse)


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
        await noticing.posted(conn, here, [_said(group, post, parent)])
    elif post.waits:
        await asking.ask(conn, here, post, parent)
    await holding.tell(conn, here, group, post, draft.reads())
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
    state = await slowing.entering(conn, here, parent, speaker.id, state)
    if state is PostState.SHOWN and way is Way.ASKING:
        state = PostState.ASKED
    return group, state


async def edit(
    conn: AsyncConnection, here: Here, speaker: Speaker, post: Post, draft: Draft
) -> Post:
    """Change one's own words; a change that tells how harm is done is read first (DOM-A11).

    Raises NotFound: not one's own; NotAllowed, Malformed: as posting.
    """
    if post.author_id != speaker.id or post.state not in (PostState.SHOWN, PostState.HELD):
        raise NotFound
    draft.check(root=post.is_root)
    await standing.check(conn, here, speaker, post.group_id)
    group = await group_store.get(conn, post.group_id)
    shown = (await pictures.pictures_of(conn, [post.id])).get(post.id, ()) if post.attached else ()
    alts = [each.alt for each in shown]
    before = [post.title, post.source, post.note, *alts]
    await check_edit(conn, speaker, group, before, draft)
    words, parts = written(here, draft if post.is_root else replace(draft, title=post.title))
    if post.poll:  # what was asked stays, since people have answered it
        parts = replace(parts, poll=(await part_store.polls_of(conn, [post.id])).get(post.id))
    went = await pictures.change(conn, post.id, draft.changes) if post.attached else 0
    post = post._replace(attached=post.attached - went)
    edited = group.changed(here.now(), post.edited)
    await rewrite(conn, here, post, words, parts, edited)
    changed = await post_store.get(conn, post.id)
    read_before = [*holding.reads(post), *alts]
    if await holding.is_change_held(conn, here, group, post, read_before, draft.reads()):
        changed = await holding.hold(conn, changed)
        await noticing.decided(conn, here, changed, NoticeKind.HELD)
    if changed.shown:
        await outbox.forget(conn, post.uri)
        await telling.edited(conn, here, group, changed)
        await noticing.posted(conn, here, [_said(group, changed, None, post.mentioned)])
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
    if post.given:
        await labelling.refresh(conn, [post.id])
    if post.state is PostState.HELD:
        await label_holds.has_other_words(conn, post.id)
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
    group = (await group_store.several(conn, [post.group_id])).get(post.group_id)
    if group is None:  # it is gone, and nobody is left to be told
        await outbox.forget(conn, post.uri)
    else:
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
            given="",
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
    await labelling.forget(conn, [post.id])
    tombstone_log.note(conn, Decision.DELETED, post.uri)
    await part_store.erase(conn, post.id)
    await notices.forget_post(conn, post.id)
    await care_ending.forget_post(conn, post.id)
    if post.shown:
        await count_out(conn, post)


async def shown_uris(
    conn: AsyncConnection, thread_id: int, *, after: int = 0, limit: int = 100, to: str = ""
) -> Sequence[tuple[int, str]]:
    """(id, URI) of shown posts of a thread in order of time (WIRE-G42).

    `to`: the other server of a circle, which reads of nobody but people here and its own.
    """
    query = _for(to, _shown_uris(limit))
    rows = await conn.execute(query, {"thread_id": thread_id, "after": after})
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


def _for(to: str, query: AnySelect) -> AnySelect:
    return query.where(post_store.told_to(to)) if to else query


async def sum_up(conn: AsyncConnection, thread_id: int, *, to: str = "") -> tuple[int, str]:
    """How many posts of a thread `shown_uris` lists, and the digest of their ids (WIRE-G43).

    The digest is empty where there are so many that it would take long.
    """
    total = await conn.scalar(_for(to, _LISTED), {"thread_id": thread_id}) or 0
    if total > DIGESTED:
        return total, ""
    return total, digests.read(await conn.scalar(_for(to, _DIGEST), {"thread_id": thread_id}))


async def is_known(conn: AsyncConnection, uri: str, *, but: int | None = None) -> bool:
    """Whether there is a thread with this name, other than the one that a post once began."""
    found = sa.select(threads.c.id).where(threads.c.uri == uri, threads.c.id.is_distinct_from(but))
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
