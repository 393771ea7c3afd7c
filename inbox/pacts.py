"""Offer, Accept, Reject, Leave, KeyChange, Freeze and Nudge between the desks of two nodes."""

from activitypub.vocab import id_of
from inbox.arrival import Arrival, NotYet
from kernel.errors import Malformed, NotAllowed
from moderation import pact_mail


def answers_offer(arrival: Arrival) -> bool:
    """Whether an Accept or a Reject is about a pact that this node offered."""
    uri = arrival.activity.object or ""
    return uri.startswith(f"{arrival.here.origin}/pacts/")


def _checked(arrival: Arrival) -> None:
    """Raises NotAllowed: somebody passed it on, and two desks speak to each other only."""
    if arrival.forwarded or arrival.group is not None:
        raise NotAllowed("Desks speak for themselves.")


async def receive_offer(arrival: Arrival) -> None:
    """A pact is offered. Raises Malformed: or something else. Raises: as `pact_mail.offered`."""
    _checked(arrival)
    paper = arrival.activity.embedded
    if paper is None:
        raise Malformed("An offer brings what it offers.")
    await pact_mail.offered(arrival.conn, arrival.here, arrival.actor, arrival.activity.id, paper)


async def receive_accept(arrival: Arrival) -> None:
    """Our offer was accepted. Raises Malformed: without the other's terms."""
    _checked(arrival)
    result = arrival.activity.document.get("result")
    if not isinstance(result, dict):
        raise Malformed("An answer to an offer brings the whole pact.")
    await pact_mail.accepted(arrival.conn, arrival.here, arrival.actor, result)


async def receive_reject(arrival: Arrival) -> None:
    """Our offer was refused."""
    _checked(arrival)
    await pact_mail.refused(arrival.conn, arrival.here, arrival.actor, arrival.activity.object_uri)


async def receive_leave(arrival: Arrival) -> None:
    """They end the pact, or take an offer back."""
    _checked(arrival)
    await pact_mail.left(arrival.conn, arrival.here, arrival.actor, arrival.activity.object_uri)


async def receive_key_change(arrival: Arrival) -> None:
    """Their key changed. Raises NotYet: another change may still come before this one."""
    _checked(arrival)
    document = arrival.activity.document
    done = await pact_mail.key_changed(arrival.conn, arrival.here, arrival.actor, document)
    if not done and not arrival.last:
        raise NotYet


async def receive_freeze(arrival: Arrival) -> None:
    """They ask not to be trusted for now."""
    _checked(arrival)
    uri = id_of(arrival.activity.document.get("object")) or ""
    await pact_mail.froze(arrival.conn, arrival.here, arrival.actor, uri)


async def receive_nudge(arrival: Arrival) -> None:
    """They have something new to read."""
    _checked(arrival)
    await pact_mail.nudged(arrival.conn, arrival.here, arrival.actor, arrival.activity.object_uri)
