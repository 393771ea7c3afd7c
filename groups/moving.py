"""A thread moves from one group to another, posts, answers and all (FEP-f15d, WIRE-G36).

Between two groups of ours somebody who looks after both moves it. Every post keeps its id, its
author and its place, the thread its address and its name, and nobody reads it who could not before.
Between groups elsewhere it goes where their servers say (`inbox/relocation.py`). While nobody here
follows the group it went to, or only the old one has said so, it stays where it was, marked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import documents, jsontext, outbox
from activitypub.actors import Actor
from activitypub.vocab import PUBLIC, Document
from groups import desk as desk_store
from groups import groups as group_store
from groups import pins, telling
from groups.groups import Group, GroupSettings
from groups.posts import Post
from groups.threads import check_begins
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most
from kernel.said import noted
from kernel.schema.groups import Joining, Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, groups, moderators, moved_threads, posts, threads
from moderation import audit
from moderation.standing import Speaker

MAX_PLACES: Final = 50  # groups that a form offers

_DOORS: Final = (Joining.OPEN, Joining.APPROVAL, Joining.INVITATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The Move of a moderator on another server, with its exact text."""

    document: Document
    body: str


async def move(
    conn: AsyncConnection,
    here: Here,
    actor: Actor,
    origin: Group,
    target: Group,
    root: Post,
    reason: str = "",
    *,
    told: Told | None = None,
) -> None:
    """Move a thread between two groups of ours; both desks' logs have a line about it.

    The caller knows that whoever does it moderates both. `actor` is the first group's desk, or a
    moderator on another server, whose Move was `told`.
    Raises NotFound: it is no first post that is shown in `origin`. Raises NotAllowed: see `check`.
    """
    if root.group_id != origin.id or not root.is_root or not root.shown:
        raise NotFound
    check(origin, target, root)
    if root.pinned:
        await pins.unpin(conn, here, origin, actor, root)
    await carry_over(conn, root, target.id)
    await _remember(conn, root, origin)
    for group in (origin, target):
        verb = "move" if group is origin else "take in"
        await desk_store.note(conn, here, group, actor, verb, root.uri, reason)
    if not target.federates:
        return
    if told is None:
        told = _said_by_desk(here, actor, origin, target, root, reason)
        both = [origin.actor, target.actor]
        await outbox.publish_move(
            conn, here, told.document, signer=actor, of=both, thread_id=root.thread_id
        )
    await _tell(conn, here, origin, target, root, told)


def check(origin: Group, target: Group, root: Post) -> None:
    """Raises NotAllowed: that thread cannot go there, and why, for its moderators."""
    if origin.settings is None or target.settings is None:
        raise NotAllowed("Threads can only move between groups that live on this server.")
    if origin.id == target.id:
        raise NotAllowed("The thread is in that group already.")
    if root.by_group:
        raise NotAllowed("This is the group's own welcome. You can change it in its settings.")
    check_begins(target)
    if (refusal := why_not(origin.settings, target.settings)) is not None:
        raise NotAllowed(refusal)


def why_not(origin: GroupSettings, target: GroupSettings) -> str | None:
    """Why no thread may go from one group to the other; None where threads may.

    Nobody may read what people wrote who could not before (SEC-S24). And what has left this server
    stays in a group that tells other servers, so that they hear when somebody takes it back.
    """
    closed = group_store.READERS.index(target.sees) - group_store.READERS.index(origin.sees)
    if closed < 0:
        return noted(
            "More people may read in that group than in this one. What was written here was not "
            "written for them, so the thread stays."
        )
    if closed > 0 and origin.federates:
        return noted(
            "Other servers have this thread, and that group tells them nothing: not even when "
            "somebody deletes their words. So the thread stays."
        )
    if origin.spans or target.spans:  # a Move is told to everybody or to nobody
        return noted(
            "One of the two groups is shared with another place. What was written here was not "
            "written for people there, or they could not be told when it is deleted. So it stays."
        )
    members_only = origin.sees is target.sees is Sees.MEMBERS
    if members_only and _DOORS.index(target.joining) < _DOORS.index(origin.joining):
        return noted(
            "That group is easier to join than this one. What was written here was not written "
            "for everybody who can come in there, so the thread stays."
        )
    return None


def _said_by_desk(
    here: Here, desk: Actor, origin: Group, target: Group, root: Post, reason: str
) -> Told:
    """The Move of a thread by its name, as FEP-f15d has it; nobody is named in it (WIRE-T15)."""
    document = documents.activity(
        here.new_activity_uri(),
        "Move",
        desk.uri,
        root.thread_uri,
        to=[PUBLIC],
        cc=[origin.actor.uri, target.actor.uri],
        audience=origin.actor.uri,
        origin=origin.actor.uri,
        target=target.actor.uri,
        summary=reason.strip()[: audit.MAX_REASON] or None,
    )
    return Told(document=document, body=jsontext.dump(document).decode())


