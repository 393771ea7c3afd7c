"""Who may say what: one procedure for everything that comes in (FEP-fe34, WIRE 4.9).

What comes in is believed on one of three words, tried in this order: its actor's own key signed the
request (`check_signer`); its author's proof is on it and fresh (`is_proven`); its own server shows
it (`Remote`, whose documents are held against the address they came from). A group's word that
somebody else said something counts for numbers only.

Then it must be theirs: a post is created, changed and deleted by its author (`own_note`,
`check_author`), and taken out of a group by whom that group lists (`check_moderator`). Origins are
compared whole: scheme, host and port (`kernel.urls`). What is older than what is here changes
nothing (`is_older`).

Who passes on what another said, as it is, must be the group, or the author of what it answers
(`may_forward`); without a proof, what that other's own server shows is all that counts
(`confirmed`), and what was forwarded to us is forwarded no further.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import jsontext, keys, proofs
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.notes import Note
from activitypub.proofs import Proof
from activitypub.remote import KEY_RETRY, Remote
from activitypub.vocab import Activity, ActivityKind, Document, id_of
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from inbox.arrival import Arrival
from kernel.errors import Malformed, NotAllowed, Problem, Unproven
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.tables import actors, follows
from kernel.urls import host_of, same_origin
from moderation import domains

FORWARDED: Final = frozenset({ActivityKind.CREATE, ActivityKind.DELETE, ActivityKind.UPDATE})
_SAID_OF_A_DELETE: Final[Sequence[str]] = ("@context", "id", "type", "actor", "to", "cc")


def check_signer(activity: Activity, signer: Actor) -> None:
    """Rule 2: the key's owner is the actor, whose server the activity's id is on (SEC-S1).

    Raises Unproven. Raises Malformed: the id is elsewhere.
    """
    if signer.uri != activity.actor:
        raise Unproven("That key is not the actor's.")
    if not same_origin(activity.id, signer.uri):
        raise Malformed("Its id is not on its actor's server.")


def can_be_forwarded(activity: Activity) -> bool:
    """Rule 6: whether anybody may pass it on as it is: an author's own word, for everybody."""
    return activity.kind in FORWARDED and activity.public


async def may_forward(conn: AsyncConnection, signer: Actor, activity: Activity) -> bool:
    """Rule 6: whether `signer` may pass on, as it is, what somebody else said.

    That is a group which one of ours follows, or the author of the post that it is an answer to.
    Who said it must not be on a blocked domain (WIRE-S42).
    """
    if not can_be_forwarded(activity):
        return False
    if await domains.is_blocked(conn, host_of(activity.actor)):
        return False
    if signer.kind is ActorKind.GROUP and await is_followed(conn, signer):
        return True
    parent = await _answered(conn, activity)
    return parent is not None and parent.author_id == signer.id


async def is_followed(conn: AsyncConnection, group: Actor) -> bool:
    """Whether somebody who lives here follows the group."""
    local = actors.alias("local_follower")
    found = await conn.scalar(
        sa.select(follows.c.follower_id)
        .join(local, local.c.id == follows.c.follower_id)
        .where(
            follows.c.followed_id == group.id,
            follows.c.state == FollowState.ACCEPTED,
            local.c.local,
        )
        .limit(1)
    )
    return found is not None


async def _answered(conn: AsyncConnection, activity: Activity) -> Post | None:
    """The post here that the activity's object answers."""
    said = activity.embedded or {}
    parent_uri = id_of(said.get("inReplyTo"))
    if activity.kind == ActivityKind.CREATE and parent_uri is not None:
        return await post_store.by_uri(conn, parent_uri)
    post = await post_store.by_uri(conn, activity.object or "")
    if post is None or post.parent_id is None:
        return None
    return await post_store.get(conn, post.parent_id)


