"""Every document we serve and send, read by the strictest reader (WIRE 1, 2; T2, T13)."""

import json
from functools import reduce
from hashlib import sha256
from operator import xor
from typing import Any

import pytest

from activitypub import jsonld
from activitypub.keys import load_multibase, load_public_key
from groups import desk, membership, reactions
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from kernel.errors import Malformed
from kernel.schema.groups import Joining, Posts
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import AP, AS2, PUBLIC, Document, Peer
from tests.wire import lemmy as lemmy_shapes
from tests.wire import strict
from tests.wire.world import Club, Follower, ask, said

pytestmark = pytest.mark.slow

SERVED = [
    "/",
    "/outbox",
    "/followers",
    "/u/ana",
    "/u/ana/outbox",
    "/u/ana/followers",
    "/g/sleep",
    "/g/sleep/outbox",
    "/g/sleep/followers",
    "/g/sleep/following",
    "/g/sleep/featured",
    "/g/sleep/moderators",
    "/desk/sleep",
    "/desk/sleep/outbox",
    "/desk/sleep/followers",
    "/desk/node",
]


async def _a_busy_week(alder: Node, ana: Speaker, sleep: Group, good: Peer) -> list[str]:
    """Everything that a group tells happens once; the paths of what it said come back."""
    ann = good.person("ann")
    await good.follow(alder, ann, sleep.actor.uri)
    words = "Some words & <i>signs</i>.\n\n- one\n- two"
    root = await alder.start(ana, sleep.actor.uri, 'A "title" & more', words, "sleep")
    note = good.note(ann, "me too", inReplyTo=root.uri)
    await said(alder, good, ann, note)
    reply = await alder.reply(ana, note["id"], "Thank you.")
    for number in range(6):
        await alder.reply(ana, root.uri, f"Thought {number}.")
    alder.clock.forward(minutes=2)
    await alder.edit(ana, reply.uri, "", "Thank you all.")
    gone = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    removed = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    await alder.delete(ana, gone.uri)
    person = await alder.meet(ann.uri)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.remove(conn, alder.here, sleep, actor, removed, "a reason")
        await desk.lock(conn, alder.here, sleep, actor, root, "a reason")
        await desk.unlock(conn, alder.here, sleep, actor, root)
        until = alder.clock().date()
        await desk.ban(conn, alder.here, sleep, actor, person, "a reason", until)
        await desk.unban(conn, alder.here, sleep, actor, person)
        await reactions.like(conn, alder.here, ana, root)
        await reactions.unlike(conn, alder.here, ana, root)
        await group_store.update(
            conn, alder.here, sleep, name="Sleep well", about="*A* group.", settings=_OPEN
        )
    await settle(alder)
    uris = [root.uri, reply.uri, root.thread_uri, f"{root.uri}/replies", f"{reply.uri}/replies"]
    return [uri.removeprefix(alder.origin) for uri in uris]


_OPEN = GroupSettings(posts=Posts.ANYONE)
NOT_FOR_LEMMY = {("Undo", "Announce")}
"""The end of a boost, which Lemmy answers 400 and forgets: it never showed one."""


async def _sent(alder: Node, club: Club, lemmy: Follower, good: Peer) -> list[Document]:
    """Everything that left, of each kind."""
    async with alder.engine.begin() as conn:
        actor = await alder.meet(club.group.uri)
        group = await group_store.get(conn, actor.id)
        await membership.leave(conn, alder.here, club.member, group)
        await membership.join(conn, alder.here, club.member, group)
    await settle(alder)
    return [*lemmy.peer.inbox, *good.inbox, *club.peer.inbox]