async def _tell(
    conn: AsyncConnection, here: Here, origin: Group, target: Group, root: Post, told: Told
) -> None:
    """Both groups pass the Move on; then the first post is the new group's to show.

    It is boosted there and passed on as it was last told, for those who did not have it. The old
    group takes its boost back, so that a later removal leaves none behind (WIRE-G13, WIRE-G24).
    """
    for group in (origin, target):
        await telling.carried(conn, here, group, root, told.document, told.body)
    await telling.unboost(conn, here, origin, root)
    last = await telling.as_created(conn, root, or_changed=True)
    if last is not None:
        await telling.carried(conn, here, target, root, *last)
    else:
        await telling.shown_again(conn, here, target, root)


async def carry_over(conn: AsyncConnection, root: Post, group_id: UUID) -> None:
    """The thread and all its posts are the other group's from now on; it is not pinned there.

    What only keeps a place belongs to nobody, and stands in the new group's name.
    """
    thread = threads.c.id == root.thread_id
    await conn.execute(sa.select(threads.c.id).where(thread).with_for_update())
    await conn.execute(
        sa.update(threads).where(thread).values(group_id=group_id, pinned=False, moved_to=None)
    )
    keeps_a_place = sa.and_(
        posts.c.state == PostState.DELETED, posts.c.author_id == posts.c.group_id
    )
    await conn.execute(
        sa.update(posts)
        .where(posts.c.thread_id == root.thread_id)
        .values(
            group_id=group_id,
            author_id=sa.case((keeps_a_place, group_id), else_=posts.c.author_id),
        )
    )


async def _remember(conn: AsyncConnection, root: Post, origin: Group) -> None:
    """The followers of `origin` have what is in the thread now, and are told if it changes."""
    newest = sa.select(sa.func.max(posts.c.id)).where(posts.c.thread_id == root.thread_id)
    last = await conn.scalar(newest)
    await conn.execute(
        insert(moved_threads)
        .values(thread_id=root.thread_id, group_id=origin.id, last_id=last)
        .on_conflict_do_update(index_elements=["thread_id", "group_id"], set_={"last_id": last})
    )


async def mark(conn: AsyncConnection, root: Post, moved_to: str | None) -> None:
    """A group elsewhere says that its thread went to another group; with None, that it is back."""
    await conn.execute(
        sa.update(threads).where(threads.c.id == root.thread_id).values(moved_to=moved_to)
    )


async def take_in(conn: AsyncConnection, group: Group, post: Post) -> None:
    """A group elsewhere has something in a thread: the thread is its own, or was moved to it.

    Raises NotAllowed: no group puts anything into the threads of another one (SEC-S23).
    """
    if post.group_id == group.id:
        return
    if post.moved_to != group.actor.uri:
        raise NotAllowed("That thread belongs to another group.")
    await carry_over(conn, post, group.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A group that a thread could go to, if there is no `refusal`."""

    group: Group
    refusal: str | None


async def places(conn: AsyncConnection, origin: Group, voices: Sequence[UUID]) -> Sequence[Place]:
    """The other groups of ours that one of the `voices` moderates as well as `origin`, by name.

    One and the same name must look after both. Two names of one member would be seen to belong
    together by whoever looks after the groups beside them (DESIGN-V2).
    """
    ids = await conn.scalars(_PLACES, {"group_id": origin.id, "voices": list(voices)})
    found = await group_store.several(conn, ids.all())
    return [
        Place(group=each, refusal=why_not(origin.settings, each.settings))
        for each in sorted(found.values(), key=lambda group: group.actor.name.lower())
        if origin.settings is not None and each.settings is not None and not each.has_moved
    ]


_beside: Final = moderators.alias("beside")
_PLACES: Final[AnySelect] = (
    sa.select(moderators.c.group_id)
    .join(_beside, _beside.c.actor_id == moderators.c.actor_id)
    .join(groups, groups.c.actor_id == moderators.c.group_id)
    .join(actors, actors.c.id == moderators.c.group_id)
    .where(
        _beside.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
        moderators.c.actor_id == sa.any_(sa.bindparam("voices", type_=sa.ARRAY(sa.Uuid))),
        moderators.c.group_id != _beside.c.group_id,
    )
    .group_by(moderators.c.group_id, actors.c.name)
    .order_by(sa.func.lower(actors.c.name), moderators.c.group_id)
    .limit(at_most(MAX_PLACES))
)


async def require_both(
    conn: AsyncConnection, origin: Group, target: Group, speakers: Sequence[Speaker]
) -> Actor:
    """The first group's desk, for a name that moderates both groups. Raises NotAllowed: none."""
    for speaker in speakers:
        if await group_store.is_moderator(conn, target.id, [speaker.id]):
            return await desk_store.require(conn, origin, speaker)
    raise NotAllowed("Only somebody who looks after both groups, under one name, can do that.")
