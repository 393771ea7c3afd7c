"""What our people say, with proof that they said it: for groups that chose so (WIRE-S26, WIRE-S40).

Whoever holds such a document can show for ever who wrote it, also after it was deleted.
"""

import asyncio
import logging
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import documents, ld_signatures, proofs
from activitypub.actors import Actor
from activitypub.jsonld import MAX_SECONDS
from activitypub.keys import KeyPair, ed25519_id
from activitypub.vocab import Document
from kernel.errors import Malformed
from kernel.here import Here

log = logging.getLogger(__name__)


async def attested(
    conn: AsyncConnection, here: Here, author: Actor, activity: Document, when: datetime
) -> Document:
    """An activity of ours with proofs on its post and on itself, and a linked-data signature.

    `when` stands in them: as coarse as a post's own time. Where the signature takes too long, the
    activity goes without it: only servers that cannot read the proof miss something.
    """
    keys = await actor_store.signing_keys(conn, here, author.id)
    proven = _proven(activity, author, keys, when)
    try:
        async with asyncio.timeout(MAX_SECONDS):
            return await asyncio.to_thread(ld_signatures.add, proven, keys.rsa, author.key_id, when)
    except (TimeoutError, Malformed) as error:
        log.warning("an activity goes without a signature: %s", type(error).__name__)
        return proven


def _proven(activity: Document, author: Actor, keys: KeyPair, when: datetime) -> Document:
    """Proofs of what is inside first: the outer one covers them (FEP-8b32)."""
    method = author.ed25519_id or ed25519_id(author.uri)  # as its document lists it
    context: Document = {"@context": documents.proven_context(activity)}
    said = activity["object"]
    if isinstance(said, dict) and said.get("attributedTo") == author.uri:
        said = proofs.add({**context, **said}, keys.ed25519, method, when)
    return proofs.add({**activity, **context, "object": said}, keys.ed25519, method, when)
