"""Flag: moderators of another server ask ours to look at something (WIRE-M4, MOD-3.8).

Some servers name whoever reported as its actor. Nobody here learns that: what is kept has the
server's name alone, also in the list of what was received.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.flags import Flagged
from activitypub.vocab import Activity, ActivityKind
from groups import groups as group_store
from groups import posts as post_store
from groups import reported
from inbox.arrival import Arrival
from kernel.here import Here
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.tables import received
from kernel.sealing import mac
from kernel.urls import host_of, origin_of
from moderation import domains, reports

MAX_CASES: Final = 10  # of one Flag: what it names beyond these is left out

_KINDS: Final = (ActorKind.PERSON, ActorKind.GROUP)


async def receive(arrival: Arrival) -> None:
    """Take in what it says of posts and people here; of anything else nothing, and no word of it.

    What only some may see here nobody elsewhere can report (SEC-L3).
    """
    if await _was_here(arrival):
        return
    if not await domains.takes_reports(arrival.conn, host_of(arrival.activity.id)):
        return
    if not await reports.spend(arrival.conn, arrival.here, host_of(arrival.activity.id)):
        return
    flagged = Flagged.parse(arrival.activity.document, arrival.here)
    for group_id, about in await _about(arrival, flagged.uris):
        await reports.take_in(
            arrival.conn,
            arrival.here,
            flag=arrival.activity.id,
            about=about,
            words=flagged.words,
            group_id=group_id,
        )


async def _was_here(arrival: Arrival) -> bool:
    """Whether the same Flag came before: of what was received only a mark is left."""
    row = sa.select(received.c.id).where(_seen(arrival.here, arrival.activity))
    return await arrival.conn.scalar(row) is not None


def _seen(here: Here, activity: Activity) -> sa.ColumnElement[bool]:
    """SQL: what was received under this id before its sender was forgotten."""
    return sa.and_(
        received.c.origin == origin_of(activity.id),
        received.c.activity_uri == _mark(here, activity),
    )


def _mark(here: Here, activity: Activity) -> str:
    seen = mac(here.node_key.derive("reports"), "received", activity.id.encode())
    return f"flag:{seen.hex()}"


async def take_back(arrival: Arrival, flag: str) -> bool:
    """Undo{Flag}. False: nothing of it is here."""
    return await reports.take_back(arrival.conn, arrival.here, flag)


async def _about(arrival: Arrival, uris: Sequence[str]) -> Sequence[reported.Place]:
    """What of ours is meant, and whose desk looks at it; people only where no post is named."""
    found = await post_store.by_uris(arrival.conn, uris)
    groups = await group_store.several(arrival.conn, list({p.group_id for p in found.values()}))
    places = []
    for post in list(found.values())[:MAX_CASES]:
        group = groups.get(post.group_id)
        if group is None:
            continue
        ours = group.federates if group.settings is not None else post.author_local
        if post.shown and ours:
            places.append(await reported.place(arrival.conn, group, post))
    if not places:
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


def is_about_reports(activity: Activity) -> bool:
    """Whether it is a Flag or takes one back: whoever sent it may be who reported."""
    flag = ActivityKind.FLAG
    return activity.kind == flag or (
        activity.kind == ActivityKind.UNDO and activity.inner_kind == flag
    )


async def forget_sender(conn: AsyncConnection, here: Here, row_id: int, activity: Activity) -> None:
    """Of what was received keep the server alone; the id, which may count reporters, as a mark."""
    await conn.execute(sa.delete(received).where(_seen(here, activity), received.c.id != row_id))
    await conn.execute(
        sa.update(received)
        .where(received.c.id == row_id)
        .values(
            signer_uri=f"{origin_of(activity.id)}/",
            activity_uri=_mark(here, activity),
            body=None,  # also where a person would look at it
        )
    )
