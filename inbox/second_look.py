"""Whoever was told what a desk of ours decided about them answers: they ask for a second look."""

from activitypub.actors import Actor
from activitypub.notes import Note
from groups import explaining
from inbox import burials
from inbox.arrival import Arrival
from kernel import text
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from moderation import appeals, audit


async def receive(arrival: Arrival, desk: Actor, note: Note) -> None:
    """Keep the first answer to a desk's note, from whom the note was for (MOD-5.12).

    Everything else that is written to a desk is dropped: it has no other letters. Raises
    NotAllowed: it is no such answer, or not theirs. All refusals are the same to whoever sent it.
    """
    decision_id = explaining.decision_in(arrival.here, note.parent)
    if decision_id is None:
        raise NotAllowed("This desk reads answers to what it wrote, and nothing else.")
    try:
        decision = await audit.decision(arrival.conn, decision_id)
        if decision.person_id != arrival.actor.id:
            raise NotFound
        words = text.plain(note.content, appeals.MAX_WORDS)
        await appeals.ask(arrival.conn, arrival.here, decision, words, uri=note.id)
    except (NotFound, Malformed, Conflict) as error:
        raise NotAllowed("This desk reads answers to what it wrote, and nothing else.") from error


async def take_back(arrival: Arrival, uri: str) -> bool:
    """Its author deletes what they wrote to a desk. False: they wrote no such thing."""
    if arrival.group is not None or not await appeals.erase(arrival.conn, arrival.actor.id, uri):
        return False
    await burials.bury(arrival, uri)
    return True
