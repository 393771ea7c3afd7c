"""Lock, Block, Remove and Add: a group's moderators act, here or through their group (WIRE 3.6)."""

from activitypub import actors as actor_store
from activitypub.vocab import Activity, ActivityKind, time_of
from groups import appointing, desk, pins, telling
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from inbox import burials
from inbox.arrival import Arrival, NotYet
from inbox.authenticity import check_moderator
from kernel.errors import NotAllowed, NotFound
from kernel.schema.actors import ActorKind
from kernel.schema.posts import PostState
from members import blocks


async def receive(arrival: Arrival) -> None:
    """Apply what a moderator decided. Raises NotAllowed: they do not moderate that group."""
    if not await burials.is_buried(arrival.conn, arrival.activity.id):
        await act(arrival, arrival.activity, undo=False)


async def act(arrival: Arrival, decision: Activity, *, undo: bool) -> None:
    """The `decision` that arrived, or with `undo` the one that an Undo holds.

    What is undone is remembered, since it may come after its Undo. Raises NotYet: what the
    decision is about may still come.
    """
    if undo:
        await burials.bury(arrival, decision.id)
    if decision.kind == ActivityKind.BLOCK:
        await _block(arrival, decision, undo=undo)
    elif decision.kind == ActivityKind.LOCK:
        await _lock(arrival, decision.object_uri, undo=undo)
    elif decision.kind == ActivityKind.DELETE and undo:
        await _restore(arrival, decision.object_uri)
    elif decision.kind in (ActivityKind.ADD, ActivityKind.REMOVE) and not undo:
        await _list(arrival, decision)
    else:
        raise NotFound


async def _lock(arrival: Arrival, uri: str, *, undo: bool) -> None:
    post = await post_store.by_uri(arrival.conn, uri)
    if post is None and arrival.patient:
        raise NotYet
    if post is None or not post.is_root:
        raise NotFound
    group = await group_store.get(arrival.conn, post.group_id)
    await check_moderator(arrival, group)
    if undo:
        await desk.unlock(arrival.conn, arrival.here, group, arrival.actor, post)
    else:
        await desk.lock(
            arrival.conn, arrival.here, group, arrival.actor, post, arrival.activity.summary
        )
    await _pass_on(arrival, group, post)


async def _list(arrival: Arrival, decision: Activity) -> None:
    """Add and Remove: of a moderator, of a pinned thread, or of a post from its group.

    Which is meant is said by `target`, exactly as the group's own document spells it (WIRE-G31).
    """
    moderated = await _with_moderators(arrival, decision.target)
    if moderated is not None:
        await _moderator(arrival, moderated, decision)
        return
    post = await post_store.by_uri(arrival.conn, decision.object_uri)
    if post is None and decision.kind == ActivityKind.REMOVE:  # of a whole thread (WIRE-G36)
        post = await post_store.root_of(arrival.conn, decision.object_uri)
    if post is None:
        raise NotYet if arrival.patient else NotFound
    group = await group_store.get(arrival.conn, post.group_id)
    await check_moderator(arrival, group)
    if decision.target is not None and decision.target == group.actor.featured_uri:
        await _feature(arrival, group, post, decision)
    elif decision.kind == ActivityKind.REMOVE and _is_of(group, decision.target):
        await _remove(arrival, group, post)
    else:
        raise NotFound


def _is_of(group: Group, target: str | None) -> bool:
    """Whether `target` is what a post is in when it is in the group."""
    return target in (None, group.actor.uri) or str(target).endswith("/outbox")


async def _with_moderators(arrival: Arrival, target: str | None) -> Group | None:
    """The group, ours or the one that passes this on, whose list of moderators `target` is."""
    if target is None:
        return None
    if arrival.group is not None:
        return arrival.group if arrival.group.actor.moderators_uri == target else None
    found = await actor_store.by_uri(arrival.conn, target.removesuffix("/moderators"))
    if found is None or not found.local or found.moderators_uri != target:
        return None
    return await group_store.get(arrival.conn, found.id)


