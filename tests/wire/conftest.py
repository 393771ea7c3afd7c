"""A group at alder, and the servers around it: one that reads FEP-1b12, one that does not."""

import pytest

from activitypub.actors import Actor
from groups.groups import Group, GroupSettings
from kernel.schema.groups import Posts
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, settle
from tests.pages.people import settle as settle_node
from tests.peer import Peer, PeerFactory, Person
from tests.wire.desks import Other
from tests.wire.messaging import accepts, takes
from tests.wire.world import Club, Follower


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test")


@pytest.fixture
async def birch(node: NodeFactory) -> Node:
    return await node("birch.test")


@pytest.fixture
async def described(alder: Node, birch: Node) -> None:
    """Somebody runs both nodes, and has said what they are."""
    await settle_node(alder)
    await settle_node(birch, name="Birch")


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    """Who made the group and moderates it."""
    return await alder.persona("ana")


@pytest.fixture
async def sleep(alder: Node, ana: Speaker) -> Group:
    """An open group where anyone may post."""
    return await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))


async def _follower(peer: Peer, alder: Node, group: Group) -> Follower:
    person = peer.person(peer.name.partition(".")[0][:3])
    await peer.follow(alder, person, group.actor.uri)
    await settle(alder)
    peer.inbox.clear()
    peer.raw.clear()
    return Follower(peer, person)


@pytest.fixture
async def lemmy(peer: PeerFactory, alder: Node, sleep: Group) -> Follower:
    """Somebody at a server that reads FEP-1b12 follows the group."""
    return await _follower(await peer("lemmy.test", alder, "lemmy"), alder, sleep)


@pytest.fixture
async def mastodon(peer: PeerFactory, alder: Node, sleep: Group) -> Follower:
    """Somebody at a server that shows boosts follows the group."""
    return await _follower(await peer("mastodon.test", alder, "mastodon"), alder, sleep)


@pytest.fixture
async def club(peer: PeerFactory, alder: Node) -> Club:
    """A group of another server that Kay, who lives at alder, belongs to."""
    host = await peer("club.test", alder, "lemmy")
    group = host.person(
        "club",
        kind="Group",
        path="c",
        attributedTo=f"{host.origin}/c/club/moderators",
    )
    kay = await alder.persona("kay")
    await alder.join(kay, group.uri)
    await settle(alder)
    (follow,) = host.got("Follow")
    assert await host.send(alder, host.activity("Accept", group, follow), group) == 202
    await settle(alder)
    host.inbox.clear()
    return Club(host, group, kay)


@pytest.fixture
async def good(peer: PeerFactory, alder: Node) -> Peer:
    """A third server."""
    return await peer("good.test", alder)


@pytest.fixture
async def kay(alder: Node) -> Speaker:
    """A persona that takes messages."""
    made = await alder.persona("kay")
    await takes(alder, made)
    return made


@pytest.fixture
def cat(good: Peer) -> Person:
    return good.person("cat")


@pytest.fixture
async def friend(alder: Node, kay: Speaker, cat: Person) -> Actor:
    """Cat, to whom Kay said yes."""
    known = await alder.meet(cat.uri)
    await accepts(alder, kay, known)
    return known


@pytest.fixture
async def other(alder: Node, peer: PeerFactory) -> Other:
    """A server whose desk may make a pact with alder."""
    return Other(await peer("birch.test", alder, "hearthold"), alder)
