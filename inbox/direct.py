"""Notes for one persona and nobody else, as they come from other servers.

Such a note is a message or nothing: it never becomes a post, what it answers is not looked at, and
whoever else it is addressed to makes it none.
"""

from typing import Final

from activitypub import actors as actor_store
from activitypub.notes import Note
from activitypub.vocab import Activity, Document, uris_of
from inbox import burials, second_look
from inbox.arrival import Arrival
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.schema.actors import ActorKind
from members import messages
from members.messages import Arrived, Known
from resources import crisis

_ADDRESSED: Final = ("to", "cc", "audience", "bto", "bcc")


def is_for_one(here: Here, activity: Activity, note: Note, said: Document | None) -> bool:
    """Whether a note and its activity are for one actor of ours alone (WIRE-Q1).

    `said` is the note as it came along. One follower list, one group or one person more, in any of
    the lists of either, and it is for no one here. What has a name is none: a vote, for one
    (WIRE 8.4).
    """
    if note.kind != "Note" or note.title:
        return False
    everybody = {*note.recipients, *activity.recipients, *note.mentions}
    for document in (activity.document, said or {}):
        everybody.update(uri for name in _ADDRESSED for uri in uris_of(document.get(name)))
    if len(everybody) != 1 or not activity.recipients or not note.recipients:
        return False
    return here.is_local(next(iter(everybody)))


async def receive(arrival: Arrival, note: Note) -> None:
    """A message, if its reader wants to hear from its author; else perhaps that they would write.

    Raises NotFound: its reader is nobody here. Raises NotAllowed: a group. Either is the inbox's
    own matter: whoever sent it was answered before.
    """
    if await burials.is_buried(arrival.conn, note.id):
        return
    reader = await actor_store.by_uri(arrival.conn, note.recipients[0])
    if reader is None or not reader.local:
        raise NotFound
    if reader.kind is ActorKind.SERVICE:
        await second_look.receive(arrival, reader, note)
        return
    if reader.kind is not ActorKind.PERSON:
        raise NotAllowed("It is not public, so a public group cannot carry it.")
    if await messages.by_uri(arrival.conn, note.id) is None:
        await messages.receive(
            arrival.conn,
            arrival.here,
            arrival.actor,
            reader,
            _read(note),
            help_lines=crisis.numbers(),
        )


async def change(arrival: Arrival, note: Note, known: Known) -> None:
    """New words for a message that is here, if its reader still wants to hear from its author.

    Raises NotAllowed: they are somebody else's, or for somebody else: that changes nothing.
    """
    reader = await actor_store.get(arrival.conn, known.reader_id)
    said = arrival.activity.embedded
    one = is_for_one(arrival.here, arrival.activity, note, said)
    if not one or note.recipients[0] != reader.uri or arrival.actor.id != known.author_id:
        raise NotAllowed("A message stays between the two whom it is between.")
    await messages.rewrite(
        arrival.conn, arrival.here, known, _read(note), help_lines=crisis.numbers()
    )


async def take_back(arrival: Arrival, uri: str) -> bool:
    """Its author deletes a message. False: there is none of theirs."""
    known = await messages.by_uri(arrival.conn, uri)
    if known is None or arrival.group is not None or known.author_id != arrival.actor.id:
        return False
    await messages.erase(arrival.conn, known.id, uri)
    await burials.bury(arrival, uri)
    return True


def _read(note: Note) -> Arrived:
    content = note.content
    return Arrived(uri=note.id, content=content, note=note.summary, language=note.language)
