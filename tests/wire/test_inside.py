"""Addresses that others give us and that lead inside: nobody there hears from us (SEC-R4)."""

import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from activitypub import synchronisation, webfinger
from activitypub.client import Unreachable
from activitypub.state import DELIVERER, REMOTE
from groups.groups import Group
from inbox import catch_up
from kernel.errors import Malformed, NotFound
from moderation.standing import Speaker
from tests.hostile import server as hostile
from tests.hostile.server import Server
from tests.nodes import Node, settle
from tests.peer import AS2, PUBLIC, Document, Peer
from tests.wire.world import Club, said, waiting


@pytest.fixture
async def inside(alder: Node) -> AsyncIterator[Server]:
    """What must not be reached: it listens where nothing is allowed, and has a name."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6, which is what is inside here")
    async with hostile.serve(lambda _: hostile.answer(b"{}"), host="::1") as server:
        alder.names.elsewhere["inside.test"] = ("::1", server.port)
        yield server


@pytest.fixture(params=["number", "name"])
def within(request: pytest.FixtureRequest, inside: Server) -> str:
    """An origin inside, by number or by name."""
    return "http://inside.test" if request.param == "name" else f"http://[::1]:{inside.port}"


def parts(at: str) -> list[Document]:
    """An actor's addresses, each of them inside once."""
    return [
        {"inbox": f"{at}/inbox"},
        {"outbox": f"{at}/outbox"},
        {"endpoints": {"sharedInbox": f"{at}/inbox"}},
        {"sharedInbox": f"{at}/inbox"},
        {"followers": f"{at}/followers"},
        {"attributedTo": f"{at}/moderators", "type": "Group"},
        {"featured": f"{at}/featured"},
        {"icon": {"type": "Image", "url": f"{at}/icon.png"}, "image": {"url": f"{at}/i.png"}},
        {"url": f"{at}/@ann"},
        {"publicKey": {"id": f"{at}/key", "owner": f"{at}/ann", "publicKeyPem": "x"}},
        {"movedTo": f"{at}/ann", "alsoKnownAs": [f"{at}/ann"]},
        {"assertionMethod": [{"controller": f"{at}/ann"}]},
        {"attachment": [{"type": "PropertyValue", "value": f"<a href='{at}' rel='me'>x</a>"}]},
        {"generator": {"id": f"{at}/", "implements": [{"href": f"{at}/1b12"}]}},
        {"@context": ["https://www.w3.org/ns/activitystreams", f"{at}/context"]},
    ]


async def test_sec_R4_an_actor_whose_addresses_are_inside(
    alder: Node, sleep: Group, ana: Speaker, good: Peer, inside: Server, within: str
) -> None:
    for number, part in enumerate(parts(within)):
        person = good.person(f"ann{number}")
        good.show({**person.document(), **part})
        follow = good.activity("Follow", person, sleep.actor.uri, to=[sleep.actor.uri])
        await good.send(alder, follow, person)
    await settle(alder)
    post = await alder.start(ana, sleep.actor.uri, "Hello", "Everybody.")
    await alder.delete(ana, post.uri)
    await settle(alder)
    assert inside.connections == 0


async def test_sec_R4_a_post_whose_addresses_are_inside(
    alder: Node, sleep: Group, good: Peer, club: Club, inside: Server, within: str
) -> None:
    ann = good.person("ann")
    to: list[Any] = [PUBLIC, sleep.actor.uri, f"{within}/u/x"]
    for part in (
        {"inReplyTo": f"{within}/1"},
        {"context": f"{within}/1", "conversation": f"{within}/1"},
        {"url": f"{within}/1"},
        {"attributedTo": f"{within}/u/ann"},
        {"attachment": [{"type": "Document", "url": f"{within}/a.png", "mediaType": "image/png"}]},
        {"image": {"type": "Image", "url": f"{within}/a.png"}},
        {"tag": [{"type": "Mention", "href": f"{within}/u/x"}, {"type": "Emoji", "icon": within}]},
        {"replies": f"{within}/r", "likes": f"{within}/l", "shares": f"{within}/s"},
        {"quoteUrl": f"{within}/1", "preview": f"{within}/1"},
        {"content": f'<img src="{within}/a.png"><a href="{within}/">link</a>'},
    ):
        note = good.show({**good.note(ann, "hello", to=to), **part})
        await said(alder, good, ann, note)
        await club.announce(alder, good.create(ann, note))
        await club.announce(alder, note["id"])
    for target in (f"{within}/1", {"id": f"{within}/1", "type": "Note"}):
        await club.announce(alder, target)
        for kind in ("Like", "Follow", "Delete", "Undo", "Block", "Add"):
            activity = good.activity(kind, ann, target, to=to, target=f"{within}/t")
            assert await good.send(alder, activity, ann) == 202
    await settle(alder)
    assert inside.connections == 0