async def _moderator(arrival: Arrival, group: Group, decision: Activity) -> None:
    """A moderator elsewhere asks another one in, or steps back.

    They put nobody out: who founded the group does (SEC-S23). Nobody who lives here is named on
    the wire (WIRE-T15). The list of a group elsewhere is read whenever it is needed.
    """
    await check_moderator(arrival, group)
    if group.settings is None:
        return
    uri = decision.object_uri
    if arrival.here.is_local(uri):
        raise NotAllowed("Who lives here is asked here.")
    if decision.kind == ActivityKind.REMOVE and uri != arrival.actor.uri:
        raise NotAllowed("Only those who founded the group take the task from a moderator.")
    person = await actor_store.by_uri(arrival.conn, uri)
    if person is None:
        raise NotFound
    change = appointing.appoint if decision.kind == ActivityKind.ADD else appointing.dismiss
    await change(arrival.conn, arrival.here, group, arrival.actor, person)
    await _pass_on(arrival, group, None, person=uri)


async def _feature(arrival: Arrival, group: Group, post: Post, decision: Activity) -> None:
    change = pins.pin if decision.kind == ActivityKind.ADD else pins.unpin
    await change(arrival.conn, arrival.here, group, arrival.actor, post)
    await _pass_on(arrival, group, post)


async def _pass_on(
    arrival: Arrival, group: Group, post: Post | None, *, person: str | None = None
) -> None:
    """Our group tells its followers what a moderator of it did elsewhere, as it came."""
    if group.settings is None:
        return
    document, body = arrival.activity.document, arrival.body
    await telling.carried(arrival.conn, arrival.here, group, post, document, body, person=person)


async def _restore(arrival: Arrival, uri: str) -> None:
    """A removed post is shown again; what its author took back stays away (WIRE-G34)."""
    post = await post_store.by_uri(arrival.conn, uri)
    if post is None:
        raise NotFound
    group = await group_store.get(arrival.conn, post.group_id)
    await check_moderator(arrival, group)
    if post.state in (PostState.SHOWN, PostState.HELD):
        return  # the removal may still come, and is void then
    await desk.restore(arrival.conn, arrival.here, group, arrival.actor, post)
    await _pass_on(arrival, group, await post_store.get(arrival.conn, post.id))


async def _remove(arrival: Arrival, group: Group, post: Post) -> None:
    """`Remove` of a post from its group is a removal like any other (WIRE 7.2)."""
    await desk.remove(
        arrival.conn, arrival.here, group, arrival.actor, post, arrival.activity.summary
    )
    if group.settings is not None:
        await telling.retracted(
            arrival.conn, arrival.here, group, post, arrival.activity.document, arrival.body
        )


async def _block_person(arrival: Arrival, uri: str, *, undo: bool) -> None:
    """Raises NotFound: it is nobody of ours."""
    persona = await actor_store.by_uri(arrival.conn, uri)
    if persona is None or not persona.local or persona.kind is not ActorKind.PERSON:
        raise NotFound
    if undo:
        await blocks.lift(arrival.conn, arrival.actor, persona)
    else:
        await blocks.honour(arrival.conn, arrival.actor, persona)


async def _block(arrival: Arrival, decision: Activity, *, undo: bool) -> None:
    """A ban from a group; a Block between two people is kept to and not shown (WIRE-M10)."""
    uri = decision.object_uri
    if decision.target is None and arrival.group is None:
        await _block_person(arrival, uri, undo=undo)
        return
    target = decision.target or (arrival.group.actor.uri if arrival.group else None)
    found = await actor_store.by_uri(arrival.conn, target) if target else None
    if found is None or found.kind is not ActorKind.GROUP:
        raise NotFound
    group = await group_store.get(arrival.conn, found.id)
    await check_moderator(arrival, group)
    person = await actor_store.by_uri(arrival.conn, uri)
    if person is None and undo:
        return  # nobody was banned; should the ban come later, it is void
    if person is None:
        raise NotFound
    if undo:
        await desk.unban(arrival.conn, arrival.here, group, arrival.actor, person)
    else:
        until = time_of(arrival.activity.document.get("endTime"))
        await desk.ban(
            arrival.conn,
            arrival.here,
            group,
            arrival.actor,
            person,
            arrival.activity.summary,
            until.date() if until else None,
        )
    await _pass_on(arrival, group, None, person=uri)
