"""After an absence the node reads what it missed, since others do not try for long (WIRE-Q10b).

GoToSocial gives a delivery up after four minutes. So whenever no worker was awake for that long,
and whenever a server comes back that was away for an hour, the groups there that somebody here
follows are asked for what they told lately: their outbox at once, and the threads that are known
one by one (`inbox/backfill.py`).
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import jsontext
from activitypub.client import Unreachable
from activitypub.jsontext import Json
from activitypub.remote import Remote
from activitypub.vocab import Activity, ActivityKind, Document, id_of
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from inbox import backfill, refreshes
from inbox.due import Due
from inbox.process import pass_in
from kernel.clock import to_minute
from kernel.errors import Malformed, NotFound, Problem, TooMany
from kernel.here import Here
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.federation import Errand
from kernel.schema.tables import actors, errands, follows, node, peers, threads
from kernel.urls import same_origin

log = logging.getLogger(__name__)

AWAY: Final = timedelta(minutes=4)
FAILURES: Final = 6  # in a row: a server was away for about an hour
NEWEST: Final = 50  # entries of an outbox
THREADS: Final = 20  # of a group, those that were written in last


async def keep_watch(engine: AsyncEngine, here: Here) -> None:
    """A round each minute: note that somebody is awake, and plan what has to be read."""
    now = to_minute(here.now())
    async with engine.begin() as conn:
        last = await conn.scalar(sa.select(node.c.awake).with_for_update())
        if last is not None and now - last > AWAY:
            await _plan(conn, here, sa.true())
        else:
            away = sa.exists().where(
                peers.c.host == actors.c.host, peers.c.failures >= sa.literal(FAILURES)
            )
            await _plan(conn, here, away)
        if last is None or now > last:
            await conn.execute(sa.update(node).values(awake=now))


async def _plan(conn: AsyncConnection, here: Here, where: sa.ColumnElement[bool]) -> None:
    """An errand for every group elsewhere that somebody here follows, `where` that holds."""
    local = actors.alias("local_follower")
    followed = sa.exists().where(
        follows.c.followed_id == actors.c.id,
        follows.c.state == FollowState.ACCEPTED,
        local.c.id == follows.c.follower_id,
        local.c.local,
    )
    groups = sa.select(
        sa.literal(Errand.CATCH_UP.value), actors.c.id, sa.literal(to_minute(here.now()))
    ).where(actors.c.kind == ActorKind.GROUP, ~actors.c.local, followed, where)
    await conn.execute(
        insert(errands).from_select(["kind", "actor_id", "due"], groups).on_conflict_do_nothing()
    )


async def run(engine: AsyncEngine, here: Here, remote: Remote, due: Due) -> None:
    """Read what a group told. Raises NotFound: it is no group elsewhere.

    Raises Problem, Unreachable: nothing of it could be had.
    """
    async with engine.connect() as conn:
        group = await group_store.get(conn, due.actor_id)
    if group.settings is not None:
        raise NotFound
    remote = remote.for_activity()
    for item in await _told(remote, group):
        await _take(engine, here, remote, group, item)
    async with engine.begin() as conn:
        await refreshes.ask(conn, here, *await _lately(conn, group))
    if remote.budget.spent:
        raise TooMany("There is more to read than one errand may.")


async def _told(remote: Remote, group: Group) -> Sequence[Document]:
    """The Announces in a group's outbox, oldest first; only what the group itself says there."""
    uri = (await remote.document(group.actor.uri)).get("outbox")
    if not isinstance(uri, str) or not same_origin(uri, group.actor.uri):
        raise Malformed("That group shows no outbox of its own.")
    document = await remote.document(uri)
    items = _items(document)
    first = id_of(document.get("first"))
    if not items and first is not None and same_origin(first, uri):
        items = _items(await remote.document(first))
    newest = [item for item in items[:NEWEST] if isinstance(item, dict)]
    return [
        item
        for item in reversed(newest)
        if item.get("type") == ActivityKind.ANNOUNCE and id_of(item.get("actor")) == group.actor.uri
    ]


def _items(document: Document) -> list[Json]:
    first = document.get("first")
    for part in (document, first):
        if isinstance(part, dict):
            items = part.get("orderedItems") or part.get("items")
            if isinstance(items, list):
                return items
    return []


async def _take(
    engine: AsyncEngine, here: Here, remote: Remote, group: Group, item: Document
) -> None:
    """As if it came now; what cannot be read is left out, and the rest goes on.

    What a circle lists may be from before it was shared: then it comes with its thread.
    """
    try:
        outer = Activity.parse(item)
        if group.actor.members_only:
            await _bring(engine, here, remote, group, outer)
            return
        await pass_in(engine, here, remote, group, outer, jsontext.dump(item).decode())
    except (Unreachable, Problem) as error:
        if isinstance(error, TooMany):
            raise
        log.info("catch up group=%s left out one (%s)", group.id, type(error).__name__)


async def _bring(
    engine: AsyncEngine, here: Here, remote: Remote, group: Group, outer: Activity
) -> None:
    uri, context = outer.object_uri, id_of(outer.document.get("context"))
    async with engine.connect() as conn:
        known = here.is_local(uri) or await post_store.by_uri(conn, uri) is not None
    if not known and context is not None and same_origin(context, group.actor.uri):
        await backfill.bring(engine, here, remote, group, uri, context)


async def _lately(conn: AsyncConnection, group: Group) -> Sequence[int]:
    """The group's threads that were written in last."""
    rows = await conn.execute(
        sa.select(threads.c.id, threads.c.uri)
        .where(threads.c.group_id == group.id, threads.c.shown)
        .order_by(threads.c.latest_id.desc())
        .limit(THREADS)
    )
    return [thread_id for thread_id, uri in rows if same_origin(uri, group.actor.uri)]
