"""Two kinds of signature, and which of them a peer is sent (WIRE-S31, WIRE-S32, T5)."""

import pytest
import sqlalchemy as sa

from activitypub import signatures
from activitypub.schemes import KEPT, Schemes
from activitypub.state import REMOTE
from activitypub.vocab import RFC_9421, RFC_9421_ED25519
from groups.groups import Group
from kernel.clock import utcnow
from kernel.schema.federation import Scheme
from kernel.schema.tables import peers
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, settle
from tests.peer import AP, Document, Peer, Posted
from tests.wire.world import Follower, waiting

RSA = {"cavage", "rfc9421"}


async def told(alder: Node, ana: Speaker, group: Group, peer: Peer) -> list[str]:
    """How the posts were signed with which the peer is told of a new thread."""
    before = len(peer.posted)
    await alder.start(ana, group.actor.uri, "A title", "Some words.")
    await settle(alder)
    return [each.kind for each in peer.posted[before:]]


async def remembered(node: Node, host: str) -> str | None:
    async with node.engine.connect() as conn:
        found: str | None = await conn.scalar(sa.select(peers.c.scheme).where(peers.c.host == host))
    return found


async def refusal(node: Node, host: str) -> str:
    async with node.engine.connect() as conn:
        return str(await conn.scalar(sa.select(peers.c.refusal).where(peers.c.host == host)))


def proven(alder: Node, group: Group, peer: Peer, posted: Posted) -> None:
    """Raises Unproven: the group did not sign this, or not for this peer."""
    signatures.verify(
        claim := signatures.parse(posted.headers),
        group.actor.key(claim.key_id),
        method="POST",
        path=posted.path,
        headers=posted.headers,
        body=posted.body,
        now=alder.clock(),
        origin=peer.origin,
    )


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_wire_S32_T5_a_refused_signature_is_made_once_more_in_the_other_way(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, status: int
) -> None:
    peer = mastodon.peer
    peer.posted.clear()
    peer.reads, peer.refuses_with = {"rfc9421"}, status

    assert await told(alder, ana, sleep, peer) == ["cavage", "rfc9421"]
    assert len(peer.inbox) == 1
    first, second = peer.posted
    assert first.body == second.body
    for each in (first, second):
        proven(alder, sleep, peer, each)
    assert await remembered(alder, "mastodon.test") == "rfc9421"
    assert await refusal(alder, "mastodon.test") == ""

    assert await told(alder, ana, sleep, peer) == ["rfc9421"]  # it is remembered


@pytest.mark.parametrize("status", [404, 410, 429, 500, 503, 422])
async def test_wire_S32_T5_other_refusals_are_no_matter_of_signatures(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, status: int
) -> None:
    mastodon.peer.answers = [status]
    assert await told(alder, ana, sleep, mastodon.peer) == ["cavage"]
    assert await remembered(alder, "mastodon.test") is None


