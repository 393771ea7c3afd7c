"""A group's welcome: a pinned thread that the group itself begins, in its moderators' words.

Mastodon shows of what a group pins only what the group wrote (WIRE-A8).
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import outbox
from activitypub.actors import Actor
from groups import desk, pins, telling, threads
from groups import posts as post_store
from groups.admission import MAX_POST, Draft
from groups.groups import Group
from groups.parts import Parts
from groups.posts import Post, select_posts
from groups.writing import New, Words, insert, written
from kernel.errors import Malformed, NotAllowed
from kernel.here import Here
from kernel.said import said
from kernel.schema.posts import PostState
from kernel.schema.tables import posts
from kernel.schema.tables import threads as threads_table

MAX_WELCOME: Final = MAX_POST


async def current(conn: AsyncConnection, group: Group) -> Post | None:
    """The welcome as it is shown now; None where the group says nothing itself."""
    row = (
        await conn.execute(
            select_posts()
            .where(
                posts.c.author_id == group.id,
                posts.c.state == PostState.SHOWN,
                posts.c.id == posts.c.thread_id,
                ~threads_table.c.check_in,
            )
            .order_by(posts.c.id.desc())
            .limit(1)
        )
    ).first()
    return Post.of(row) if row else None


async def say(conn: AsyncConnection, here: Here, group: Group, actor: Actor, source: str) -> None:
    """Let the group welcome people with the Markdown `source`; with none, it takes it back.

    `actor` is the desk. Raises NotAllowed: the group lives on another node.
    Raises Malformed: it is too long.
    """
    if group.settings is None:
        raise NotAllowed("That group lives on another node.")
    source = source.strip()
    if len(source) > MAX_WELCOME:
        raise Malformed(
            said(
                "The welcome can have up to {limit} letters. Yours has {found}.",
                limit=MAX_WELCOME,
                found=len(source),
            )
        )
    before = await current(conn, group)
    if source == (before.source if before else ""):
        return
    if before is None:
        await begin(conn, here, group, actor, *_written(here, group, source))
    elif not source:
        await threads.erase(conn, before)
        await telling.deleted(conn, here, group, before)
    else:
        words, parts = _written(here, group, source)
        edited = group.changed(here.now(), before.edited)
        await threads.rewrite(conn, here, before, words, parts, edited)
        await outbox.forget(conn, before.uri)
        await telling.edited(conn, here, group, await post_store.get(conn, before.id))
    await desk.note(conn, here, group, actor, "welcome", group.actor.uri)


async def begin(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, words: Words, parts: Parts
) -> None:
    """A thread that the group itself begins and pins. `actor` is its desk."""
    new = New(
        author=group.actor,
        group=group,
        parent=None,
        words=words,
        state=PostState.SHOWN,
        parts=parts,
    )
    (post,) = await insert(conn, here, [new])
    await telling.created(conn, here, group, post)
    await pins.pin(conn, here, group, actor, post)


def _written(here: Here, group: Group, source: str) -> tuple[Words, Parts]:
    languages = group.settings.languages if group.settings is not None else ()
    draft = Draft(
        title="Welcome", source=source, language=languages[0] if len(languages) == 1 else ""
    )
    return written(here, draft)
