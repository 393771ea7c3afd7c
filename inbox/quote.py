"""QuoteRequest: whoever asks to quote one of ours is told no, as every post says (WIRE 8.6)."""

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.vocab import Document, id_of
from groups import groups as group_store
from groups import posts as post_store
from inbox.arrival import Arrival
from kernel.errors import NotFound


async def receive(arrival: Arrival) -> None:
    """Answer with a Reject from the post's author; no stamp is ever given (FEP-044f).

    Raises NotFound: it is no post of ours, or none that other servers may know.
    """
    post = await post_store.by_uri(arrival.conn, arrival.activity.object_uri)
    if post is None or not post.author_local or not post.shown:
        raise NotFound
    group = await group_store.get(arrival.conn, post.group_id)
    if not group.federates:
        raise NotFound
    author = await actor_store.get(arrival.conn, post.author_id)
    request: Document = {
        "@context": documents.QUOTE_CONTEXT,
        "id": arrival.activity.id,
        "type": "QuoteRequest",
        "actor": arrival.activity.actor,
        "object": post.uri,
    }
    if instrument := id_of(arrival.activity.document.get("instrument")):
        request["instrument"] = instrument
    document = documents.activity(
        arrival.here.new_activity_uri(),
        "Reject",
        author.uri,
        request,
        to=[arrival.activity.actor],
    )
    await outbox.publish(
        arrival.conn, arrival.here, document, signer=author, to=[arrival.activity.actor]
    )
