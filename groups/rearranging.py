"""Moderators split a thread in two, or put two together (DOM-A17); see decision 0042.

Every post keeps its id, its address, its author and its words. An answer that becomes a thread of
its own gets a title from the moderators, and brings everything below it along. A thread that is put
into an earlier one of its group hangs below that one's first post; its old address leads there.

Other servers hear it from the desk as a Move between the names of the two threads, which FEP-f15d
has for groups (WIRE-G36): who does not read that keeps the posts where they were. Nothing is said
in an author's name; the documents of posts show their place when they are next read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import documents, jsontext
from activitypub.actors import Actor
from activitypub.vocab import PUBLIC
from groups import desk as desk_store
from groups import pins, telling
from groups import posts as post_store
from groups.admission import MAX_TITLE
from groups.groups import Group
from groups.posts import Post
from groups.writing import recount
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most, constant
from kernel.said import said
from kernel.schema.posts import PostState
from kernel.schema.tables import moved_threads, posts, refreshes, threads
from moderation import audit

OFFERED: Final = 20  # earlier threads that a form names


async def split(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    post: Post,
    title: str,
    reason: str = "",
) -> Post:
    """Make an answer, with what is below it, a thread of its own. `actor` is the group's desk.

    Raises NotFound: it is no answer that is shown in a group of ours. Raises Malformed: the title
    is missing or too long. Raises NotAllowed: in a memorial threads stay whole.
    """
    title = _checked(title)
    if group.settings is None or post.group_id != group.id or post.is_root or not post.shown:
        raise NotFound
    if post.memorial:
        raise NotAllowed("This thread is in memory of somebody. It stays as it is.")
    old = post.thread_uri
    await take_out(conn, post, title, f"{here.origin}/t/{post.id}")
    root = await post_store.get(conn, post.id)
    await desk_store.note(conn, here, group, actor, "split", post.uri, reason)
    await _tell(conn, here, group, actor, root, root.uri, old, root.thread_uri, reason)
    await telling.boosted(conn, here, group, root)
    return root


def _checked(title: str) -> str:
    title = " ".join(title.split())
    if not title:
        raise Malformed("Please give the new thread a title. One short line is enough.")
    if len(title) > MAX_TITLE:
        raise Malformed(
            said(
                "The title can have up to {limit} letters. It has {found}.",
                limit=MAX_TITLE,
                found=len(title),
            )
        )
    return title


async def take_out(conn: AsyncConnection, post: Post, title: str, uri: str) -> None:
    """The rows of a split: the post is the first of the thread named `uri` from now on."""
    await _hold(conn, [post.thread_id])
    place = {"uri": uri, "group_id": post.group_id, "latest_id": post.id, "shown": True}
    await conn.execute(  # the row is there still where the post began a thread before a merge
        insert(threads)
        .values(id=post.id, **place)
        .on_conflict_do_update(index_elements=["id"], set_=place)
    )
    await conn.execute(_CARRY_BELOW, {"post_id": post.id, "old_id": post.thread_id})
    await conn.execute(
        sa.update(posts).where(posts.c.id == post.id).values(parent_id=None, title=title)
    )
    await conn.execute(_BEFORE_IT, {"post_id": post.id, "old_id": post.thread_id})
    await _mark(conn, post.thread_id)
    for thread_id in (post.thread_id, post.id):
        await recount(conn, thread_id)


async def merge(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    root: Post,
    into: Post,
    reason: str = "",
) -> None:
    """Put a whole thread below the first post of an earlier one. `actor` is the group's desk.

    Raises NotFound: one of them is no first post that is shown in this group of ours.
    Raises NotAllowed: they cannot be put together, and why.
    """
    for each in (root, into):
        if group.settings is None or each.group_id != group.id:
            raise NotFound
        if not (each.is_root and each.shown):
            raise NotFound
    await _check(conn, root, into)
    old = root.thread_uri
    if root.pinned:
        await pins.unpin(conn, here, group, actor, root)
    await put_below(conn, root, into)
    joined = await post_store.get(conn, root.id)
    await desk_store.note(conn, here, group, actor, "merge", root.uri, reason)
    await _tell(conn, here, group, actor, joined, old, group.actor.uri, into.thread_uri, reason)
    await telling.unboost(conn, here, group, joined)


async def _check(conn: AsyncConnection, root: Post, into: Post) -> None:
    if root.id == into.id:
        raise NotAllowed("That is this thread itself.")
    if root.id < into.id:
        raise NotAllowed(
            "That thread began later than this one. Go there, and put it into this one instead: "
            "so everything stays in the order in which it was said."
        )
    if root.by_group or into.by_group:
        raise NotAllowed("The group's own welcome stays as it is.")
    if root.memorial or into.memorial:
        raise NotAllowed("A thread in memory of somebody stays as it is.")
    been = sa.select(moved_threads.c.thread_id).where(
        moved_threads.c.thread_id.in_([root.id, into.id])
    )
    if await conn.scalar(been.limit(1)) is not None:
        raise NotAllowed(
            "One of them was in another group before. The people there are still told when "
            "somebody deletes their words, so the two stay apart."
        )


async def put_below(conn: AsyncConnection, root: Post, into: Post) -> None:
    """The rows of a merge. The emptied thread keeps its row, since its address goes on leading."""
    await _hold(conn, [root.id, into.id])
    await conn.execute(
        sa.update(posts).where(posts.c.thread_id == root.id).values(thread_id=into.id)
    )
    await conn.execute(sa.update(posts).where(posts.c.id == root.id).values(parent_id=into.id))
    await conn.execute(sa.delete(refreshes).where(refreshes.c.thread_id == root.id))
    await _mark(conn, root.id)
    for thread_id in (root.id, into.id):
        await recount(conn, thread_id)


async def _hold(conn: AsyncConnection, thread_ids: Sequence[int]) -> None:
    """Nothing is written into these threads until this commits; see `writing.rejoin`."""
    await conn.execute(
        sa.select(threads.c.id)
        .where(threads.c.id.in_(thread_ids))
        .order_by(threads.c.id)
        .with_for_update()
    )


async def _mark(conn: AsyncConnection, thread_id: int) -> None:
    marked = sa.update(threads).where(threads.c.id == thread_id).values(rearranged=True)
    await conn.execute(marked)


def _carry_below() -> sa.Update:
    """A post and all that is below it, found answer by answer, go to the thread it begins."""
    old = sa.bindparam("old_id", type_=sa.BigInteger)
    below = (
        sa.select(posts.c.id)
        .where(posts.c.id == sa.bindparam("post_id", type_=sa.BigInteger))
        .cte("below", recursive=True)
    )
    answer = posts.alias("answer")
    below = below.union_all(
        sa.select(answer.c.id)
        .join(below, answer.c.parent_id == below.c.id)
        .where(answer.c.thread_id == old)
    )
    return (
        sa.update(posts)
        .where(posts.c.id.in_(sa.select(below.c.id)))
        .values(thread_id=sa.bindparam("post_id", type_=sa.BigInteger))
    )


_CARRY_BELOW: Final = _carry_below()
_BEFORE_IT: Final = moved_threads.insert().from_select(
    ["thread_id", "group_id", "last_id"],
    sa.select(
        sa.bindparam("post_id", type_=sa.BigInteger),
        moved_threads.c.group_id,
        moved_threads.c.last_id,
    ).where(
        moved_threads.c.thread_id == sa.bindparam("old_id", type_=sa.BigInteger),
        moved_threads.c.last_id >= sa.bindparam("post_id", type_=sa.BigInteger),
    ),
)
"""Groups that the thread was in have its posts, and are told what changes in them (WIRE-G36)."""


async def _tell(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    post: Post,
    what: str,
    origin: str,
    target: str,
    reason: str,
) -> None:
    """The desk's Move, passed on by the group: `what` goes to the thread named `target`."""
    if not group.federates:
        return
    document = documents.activity(
        here.new_activity_uri(),
        "Move",
        actor.uri,
        what,
        to=[PUBLIC],
        cc=[group.actor.uri],
        audience=group.actor.uri,
        origin=origin,
        target=target,
        name=post.title if post.is_root else None,
        summary=reason.strip()[: audit.MAX_REASON] or None,
    )
    body = jsontext.dump(document).decode()
    await telling.carried(conn, here, group, post, document, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A thread that a later one could be put into."""

    id: int
    title: str


async def earlier(conn: AsyncConnection, group: Group, root: Post) -> Sequence[Earlier]:
    """Threads of the group that began before this one, those answered last first."""
    rows = await conn.execute(_EARLIER, {"group_id": group.id, "before": root.id})
    return [Earlier(id=row.id, title=row.title) for row in rows]


_EARLIER: Final[AnySelect] = (
    sa.select(threads.c.id, posts.c.title)
    .join(posts, posts.c.id == threads.c.id)
    .where(
        threads.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
        threads.c.shown,
        threads.c.id < sa.bindparam("before", type_=sa.BigInteger),
        ~threads.c.memorial,
        posts.c.state == constant(PostState.SHOWN),
        posts.c.author_id != posts.c.group_id,
    )
    .order_by(threads.c.latest_id.desc())
    .limit(at_most(OFFERED))
)


def titled(post: Post) -> Post:
    """An answer with a title to begin with: the start of its first line, as plain as it is."""
    first = next((line.strip("#>*_- ") for line in post.source.splitlines() if line.strip()), "")
    short = first if len(first) <= 80 else f"{first[:79].rsplit(' ', 1)[0]}…"
    return post._replace(title=post.title or short)
