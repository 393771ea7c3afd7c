"""A second look: somebody else answers an appeal, and what they change is changed (MOD-5.12)."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from groups import desk, explaining, hiding, noticing, stopping
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post, select_posts
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.schema.moderation import AppealState, Role
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import posts
from moderation import appeals, audit, standing
from moderation.audit import Decision

OWN: Final = "You decided this yourself. Somebody else has to look at it."
ABOUT_ONESELF: Final = "This is about a name of yours. Somebody else has to look at it."


async def posts_about(conn: AsyncConnection, decisions: Iterable[Decision]) -> Mapping[str, Post]:
    """The posts that decisions are about, by their URIs, for whoever answers: one statement.

    What its author deleted is gone for them too.
    """
    uris = [each.about for each in decisions]
    query = select_posts().where(posts.c.uri.in_(uris), posts.c.state != PostState.DELETED)
    found = [Post.of(row) for row in await conn.execute(query)] if uris else []
    return {post.uri: post for post in found}


async def answer(
    conn: AsyncConnection,
    here: Here,
    group: Group | None,
    actor: Actor,
    decision: Decision,
    words: str,
    *,
    change: bool,
    voices: Collection[UUID] = (),
    role: Role = Role.GROUP,
) -> None:
    """Answer an appeal, through the group's desk or that of the node, and tell whoever asked.

    Where the same was decided again since, that is not undone: whoever asked is told so.

    `voices` are the names of whoever answers. Raises NotAllowed: it is their own decision, or
    about one of their names. Raises NotFound: nothing is open, or it is not a group's to answer.
    Raises Malformed: no words for whoever asked, or too many.
    """
    if decision.group_id != (group.id if group is not None else None):
        raise NotFound
    if role is Role.GROUP and not decision.by_group:
        raise NotFound
    if await audit.decided_it(conn, here, decision.id):
        raise NotAllowed(OWN)
    if decision.person_id in voices:
        raise NotAllowed(ABOUT_ONESELF)
    state = AppealState.CHANGED if change else AppealState.UPHELD
    await appeals.answer(conn, here, decision.id, state, words)
    person = await actor_store.get(conn, decision.person_id)
    later = bool(await audit.followed(conn, [decision.id]))
    verb = "change after appeal" if change else "uphold after appeal"
    if group is None:
        await audit.note(conn, here, verb=verb, about=decision.about, role=role)
        await _of_node(conn, here, actor, decision, person, change=change and not later)
    else:
        await desk.note(conn, here, group, actor, verb, decision.about, role=role)
        if change and not later:
            await _undo(conn, here, group, actor, decision, person, role)
        await noticing.person_decided(conn, here, person, group.id, NoticeKind.APPEAL, decision.id)
    await explaining.tell_answer(
        conn, here, actor, decision, words.strip(), changed=change, later=later
    )


async def _of_node(
    conn: AsyncConnection,
    here: Here,
    actor: Actor,
    decision: Decision,
    person: Actor,
    *,
    change: bool,
) -> None:
    """The node stopped a name, or hid a post of a group elsewhere: take it back, tell whose it is.

    Raises NotAllowed: the group has taken the post out as well.
    """
    if decision.verb == "suspend":
        if change and await standing.stopped_among(conn, [person.id]):
            await stopping.go_on(conn, here, actor, person)
        await noticing.person_decided(conn, here, person, actor.id, NoticeKind.APPEAL, decision.id)
        return
    post = await post_store.by_uri(conn, decision.about)
    if post is None:
        return
    if change and post.state is PostState.REMOVED:
        await hiding.show_again(conn, here, post)
    await noticing.decided(conn, here, post, NoticeKind.APPEAL, decision.id)


async def _undo(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    actor: Actor,
    decision: Decision,
    person: Actor,
    role: Role,
) -> None:
    """Take back what was decided, where it still stands."""
    if decision.verb == "remove":
        post = await post_store.by_uri(conn, decision.about)
        if post is not None and post.state is PostState.REMOVED:
            await desk.restore(conn, here, group, actor, post, role)
    elif decision.verb == "ban":
        if await standing.banned_among(conn, here, group.id, [person.id]):
            await desk.unban(conn, here, group, actor, person, role)
    elif decision.verb == "limit" and await standing.limited_until(conn, here, group.id, person.id):
        await desk.end_limit(conn, here, group, actor, person, role)
