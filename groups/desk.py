"""What moderators do: the desk acts, so that none of them is named (DESIGN "Words", WIRE 2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import outbox
from activitypub.actors import Actor
from groups import asking, earlier, noticing, telling, tending
from groups import posts as post_store
from groups.groups import Group, is_moderator
from groups.posts import Post, select_posts
from groups.writing import count_in, count_out
from kernel import tombstone_log
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.ids import LAST_ID
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, audit, bans, posts
from kernel.schema.tables import threads as thread_table
from kernel.tombstone_log import Act
from members import follows as follow_store
from members import notices
from moderation import audit as audit_log
from moderation.standing import Speaker


async def require(conn: AsyncConnection, group: Group, speaker: Speaker) -> Actor:
    """The desk, for one of its moderators. Raises NotAllowed: the speaker is none."""
    if group.desk_id is None or not await is_moderator(conn, group.id, [speaker.id]):
        raise NotAllowed("Only this group's moderators can do that.")
    return await actor_store.get(conn, group.desk_id)


async def remove(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, post: Post, reason: str
) -> None:
    """Take a post out of the group; its author sees that, and why (WIRE-G24).

    `actor` is the desk, or a moderator of the group on another server. The words stay stored for
    an appeal and are shown to nobody else; nothing unsent that carries them leaves any more.
    Raises NotAllowed: a group of ours said it itself; that is changed in its settings.
    """
    if post.by_group and group.settings is not None:
        raise NotAllowed("This is the group's own welcome. You can change it in its settings.")
    if post.state not in (PostState.SHOWN, PostState.HELD):
        return
    reason = reason.strip()[: audit_log.MAX_REASON]
    await conn.execute(
        sa.update(posts).where(posts.c.id == post.id).values(state=PostState.REMOVED, reason=reason)
    )
    await earlier.forget(conn, post.id)
    if post.shown:
        await count_out(conn, post)
    was_told = post.shown or post.was_shown
    tombstone_log.note(conn, Act.REMOVED, post.uri)
    await note(conn, here, group, actor, "remove", post.uri, reason)
    await notices.forget_held(conn, post.id)
    told = NoticeKind.REMOVED if was_told else NoticeKind.UNSENT
    await noticing.decided(conn, here, post, told)
    await outbox.forget(conn, post.uri)
    if was_told and actor.local:
        await telling.by_desk(
            conn,
            here,
            group,
            actor,
            "Delete",
            post.uri,
            post=post,
            summary=reason or "Removed by the moderators",
        )


async def restore(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, post: Post
) -> None:
    """Show a removed post again (WIRE-G34). Raises NotFound: it is not removed."""
    if post.state is not PostState.REMOVED:
        raise NotFound
    await conn.execute(
        sa.update(posts).where(posts.c.id == post.id).values(state=PostState.SHOWN, reason="")
    )
    await count_in(conn, post.thread_id, post.id)
    tombstone_log.note(conn, Act.RESTORED, post.uri)
    await note(conn, here, group, actor, "restore", post.uri)
    await noticing.decided(conn, here, post, NoticeKind.RESTORED)
    shown = await post_store.get(conn, post.id)
    if actor.local:
        await telling.undone_by_desk(
            conn,
            here,
            group,
            actor,
            "Delete",
            post.uri,
            post=shown,
            summary=post.reason or "Removed by the moderators",
        )
    await telling.shown_again(conn, here, group, shown)


async def lock(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    root: Post,
    reason: str = "",
) -> None:
    """Close a thread to answers (WIRE-G30)."""
    await _set_lock(conn, root, True)
    await note(conn, here, group, actor, "lock", root.uri, reason)
    if actor.local:
        await telling.by_desk(
            conn, here, group, actor, "Lock", root.uri, post=root, summary=reason or None
        )


async def unlock(conn: AsyncConnection, here: Here, group: Group, actor: Actor, root: Post) -> None:
    """Open a thread to answers again."""
    await _set_lock(conn, root, False)
    await note(conn, here, group, actor, "unlock", root.uri, "")
    if actor.local:
        await telling.undone_by_desk(conn, here, group, actor, "Lock", root.uri, post=root)


async def _set_lock(conn: AsyncConnection, root: Post, locked: bool) -> None:
    await conn.execute(
        sa.update(thread_table).where(thread_table.c.id == root.thread_id).values(locked=locked)
    )


async def ban(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    person: Actor,
    reason: str,
    until: date | None = None,
) -> None:
    """Keep somebody out of the group, under every name they have here (DESIGN-V3, WIRE-G33).

    Changes nothing of a sibling. Raises NotAllowed: moderators are not banned but replaced.
    """
    if await is_moderator(conn, group.id, [person.id]):
        raise NotAllowed("A moderator cannot be banned. Take the task from them first.")
    reason = reason.strip()[: audit_log.MAX_REASON]
    await conn.execute(
        insert(bans)
        .values(group_id=group.id, actor_id=person.id, reason=reason, until=until)
        .on_conflict_do_update(
            index_elements=["group_id", "actor_id"], set_={"reason": reason, "until": until}
        )
    )
    last = until.isoformat() if until else ""
    tombstone_log.note(conn, Act.BANNED, group.actor.uri, person.uri, last)
    await note(conn, here, group, actor, "ban", person.uri, reason)
    await follow_store.reject(conn, here, person, group.actor)
    if actor.local:
        await telling.by_desk(
            conn,
            here,
            group,
            actor,
            "Block",
            person.uri,
            person=person.uri,
            summary=reason or "Banned by the moderators",
            target=group.actor.uri,
            removeData=False,
            endTime=f"{until.isoformat()}T23:59:59Z" if until else None,
        )


async def unban(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, person: Actor
) -> None:
    """Let somebody come back: they join anew."""
    await conn.execute(
        sa.delete(bans).where(bans.c.group_id == group.id, bans.c.actor_id == person.id)
    )
    tombstone_log.note(conn, Act.UNBANNED, group.actor.uri, person.uri)
    await note(conn, here, group, actor, "unban", person.uri, "")
    if actor.local:
        await telling.undone_by_desk(
            conn,
            here,
            group,
            actor,
            "Block",
            person.uri,
            person=person.uri,
            target=group.actor.uri,
        )


async def release(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, post: Post
) -> None:
    """Show a held post, or ask first whom it answers. Raises NotFound: it is not held any more."""
    if post.state is not PostState.HELD:
        raise NotFound
    await note(conn, here, group, actor, "release", post.uri, "")
    await notices.forget_held(conn, post.id)
    if not post.was_shown and await asking.enters(conn, here, post):
        return
    out = {"state": PostState.SHOWN, "was_shown": False}
    await conn.execute(sa.update(posts).where(posts.c.id == post.id).values(out))
    await count_in(conn, post.thread_id, post.id)
    shown = await post_store.get(conn, post.id)
    if shown.author_local and post.was_shown:
        await outbox.forget(conn, post.uri)
        await telling.edited(conn, here, group, shown)
    elif shown.author_local:
        await telling.created(conn, here, group, shown)
    else:
        inner = await telling.as_created(conn, shown, or_changed=True)
        if inner is not None:
            await telling.carried(conn, here, group, shown, *inner)
    await noticing.decided(conn, here, shown, NoticeKind.RELEASED)
    if not post.was_shown:
        await noticing.became_visible(conn, here, shown)


async def held(
    conn: AsyncConnection, group: Group, *, after: int = 0, limit: int = 20
) -> Sequence[Post]:
    """Posts that wait for a moderator, oldest first."""
    rows = await conn.execute(_held(limit), {"group_id": group.id, "after": after})
    return [Post.of(row) for row in rows]


@cache
def _held(limit: int) -> AnySelect:
    return (
        select_posts()
        .where(
            posts.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
            posts.c.state == constant(PostState.HELD),
            posts.c.id > sa.bindparam("after", type_=sa.BigInteger),
        )
        .order_by(posts.c.id)
        .limit(at_most(limit))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Banned:
    """Somebody who is kept out."""

    id: UUID
    name: str
    address: str
    reason: str
    until: date | None


async def banned(
    conn: AsyncConnection, group: Group, *, after: UUID | None = None, limit: int = 50
) -> Sequence[Banned]:
    """Who is kept out of the group, in no order that tells anything."""
    rows = await conn.execute(_banned(limit), {"group_id": group.id, "after": after or UUID(int=0)})
    return [
        Banned(
            id=row.id,
            name=row.name,
            address=f"@{row.handle}@{row.host}",
            reason=row.reason,
            until=row.until,
        )
        for row in rows
    ]


@cache
def _banned(limit: int) -> AnySelect:
    return (
        sa.select(
            actors.c.id, actors.c.name, actors.c.handle, actors.c.host, bans.c.reason, bans.c.until
        )
        .join(bans, bans.c.actor_id == actors.c.id)
        .where(
            bans.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
            bans.c.actor_id > sa.bindparam("after", type_=sa.Uuid),
        )
        .order_by(bans.c.actor_id)
        .limit(at_most(limit))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the desk's log."""

    id: int
    verb: str
    object_uri: str
    reason: str
    day: date


async def log(
    conn: AsyncConnection, group: Group, *, before: int | None = None, limit: int = 50
) -> Sequence[Entry]:
    """What was decided in the group, newest first."""
    rows = await conn.execute(
        _entries(limit),
        {"group_id": group.id, "before": LAST_ID if before is None else before},
    )
    return [Entry(**row._mapping) for row in rows]


@cache
def _entries(limit: int) -> AnySelect:
    return (
        sa.select(audit.c.id, audit.c.verb, audit.c.object_uri, audit.c.reason, audit.c.day)
        .where(
            audit.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
            audit.c.id < sa.bindparam("before", type_=sa.BigInteger),
        )
        .order_by(audit.c.id.desc())
        .limit(at_most(limit))
    )


async def note(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    verb: str,
    object_uri: str,
    reason: str = "",
) -> None:
    """Write a line into the desk's log: each decision has one (SEC-S23).

    Whoever decides something looks after the group.
    """
    await tending.note(conn, here, group)
    await audit_log.note(
        conn,
        here,
        verb=verb,
        about=object_uri,
        reason=reason,
        group_id=group.id,
        actor_id=actor.id,
    )
