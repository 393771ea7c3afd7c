"""A signed POST arrives: prove it, keep it, answer 202 (WIRE-B16, WIRE-S11 to WIRE-S17).

Nothing is fetched here but the key, at most once and for at most four seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from activitypub import jsontext, keys, signatures
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.remote import Remote
from activitypub.vocab import Activity, ActivityKind
from inbox.intake import Intake, Row
from kernel.errors import Busy, Gone, Malformed, NotAllowed, Unproven
from kernel.here import Here
from kernel.schema.actors import ActorState
from kernel.urls import host_of, origin_of, same_origin
from moderation import domains


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A POST as it came: `path` with its query, headers in order and unfolded, the exact body."""

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes


async def receive(intake: Intake, here: Here, remote: Remote, request: Request) -> None:
    """Returns once the activity is on disk, or was there already.

    Raises Unproven (401): nobody we can name signed exactly this. Raises NotAllowed (403): the
    signer's domain is blocked. Raises Malformed (400). Raises Busy (503): the key's server is away.
    """
    claim = signatures.parse(request.headers)
    try:
        signer_host = host_of(claim.key_id)
    except Malformed as error:
        raise Unproven("The signature names no key we can look up.") from error
    async with intake.engine.connect() as conn:
        if await domains.is_blocked(conn, signer_host):
            raise NotAllowed("This node does not talk with yours.")
    document = jsontext.read(request.body)
    activity = Activity.parse(document)
    if not same_origin(claim.key_id, activity.actor):
        raise Unproven("The key is not on the actor's server.")
    if here.is_local(activity.actor):
        raise Unproven("Actors of this node do not write to it.")
    try:
        signer = await _prove(here, remote, claim, request)
    except Gone:
        if activity.kind == "Delete" and activity.object == activity.actor:
            return  # WIRE-S16: nothing of theirs can be here
        raise Unproven("The owner of that key is gone.") from None
    except Unreachable as error:
        raise Busy("Your key's server did not answer. Try again later.", retry_after=60) from error
    if signer.uri != activity.actor:
        raise Unproven("That key is not the actor's.")
    if signer.state is ActorState.SUSPENDED:
        raise NotAllowed("This node does not listen to that actor.")
    if origin_of(activity.id) != origin_of(signer.uri):
        raise Malformed("Its id is not on its actor's server.")
    again = activity.kind == ActivityKind.FOLLOW and not remote.replays.seen(claim, here.now())
    await intake.keep(
        Row(
            origin=origin_of(signer.uri),
            activity_uri=activity.id,
            signer_uri=signer.uri,
            signer_host=signer.host,
            body=request.body,
            at=here.now(),
            again=again,
        )
    )


async def _prove(here: Here, remote: Remote, claim: signatures.Claim, request: Request) -> Actor:
    """The owner of the key that signed. On a mismatch the key is read anew once (WIRE-S20)."""
    owner = await remote.key_owner(claim.key_id)
    try:
        _verify(here, claim, owner, request)
    except Unproven:
        renewed = await remote.key_owner(claim.key_id, refresh=True)
        if renewed.public_key == owner.public_key:
            raise
        _verify(here, claim, renewed, request)
        return renewed
    return owner


def _verify(here: Here, claim: signatures.Claim, owner: Actor, request: Request) -> None:
    signatures.verify(
        claim,
        keys.load_public_key(owner.public_key),
        method=request.method,
        path=request.path,
        headers=request.headers,
        body=request.body,
        now=here.now(),
        hosts=(here.host,),
    )
