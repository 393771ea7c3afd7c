"""Undo: of a Follow, of a reaction, of a moderator's decision (WIRE-G3, G30-G34)."""

from activitypub.vocab import Activity, ActivityKind, Document, id_of, text_of
from inbox import follow, moderate, react
from inbox.arrival import Arrival
from kernel.errors import Malformed, NotAllowed, NotFound

_DECISIONS = frozenset({ActivityKind.BLOCK, ActivityKind.LOCK})


async def receive(arrival: Arrival) -> None:
    """Take back what the same actor did. Raises NotAllowed: it was not theirs.

    Raises NotFound: nothing of the kind is here.
    """
    embedded = arrival.activity.embedded
    inner = _inner(embedded) if embedded is not None else None
    if inner is not None and inner.actor != arrival.activity.actor:
        raise NotAllowed("Only who did it can undo it.")
    if await follow.receive_undo(arrival, inner):
        return
    kind = inner.kind if inner else None
    target = inner.object if inner else None
    if await react.undo(arrival, arrival.activity.object_uri, kind, target):
        return
    if inner is not None and inner.kind in _DECISIONS:
        await moderate.act(arrival, inner.kind, undo=True, object_uri=inner.object_uri)
        return
    raise NotFound


def _inner(embedded: Document) -> Activity | None:
    """The activity that is undone; ids may be missing where a Follow is embedded bare."""
    if id_of(embedded.get("id")) is None or not text_of(embedded.get("type"), 50):
        return None
    try:
        return Activity.parse(embedded)
    except Malformed:
        return None
