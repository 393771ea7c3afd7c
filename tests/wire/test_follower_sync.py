"""Two servers agree who follows whom, and nobody else learns it (FEP-8fcf, WIRE 6.4)."""

import re
from hashlib import sha256

import pytest
import sqlalchemy as sa
from yarl import URL

from activitypub import digests, signatures, synchronisation
from activitypub.synchronisation import HEADER, Offer
from groups.groups import Group
from kernel.schema.tables import errands
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, settle
from tests.peer import Peer, Person
from tests.wire.world import Club, Follower, Reply, ask, followers

SYNC = "/g/sleep/followers/sync"


def _xor(*uris: str) -> str:
    found = 0
    for uri in uris:
        found ^= int(sha256(uri.encode()).hexdigest(), 16)
    return f"{found:064x}"


def _offers(peer: Peer) -> list[str]:
    """What groups said of their followers, in every post that came."""
    return [value for each in peer.posted for name, value in each.headers if name == HEADER]


async def _ask(node: Node, path: str, signer: Person) -> Reply:
    url = str(URL(f"{node.origin}{path}"))  # spelled as it will be sent
    signed = signatures.sign(signer.keys.rsa, signer.key_id, "GET", url, node.clock(), None)
    return await ask(node, path, **{**signed, "Host": node.name})


