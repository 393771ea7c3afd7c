"""Proofs of who wrote something: where a group asks for them, and what they are believed for."""

import json
from typing import Any

import pytest

from activitypub import attest, ld_signatures, proofs
from activitypub.keys import load_multibase
from groups import desk
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from kernel.errors import Malformed
from kernel.schema.groups import Posts, Sees
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, block, settle
from tests.peer import PUBLIC, Document, Peer, PeerFactory
from tests.wire import strict
from tests.wire.world import Club, Follower, last_received, lists_its_key, proven, said

OPEN = GroupSettings(posts=Posts.ANYONE)
PROVING = GroupSettings(posts=Posts.ANYONE, proofs=True)


async def _let_prove(alder: Node, group: Group, settings: GroupSettings = PROVING) -> None:
    async with alder.engine.begin() as conn:
        await group_store.update(
            conn, alder.here, group, name="Sleep", about="A group.", settings=settings
        )
    await settle(alder)


async def _holds(alder: Node, document: Document, author: str) -> bool:
    found = json.loads(await (await alder.get(author.removeprefix(alder.origin))).read())
    (method,) = found["assertionMethod"]
    proof = proofs.read(document)
    assert proof.method == method["id"]
    return proof.holds(load_multibase(method["publicKeyMultibase"]))


