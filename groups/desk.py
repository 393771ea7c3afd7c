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
from groups import asking, earlier, explaining, holding, lifting, noticing, telling, tending
from groups import posts as post_store
from groups.groups import Group, is_moderator
from groups.posts import Post, select_posts, still
from groups.writing import count_in, count_out
from kernel import live, tombstone_log
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.moderation import Role
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, bans, posts
from kernel.schema.tables import threads as thread_table
from kernel.tombstone_log import Act
from members import follows as follow_store
from members import notices
from moderation import alerting, label_lines, labelling, labelling_peers, standing
from moderation import audit as audit_log
from moderation.audit import Entry
from moderation.directed import limiting
from moderation.standing import Speaker


async def require(conn: AsyncConnection, group: Group, speaker: Speaker) -> Actor:
    """The desk, for one of its moderators. Raises NotAllowed: the speaker is none."""
    if group.desk_id is None or not await is_moderator(conn, group.id, [speaker.id]):
        raise NotAllowed("Only this group's moderators can do that.")
    return await actor_store.get(conn, group.desk_id)


async def remove(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    post: Post,
    reason: str,
    rule: str = "",
    role: Role = Role.GROUP,
) -> None:
    """Take a post out of the group; its author is told, and why (WIRE-G24, DOM-D18).

    `actor` is the desk, or a moderator of the group on another server; `rule` is the guideline; as
    what it is decided, `role` says.
    The words stay stored for an appeal and are shown to nobody else; nothing unsent that carries
    them leaves any more.
    Raises NotAllowed: a group of ours said it itself; that is changed in its settings.
    """
    if post.by_group and group.settings is not None:
        raise NotAllowed("This is the group's own welcome. You can change it in its settings.")
    await labelling.lock(conn, [post.id])
    post = await post_store.get(conn, post.id)
    if post.state is PostState.REMOVED and not actor.local:
        await _remove_too(conn, here, group, actor, post, reason)
    if post.state not in (PostState.SHOWN, PostState.HELD):
        return
    reason = reason.strip()[: audit_log.MAX_REASON]
    await conn.execute(
        sa.update(posts)
        .where(posts.c.id == post.id)
        .values(state=PostState.REMOVED, reason=reason, given="")
    )
    await earlier.forget(conn, post.id)
    await label_lines.note_all_off(conn, here, post.id)
    await labelling.forget(conn, [post.id])
    if post.shown:
        await count_out(conn, post)
    was_told = post.shown or post.was_shown
    tombstone_log.note(conn, Act.REMOVED, post.uri)
    decision = await note(
        conn, here, group, actor, "remove", post.uri, reason, role=role, rule=rule
    )
    await notices.forget_held(conn, post.id)
    told = NoticeKind.REMOVED if was_told else NoticeKind.UNSENT
    await noticing.decided(conn, here, post, told, decision)
    await explaining.tell(conn, here, group, decision, by=actor)
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


async def _remove_too(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, post: Post, reason: str
) -> None:
    """A group elsewhere takes out what is hidden here: then that is for it to show again, too."""
    if await audit_log.removed_by(conn, post.author_id, post.uri) == {False}:
        await note(conn, here, group, actor, "remove", post.uri, reason)


async def restore(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    post: Post,
    role: Role = Role.GROUP,
) -> None:
    """Show a removed post again (WIRE-G34). Raises NotFound: it is not removed.

    Raises NotAllowed: those who look after the whole node took it out. What moderators elsewhere
    show again is remembered then, so that it is shown as soon as the node lets it.
    """
    if post.state is not PostState.REMOVED:
        raise NotFound
    post = await still(conn, post)
    if role is Role.GROUP:
        removed_by = await audit_log.removed_by(conn, post.author_id, post.uri)
        if removed_by == {True, False} and not actor.local:
            await note(conn, here, group, actor, "restore", post.uri, role=role)
            return
        if False in removed_by:
            raise NotAllowed("The people who look after this place took it out. They can show it.")
    await conn.execute(
        sa.update(posts).where(posts.c.id == post.id).values(state=PostState.SHOWN, reason="")
    )
    await count_in(conn, post.thread_id, post.id)
    tombstone_log.note(conn, Act.RESTORED, post.uri)
    decision = await note(conn, here, group, actor, "restore", post.uri, role=role)
    await noticing.decided(conn, here, post, NoticeKind.RESTORED, decision)
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
        sa.update(thread_table)
        .where(thread_table.c.id == root.thread_id)
        .values(locked=locked)
        .returning(live.thread_changed(thread_table.c.id))
    )


async def ban(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    person: Actor,
    reason: str,
    until: date | None = None,
    rule: str = "",
) -> None:
    """Keep somebody out of the group, under every name they have here (DESIGN-V3, WIRE-G33).

    They are told, and why. Changes nothing of a sibling. Raises NotAllowed: moderators are not
    banned but replaced.
    """
    if await is_moderator(conn, group.id, [person.id]):
        raise NotAllowed("A moderator cannot be kept out. Take the task from them first.")
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
    decision = await note(
        conn, here, group, actor, "ban", person.uri, reason, rule=rule, until=until
    )
    await noticing.person_decided(conn, here, person, group.id, NoticeKind.AWAY, decision)
    await explaining.tell(conn, here, group, decision, by=actor)
    await follow_store.reject(conn, here, person, group.actor, quietly=True)
    if actor.local:
        await telling.by_desk(
            conn,
            here,
            group,
            actor,
            "Block",
            person.uri,
            person=person.uri,
            summary=reason or "Asked to stay away by the moderators",
            target=group.actor.uri,
            removeData=False,
            endTime=f"{until.isoformat()}T23:59:59Z" if until else None,
        )