async def test_sec_R4_a_key_inside(alder: Node, good: Peer, inside: Server, within: str) -> None:
    ann = good.person("ann")
    like = good.activity("Like", ann, "http://alder.test/p/1")
    for key_id in (f"{within}/key", f"{within}/u/ann#main-key"):
        assert await good.send(alder, like, ann, key_id=key_id) in (400, 401)
        at_home = {**like, "actor": key_id.partition("#")[0], "id": f"{within}/like"}
        assert await good.send(alder, at_home, ann, key_id=key_id) in (400, 401, 503)
    assert inside.connections == 0


async def test_sec_R4_a_name_and_a_node_inside(
    alder: Node, good: Peer, inside: Server, within: str
) -> None:
    ann = good.person("ann")
    links = {"rel": "self", "type": "application/activity+json", "href": f"{within}/u/ann"}
    good.shown["/.well-known/webfinger"] = {"subject": "acct:ann@good.test", "links": [links]}
    for text in (
        "@ann@good.test",
        "@ann@inside.test",
        f"{within}/u/ann",
        f"@ann@[::1]:{inside.port}",
    ):
        with pytest.raises((Malformed, NotFound, Unreachable)):
            await webfinger.find(alder.here, alder.app[REMOTE], text)
    rel = "http://nodeinfo.diaspora.software/ns/schema/2.0"
    good.nodeinfo_links = {"links": [{"rel": rel, "href": f"{within}/nodeinfo/2.0"}]}
    await good.follow(alder, ann, f"{alder.origin}/")
    await settle(alder)
    assert inside.connections == 0


async def test_sec_R4_lists_and_headers_of_a_group_that_lead_inside(
    alder: Node, good: Peer, club: Club, inside: Server, within: str
) -> None:
    """What is read later and by itself: outboxes, threads, followers, moderators, new addresses."""
    ann = good.person("ann")
    at = club.group.uri
    club.group.extra |= {"outbox": f"{within}/outbox", "attributedTo": f"{within}/moderators"}
    club.peer.show(club.group.document())
    await alder.app[REMOTE].actor_now(at)
    lists: dict[str, Document] = {
        "context": {"first": f"{within}/first"},
        "replies": {"first": {"type": "CollectionPage", "items": [], "next": f"{within}/next"}},
        "outbox": {"first": f"{within}/first"},
        "items": {"orderedItems": [f"{within}/1", {"id": f"{within}/2"}]},
    }
    for name, extra in lists.items():
        club.peer.show(
            {"@context": [AS2], "id": f"{at}/{name}", "type": "OrderedCollection", **extra}
        )
        note = club.peer.note(
            club.group, name, to=[PUBLIC, at], context=f"{at}/{name}", replies=f"{at}/{name}"
        )
        await club.announce(alder, club.peer.create(club.group, note))
    club.peer.moved["/c/club/moved"] = f"{within}/outbox"
    for outbox in (f"{within}/outbox", f"{at}/outbox", f"{at}/items", f"{at}/moved"):
        club.group.extra["outbox"] = outbox
        club.peer.show(club.group.document())
        await catch_up.keep_watch(alder.engine, alder.here)
        alder.clock.forward(minutes=20)
        await catch_up.keep_watch(alder.engine, alder.here)
        await settle(alder)
    assert {"/c/club/outbox", "/c/club/items", "/c/club/moved"} <= set(club.peer.fetched)
    offer = f'collectionId="{at}/followers", url="{within}/sync", digest="{"0" * 64}"'
    like = club.peer.activity("Like", club.group, f"{alder.origin}/p/1")
    headers = {synchronisation.HEADER: offer}
    assert await club.peer.send(alder, like, club.group, headers=headers) == 202
    for kind, more in (
        ("Move", {"target": f"{within}/u/ann"}),
        ("QuoteRequest", {"instrument": f"{within}/1"}),
        ("Remove", {"target": f"{within}/featured"}),
    ):
        activity = good.activity(kind, ann, ann.uri if kind == "Move" else f"{within}/1", **more)
        assert await good.send(alder, activity, ann) == 202
    for _ in range(3):
        alder.clock.forward(minutes=20)
        await settle(alder)
    assert inside.connections == 0


async def test_sec_R4_a_follower_whose_name_leads_inside_later(
    alder: Node, sleep: Group, ana: Speaker, good: Peer, inside: Server
) -> None:
    await good.follow(alder, good.person("ann"), sleep.actor.uri)
    await settle(alder)
    alder.names.elsewhere["good.test"] = ("::1", inside.port)
    alder.app[REMOTE].client._gate._pinned.clear()  # as after a minute
    await alder.app[REMOTE].client._sessions["POST"].close()
    del alder.app[REMOTE].client._sessions["POST"]
    await alder.start(ana, sleep.actor.uri, "Hello", "Everybody.")
    await alder.app[DELIVERER].deliver()
    assert await waiting(alder, "good.test") == 1
    assert inside.connections == 0