async def is_proven(remote: Remote, document: Document, author: Actor) -> bool:
    """Rule 2: whether a fresh proof is on the document and its author's, who lists that key.

    `author` is the document's owner as known here, from a server that is not blocked (WIRE-S42). A
    key that does not fit is read anew from there, as seldom as for signatures (WIRE-S20). Never
    raises a Problem: what is not proven may still be fetched.
    """
    try:
        proof = await asyncio.to_thread(proofs.read, document)
        if not same_origin(proof.method, author.uri) or not proof.is_fresh(remote.here.now()):
            return False
        if _fits(proof, author):
            return True
        renewed = await remote.actor(author.uri, max_age=KEY_RETRY)
        return renewed.fetched_at != author.fetched_at and _fits(proof, renewed)
    except (Problem, Unreachable):
        return False


def _fits(proof: Proof, author: Actor) -> bool:
    """Whether the proof is by the key that the author lists under the name in it.

    Raises Malformed: that key proves nothing.
    """
    if author.ed25519 is None or proof.method != author.ed25519_id:
        return False
    return proof.holds(keys.load_multibase(author.ed25519))


async def confirmed(remote: Remote, activity: Activity, author: Actor) -> tuple[Activity, str]:
    """Rules 3 and 6: a forwarded activity as its author's own server has it, and that text.

    Raises NotAllowed: it has another, or still shows what is said to be deleted.
    Raises: as `Remote.document`.
    """
    if activity.kind == ActivityKind.DELETE:
        if not await is_gone(remote, activity):
            raise NotAllowed("Its own server still shows that post.")
        said = activity.document
        bare: Document = {name: said[name] for name in _SAID_OF_A_DELETE if name in said}
        bare["object"] = activity.object_uri
        return Activity.parse(bare), jsontext.dump(bare).decode()
    document = await remote.document(activity.id)
    found = Activity.parse(document)
    if (found.id, found.kind, found.actor) != (activity.id, activity.kind, author.uri):
        raise NotAllowed("Its author's server shows another activity there.")
    return found, jsontext.dump(document).decode()


async def is_gone(remote: Remote, activity: Activity) -> bool:
    """Rule 3: whether what somebody of its own server deletes is no longer shown there.

    WIRE-G17. Raises Unreachable: that server does not answer.
    """
    uri = activity.object_uri
    if remote.here.is_local(uri) or not same_origin(activity.actor, uri):
        return False
    return await remote.is_gone(uri)


def own_note(activity: Activity) -> Note:
    """Rule 4: the post inside a believed activity; one that names no owner is its actor's (SEC-S7).

    Raises NotAllowed: it is not its actor's own. Raises Malformed: it is no post.
    """
    said = activity.embedded or {}
    if "attributedTo" not in said:
        said = {**said, "attributedTo": activity.actor}
    note = Note.parse(said)
    if not same_origin(note.id, activity.actor):
        raise NotAllowed("Only its author can send a post.")
    check_author(activity.actor, note.author)  # SEC-S5, SEC-S7
    return note


def check_author(actor_uri: str, owner_uri: str) -> None:
    """Rule 4: posts are created, changed and deleted by their author. Raises NotAllowed."""
    if actor_uri != owner_uri:
        raise NotAllowed("Only its author can send or change a post.")


async def check_moderator(arrival: Arrival, group: Group) -> None:
    """Rules 4 and 5: the group's own listed actors, and nothing by host alone (WIRE-G35).

    A group elsewhere answers for its own server's decisions about itself; what its list says was
    read from there. Raises NotAllowed.
    """
    if arrival.group is not None:
        if arrival.group.id == group.id and arrival.gathered.moderates:
            return
    elif await group_store.is_moderator(arrival.conn, group.id, [arrival.actor.id]):
        return
    raise NotAllowed("Only the group's moderators can do that.")


def is_older(edited: datetime, than: datetime | None) -> bool:
    """Rule 8: whether new words are no newer than those that are here."""
    return than is not None and edited <= than