async def test_wire_6_4_the_first_announce_of_a_day_says_who_follows_from_there(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    eve = lemmy.peer.person("eve")
    await lemmy.peer.follow(alder, eve, sleep.actor.uri)
    await settle(alder)
    alder.clock.forward(days=1)
    for peer in (lemmy.peer, mastodon.peer):
        peer.posted.clear()
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    list_ = f"{sleep.actor.uri}/followers"
    assert _offers(lemmy.peer) == [
        f'collectionId="{list_}", url="{list_}/sync", digest="{_xor(lemmy.person.uri, eve.uri)}"'
    ]
    (offer,) = _offers(mastodon.peer)
    assert _xor(mastodon.person.uri) in offer

    alder.clock.forward(days=1)
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    assert len(_offers(lemmy.peer)) == 2


async def test_wire_6_4_what_was_not_taken_is_said_again(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    alder.clock.forward(days=1)
    mastodon.peer.posted.clear()
    mastodon.peer.answers = [503]
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    assert len(_offers(mastodon.peer)) == 1
    for _ in range(2):  # once more as it was not taken, and then no more
        alder.clock.forward(minutes=2)
        await settle(alder)
        assert len(_offers(mastodon.peer)) == 2


async def test_wire_6_4_a_server_is_shown_its_own_people_and_nobody_is_shown_others(
    alder: Node, sleep: Group, lemmy: Follower, mastodon: Follower, good: Peer
) -> None:
    eve = lemmy.peer.person("eve")
    await lemmy.peer.follow(alder, eve, sleep.actor.uri)
    await settle(alder)
    for signer, expected in (
        (lemmy.person, sorted([lemmy.person.uri, eve.uri])),
        (mastodon.person, [mastodon.person.uri]),
        (good.person("ann"), []),
    ):
        answer = await _ask(alder, SYNC, signer)
        assert answer.status == 200
        assert re.findall(rb'"(http://\w+\.test/u/\w+)"', answer.body) == [
            uri.encode() for uri in expected
        ]
        assert answer.headers["Cache-Control"] == "private, no-store"
    assert (await ask(alder, SYNC)).status == 401
    assert (await _ask(alder, "/g/nobody/followers/sync", lemmy.person)).status == 404
    forged = Person(lemmy.person.uri, "x", good.person("mal").keys)
    assert (await _ask(alder, SYNC, forged)).status == 401


async def test_wire_6_4_a_long_list_comes_in_pages(
    alder: Node, sleep: Group, lemmy: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = lemmy.peer.person("eve")
    await lemmy.peer.follow(alder, eve, sleep.actor.uri)
    await settle(alder)
    monkeypatch.setattr(synchronisation, "PAGE", 1)
    one = synchronisation._FOLLOWERS_AT.limit(1)
    monkeypatch.setattr(synchronisation, "_FOLLOWERS_AT", one)
    found, path = list[str](), SYNC
    for _ in range(3):
        answer = (await _ask(alder, path, lemmy.person)).body.decode()
        found += re.findall(r'"(http://\w+\.test/u/\w+)"', answer)
        following = re.search(r'"next":"http://alder\.test([^"]+)"', answer)
        if following is None:
            break
        path = following[1]
    assert found == sorted([lemmy.person.uri, eve.uri])


async def _hear(node: Node, club: Club, *uris: str, url: str = "") -> None:
    """The club's server says who of ours follows the club."""
    collection = f"{club.group.uri}/followers"
    offer = Offer(collection=collection, url=url or f"{collection}/sync", digest=_xor(*uris))
    update = club.peer.activity("Update", club.group, club.group.document())
    sent = await club.peer.send(node, update, club.group, headers={HEADER: offer.header()})
    assert sent == 202
    club.peer.fetched.clear()


def _list(club: Club, *uris: str) -> None:
    club.peer.show(
        {
            "@context": ["https://www.w3.org/ns/activitystreams"],
            "id": f"{club.group.uri}/followers/sync",
            "type": "OrderedCollection",
            "orderedItems": list(uris),
        }
    )


LIST = "/c/club/followers/sync"


async def test_wire_6_4_where_both_agree_nothing_is_asked(alder: Node, club: Club) -> None:
    await _hear(alder, club, club.member.actor.uri)
    await settle(alder)
    assert LIST not in club.peer.fetched
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(errands)) == 0


async def test_wire_6_4_who_is_not_on_their_list_follows_no_more(alder: Node, club: Club) -> None:
    _list(club)
    await _hear(alder, club)
    await settle(alder)
    assert LIST in club.peer.fetched
    assert await followers(alder, club.group.uri) == set()


async def test_wire_6_4_who_follows_only_there_is_taken_off_their_list(
    alder: Node, club: Club
) -> None:
    eve = await alder.persona("eve")
    listed = [
        club.member.actor.uri,
        eve.actor.uri,
        f"{alder.origin}/u/nobody",
        f"{club.peer.origin}/u/x",
    ]
    _list(club, *listed)
    await _hear(alder, club, *listed)
    await settle(alder)
    (undo,) = club.peer.got("Undo")
    assert (undo["actor"], undo["object"]["type"]) == (eve.actor.uri, "Follow")
    assert undo["object"]["object"] == club.group.uri
    assert await followers(alder, club.group.uri) == {club.member.actor.uri}


@pytest.mark.parametrize(
    "url", ["http://good.test/followers", "http://club.test.good.test/x", "nothing", ""]
)
async def test_wire_6_4_a_list_elsewhere_or_a_header_that_says_nothing_is_left(
    alder: Node, club: Club, good: Peer, url: str
) -> None:
    if url:
        await _hear(alder, club, url=url)
    else:
        update = club.peer.activity("Update", club.group, club.group.document())
        for value in ("", "x", 'digest="0"', "a" * 5000):
            sent = await club.peer.send(alder, update, club.group, headers={HEADER: value})
            assert sent == 202
    await settle(alder)
    assert LIST not in club.peer.fetched
    assert good.fetched == []
    assert await followers(alder, club.group.uri) == {club.member.actor.uri}


async def test_wire_6_4_a_list_without_an_end_changes_nothing(alder: Node, club: Club) -> None:
    page = {
        "@context": ["https://www.w3.org/ns/activitystreams"],
        "id": f"{club.group.uri}/followers/sync",
        "type": "OrderedCollection",
        "orderedItems": [],
        "next": f"{club.group.uri}/followers/sync",
    }
    club.peer.show(page)
    await _hear(alder, club)
    await settle(alder)
    assert club.peer.fetched.count(LIST) == 1
    assert await followers(alder, club.group.uri) == {club.member.actor.uri}


async def test_wire_6_4_two_of_our_nodes_agree_without_asking(
    alder: Node, ana: Speaker, sleep: Group, node: NodeFactory
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    alder.clock.forward(days=1)
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder, birch)
    assert await followers(birch, sleep.actor.uri) == {ben.actor.uri}
    async with birch.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(errands)) == 0


def test_the_digest_does_not_depend_on_the_order() -> None:
    assert digests.of(["a", "b"]) == digests.of(["b", "a"]) == _xor("a", "b")
    assert digests.of([]) == "0" * 64
