"""Lock, Block, Remove and Add: a group's moderators act, here or through their group (WIRE 3.6)."""

from activitypub import actors as actor_store
from activitypub.vocab import Activity, ActivityKind, time_of
from groups import desk, telling
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from inbox import burials
from inbox.arrival import Arrival, NotYet
from kernel.errors import NotAllowed, NotFound
from kernel.schema.actors import ActorKind


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
    elif decision.kind == ActivityKind.REMOVE:
        await _remove(arrival, decision.object_uri)
    else:
        raise NotFound  # Add and the rest change nothing here


async def _authorised(arrival: Arrival, group: Group) -> None:
    """The group's own listed actors, nothing by host alone (WIRE-G35).

    A group elsewhere answers for its own server's decisions about itself (WIRE 4.9, rule 2).
    """
    if arrival.group is not None:
        if arrival.group.id == group.id and arrival.gathered.moderates:
            return
    elif await group_store.is_moderator(arrival.conn, group.id, [arrival.actor.id]):
        return
    raise NotAllowed("Only the group's moderators can do that.")


async def _lock(arrival: Arrival, uri: str, *, undo: bool) -> None:
    post = await post_store.by_uri(arrival.conn, uri)
    if post is None and arrival.patient:
        raise NotYet
    if post is None or not post.is_root:
        raise NotFound
    group = await group_store.get(arrival.conn, post.group_id)
    await _authorised(arrival, group)
    if undo:
        await desk.unlock(arrival.conn, arrival.here, group, arrival.actor, post)
    else:
        await desk.lock(
            arrival.conn, arrival.here, group, arrival.actor, post, arrival.activity.summary
        )
    if group.settings is not None:
        await telling.carried(
            arrival.conn, arrival.here, group, post, arrival.activity.document, arrival.body
        )


async def _remove(arrival: Arrival, uri: str) -> None:
    """`Remove` of a post from its group is a removal like any other (WIRE 7.2)."""
    post = await post_store.by_uri(arrival.conn, uri)
    if post is None:
        raise NotYet if arrival.patient else NotFound
    group = await group_store.get(arrival.conn, post.group_id)
    await _authorised(arrival, group)
    await desk.remove(
        arrival.conn, arrival.here, group, arrival.actor, post, arrival.activity.summary
    )
    if group.settings is not None:
        await telling.retracted(
            arrival.conn, arrival.here, group, post, arrival.activity.document, arrival.body
        )


async def _block(arrival: Arrival, decision: Activity, *, undo: bool) -> None:
    """A ban from a group; a Block between two people is their own affair and is not shown."""
    uri = decision.object_uri
    target = decision.target or (arrival.group.actor.uri if arrival.group else None)
    found = await actor_store.by_uri(arrival.conn, target) if target else None
    if found is None or found.kind is not ActorKind.GROUP:
        raise NotFound
    group = await group_store.get(arrival.conn, found.id)
    await _authorised(arrival, group)
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
    if group.settings is not None:
        await telling.carried(
            arrival.conn,
            arrival.here,
            group,
            None,
            arrival.activity.document,
            arrival.body,
            person=uri,
        )
