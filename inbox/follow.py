"""Follow, and the answers to ours (WIRE 3.1)."""

from activitypub import actors as actor_store
from activitypub import remote
from activitypub.actors import Actor
from activitypub.vocab import Activity, ActivityKind, id_of
from groups import distance, handing_out, room
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from inbox import due
from inbox.arrival import Arrival
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.federation import Errand
from kernel.schema.groups import Joining
from members import follows, reader
from moderation import circles, policy, standing
from moderation.standing import Speaker


async def receive(arrival: Arrival) -> None:
    """Open groups and personas accept at once; the banned and the uninvited are told no.

    Raises NotFound: the followed actor is not one of ours that can be followed.
    """
    followed = await actor_store.by_uri(arrival.conn, arrival.activity.object_uri)
    if followed is None or not followed.local or followed.state is not ActorState.ACTIVE:
        raise NotFound  # a thread or post may be followed elsewhere: 202 and nothing (WIRE-G5)
    if followed.kind not in (ActorKind.GROUP, ActorKind.PERSON):
        raise NotFound
    if remote.is_group_like(arrival.actor):
        await remote.speaks_wrapped(arrival.conn, arrival.actor.host)
    conn, here, follower, uri = arrival.conn, arrival.here, arrival.actor, arrival.activity.id
    if followed.kind is ActorKind.GROUP:
        await distance.hold_still(conn, followed.id)
        group = await group_store.get(conn, followed.id)
        if not await _may_follow(arrival, group):
            await follows.refuse(conn, here, follower, followed, uri)
            return
        asks = group.tells and not group.federates  # into a circle nobody comes without a yes
        if asks:
            await remote.speaks_wrapped(conn, follower.host)  # as every node does that makes pacts
        asks = asks or await _asks_first(arrival, group)
        turn = None if asks else await room.turn_for(conn, group, follower)
        is_new = await follows.between(conn, follower, followed) is None
        state = await follows.receive(conn, here, follower, followed, uri, turn=turn, asks=asks)
        if is_new and state is FollowState.ACCEPTED:
            await handing_out.hand_out(conn, here, group, follower)
        return
    await follows.receive(conn, here, follower, followed, uri)


async def _asks_first(arrival: Arrival, group: Group) -> bool:
    """Whether a moderator says yes first where everybody may come in (MOD-3.10, 5.2, 5.7)."""
    actor = arrival.actor
    return (
        actor.filtered
        or group.reads_first_from(actor.host)
        or (await policy.of_host(arrival.conn, actor.host)).unlists
    )


async def _shares(arrival: Arrival, settings: GroupSettings) -> bool:
    """Whether the group is a circle with the peer of the person who asks (MOD-5.6)."""
    if arrival.actor.kind is not ActorKind.PERSON:
        return False
    shared = settings.spans and settings.circle == arrival.actor.host
    return shared and await circles.stands(arrival.conn, arrival.actor.host)


async def _may_follow(arrival: Arrival, group: Group) -> bool:
    if group.settings is None:
        raise NotFound
    if not group.federates and not await _shares(arrival, group.settings):
        raise NotFound
    if group.federates and group.settings.joining is Joining.INVITATION:
        return False
    if group.takes_nothing_from(arrival.actor.host):
        return False
    try:
        await standing.check(arrival.conn, arrival.here, Speaker.alone(arrival.actor), group.id)
    except NotAllowed:
        return False
    return True


async def receive_accept(arrival: Arrival) -> None:
    """Somebody elsewhere let one of ours in. Raises Malformed: no Follow of ours is meant."""
    follower, followed = await _pair(arrival)
    await follows.accepted(arrival.conn, arrival.here, follower, followed)
    if followed.members_only:  # what was said there before is for its members, too
        await due.ask(arrival.conn, arrival.here, Errand.CATCH_UP, followed.id)


async def receive_reject(arrival: Arrival) -> None:
    """Somebody elsewhere turned one of ours away, now or later (WIRE-G3).

    The node's reader would ask again at once, so what it asked stays as if unanswered (WIRE-G6).
    """
    follower, followed = await _pair(arrival)
    if follower.uri == reader.uri(arrival.here):
        await follows.still_waiting(arrival.conn, follower, followed)
    else:
        await follows.turned_away(arrival.conn, arrival.here, follower, followed)


async def _pair(arrival: Arrival) -> tuple[Actor, Actor]:
    """(our follower, the answering actor) of the Follow that is answered, embedded or by id."""
    pair = await _stored_pair(arrival, arrival.activity.object_uri)
    if pair is None and arrival.activity.embedded is not None:
        inner = arrival.activity.embedded
        asked = id_of(inner.get("object")) == arrival.actor.uri  # SEC-S22
        if asked and inner.get("type") == ActivityKind.FOLLOW:
            follower = await actor_store.by_uri(arrival.conn, str(inner.get("actor")))
            if follower is not None:
                pair = follower, arrival.actor
    if pair is None or not pair[0].local or pair[1].id != arrival.actor.id:
        raise Malformed("It answers no request of ours.")
    return pair


async def _stored_pair(arrival: Arrival, uri: str) -> tuple[Actor, Actor] | None:
    ids = await follows.pair_of(arrival.conn, uri)
    if ids is None:
        return None
    return (
        await actor_store.get(arrival.conn, ids[0]),
        await actor_store.get(arrival.conn, ids[1]),
    )


async def receive_undo(arrival: Arrival, uri: str, inner: Activity | None) -> bool:
    """A follower leaves; also when only the Follow's id is named. False: no Follow is meant."""
    pair = await _stored_pair(arrival, uri)
    if pair is not None and pair[0].id == arrival.actor.id:
        await follows.forget(arrival.conn, *pair)
        return True
    if inner is None or inner.kind != ActivityKind.FOLLOW:
        return False
    followed = await actor_store.by_uri(arrival.conn, inner.object_uri)
    if followed is not None and inner.actor == arrival.actor.uri:
        await follows.forget(arrival.conn, arrival.actor, followed)
    return True
