"""Move: an actor elsewhere has a new address (WIRE 2.4, WIRE-A15, SEC-S27), or a thread a group."""

from groups import groups as group_store
from inbox import due, relocation
from inbox.arrival import Arrival
from kernel.errors import NotAllowed
from kernel.schema.actors import ActorKind
from kernel.schema.federation import Errand
from members import moves


async def receive(arrival: Arrival) -> None:
    """Of an actor by itself: memberships go along to the new address, and people here are told.

    Of a group that goes on as a group of ours, the newest threads are read, and shown there too.

    Raises NotAllowed: the new address does not say that it was this actor, is none of the same
    kind, or the actor has moved this week. Raises: as `relocation.receive`, of a thread.
    """
    if arrival.activity.object != arrival.activity.actor:
        await relocation.receive(arrival)
        return
    target = arrival.gathered.people.get(arrival.activity.target or "")
    if arrival.group is not None or target is None or not arrival.gathered.moved:
        raise NotAllowed("The new address does not know the old one.")
    old_is_group, new_is_group = (each.kind is ActorKind.GROUP for each in (arrival.actor, target))
    if old_is_group is not new_is_group:
        raise NotAllowed("A person cannot become a group, or a group a person.")
    await moves.note(arrival.conn, arrival.here, arrival.actor, target)
    if target.local:
        await due.ask(arrival.conn, arrival.here, Errand.CATCH_UP, arrival.actor.id)
        await group_store.tell(arrival.conn, arrival.here, target.id)
