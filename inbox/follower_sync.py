"""What another server says of the followers it has here, held against ours (FEP-8fcf, WIRE 6.4)."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import digests
from activitypub.actors import Actor, columns
from activitypub.remote import Remote
from activitypub.synchronisation import PAGE, PAGES, Offer
from activitypub.vocab import id_of
from inbox.due import Due
from kernel.clock import to_minute
from kernel.errors import Malformed
from kernel.here import Here
from kernel.schema.actors import ActorState, FollowState
from kernel.schema.federation import Errand
from kernel.schema.tables import actors, errands, follows
from kernel.urls import same_origin
from members import follows as follow_store

UNDONE: Final = 100  # follows that nobody here knows of, taken back at once


async def note(engine: AsyncEngine, here: Here, actor_uri: str, header: str) -> None:
    """Plan to compare, where the offer is the actor's own and somebody here follows it.

    Nothing is fetched now (WIRE-B16); a header that cannot be read has no effect.
    """
    offer = Offer.parse(header)
    if offer is None or not same_origin(offer.url, actor_uri):
        return
    local = actors.alias("local_follower")
    followed = sa.exists().where(
        follows.c.followed_id == actors.c.id, local.c.id == follows.c.follower_id, local.c.local
    )
    planned = sa.select(
        sa.literal(Errand.FOLLOWERS.value),
        actors.c.id,
        sa.literal(to_minute(here.now())),
        sa.literal(offer.url),
        sa.literal(offer.digest),
    ).where(
        actors.c.uri == actor_uri,
        actors.c.followers_uri == offer.collection,
        ~actors.c.local,
        followed,
    )
    async with engine.begin() as conn:
        await conn.execute(
            insert(errands)
            .from_select(["kind", "actor_id", "due", "url", "digest"], planned)
            .on_conflict_do_nothing()
        )


async def run(engine: AsyncEngine, here: Here, remote: Remote, due: Due) -> None:
    """Compare, and where the two differ go by their list. Raises: as `Remote.document`."""
    async with engine.connect() as conn:
        followed = await actor_store.get(conn, due.actor_id)
        ours = await _ours(conn, followed)
    accepted = {uri for uri, state in ours.items() if state is FollowState.ACCEPTED}
    if digests.of(accepted) == due.digest:
        return
    theirs = await _listed(here, remote.for_activity(), due.url)
    async with engine.begin() as conn:
        await _go_by(conn, here, followed, theirs)


async def _ours(conn: AsyncConnection, followed: Actor) -> Mapping[str, FollowState]:
    rows = await conn.execute(
        sa.select(actors.c.uri, follows.c.state)
        .join(follows, follows.c.follower_id == actors.c.id)
        .where(follows.c.followed_id == followed.id, actors.c.local)
    )
    return {row.uri: FollowState(row.state) for row in rows}


async def _listed(here: Here, remote: Remote, url: str) -> frozenset[str]:
    """Who of ours is on their list, all of it. Raises Malformed: it does not end."""
    found: set[str] = set()
    asked, following = set[str](), url
    while following not in asked and len(asked) < PAGES:
        asked.add(following)
        document = await remote.document(following)
        part = document.get("first") if "first" in document else document
        if isinstance(part, str):
            following = _same_place(part, url)
            continue
        if not isinstance(part, dict):
            break
        items = part.get("orderedItems") or part.get("items") or []
        uris = [id_of(item) for item in items[:PAGE]] if isinstance(items, list) else []
        found |= {uri for uri in uris if uri is not None and here.is_local(uri)}
        after = id_of(part.get("next"))
        if after is None:
            return frozenset(found)
        following = _same_place(after, url)
    raise Malformed("That list of followers does not end.")


def _same_place(uri: str, url: str) -> str:
    if not same_origin(uri, url):
        raise Malformed("That list of followers goes on elsewhere.")
    return uri


async def _go_by(
    conn: AsyncConnection, here: Here, followed: Actor, theirs: frozenset[str]
) -> None:
    """Who is not on their list follows no more; who waits and is on it is in.

    Whoever is on it and does not follow is taken off it again.
    """
    ours = await _ours(conn, followed)
    lost = {uri for uri, state in ours.items() if state is FollowState.ACCEPTED} - theirs
    waiting = {uri for uri, state in ours.items() if state is FollowState.PENDING} & theirs
    unknown = sorted(theirs - ours.keys())[:UNDONE]
    rows = await conn.execute(
        sa.select(*columns()).where(
            actors.c.uri.in_([*lost, *waiting, *unknown]),
            actors.c.local,
            actors.c.state == ActorState.ACTIVE,
        )
    )
    for follower in map(Actor.of, rows):
        if follower.uri in lost:
            await follow_store.forget(conn, follower, followed)
        elif follower.uri in waiting:
            await follow_store.accepted(conn, here, follower, followed)
        else:
            await follow_store.disown(conn, here, follower, followed)
