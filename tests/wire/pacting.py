"""Pacts as tests want them: between two nodes, or of one with a peer that a test speaks for."""

from datetime import date

from activitypub import proofs
from activitypub.actors import Actor
from activitypub.state import REMOTE
from kernel.clock import iso
from moderation import pact_making, pacts
from moderation.directed.terms import CONTEXT
from moderation.pact_terms import Flow, Paper, Party, Wishes, midnight
from node import desks
from tests.nodes import Node, settle
from tests.peer import Document, Peer, Person

ALL = frozenset(Flow)
WISHES = Wishes(sends=ALL, takes=ALL, care="Ring the night desk: 01 234")


async def agree(one: Node, other: Node, wishes: Wishes = WISHES) -> None:
    """Two nodes have a pact, with the wishes of both alike."""
    desk = await desks.find(one.engine, one.here, one.app[REMOTE], other.name)
    async with one.engine.begin() as conn:
        await pact_making.offer(conn, one.here, desk, wishes)
    await settle(one, other)
    async with other.engine.begin() as conn:
        pact = await pacts.one(conn, one.name)
        assert pact.theirs is not None
        await pact_making.accept(conn, other.here, one.name, wishes, pact.theirs.uri)
    await settle(one, other)


def desk_of(peer: Peer, handle: str = "node") -> Person:
    """A desk that the peer shows, with an Ed25519 key."""
    desk = peer.person(handle, kind="Service", path="desk")
    desk.extra["assertionMethod"] = [desk.multikey()]
    peer.show(desk.document())
    return desk


async def agree_with_peer(node: Node, peer: Peer, flows: frozenset[Flow] = ALL) -> Person:
    """The node has a pact with the desk of a peer."""
    desk = desk_of(peer)
    await node.meet(desk.uri)
    async with node.engine.begin() as conn:
        ours: Actor = await pacts.our_desk(conn, node.here)
        theirs = Party(
            desk=desk.uri, key=desk.keys.ed25519_multibase, sends=flows, takes=flows, care="Ring us"
        )
        mine = Party(
            desk=ours.uri, key=ours.ed25519 or "", sends=flows, takes=flows, care="Ring us"
        )
        today: date = node.here.now().date()
        paper = Paper(
            uri=f"{peer.origin}/pacts/1",
            nonce="0" * 32,
            parties=(theirs, mine),
            offered=today,
            accepted=today,
        )
        document = paper.signed(desk.keys.ed25519, desk.multikey()["id"], desk.uri, today)
        await pact_making.make(conn, node.here, peer.name, paper, document, theirs)
    return desk


def proven(node: Node, desk: Person, document: Document) -> Document:
    """The document with a proof by that desk."""
    today = node.here.now().date()
    return proofs.add(document, desk.keys.ed25519, desk.multikey()["id"], midnight(today))


def asks(
    node: Node, peer: Peer, desk: Person, category: str, obj: object, **more: object
) -> Document:
    """A request of the peer's desk, proven."""
    document = peer.activity(
        "Flag",
        desk,
        obj,
        **{
            "@context": CONTEXT,
            "to": [f"{node.origin}/desk/node"],
            "category": category,
            "content": "Please look.",
            "urgency": "today",
            "endTime": iso(midnight(node.here.now().date())),
            **more,
        },
    )
    del document["cc"]
    return proven(node, desk, document)