async def test_wire_S32_Q10_refused_both_ways_is_final_and_seen_by_the_administrator(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    mastodon.peer.reads, mastodon.peer.refuses_with = set(), 403
    assert await told(alder, ana, sleep, mastodon.peer) == ["cavage", "rfc9421"]
    assert await waiting(alder, "mastodon.test") == 0
    assert await refusal(alder, "mastodon.test") == "403"
    assert await remembered(alder, "mastodon.test") is None


async def test_wire_S32_a_second_answer_that_is_no_yes_leaves_the_first_one_standing(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    """Who breaks at a signature that is new to it is not asked for ever."""
    mastodon.peer.answers = [401, 500]
    assert await told(alder, ana, sleep, mastodon.peer) == ["cavage", "rfc9421"]
    assert await waiting(alder, "mastodon.test") == 0
    assert await refusal(alder, "mastodon.test") == "401"


async def test_wire_S32_who_has_no_time_for_the_second_knock_is_tried_again_later(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    mastodon.peer.answers = [401, 503]
    assert await told(alder, ana, sleep, mastodon.peer) == ["cavage", "rfc9421"]
    assert await waiting(alder, "mastodon.test") == 1
    alder.clock.forward(minutes=2)
    await settle(alder)
    assert len(mastodon.peer.inbox) == 1


async def test_wire_S32_what_is_remembered_ends_after_thirty_days_or_with_a_401(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    peer = mastodon.peer
    peer.reads = {"rfc9421"}
    await told(alder, ana, sleep, peer)
    peer.reads = RSA
    alder.clock.forward(days=KEPT.days)
    assert await told(alder, ana, sleep, peer) == ["rfc9421"]
    alder.clock.forward(days=1)
    assert await told(alder, ana, sleep, peer) == ["cavage"]

    peer.reads = {"rfc9421"}
    await told(alder, ana, sleep, peer)
    peer.reads = {"cavage"}
    assert await told(alder, ana, sleep, peer) == ["rfc9421", "cavage"]
    assert await remembered(alder, "mastodon.test") == "cavage"
    peer.reads = {"rfc9421"}
    await told(alder, ana, sleep, peer)
    peer.reads = set()
    assert await told(alder, ana, sleep, peer) == ["rfc9421", "cavage"]
    assert await remembered(alder, "mastodon.test") is None


async def test_wire_S32_who_signs_that_way_is_answered_that_way(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    peer = mastodon.peer
    like = peer.activity("Like", mastodon.person, f"{alder.origin}/p/1")
    forged = {**like, "id": f"{peer.origin}/activities/forged"}
    eve = peer.person("eve")
    assert (
        await peer.send(alder, forged, eve, key_id=mastodon.person.key_id, scheme=Scheme.RFC9421)
        == 401
    )
    assert await remembered(alder, "mastodon.test") is None  # nothing was proven

    assert await peer.send(alder, like, mastodon.person, scheme=Scheme.RFC9421) == 202
    assert await remembered(alder, "mastodon.test") == "rfc9421"
    assert await told(alder, ana, sleep, peer) == ["rfc9421"]


async def test_wire_S32_who_asks_for_that_way_in_an_answer_gets_it(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    mastodon.peer.headers = {"Accept-Signature": 'sig1=("@method" "@target-uri");created'}
    assert await told(alder, ana, sleep, mastodon.peer) == ["cavage"]
    assert await told(alder, ana, sleep, mastodon.peer) == ["rfc9421"]


def implementing(*hrefs: str) -> Document:
    return {"type": "Application", "implements": [{"href": href} for href in hrefs]}


async def test_wire_S32_who_says_that_it_reads_more_is_believed_until_it_refuses(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    peer, person = mastodon.peer, mastodon.person
    peer.reads = {"cavage", "rfc9421", "ed25519"}
    for implements, has_key, first in (
        ((RFC_9421,), True, "rfc9421"),
        ((RFC_9421, RFC_9421_ED25519), False, "rfc9421"),
        ((RFC_9421, RFC_9421_ED25519), True, "ed25519"),
        ((RFC_9421_ED25519,), True, "cavage"),
        ((), True, "cavage"),
    ):
        alder.clock.forward(days=KEPT.days + 1)
        alder.app[REMOTE].schemes.forget("mastodon.test")
        keys = {"assertionMethod": [person.multikey()]} if has_key else {}
        peer.show({**person.document(), **keys, "generator": implementing(*implements)})
        await alder.meet(person.uri)
        assert await told(alder, ana, sleep, peer) == [first], implements


async def test_ed25519_that_is_refused_gives_way_to_rsa(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    peer, person = mastodon.peer, mastodon.person
    peer.reads = RSA
    generator = implementing(RFC_9421, RFC_9421_ED25519)
    peer.show({**person.document(), "assertionMethod": [person.multikey()], "generator": generator})
    alder.clock.forward(days=2)
    await alder.meet(person.uri)
    assert await told(alder, ana, sleep, peer) == ["ed25519", "cavage"]
    for each in peer.posted[-2:]:
        proven(alder, sleep, peer, each)
    assert await told(alder, ana, sleep, peer) == ["cavage"]
    alder.clock.forward(days=2)
    await alder.meet(person.uri)  # what it refused counts for more than what it says
    assert await told(alder, ana, sleep, peer) == ["cavage"]


async def test_two_nodes_speak_ed25519_with_each_other(
    alder: Node, ana: Speaker, sleep: Group, node: NodeFactory
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder, birch)
    assert await birch.post(root.uri) is not None
    assert await remembered(alder, "birch.test") == "ed25519"
    assert await remembered(birch, "alder.test") == "ed25519"
    async with birch.engine.connect() as conn:
        refused = await conn.scalar(sa.select(peers.c.refusal).where(peers.c.host == "alder.test"))
    assert refused == ""


# Fetches


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_wire_S32_T5_a_fetch_is_signed_once_more_too(
    alder: Node, good: Peer, status: int
) -> None:
    ann, bo = good.person("ann"), good.person("bo")
    good.shows_to, good.refuses_with = {"rfc9421"}, status
    assert (await alder.meet(ann.uri)).uri == ann.uri
    assert good.asked == ["cavage", "rfc9421"]
    await alder.meet(bo.uri)
    assert good.asked[2:] == ["rfc9421"]


async def test_a_fetch_that_is_refused_both_ways_ends_there(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    good.shows_to, good.refuses_with = set(), 403
    with pytest.raises(Exception, match="status 403"):
        await alder.meet(ann.uri)
    assert good.asked == ["cavage", "rfc9421"]
    good.shows_to, good.refuses_with = {"cavage"}, 401
    await alder.meet(ann.uri)
    assert good.asked[2:] == ["cavage"]


async def test_wire_S20_a_key_that_nobody_may_ask_for_with_a_signature_is_asked_for_without(
    alder: Node, good: Peer
) -> None:
    ann = good.person("ann")
    good.shows_to = {""}
    like = good.activity("Like", ann, f"{alder.origin}/p/1")
    assert await good.send(alder, like, ann) == 202
    assert good.asked == ["cavage", "rfc9421", ""]


def test_what_hosts_read_is_remembered_in_bounded_memory() -> None:
    today = utcnow().date()
    memory = Schemes(capacity=100)
    for number in range(1_000):
        memory.note(f"h{number}.test", Scheme.RFC9421, today)
    assert len(memory) == 100
    assert memory.of("h999.test", today) is Scheme.RFC9421
    assert memory.of("h0.test", today) is None
    assert memory.of("h999.test", today + KEPT) is Scheme.RFC9421
    assert memory.of("h999.test", today + KEPT * 2) is None


async def test_sec_S11_a_request_with_both_kinds_is_refused(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    like = good.activity("Like", ann, f"{alder.origin}/p/1")
    both = {"Signature-Input": 'sig1=("@method" "@target-uri" "digest");created=1;keyid="x"'}
    assert await good.send(alder, like, ann, headers=both) == 401
    assert await good.send(alder, like, ann, headers={"Content-Type": AP}) == 202