async def test_wire_B1_to_B12_T13_everything_we_send_and_serve_reads_strictly(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer, club: Club
) -> None:
    """WIRE-B1, WIRE-B2, WIRE-B3, WIRE-B4, WIRE-B5, WIRE-B11, WIRE-B12."""
    said_at = await _a_busy_week(alder, ana, sleep, good)
    sent = await _sent(alder, club, lemmy, good)
    kinds = {each["type"] for each in sent} | {
        part["type"] for each in sent for part in strict.parts(each) if "type" in part
    }
    assert kinds >= {
        "Accept", "Announce", "Block", "Create", "Delete", "Follow", "Group", "Like", "Lock",
        "Mention", "Note", "Reject", "Tombstone", "Undo", "Update",
    }  # fmt: skip
    for document in sent:
        strict.check(document)
        assert strict.unmapped(document) == set(), document["type"]
    for document in [*lemmy.peer.inbox, *club.peer.inbox]:
        if (document["type"], strict.kind_of_object(document)) not in NOT_FOR_LEMMY:
            lemmy_shapes.check(document)

    for path in SERVED + said_at:
        answer = await ask(alder, path)
        assert answer.status == 200, path
        assert answer.headers["Content-Type"] == AP, path  # WIRE-B5
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        assert "Accept" in answer.headers["Vary"]  # WIRE-B7
        document = json.loads(answer.body)
        assert document["id"] == f"{alder.origin}{path}"  # WIRE-B2
        assert len(document["id"]) <= 100
        strict.check(document)
        lemmy_shapes.check(document)
        assert strict.unmapped(document) == set(), path
    for path in ("/p/1", "/t/1", "/u/nobody", "/g/SLEEP"):
        assert (await ask(alder, path)).status == 404


