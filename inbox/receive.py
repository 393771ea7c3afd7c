"""A signed POST arrives: prove it, keep it, answer 202 (WIRE-B16, WIRE-S11 to WIRE-S17).

Nothing is fetched here but the key, at most once and for at most four seconds.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from activitypub import actors as actor_store
from activitypub import jsontext, signatures
from activitypub.actors import Actor
from activitypub.claims import Claim
from activitypub.client import Unreachable
from activitypub.remote import Remote
from activitypub.vocab import Activity, ActivityKind, id_of
from inbox import authenticity
from inbox.intake import Intake, Row, Stale
from kernel.errors import Busy, Gone, Malformed, NotAllowed, Problem, Unproven
from kernel.faults import Point, reached
from kernel.here import Here
from kernel.schema.actors import ActorState
from kernel.schema.moderation import Level
from kernel.urls import host_of, same_origin
from moderation import domains
from moderation.blocklist import Blocklist

URGENT: Final = frozenset({ActivityKind.BLOCK, ActivityKind.DELETE, ActivityKind.UNDO, "Flag"})
"""What takes back or warns: it is never too much, whoever sends it."""

UNCOUNTED: Final = URGENT | {
    ActivityKind.ACCEPT,
    ActivityKind.FOLLOW,
    ActivityKind.LOCK,
    ActivityKind.REJECT,
    ActivityKind.REMOVE,
}
"""With what decides, and what begins or ends a follow: nothing new to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A POST as it came: `path` with its query, headers in order and unfolded, the exact body."""

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes


class Dropped(Exception):
    """It is forgotten, and its sender is answered as anybody (MOD-3.10)."""


async def receive(intake: Intake, here: Here, remote: Remote, request: Request) -> None:
    """Returns once the activity is on disk, or was there already, or its domain is dropped.

    What is signed by somebody else than its actor is kept only from who may forward it, and proven
    later; a stranger's key is not even looked up for it (WIRE 4.9, SEC-S1).

    Raises Unproven (401): nobody we can name signed exactly this. Raises NotAllowed (403): the
    signer's domain is blocked. Raises Malformed (400). Raises Busy (503): the key's server is away.
    Raises TooMany (429): the signer's server brings more at once, or in an hour, than it may.
    """
    with suppress(Dropped):
        await _receive(intake, here, remote, request)


async def _receive(intake: Intake, here: Here, remote: Remote, request: Request) -> None:
    claim = signatures.parse(request.headers)
    try:
        signer_host = host_of(claim.key_id)
    except Malformed as error:
        raise Unproven("The signature names no key we can look up.") from error
    remembered = remote.remembered_owner(claim.key_id)
    if remembered is None:
        await _refuse_blocked(intake, signer_host)
    document = jsontext.read(request.body)
    activity = Activity.parse(document)
    reached(Point.AFTER_PARSE)
    if not same_origin(claim.key_id, activity.actor):
        await _check_forwarder(intake, claim.key_id, activity)
    if here.is_local(activity.actor):
        raise Unproven("Actors of this node do not write to it.")
    if remembered is not None:
        if remembered.uri == activity.actor and await _kept_at_once(
            intake, here, remote, remembered, claim, activity, request
        ):
            if claim.is_rfc9421:
                await remote.reads_rfc9421(remembered.host)
            return
        await _refuse_blocked(intake, signer_host)
    try:
        signer = await prove(here, remote, claim, request, urgent=activity.kind in URGENT)
        if signer.state is ActorState.CLOSED:
            signer = await remote.back_again(signer)
            _verify(here, claim, signer, request)
    except Gone:
        if activity.kind == "Delete" and activity.object == activity.actor:
            return  # WIRE-S16: nothing of theirs can be here
        raise Unproven("The owner of that key is gone.") from None
    except Unreachable as error:
        raise Busy("Your key's server did not answer. Try again later.", retry_after=60) from error
    leaves = activity.kind == "Delete" and activity.object == activity.actor == signer.uri
    if signer.state is ActorState.SUSPENDED and not leaves:
        raise NotAllowed("This node does not listen to that actor.")
    forwarded = signer.uri != activity.actor
    if forwarded:
        await _check_forwarder(intake, claim.key_id, activity)
    again = activity.kind == ActivityKind.FOLLOW and not remote.replays.seen(claim, here.now())
    try:
        await _keep(
            intake, here, remote, signer, activity, request.body, again=again, forwarded=forwarded
        )
    except Stale as error:
        raise Busy("The key has just changed. Try again.", retry_after=1) from error
    if not leaves:
        remote.remember_owner(signer)
    if claim.is_rfc9421:
        await remote.reads_rfc9421(signer.host)


async def _kept_at_once(
    intake: Intake,
    here: Here,
    remote: Remote,
    owner: Actor,
    claim: Claim,
    activity: Activity,
    request: Request,
) -> bool:
    """Go by what is remembered of the key; False where that does not do, and all is read anew."""
    if activity.kind == ActivityKind.FOLLOW:  # it may have to be dealt with twice
        return False
    try:
        _verify(here, claim, owner, request)
        await _keep(intake, here, remote, owner, activity, request.body)
    except (Unproven, Stale):
        remote.forget_owner(owner)
        return False
    return True


async def _check_forwarder(intake: Intake, key_id: str, activity: Activity) -> None:
    """Raises Unproven: nobody known by that key may pass on what this actor says (WIRE 4.9)."""
    if authenticity.can_be_forwarded(activity):
        async with intake.engine.connect() as conn:
            signer = await actor_store.by_key_id(conn, key_id)
            if signer is not None and await authenticity.may_forward(conn, signer, activity):
                return
    raise Unproven("That key is not the actor's.")


async def is_dropped(policies: Blocklist, headers: Sequence[tuple[str, str]]) -> bool:
    """Whether who says they signed is on a domain that is dropped (MOD-3.10).

    It is asked before the body is read, and where no domain is dropped nothing is read at all.
    """
    if not await policies.drops_anybody():
        return False
    try:
        return await policies.drops(host_of(signatures.parse(headers).key_id))
    except Problem:
        return False  # what is wrong with it is said in its turn


async def _refuse_blocked(intake: Intake, host: str) -> None:
    """Raises NotAllowed: the domain is blocked. Raises Dropped: and is not to be told."""
    async with intake.engine.connect() as conn:
        level = await domains.how_blocked(conn, host)
    if level is Level.DROP:
        raise Dropped
    if level is not None:
        raise NotAllowed("This node does not talk with yours.")


async def _keep(
    intake: Intake,
    here: Here,
    remote: Remote,
    signer: Actor,
    activity: Activity,
    body: bytes,
    *,
    again: bool = False,
    forwarded: bool = False,
) -> None:
    if not forwarded:
        authenticity.check_signer(activity, signer)
    row = Row(
        activity_uri=activity.id,
        signer=signer,
        body=body,
        at=here.now(),
        plain=not forwarded and _is_plain(here, activity),
        again=again,
    )
    if activity.kind in UNCOUNTED:
        await intake.keep(row)
    else:
        async with remote.pace.bringing(signer.host):
            await intake.keep(row)
    reached(Point.AFTER_COMMIT)


def _is_plain(here: Here, activity: Activity) -> bool:
    """An answer to a post of this node, its words with it: what pours in most."""
    if activity.kind != ActivityKind.CREATE or activity.embedded is None:
        return False
    parent = id_of(activity.embedded.get("inReplyTo"))
    return parent is not None and here.is_local(parent)


async def prove(
    here: Here, remote: Remote, claim: Claim, request: Request, *, urgent: bool = False
) -> Actor:
    """The owner of the key that signed. On a mismatch the key is read anew once (WIRE-S20).

    Raises Unproven. Raises Gone: the owner is. Raises Unreachable, TooMany: the key cannot be had,
    or, unless it is `urgent`, its server has introduced as many actors as it may.
    """
    owner = await remote.key_owner(claim.key_id, urgent=urgent)
    try:
        _verify(here, claim, owner, request)
    except Unproven:
        remote.forget_owner(owner)
        renewed = await remote.key_owner(claim.key_id, refresh=True)
        if (renewed.public_key, renewed.ed25519) == (owner.public_key, owner.ed25519):
            raise
        _verify(here, claim, renewed, request)
        owner = renewed
    if not urgent:
        await remote.pace.has_signed(owner.uri, owner.host)
    return owner


def _verify(here: Here, claim: Claim, owner: Actor, request: Request) -> None:
    signatures.verify(
        claim,
        owner.key(claim.key_id),
        method=request.method,
        path=request.path,
        headers=request.headers,
        body=request.body,
        now=here.now(),
        origin=here.origin,
    )
