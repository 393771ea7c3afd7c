"""From `received` to effect: claim, read what is needed, handle in one transaction (DESIGN 3)."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import jsontext
from activitypub import remote as remotes
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.remote import Remote
from activitypub.vocab import Activity, ActivityKind, id_of
from groups import groups as group_store
from groups.groups import Group
from inbox import (
    approval,
    authenticity,
    claim,
    delete,
    directed,
    flag,
    follow,
    moderate,
    move,
    pacts,
    quote,
    react,
    said,
    undo,
    vote,
)
from inbox.arrival import Arrival, Gathered, Handler, NotYet
from inbox.claim import Floor, Lost, Row
from inbox.gather import Gatherer, gather
from inbox.unwrap import Inner, unwrap
from kernel.db import describe, is_away
from kernel.errors import NotAllowed, NotFound, Problem, TooMany
from kernel.faults import Point, reached
from kernel.here import Here
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import actors, follows
from kernel.urls import host_of, same_origin
from moderation import domains
from moderation.signals import people

log = logging.getLogger(__name__)

CRASHES = 5  # then the row is parked and waits for a person
READING = 30  # seconds for all that is read elsewhere for one activity: half of its claim's time
PATIENCE = 2  # attempts before an answer to an unknown post may stand alone (WIRE-Q3)

HANDLERS: dict[ActivityKind, Handler] = {
    ActivityKind.ACCEPT: approval.receive_accept,
    ActivityKind.ADD: moderate.receive,
    ActivityKind.BLOCK: moderate.receive,
    ActivityKind.CREATE: said.receive_create,
    ActivityKind.DELETE: delete.receive,
    ActivityKind.DISLIKE: react.receive,
    ActivityKind.EMOJI_REACT: react.receive,
    ActivityKind.FLAG: flag.receive,
    ActivityKind.FOLLOW: follow.receive,
    ActivityKind.FREEZE: pacts.receive_freeze,
    ActivityKind.KEY_CHANGE: pacts.receive_key_change,
    ActivityKind.LEAVE: pacts.receive_leave,
    ActivityKind.LIKE: react.receive,
    ActivityKind.LOCK: moderate.receive,
    ActivityKind.MOVE: move.receive,
    ActivityKind.NUDGE: pacts.receive_nudge,
    ActivityKind.OFFER: pacts.receive_offer,
    ActivityKind.POLL_VOTE: vote.receive,
    ActivityKind.QUOTE_REQUEST: quote.receive,
    ActivityKind.REJECT: approval.receive_reject,
    ActivityKind.REMOVE: moderate.receive,
    ActivityKind.TENTATIVE_ACCEPT: directed.receive_answer,
    ActivityKind.UNDO: undo.receive,
    ActivityKind.UPDATE: directed.receive_update,
}

# What a group may pass on (WIRE-G12): anything else inside an Announce is left alone.
PASSED_ON = frozenset(HANDLERS) - {
    ActivityKind.FLAG,
    ActivityKind.FOLLOW,
    ActivityKind.FREEZE,
    ActivityKind.KEY_CHANGE,
    ActivityKind.LEAVE,
    ActivityKind.NUDGE,
    ActivityKind.OFFER,
    ActivityKind.ACCEPT,
    ActivityKind.QUOTE_REQUEST,
    ActivityKind.REJECT,
    ActivityKind.TENTATIVE_ACCEPT,
}


async def process_one(
    engine: AsyncEngine, here: Here, remote: Remote, floor: Floor | None = None
) -> bool:
    """Deal with the next activity that is due and needs its own time. False: there is none.

    Whoever does this side by side shares a `floor`.
    """
    floor = floor or Floor()
    async with floor.lock:
        rows = await claim.claim(engine, here, plain=False, without=floor.full)
        if not rows:
            return False
        (row,) = rows
        floor.at_work[row.origin] += 1
    try:
        with suppress(Lost):
            if row.broken and row.attempts > CRASHES:
                await _end(engine, here, row, ReceivedState.PARKED, "broke the worker")
            else:
                await _deal_with(engine, here, remote, row)
    finally:
        floor.leave(row.origin)
    return True


async def _deal_with(engine: AsyncEngine, here: Here, remote: Remote, row: Row) -> None:
    try:
        await _process(engine, here, remote, row)
    except Lost:
        raise
    except (NotYet, Unreachable, TooMany) as error:
        await claim.wait(engine, here, row, type(error).__name__)
    except Problem as error:
        await _end(engine, here, row, ReceivedState.REFUSED, type(error).__name__)
    except Exception as error:
        if is_away(error):
            raise
        log.error("received id=%s attempt=%s %s", row.id, row.attempts, describe(error))
        if row.attempts >= CRASHES:
            await _end(engine, here, row, ReceivedState.PARKED, describe(error))
        else:
            await claim.wait(engine, here, row, describe(error))


async def _end(engine: AsyncEngine, here: Here, row: Row, state: ReceivedState, why: str) -> None:
    """It had no effect; who reported something is forgotten whatever became of it."""
    async with engine.begin() as conn:
        await claim.mark(conn, [row], state, why)
        with suppress(Problem):  # what cannot be read names nobody who reported something
            outer = Activity.parse(jsontext.read(row.body))
            if flag.is_about_reports(outer):
                await flag.forget_sender(conn, here, row.id, outer)


async def _process(engine: AsyncEngine, here: Here, remote: Remote, row: Row) -> None:
    outer, remote = (
        Activity.parse(jsontext.read(row.body)),
        remote.for_activity(host_of(row.signer_uri)),
    )
    async with engine.connect() as conn:
        signer = await actor_store.by_uri(conn, row.signer_uri)
        if signer is None:
            raise NotFound
        group = await _passing_group(conn, outer, signer, patient=row.attempts <= PATIENCE)
        if await domains.is_blocked(conn, signer.host):
            raise NotFound
    if outer.kind not in set(ActivityKind):
        raise NotFound
    try:
        async with asyncio.timeout(READING):
            inners, gathered = await _read(engine, here, remote, outer, signer, group)
    except TimeoutError as error:  # many slow answers, none of them too slow (SEC-R10)
        raise Unreachable("too slow") from error
    acting = [
        found.people.get(inner.activity.actor, signer)
        for inner, found in zip(inners, gathered, strict=True)
    ]
    await _meet(engine, here, row, acting)
    async with engine.begin() as conn:
        if group is not None and _is_wrapped(outer):
            await remotes.speaks_wrapped(conn, signer.host)
        for inner, found in zip(inners, gathered, strict=True):
            arrival = Arrival(
                conn=conn,
                here=here,
                activity=inner.activity,
                actor=found.people.get(inner.activity.actor, signer),
                gathered=found,
                body=row.body.decode() if inner.body is None else inner.body,
                forwarded=signer.uri != outer.actor,
                group=group,
                context=_thread_name(outer, group),
                patient=row.attempts <= PATIENCE and len(inners) == 1,
                last=row.attempts >= claim.WAITS,
            )
            await _handle(arrival, alone=len(inners) == 1)
        await claim.mark(conn, [row], ReceivedState.DONE)
        if flag.is_about_reports(outer):
            await flag.forget_sender(conn, here, row.id, outer)
        reached(Point.BEFORE_COMMIT)


async def _meet(engine: AsyncEngine, here: Here, row: Row, met: Sequence[Actor]) -> None:
    """What peers advise about who acts here is looked for, once for each time that it changed."""
    new = {actor.id: actor for actor in met if people.is_new(actor, row.people_round)}
    if new:
        async with engine.begin() as conn:
            await people.meet(conn, here, list(new.values()))


async def pass_in(
    engine: AsyncEngine, here: Here, remote: Remote, group: Group, outer: Activity, body: str
) -> None:
    """Deal with an Announce that a followed group shows on its own server, as if it had come.

    Raises Problem, Unreachable: it has no effect, or not now.
    """
    inners, gathered = await _read(engine, here, remote, outer, group.actor, group)
    async with engine.begin() as conn:
        for inner, found in zip(inners, gathered, strict=True):
            arrival = Arrival(
                conn=conn,
                here=here,
                activity=inner.activity,
                actor=found.people.get(inner.activity.actor, group.actor),
                gathered=found,
                body=body if inner.body is None else inner.body,
                group=group,
                context=_thread_name(outer, group),
                last=True,
            )
            await _handle(arrival, alone=len(inners) == 1)


def _is_wrapped(outer: Activity) -> bool:
    return outer.kind == ActivityKind.ANNOUNCE and isinstance(
        outer.document.get("object"), dict | list
    )


async def _read(
    engine: AsyncEngine,
    here: Here,
    remote: Remote,
    outer: Activity,
    signer: Actor,
    group: Group | None,
) -> tuple[Sequence[Inner], Sequence[Gathered]]:
    """What is inside, and what each of it needs from elsewhere. Raises NotFound: nothing is."""
    forwarded = outer.actor != signer.uri
    if forwarded and group is None:
        inners = [await _forwarded(Gatherer(engine, here, remote), outer)]
    elif forwarded or group is None:
        inners = [Inner(activity=outer)]
    else:
        inners = [
            inner
            for inner in await unwrap(engine, remote, outer)
            if inner.activity.kind in PASSED_ON
        ]
    if not inners:
        raise NotFound
    if group is None and outer.kind == ActivityKind.ANNOUNCE:
        return inners, [Gathered()]
    context = _thread_name(outer, group)
    return inners, [
        await gather(engine, here, remote, inner.activity, group, inner.note, context, inner.author)
        for inner in inners
    ]


async def _forwarded(it: Gatherer, outer: Activity) -> Inner:
    """What somebody passed on as it was, as far as its author answers for it (WIRE 4.9, rule 6)."""
    author = await it.person(outer.actor)
    if author.state is ActorState.SUSPENDED:
        raise NotAllowed("This node does not listen to that actor.")
    if await it.is_proven(outer, whole=True):
        return Inner(activity=outer, author=author)
    activity, body = await authenticity.confirmed(it.remote, outer, author)
    return Inner(activity=activity, author=author, body=body)


async def _handle(arrival: Arrival, *, alone: bool) -> None:
    """Run the handler; one of several that is refused leaves the others as they are."""
    kind = ActivityKind(arrival.activity.kind)
    handler = react.receive if kind is ActivityKind.ANNOUNCE else HANDLERS[kind]
    if alone:
        await _one_at_a_time(arrival.conn, arrival.activity.object)
        await handler(arrival)
        return
    with suppress(Problem):
        async with arrival.conn.begin_nested():
            await handler(arrival)


async def _one_at_a_time(conn: AsyncConnection, uri: str | None) -> None:
    """Hold back whatever else is about the same object, such as its Delete, until this commits."""
    if uri is not None:
        await conn.execute(
            sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(uri, 0)))
        )


def _thread_name(outer: Activity, group: Group | None) -> str | None:
    """The name that a group gives the thread, on its own server (WIRE-G41)."""
    context = id_of(outer.document.get("context"))
    if (
        group is None
        or outer.kind != ActivityKind.ANNOUNCE
        or context is None
        or not same_origin(context, group.actor.uri)
    ):
        return None
    return context


async def _passing_group(
    conn: AsyncConnection, outer: Activity, signer: Actor, *, patient: bool
) -> Group | None:
    """The followed group whose Announce it is, or which forwards it as it is.

    Announces of others are boosts (WIRE-G14, WIRE-G18).

    Raises NotYet: we asked to follow it, and its Accept may be on its way (WIRE-Q3).
    """
    own = outer.actor == signer.uri and outer.kind != ActivityKind.ANNOUNCE
    if own or signer.kind is not ActorKind.GROUP:
        return None
    local = actors.alias("local_follower")
    states = await conn.scalars(
        sa.select(follows.c.state)
        .join(local, local.c.id == follows.c.follower_id)
        .where(follows.c.followed_id == signer.id, local.c.local)
        .distinct()
    )
    found = frozenset(states)
    if FollowState.ACCEPTED in found:
        return await group_store.get(conn, signer.id)
    if found and patient:
        raise NotYet
    return None