async def test_wire_S40_S26_what_members_say_is_proven_where_their_group_says_so(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    await _let_prove(alder, sleep)
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.", "sleep")
    reply = await alder.reply(ana, root.uri, "More words.")
    alder.clock.forward(minutes=2)
    await settle(alder)
    await alder.edit(ana, reply.uri, "", "Better words.")
    await settle(alder)
    await alder.delete(ana, reply.uri)
    await settle(alder)
    kinds = []
    for kind in ("Create", "Update", "Delete"):
        for announce in lemmy.peer.got("Announce", kind):
            inner = announce["object"]
            if inner["actor"] != ana.actor.uri:  # the desk told of the group's new settings
                continue
            assert await _holds(alder, inner, ana.actor.uri)
            assert inner["signature"]["creator"] == f"{ana.actor.uri}#main-key"
            assert list(inner)[-2:] == ["proof", "signature"]
            for made in (inner["proof"], inner["signature"]):
                assert made["created"].endswith(":00Z")  # as coarse as the time of a post
            if kind != "Delete":
                assert await _holds(alder, inner["object"], ana.actor.uri)
            assert strict.unmapped(announce) == set()  # WIRE-T13
            strict.check(announce)
            kinds.append(kind)
    assert kinds == ["Create", "Create", "Update", "Delete"]


async def test_wire_S26_nothing_carries_a_proof_unless_its_group_says_so(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer, club: Club
) -> None:
    """By default, for what the desk does, and in groups of other servers."""
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    thread = await club.thread(alder, good, good.person("ann"), "hello")
    await alder.reply(club.member, thread["id"], "Welcome.")
    await _let_prove(alder, sleep)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.remove(conn, alder.here, sleep, actor, root, "a reason")
    await _let_prove(alder, sleep, OPEN)
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    sent = [*lemmy.peer.raw, *club.peer.raw, *good.raw]
    assert len(lemmy.peer.got("Announce", "Create")) == 2
    assert not any(b"proofValue" in each or b"signatureValue" in each for each in sent)


async def test_wire_S26_never_where_not_everyone_may_read(alder: Node, ana: Speaker) -> None:
    for sees in (Sees.MEMBERS, Sees.NODE):
        settings = GroupSettings(posts=Posts.ANYONE, sees=sees, proofs=True)
        group = await alder.group(f"closed_{sees}", ana, settings=settings)
        assert not group.proves
        await alder.start(ana, group.actor.uri, "A title", "Some words.")
    await settle(alder)
    assert await alder.mentions("proofValue") == []
    assert await alder.mentions("signatureValue") == []


async def test_wire_S26_S25_never_where_documents_are_for_servers_that_sign(
    node: NodeFactory, peer: PeerFactory
) -> None:
    """What others can pass on would get around the blocks that are kept by asking who reads."""
    locked = await node("locked.test", signed_fetch=True)
    ana = await locked.persona("ana")
    group = await locked.group("sleep", ana, settings=PROVING)
    lemmy = await peer("lemmy.test", locked, "lemmy")
    await lemmy.follow(locked, lemmy.person("fan"), group.actor.uri)
    await settle(locked)
    root = await locked.start(ana, group.actor.uri, "A title", "Some words.")
    await settle(locked)
    await locked.delete(ana, root.uri)
    await settle(locked)
    assert lemmy.got("Announce", "Create")
    assert lemmy.got("Announce", "Delete")
    assert not any(b"proofValue" in raw or b"signatureValue" in raw for raw in lemmy.raw)


async def test_sec_L16_with_the_words_their_proofs_are_gone(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    await _let_prove(alder, sleep)
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    assert await alder.mentions(root.uri + '","type":"Note"') == ["activities.body"]
    await alder.delete(ana, root.uri)
    assert await alder.mentions("Some words") == []
    assert await alder.mentions(root.uri + '","type":"Note"') == []


async def test_an_activity_goes_without_a_signature_that_takes_too_long(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: Any) -> Document:
        raise Malformed

    await _let_prove(alder, sleep)
    monkeypatch.setattr(ld_signatures, "add", too_much)
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    monkeypatch.undo()
    monkeypatch.setattr(attest, "MAX_SECONDS", 0)
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    first, second = (each["object"] for each in lemmy.peer.got("Announce", "Create"))
    for inner in (first, second):
        assert await _holds(alder, inner, ana.actor.uri)
        assert "signature" not in inner


async def test_wire_T7_a_proof_survives_what_groups_do_with_it(
    alder: Node,
    ana: Speaker,
    sleep: Group,
    lemmy: Follower,
    node: NodeFactory,
    good: Peer,
) -> None:
    """From its author to our group, from there to another node: byte for byte, and believed."""
    birch = await node("birch.test")
    kay = await birch.persona("kay")
    await birch.join(kay, sleep.actor.uri)
    await settle(alder, birch)
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder, birch)
    lemmy.peer.inbox.clear()
    ann = lists_its_key(good, good.person("ann"))
    note = good.note(ann, "said and proven", inReplyTo=root.uri)
    create = proven(alder, ann, good.create(ann, note))
    odd = json.dumps(create, indent=1, sort_keys=True).encode()
    good.fetched.clear()
    assert await good.send(alder, odd, ann) == 202
    await settle(alder)
    good.shown[note["id"].removeprefix(good.origin)] = 404
    await settle(alder, birch)
    assert any(odd in raw for raw in lemmy.peer.raw)
    (announce,) = lemmy.peer.got("Announce", "Create")
    assert proofs.read(announce["object"]).holds(ann.keys.ed25519.public_key())
    post = await birch.post(note["id"])
    assert post is not None
    assert "said and proven" in post.content
    assert not any(path.startswith("/notes") for path in good.fetched)


async def _announced(alder: Node, club: Club, good: Peer, create: Document, note: Document) -> bool:
    """Whether a post is believed from a group though its own server does not show it."""
    good.shown[note["id"].removeprefix(good.origin)] = 404
    await club.announce(alder, create)
    post = await alder.post(note["id"])
    return post is not None and "proven words" in post.content


async def test_wire_G14_S42_a_proof_spares_the_fetch_and_nothing_else_does(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = lists_its_key(good, good.person("ann"))
    eve = lists_its_key(club.peer, club.peer.person("eve"))

    def written() -> tuple[Document, Document]:
        note = good.note(ann, "proven words", to=[PUBLIC, club.group.uri], name="A title")
        return note, good.create(ann, note)

    note, create = written()
    assert await _announced(alder, club, good, proven(alder, ann, create), note)
    note, create = written()
    inside = {**create, "object": proven(alder, ann, note)}
    assert await _announced(alder, club, good, inside, note)
    note, _ = written()
    assert await _announced(alder, club, good, proven(alder, ann, note), note)

    for made in ("none", "stale", "early", "changed", "another's", "renamed", "not listed"):
        note, create = written()
        if made == "stale":
            create = proven(alder, ann, create, hours=25)
        elif made == "early":
            create = proven(alder, ann, create, hours=-2)
        elif made == "changed":
            create = {**proven(alder, ann, create), "object": {**note, "name": "Another"}}
        elif made == "another's":
            create = proven(alder, eve, create)
        elif made == "renamed":
            keys = eve.keys.ed25519
            create = proofs.add(create, keys, f"{ann.uri}#ed25519-key", alder.clock())
        elif made == "not listed":
            keys = ann.keys.ed25519
            create = proofs.add(create, keys, f"{ann.uri}#other", alder.clock())
        assert not await _announced(alder, club, good, create, note), made
        assert (await last_received(alder))[0] == "refused", made


async def test_sec_J2_a_proof_over_words_with_other_meanings_is_not_believed(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = lists_its_key(good, good.person("ann"))
    for extra in ({"actor": "https://x.test/a"}, {"to": "as:bcc"}, {"x": "@graph"}):
        note = good.note(ann, "proven words", to=[PUBLIC, club.group.uri])
        create = {**good.create(ann, note), "@context": [*note["@context"], extra]}
        create = proofs.add(create, ann.keys.ed25519, f"{ann.uri}#ed25519-key", alder.clock())
        assert not await _announced(alder, club, good, create, note)


async def test_wire_S42_a_proof_from_a_blocked_domain_is_not_believed(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = lists_its_key(good, good.person("ann"))
    await alder.meet(ann.uri)
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "good.test")
    note = good.note(ann, "proven words", to=[PUBLIC, club.group.uri])
    assert not await _announced(alder, club, good, proven(alder, ann, good.create(ann, note)), note)


async def test_wire_S42_S20_a_new_key_is_read_from_its_owner_once_in_ten_minutes(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    await alder.meet(ann.uri)  # before there is a key for proofs
    lists_its_key(good, ann)
    alder.clock.forward(minutes=11)
    good.fetched.clear()
    note = good.note(ann, "proven words", to=[PUBLIC, club.group.uri])
    assert await _announced(alder, club, good, proven(alder, ann, good.create(ann, note)), note)
    assert good.fetched.count("/u/ann") == 1
    for _ in range(3):
        note = good.note(ann, "other words", to=[PUBLIC, club.group.uri])
        forged = proven(alder, club.peer.person("eve"), good.create(ann, note))
        forged = proofs.add(
            {**forged, "proof": None}, club.group.keys.ed25519, f"{ann.uri}#x", alder.clock()
        )
        await _announced(alder, club, good, forged, note)
    assert good.fetched.count("/u/ann") == 1


async def test_wire_G17_a_proven_edit_and_a_proven_delete_need_no_fetch(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = lists_its_key(good, good.person("ann"))
    note = await club.thread(alder, good, ann, "hello")
    good.fetched.clear()
    better = {**note, "content": "<p>better</p>", "updated": "2026-01-03T00:00:00Z"}
    await club.announce(alder, proven(alder, ann, good.activity("Update", ann, better)))
    post = await alder.post(note["id"])
    assert post is not None
    assert "better" in post.content
    older = {**note, "content": "<p>older</p>", "updated": "2026-01-02T12:00:00Z"}
    await club.announce(alder, proven(alder, ann, good.activity("Update", ann, older)))
    post = await alder.post(note["id"])
    assert post is not None
    assert "better" in post.content  # WIRE 4.9, rule 8
    await club.announce(alder, proven(alder, ann, good.activity("Delete", ann, note["id"])))
    assert await alder.mentions("<p>better</p>") == []
    assert good.fetched == []

    create = proven(alder, ann, good.create(ann, better))
    await club.announce(alder, create)  # what was taken back stays away, proven or not
    assert await alder.mentions("<p>better</p>") == []


async def test_sec_S5_a_proof_gives_no_right_over_what_others_said(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    eve = lists_its_key(club.peer, club.peer.person("eve"))
    note = await club.thread(alder, good, ann, "hello")
    forged = {**note, "content": "<p>forged</p>", "updated": "2030-01-01T00:00:00Z"}
    for inner in (
        club.peer.activity("Update", eve, forged),
        club.peer.activity("Update", eve, {**forged, "attributedTo": eve.uri}),
        club.peer.activity("Create", eve, {**forged, "id": f"{good.origin}/notes/never"}),
        club.peer.activity("Delete", eve, note["id"]),
    ):
        await club.announce(alder, proven(alder, eve, inner))
    post = await alder.post(note["id"])
    assert post is not None
    assert "hello" in post.content
    assert await alder.post(f"{good.origin}/notes/never") is None


async def test_wire_S41_a_proof_changes_nothing_for_what_its_actor_sends(
    alder: Node, sleep: Group, good: Peer
) -> None:
    """Signed by its actor, an activity is believed whatever else is on it."""
    ann = good.person("ann")
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    create = {**good.create(ann, note), "proof": {"type": "DataIntegrityProof"}}
    assert await good.send(alder, create, ann) == 202
    await settle(alder)
    assert await alder.post(note["id"]) is not None
    await said(alder, good, ann, good.note(ann, "me too", inReplyTo=note["id"]))