async def unban(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    person: Actor,
    role: Role = Role.GROUP,
) -> None:
    """Let somebody come back: they join anew."""
    await conn.execute(
        sa.delete(bans).where(bans.c.group_id == group.id, bans.c.actor_id == person.id)
    )
    tombstone_log.note(conn, Act.UNBANNED, group.actor.uri, person.uri)
    decision = await note(conn, here, group, actor, "unban", person.uri, role=role)
    await noticing.person_decided(conn, here, person, group.id, NoticeKind.BACK, decision)
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


async def limit(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    person: Actor,
    reason: str,
    until: date,
    rule: str = "",
) -> None:
    """For a while a moderator reads first what somebody posts; it ends by itself, and they know.

    Raises NotAllowed: moderators are trusted. Raises Malformed: that day is over.
    """
    if await is_moderator(conn, group.id, [person.id]):
        raise NotAllowed("A moderator is trusted. Take the task from them first.")
    if until < here.now().date():
        raise Malformed("That day is over. Please choose a later one.")
    await standing.limit(conn, group.id, person.id, until)
    tombstone_log.note(conn, Act.LIMITED, group.actor.uri, person.uri, until.isoformat())
    decision = await note(
        conn, here, group, actor, "limit", person.uri, reason, rule=rule, until=until
    )
    await noticing.person_decided(conn, here, person, group.id, NoticeKind.LIMITED, decision)
    await explaining.tell(conn, here, group, decision, by=actor)


async def end_limit(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    person: Actor,
    role: Role = Role.GROUP,
) -> None:
    """What somebody posts is shown at once again. Raises NotFound: there is no limit."""
    if not await standing.end_limit(conn, group.id, person.id):
        raise NotFound
    tombstone_log.note(conn, Act.UNLIMITED, group.actor.uri, person.uri)
    decision = await note(conn, here, group, actor, "end limit", person.uri, role=role)
    await noticing.person_decided(conn, here, person, group.id, NoticeKind.UNLIMITED, decision)


async def warn(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    person: Actor,
    words: str,
    rule: str = "",
) -> None:
    """A kind word about what should be otherwise; nothing else changes for them.

    Raises Malformed: there are no words.
    """
    if not words.strip():
        raise Malformed("There are no words yet. Write something, then send it.")
    decision = await note(conn, here, group, actor, "warn", person.uri, words, rule=rule)
    await noticing.person_decided(conn, here, person, group.id, NoticeKind.WORD, decision)
    await explaining.tell(conn, here, group, decision, by=actor)


async def release(
    conn: AsyncConnection, here: Here, group: Group, actor: Actor, post: Post
) -> None:
    """Show a held post, or ask first whom it answers. Raises NotFound: it is not held any more."""
    if post.state is not PostState.HELD:
        raise NotFound
    post = await still(conn, post)
    decision = await note(conn, here, group, actor, "release", post.uri, "")
    await limiting.let_go(conn, post.id)
    await notices.forget_held(conn, post.id)
    await labelling_peers.let_go(conn, here, post.id)
    if not post.was_shown and await asking.enters(conn, here, post):
        return
    await lifting.show(conn, here, group, post, decision)


async def hold(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    post: Post,
    reason: str,
    role: Role = Role.GROUP,
) -> None:
    """Take a shown post out of sight until somebody has read it in peace; its author is told.

    Its words go on waiting among what the group holds; servers that have them keep them until it
    is decided, and those that do not are sent nothing until then. Raises NotAllowed: the group
    lives elsewhere, or said it itself. Raises Conflict: it is not shown any more.
    """
    if post.by_group or group.settings is None:
        raise NotAllowed("Only posts of people in a group of this place can be held.")
    await holding.hold(conn, post)
    tombstone_log.note(conn, Act.HELD, post.uri)
    decision = await note(conn, here, group, actor, "hold", post.uri, reason, role=role)
    await noticing.decided(conn, here, post, NoticeKind.READ_AGAIN, decision)
    await explaining.tell(conn, here, group, decision, by=actor)


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


async def log(
    conn: AsyncConnection,
    group: Group,
    *,
    verb: str = "",
    before: int | None = None,
    limit: int = 50,
) -> Sequence[Entry]:
    """What was decided in the group, newest first; with `verb` only that."""
    return await audit_log.of_group(conn, group.id, verb=verb, before=before, limit=limit)


async def note(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    verb: str,
    object_uri: str,
    reason: str = "",
    *,
    role: Role = Role.GROUP,
    rule: str = "",
    until: date | None = None,
) -> int:
    """Write a line into the desk's log; its id. Each decision has one (SEC-S23).

    Whoever decides something for the group looks after it.
    """
    if role is Role.GROUP:
        await tending.note(conn, here, group)
        await alerting.seen(conn, group.id)
    return await audit_log.note(
        conn,
        here,
        verb=verb,
        about=object_uri,
        reason=reason,
        group_id=group.id,
        actor_id=actor.id,
        role=role,
        rule=rule,
        until=until,
    )
