"""PollVote: how PieFed's people answer a poll in a group (WIRE 8.4)."""

from activitypub import actors as actor_store
from activitypub.parts import MAX_OPTION
from activitypub.vocab import text_of
from groups import polls
from groups import posts as post_store
from inbox.arrival import Arrival
from inbox.react import is_theirs
from kernel.errors import NotFound


async def receive(arrival: Arrival) -> None:
    """Count a vote in a poll of ours, by the rules of a vote that is a note.

    PieFed names the answer in `choice_text`. Where a group there passes it on, as with any other
    vote its word is enough, about its own posts (WIRE-G16). Raises NotFound, NotAllowed: as
    `polls.receive`.
    """
    post = await post_store.by_uri(arrival.conn, arrival.activity.object_uri)
    if post is None or not is_theirs(arrival, post):
        raise NotFound
    voter = arrival.activity.actor
    known = await actor_store.by_uri(arrival.conn, voter)
    name = text_of(arrival.activity.document.get("choice_text"), MAX_OPTION)
    await polls.receive(arrival.conn, arrival.here, post, voter, known, name)
