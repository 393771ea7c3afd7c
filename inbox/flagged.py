"""What of ours a report names, and whose desk looks at it (SEC-L3)."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from groups import groups as group_store
from groups import posts as post_store
from groups import reported
from inbox.arrival import Arrival
from kernel.schema.actors import ActorKind, ActorState

MAX_CASES: Final = 10  # of one Flag: what it names beyond these is left out

_KINDS: Final = (ActorKind.PERSON, ActorKind.GROUP)


async def about(
    arrival: Arrival, uris: Sequence[str], *, people: bool = True
) -> Sequence[reported.Place]:
    """What of ours is meant, and whose desk looks at it; people only where no post is named.

    What only some may see here nobody elsewhere can report.
    """
    found = await post_store.by_uris(arrival.conn, uris)
    groups = await group_store.several(arrival.conn, list({p.group_id for p in found.values()}))
    places: list[reported.Place] = []
    for post in list(found.values())[:MAX_CASES]:
        group = groups.get(post.group_id)
        if group is None:
            continue
        ours = group.federates if group.settings is not None else post.author_local
        if post.shown and ours:
            places.append(await reported.place(arrival.conn, group, post))
    if not places and people:
        places = [(None, reported.person(each)) for each in await _people(arrival, uris)]
    return places


async def _people(arrival: Arrival, uris: Sequence[str]) -> Sequence[Actor]:
    found = []
    for uri in [each for each in uris if arrival.here.is_local(each)][:MAX_CASES]:
        actor = await actor_store.by_uri(arrival.conn, uri)
        if actor is None or actor.kind not in _KINDS or actor.state is not ActorState.ACTIVE:
            continue
        if actor.kind is ActorKind.PERSON or await _federates(arrival.conn, actor):
            found.append(actor)
    return found


async def _federates(conn: AsyncConnection, group: Actor) -> bool:
    return (await group_store.get(conn, group.id)).federates
