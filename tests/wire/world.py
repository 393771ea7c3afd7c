"""What the tests of the wire ask again and again."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from hashlib import sha256
from io import BytesIO
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from activitypub import proofs
from kernel.schema.federation import ReceivedState
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import actors, deliveries, follows, posts, reactions, received
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import AP, AS2, PUBLIC, Document, Peer, Person


@dataclass
class Follower:
    """Somebody elsewhere who follows a group, and their server."""

    peer: Peer
    person: Person


@dataclass
class Club:
    """A group of another server that one of ours belongs to."""

    peer: Peer
    group: Person
    member: Speaker

    async def announce(self, node: Node, inner: Any, **extra: Any) -> None:
        """Pass `inner` on, and let the node deal with it."""
        document = self.peer.activity("Announce", self.group, inner, **extra)
        assert await self.peer.send(node, document, self.group) == 202
        await settle(node)

    async def thread(self, node: Node, author_at: Peer, author: Person, words: str) -> Document:
        """A thread in the club that the node knows."""
        note = author_at.note(author, words, to=[PUBLIC, self.group.uri], name=words)
        await self.announce(node, author_at.create(author, note))
        assert await node.post(note["id"]) is not None
        return note


async def said(node: Node, peer: Peer, author: Person, note: Document, **extra: Any) -> Document:
    """The peer sends the Create of a note; the node deals with it."""
    create = peer.create(author, note, **extra)
    assert await peer.send(node, create, author) == 202
    await settle(node)
    return create


async def followers(node: Node, uri: str) -> set[str]:
    """Who follows an actor, as the node has it."""
    followed = actors.alias("followed")
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(actors.c.uri)
            .join(follows, follows.c.follower_id == actors.c.id)
            .join(followed, followed.c.id == follows.c.followed_id)
            .where(followed.c.uri == uri)
        )
        return {uri for (uri,) in rows}


async def reacted(node: Node, uri: str, kind: ReactionKind) -> int:
    """How many reactions of a kind a post has."""
    async with node.engine.connect() as conn:
        found = await conn.scalar(
            sa.select(sa.func.count())
            .select_from(reactions.join(posts, posts.c.id == reactions.c.post_id))
            .where(posts.c.uri == uri, reactions.c.kind == kind)
        )
    return found or 0


async def last_received(node: Node) -> tuple[ReceivedState, str]:
    """How the newest activity ended, and why."""
    async with node.engine.connect() as conn:
        row = (
            await conn.execute(
                sa.select(received.c.state, received.c.reason).order_by(received.c.id.desc())
            )
        ).first()
    assert row is not None
    return ReceivedState(row.state), row.reason


async def waiting(node: Node, host: str) -> int:
    """How many deliveries wait for a host."""
    async with node.engine.connect() as conn:
        found = await conn.scalar(
            sa.select(sa.func.count()).where(
                deliveries.c.host == host, deliveries.c.parked.is_(None)
            )
        )
    return found or 0


@dataclass(frozen=True)
class Reply:
    """An answer as a stranger sees it: without its date."""

    status: int
    headers: dict[str, str]
    body: bytes


async def ask(node: Node, path: str, **headers: str) -> Reply:
    """GET as a server does."""
    response = await node.get(path, headers=headers)
    shown = {name: value for name, value in response.headers.items() if name != "Date"}
    return Reply(response.status, shown, await response.read())


async def post(
    node: Node, body: bytes, signer: Person, *, content_type: str = AP, **headers: str
) -> Reply:
    """POST to the shared inbox, signed without its content type, with further headers."""
    proven = {
        "Host": node.name,
        "Date": format_datetime(node.clock(), usegmt=True),
        "Digest": f"SHA-256={b64encode(sha256(body).digest()).decode()}",
    }
    lines = [f"{name.lower()}: {value}" for name, value in proven.items()]
    message = "\n".join(["(request-target): post /inbox", *lines]).encode()
    signature = b64encode(signer.keys.rsa.sign(message, PKCS1v15(), SHA256())).decode()
    sent = {
        **proven,
        "Content-Type": content_type,
        "Signature": f'keyId="{signer.key_id}",algorithm="rsa-sha256",'
        f'headers="(request-target) host date digest",signature="{signature}"',
        **headers,
    }
    async with node.session.post(
        f"http://127.0.0.1:{node.port}/inbox", data=BytesIO(body), headers=sent
    ) as response:
        return Reply(response.status, dict(response.headers), await response.read())


def lists_its_key(peer: Peer, person: Person) -> Person:
    """The person's document shows its Ed25519 key from now on (FEP-521a)."""
    person.extra["assertionMethod"] = [person.multikey()]
    peer.show(person.document())
    return person


def proven(node: Node, person: Person, document: Document, **steps: float) -> Document:
    """The document with the person's proof on it, made `steps` ago."""
    when = node.clock() - timedelta(**steps)
    context: Any = [AS2, "https://w3id.org/security/data-integrity/v1"]
    return proofs.add(
        {**document, "@context": context},
        person.keys.ed25519,
        f"{person.uri}#ed25519-key",
        when,
    )