async def test_wire_B2_every_public_activity_of_ours_can_be_read_by_its_id(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    await _a_busy_week(alder, ana, sleep, good)
    seen = 0
    for raw in lemmy.peer.raw:
        document = json.loads(raw)
        inner = document["object"]
        if not isinstance(inner, dict) or inner["type"] in ("Lock", "Block", "Create", "Announce"):
            continue  # these were taken back, or their words were changed or deleted
        assert (await ask(alder, document["id"].removeprefix(alder.origin))).body == raw
        seen += 1
    assert seen >= 5


async def test_wire_B7_a_server_gets_the_document_and_a_browser_the_page(
    alder: Node, sleep: Group
) -> None:
    for accept, kind in (
        (AP, AP),
        ("application/ld+json", AP),
        (f'application/ld+json; profile="{AS2}"', AP),
        (f"text/html, {AP};q=0.9", AP),
        (f'application/json, application/ld+json; profile="{AS2}", text/html', AP),
        ("application/json", AP),
        ("text/html", "text/html"),
        ("*/*", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
    ):
        answer = await ask(alder, "/g/sleep", Accept=accept)
        assert answer.status == 200
        assert answer.headers["Content-Type"].partition(";")[0] == kind, accept
        assert "Accept" in answer.headers["Vary"]


async def test_wire_A3_A4_A5_every_actor_shows_its_keys_and_inboxes(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    """Its keys as in FEP-521a, its name as in FEP-2c59, and FEP-5feb's wish not to be found."""
    for path in ("/", "/u/ana", "/g/sleep", "/desk/sleep", "/desk/node"):
        found = json.loads((await ask(alder, path)).body)
        pem = found["publicKey"]["publicKeyPem"]
        assert pem.startswith("-----BEGIN PUBLIC KEY-----\n")
        assert pem.endswith("-----END PUBLIC KEY-----\n")
        load_public_key(pem)
        (method,) = found["assertionMethod"]
        assert method["controller"] == found["id"]
        load_multibase(method["publicKeyMultibase"])
        assert found["endpoints"] == {"sharedInbox": f"{alder.origin}/inbox"}
        assert {"preferredUsername", "name", "inbox", "outbox", "published"} <= set(found)
        assert found["indexable"] is False
        assert found["webfinger"].endswith("@alder.test")
        for part in ("outbox", "followers"):
            assert (await ask(alder, found[part].removeprefix(alder.origin))).status == 200


async def test_wire_A9_A10_A11_what_a_group_says_of_itself(alder: Node, ana: Speaker) -> None:
    settings = GroupSettings(joining=Joining.APPROVAL, posts=Posts.APPROVED)
    await alder.group("careful", ana, settings=settings)
    found = json.loads((await ask(alder, "/g/careful")).body)
    assert found["attributedTo"] == found["moderators"] == f"{found['id']}/moderators"
    assert found["postingRestrictedToMods"] is True
    assert found["manuallyApprovesFollowers"] is False  # Lemmy would take it for private


async def test_wire_A6_A7_A24_collections_have_the_shapes_that_lemmy_parses(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await alder.reply(ana, root.uri, "And another thing.")
    removed = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    await alder.delete(ana, removed.uri)

    async def collection(path: str) -> Document:
        found: Document = json.loads((await ask(alder, path)).body)
        del found["@context"]
        return found

    group = sleep.actor.uri
    assert await collection("/g/sleep/followers") == {
        "id": f"{group}/followers",
        "type": "Collection",
        "totalItems": 0,  # two, in tens
        "items": [],
    }
    moderators = await collection("/g/sleep/moderators")
    assert moderators["type"] == "OrderedCollection"
    assert moderators["orderedItems"] == [f"{alder.origin}/desk/sleep"]
    outbox = await collection("/g/sleep/outbox")
    (announce,) = outbox["orderedItems"]
    assert announce["type"] == "Announce"
    assert announce["object"]["type"] == "Create"
    assert announce["object"]["object"]["id"] == root.uri
    assert outbox["totalItems"] == 2
    assert (await collection("/g/sleep/featured"))["orderedItems"] == []
    person = await collection("/u/ana/outbox")
    assert (person["totalItems"], person["orderedItems"]) == (2, [])


async def test_wire_G40_G42_replies_and_threads_are_paged_by_addresses_that_work(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    """A thread is a collection that its posts name (FEP-7888, FEP-f228, FEP-11dd)."""
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    replies = [await alder.reply(ana, root.uri, f"Thought {n}.") for n in range(7)]
    uris = [reply.uri for reply in replies]

    async def read(uri: str) -> Document:
        found: Document = json.loads((await ask(alder, uri.removeprefix(alder.origin))).body)
        assert found["id"] == uri
        return found

    embedded = (await read(root.uri))["replies"]
    assert embedded["totalItems"] == 7
    assert embedded["first"]["items"] == uris[:5]
    assert (await read(embedded["first"]["next"]))["items"] == uris[5:]
    whole = await read(embedded["id"])
    assert whole["first"]["items"] == uris
    assert (await read(whole["first"]["id"]))["items"] == uris

    thread = await read(root.thread_uri)
    assert thread["type"] == "OrderedCollection"
    assert thread["orderedItems"] == [root.uri, *uris]
    assert thread["totalItems"] == 8
    assert thread["attributedTo"] == thread["audience"] == sleep.actor.uri
    page = await read(f"{root.thread_uri}?after={replies[4].id}")
    assert page["orderedItems"] == uris[5:]
    first = await read(f"{root.thread_uri}?after=0")
    assert first["type"] == "OrderedCollectionPage"


async def test_wire_G40_mastodon_finds_this_servers_replies_inside_and_all_of_them_behind(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    ann = good.person("ann")
    theirs = [good.note(ann, f"{n}", inReplyTo=root.uri) for n in range(3)]
    for note in theirs:
        await said(alder, good, ann, note)
    mine = [await alder.reply(ana, root.uri, f"Thought {n}.") for n in range(4)]
    path = root.uri.removeprefix(alder.origin)
    embedded = json.loads((await ask(alder, path)).body)["replies"]
    found = embedded["first"]["items"]
    assert 0 < len(found) <= 5
    assert set(found) <= {reply.uri for reply in mine}
    behind = json.loads(
        (await ask(alder, embedded["first"]["next"].removeprefix(alder.origin))).body
    )
    assert set(behind["items"]) == {each["id"] for each in theirs} | {each.uri for each in mine}
    assert embedded["totalItems"] == 7


async def test_wire_G42_a_long_thread_comes_in_pages_of_a_hundred(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    replies = [await alder.reply(ana, root.uri, f"Thought {n}.") for n in range(210)]
    await alder.delete(ana, replies[5].uri)
    document = json.loads((await ask(alder, f"/t/{root.id}")).body)
    assert document["totalItems"] == 210
    assert "orderedItems" not in document
    page, found = document["first"], list[str]()
    while True:
        assert len(page["orderedItems"]) <= 100
        found += page["orderedItems"]
        if "next" not in page:
            break
        page = json.loads((await ask(alder, page["next"].removeprefix(alder.origin))).body)
    expected = [root.uri, *(each.uri for each in replies)]
    assert found == [uri for uri in expected if uri != replies[5].uri]


async def test_wire_G43_a_collection_has_the_digest_of_its_members(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    reply = await alder.reply(ana, root.uri, "And another thing.")
    gone = await alder.reply(ana, root.uri, "And one more.")

    def expected(*uris: str) -> str:
        numbers = [int(sha256(uri.encode()).hexdigest(), 16) for uri in uris]
        return f'"{reduce(xor, numbers, 0):064x}"'

    thread = f"/t/{root.id}"
    for path, members in (
        (thread, (root.uri, reply.uri, gone.uri)),
        ("/g/sleep/moderators", (f"{alder.origin}/desk/sleep",)),
        ("/g/sleep/featured", ()),
    ):
        answer = await ask(alder, path)
        assert answer.headers["Etag"] == expected(*members), path
        same = await ask(alder, path, **{"If-None-Match": f'"x", {expected(*members)}'})
        assert (same.status, same.body) == (304, b""), path
        assert same.headers["Etag"] == expected(*members)
        assert "Vary" in same.headers
        other = await ask(alder, path, **{"If-None-Match": expected("https://x.test/")})
        assert other.status == 200, path
    before = (await ask(alder, thread)).headers["Etag"]
    await alder.delete(ana, gone.uri)
    changed = await ask(alder, thread, **{"If-None-Match": before})
    assert changed.status == 200
    assert changed.headers["Etag"] == expected(root.uri, reply.uri)
    assert "Etag" not in (await ask(alder, "/g/sleep/followers")).headers


async def test_wire_P4_P9_a_note_survives_every_dialect(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    """And only its author may quote it (FEP-044f)."""
    root = await alder.start(ana, sleep.actor.uri, "Waking <at> four", "Some words.", "sleep")
    found: dict[str, Any] = json.loads((await ask(alder, f"/p/{root.id}")).body)
    assert found["name"] == "[CW: sleep] Waking <at> four"
    assert found["summary"] == "sleep"
    assert found["sensitive"] is True
    assert found["content"].startswith("<p><strong>Waking &lt;at&gt; four</strong></p>")
    assert found["source"]["content"].startswith("::: spoiler sleep\n")
    assert PUBLIC in found["to"]
    assert found["tag"] == [
        {"type": "Mention", "href": sleep.actor.uri, "name": "@sleep@alder.test"}
    ]
    assert found["context"] == root.thread_uri
    quotes = found["interactionPolicy"]["canQuote"]
    assert quotes == {"automaticApproval": [ana.actor.uri], "manualApproval": []}


def test_wire_B10_a_context_that_is_not_bundled_is_refused_and_never_fetched() -> None:
    for url in ("https://example.org/context", "https://www.w3.org/ns/activitystreams/", "x"):
        with pytest.raises(Malformed):
            jsonld.expand({"@context": [AS2, url], "id": "https://a.example/1", "type": "Note"})
    for url in jsonld.BUNDLED:
        jsonld.expand({"@context": [url], "id": "https://a.example/1"})
