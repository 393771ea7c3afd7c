"""Undo: of a Follow, a reaction, a report, a moderator's decision (WIRE-G3, WIRE-G30, WIRE-M4)."""

from activitypub.vocab import Activity, ActivityKind, Document
from inbox import flag, follow, moderate, react
from inbox.arrival import Arrival
from kernel.errors import Malformed, NotAllowed, NotFound

_DECISIONS = frozenset({ActivityKind.BLOCK, ActivityKind.DELETE, ActivityKind.LOCK})


async def receive(arrival: Arrival) -> None:
    """Take back what the same actor did. Raises NotAllowed: it was not theirs.

    Raises NotFound: nothing of the kind is here.
    """
    embedded = arrival.activity.embedded
    inner = _inner(embedded) if embedded is not None else None
    if inner is not None and inner.actor != arrival.activity.actor:
        raise NotAllowed("Only who did it can undo it.")
    uri = arrival.activity.object or ""
    if inner is not None and inner.kind == ActivityKind.FLAG:
        await flag.take_back(arrival, inner.id)
        return
    if arrival.group is None and await follow.receive_undo(arrival, uri, inner):
        return
    kind = inner.kind if inner else None
    target = inner.object if inner else None
    if await react.undo(arrival, uri, kind, target):
        return
    if inner is not None and inner.kind in _DECISIONS:
        await moderate.act(arrival, inner, undo=True)
        return
    raise NotFound


def _inner(embedded: Document) -> Activity | None:
    """The activity that is undone; where it has no id of its own, what it says is enough."""
    try:
        return Activity.parse({"id": embedded.get("actor"), **embedded})
    except Malformed:
        return None
