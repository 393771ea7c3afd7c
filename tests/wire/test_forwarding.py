"""What is passed on as it is: to servers that believe the proof on it, and to us (WIRE-G21)."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from activitypub import ld_signatures
from groups import desk
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from kernel.schema.groups import Posts
from moderation.standing import Speaker
from tests.linked_data import check
from tests.nodes import Node, NodeFactory, block, settle
from tests.peer import AS2, PUBLIC, Document, Peer, PeerFactory, Person
from tests.wire.mastodon import Mastodon
from tests.wire.world import (
    Club,
    Follower,
    last_received,
    lists_its_key,
    proven,
    said,
    waiting,
)

pytestmark = pytest.mark.slow


@pytest.fixture
async def proving(alder: Node, ana: Speaker) -> Group:
    """A group whose members' posts carry proofs."""
    settings = GroupSettings(posts=Posts.ANYONE, proofs=True)
    return await alder.group("proving", ana, settings=settings)


@pytest.fixture(params=[False, True], ids=["before 4.7", "from 4.7 on"])
async def reader(
    alder: Node, proving: Group, request: pytest.FixtureRequest
) -> AsyncIterator[Mastodon]:
    """A Mastodon where somebody follows that group."""
    made = Mastodon("reader.test", alder.names, "mastodon", reads_proofs=request.param)
    await made.start()
    await made.follow(alder, made.person("rea"), proving.actor.uri)
    await settle(alder)
    made.inbox.clear()
    made.raw.clear()
    yield made
    await made.stop()


def _kinds(peer: Peer) -> list[str]:
    return [activity["type"] for activity in peer.inbox]


async def test_wire_T9_G21_mastodon_shows_boosts_of_threads_and_answers_without_boosts(
    alder: Node, ana: Speaker, proving: Group, reader: Mastodon
) -> None:
    kay = await alder.persona("kay")
    root = await alder.start(ana, proving.actor.uri, "A title", "Some words.")
    reply = await alder.reply(kay, root.uri, "An answer.")
    await settle(alder)
    assert list(reader.boosts.values()) == [root.uri]
    assert "An answer." in reader.statuses[reply.uri]["content"]
    assert reader.relayed_by == {proving.actor.uri}  # also for our own members

    alder.clock.forward(minutes=2)
    await alder.edit(kay, reply.uri, "", "A better answer.")
    await alder.edit(ana, root.uri, "A title", "Better words.")
    await settle(alder)
    assert "A better answer." in reader.statuses[reply.uri]["content"]
    assert "Better words." in reader.statuses[root.uri]["content"]

    await alder.delete(kay, reply.uri)
    await alder.delete(ana, root.uri)
    await settle(alder)
    assert reader.statuses == {}
    assert reader.boosts == {}
    assert reader.dropped == []
    assert {"Announce", "Create", "Update", "Delete", "Undo"} == set(_kinds(reader))


async def test_wire_G23_a_proven_post_can_be_taken_back_after_its_group_stopped_proving(
    alder: Node, ana: Speaker, proving: Group, reader: Mastodon
) -> None:
    root = await alder.start(ana, proving.actor.uri, "A title", "Some words.")
    reply = await alder.reply(ana, root.uri, "An answer.")
    await settle(alder)
    async with alder.engine.begin() as conn:
        await group_store.update(
            conn,
            alder.here,
            proving,
            name="Proving",
            about="",
            settings=GroupSettings(posts=Posts.ANYONE),
        )
    alder.clock.forward(minutes=2)
    await alder.edit(ana, reply.uri, "", "Other words.")
    later = await alder.reply(ana, root.uri, "Without a proof.")
    await settle(alder)
    assert "An answer." in reader.statuses[reply.uri]["content"]  # edits carry no proof any more
    for post in (reply, later):
        await alder.delete(ana, post.uri)
    await settle(alder)
    assert reader.statuses == {}
    assert len(reader.got("Delete")) == 1


async def test_wire_T9_G24_G26_what_the_desk_does_reaches_mastodon_as_the_end_of_a_boost_only(
    alder: Node, ana: Speaker, proving: Group, reader: Mastodon, good: Peer
) -> None:
    ann = good.person("ann")
    await alder.meet(ann.uri)
    root = await alder.start(ana, proving.actor.uri, "A title", "Some words.")
    reply = await alder.reply(ana, root.uri, "An answer.")
    await settle(alder)
    reader.inbox.clear()
    person = await alder.meet(ann.uri)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, proving, ana)
        await desk.lock(conn, alder.here, proving, actor, root, "")
        await desk.ban(conn, alder.here, proving, actor, person, "")
        await desk.remove(conn, alder.here, proving, actor, reply, "a reason")
        await desk.remove(conn, alder.here, proving, actor, root, "a reason")
    await settle(alder)
    assert _kinds(reader) == ["Undo"]
    assert reader.boosts == {}


async def test_wire_G21_an_answer_from_one_mastodon_reaches_another_through_the_group(
    alder: Node, ana: Speaker, proving: Group, reader: Mastodon, peer: PeerFactory
) -> None:
    """Byte for byte, and only where its author's own proof is on it."""
    home = await peer("home.test", alder)
    bob = lists_its_key(home, home.person("bob"))
    await home.follow(alder, bob, proving.actor.uri)
    root = await alder.start(ana, proving.actor.uri, "A title", "Some words.")
    await settle(alder)
    home.inbox.clear()
    reader.raw.clear()
    notes = [home.note(bob, words, inReplyTo=root.uri) for words in ("bare", "proven")]
    bare, create = (home.create(bob, note) for note in notes)
    create = proven(alder, bob, create)
    body = json.dumps(create, indent=2).encode()
    for sent in (json.dumps(bare).encode(), body):
        assert await home.send(alder, sent, bob) == 202
    await settle(alder)
    assert reader.raw == [body]
    assert ("proven" in str(reader.statuses)) is reader.reads_proofs
    assert home.inbox == []  # it came from there

    update = proven(
        alder,
        bob,
        home.activity("Update", bob, {**notes[1], "updated": "2026-01-03T00:00:00Z"}),
    )
    delete = proven(alder, bob, home.activity("Delete", bob, notes[1]["id"]))
    for activity in (update, delete):
        assert await home.send(alder, activity, bob) == 202
        await settle(alder)
    assert [json.loads(raw)["id"] for raw in reader.raw[1:]] == [update["id"], delete["id"]]
    assert reader.statuses == {}


async def test_wire_G21_others_get_no_forwards(
    alder: Node, ana: Speaker, proving: Group, peer: PeerFactory
) -> None:
    """Servers that read wrapped activities have them so; of the rest only Mastodon's kin asks."""
    followers = {}
    for software in ("gotosocial", "lemmy", "piefed", "friendica", "misskey"):
        made = await peer(f"{software}.test", alder, software)
        await made.follow(alder, made.person("fan"), proving.actor.uri)
        followers[software] = made
    root = await alder.start(ana, proving.actor.uri, "A title", "Some words.")
    await settle(alder)
    for made in followers.values():
        made.inbox.clear()
    await alder.reply(ana, root.uri, "An answer.")
    await settle(alder)
    for software in ("gotosocial", "misskey"):
        assert followers[software].inbox == []
    for software in ("lemmy", "piefed", "friendica"):
        (announce,) = followers[software].inbox
        assert announce["type"] == "Announce"
        assert {"proof", "signature"} <= set(announce["object"])


async def test_wire_G21_without_proofs_answers_are_not_forwarded(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    reply = await alder.reply(ana, root.uri, "An answer.")
    await alder.delete(ana, reply.uri)
    await settle(alder)
    assert _kinds(mastodon.peer) == ["Announce"]


async def test_wire_Q3_a_delete_takes_what_waits_to_be_forwarded_with_it(
    alder: Node, ana: Speaker, proving: Group, reader: Mastodon
) -> None:
    root = await alder.start(ana, proving.actor.uri, "A title", "Some words.")
    await settle(alder)
    reader.inbox.clear()
    reply = await alder.reply(ana, root.uri, "An answer.")
    assert await waiting(alder, "reader.test") == 1
    await alder.delete(ana, reply.uri)
    await settle(alder)
    assert _kinds(reader) == ["Delete"]
    assert await alder.mentions("An answer.") == []


# What others forward to us.


@pytest.fixture
async def thread(alder: Node, sleep: Group, good: Peer) -> tuple[Person, Document]:
    """A thread in our group by Ann, who lives at good.test."""
    ann = good.person("ann")
    await good.follow(alder, ann, sleep.actor.uri)
    note = good.note(ann, "a thread", to=[PUBLIC, sleep.actor.uri], name="A title")
    await said(alder, good, ann, note)
    return ann, note


@pytest.fixture
async def home(peer: PeerFactory, alder: Node) -> Peer:
    """Where Bob lives, who answers Ann."""
    return await peer("home.test", alder)


def _answer(home: Peer, bob: Person, parent: Document, words: str) -> tuple[Document, Document]:
    note = home.note(bob, words, inReplyTo=parent["id"])
    return note, home.show(home.create(bob, note))


async def test_wire_G21_sec_S9_the_author_of_a_post_forwards_an_answer_and_its_server_decides(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer
) -> None:
    """Nothing of what was forwarded counts but the id: the copy at its own server acts."""
    ann, parent = thread
    bob = home.person("bob")
    note, create = _answer(home, bob, parent, "what Bob wrote")
    bent = {**create, "object": {**note, "content": "<p>bent</p>"}, "summary": "bent"}
    assert await good.send(alder, bent, ann) == 202
    await settle(alder)
    post = await alder.post(note["id"])
    assert post is not None
    assert post.author_uri == bob.uri
    assert "what Bob wrote" in post.content
    assert await alder.mentions("bent") == []


async def test_sec_S9_what_its_author_does_not_show_is_dropped(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer
) -> None:
    ann, parent = thread
    bob = home.person("bob")
    note, create = _answer(home, bob, parent, "never said")
    path = create["id"].removeprefix(home.origin)
    other = {**create, "type": "Update"}
    for shown in (404, 410, other, {**create, "actor": f"{home.origin}/u/eve"}):
        home.shown[path] = shown
        again = {**create, "id": create["id"]}
        assert await good.send(alder, again, ann) == 202
        await settle(alder)
        assert (await last_received(alder))[0] == "refused"
        assert await alder.post(note["id"]) is None
        async with alder.engine.begin() as conn:
            await conn.exec_driver_sql("DELETE FROM received")


async def test_wire_S27_T6_a_linked_data_signature_makes_nobody_believe_anything(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer
) -> None:
    """A valid one, of its author's own key; with a word put in that it does not cover, or without.

    What Bob's server shows counts, and if it shows nothing, nothing was said.
    """
    ann, parent = thread
    bob = home.person("bob")
    note, create = _answer(home, bob, parent, "what Bob wrote")
    context = {"@context": [AS2, "https://w3id.org/security/v1"]}
    forged = {**note, "content": "<p>bent</p>"}
    cases: list[tuple[Document | int, Document]] = [(404, {}), (404, {"x": "bent"}), (create, {})]
    for number, (shown, more) in enumerate(cases):
        sent = {**create, **context, "object": {**forged, **more}}
        signed = ld_signatures.add(sent, bob.keys.rsa, bob.key_id, alder.clock())
        check(signed, bob.keys.rsa.public_key())
        home.shown[create["id"].removeprefix(home.origin)] = shown
        assert await good.send(alder, signed, ann) == 202
        await settle(alder)
        assert (await alder.post(note["id"]) is None) is (number < 2)
        assert await alder.mentions("bent") == []
        async with alder.engine.begin() as conn:
            await conn.exec_driver_sql("DELETE FROM received")
    post = await alder.post(note["id"])
    assert post is not None
    assert "what Bob wrote" in post.content


async def test_wire_S42_a_forwarded_proof_is_believed_at_once(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer, lemmy: Follower
) -> None:
    ann, parent = thread
    bob = lists_its_key(home, home.person("bob"))
    await alder.meet(bob.uri)
    note = home.note(bob, "what Bob wrote", inReplyTo=parent["id"])
    create = proven(alder, bob, home.create(bob, note))
    home.fetched.clear()
    assert await good.send(alder, create, ann) == 202
    await settle(alder)
    post = await alder.post(note["id"])
    assert post is not None
    assert not {path for path in home.fetched if "note" in path or "activit" in path}
    (announce,) = lemmy.peer.got("Announce", "Create")[-1:]
    assert announce["object"] == create


async def test_wire_S42_a_proof_of_the_post_inside_does_not_prove_the_rest(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer, lemmy: Follower
) -> None:
    """Whoever forwards could write anything around it, and we would pass that on."""
    ann, parent = thread
    bob = lists_its_key(home, home.person("bob"))
    note = proven(alder, bob, home.note(bob, "what Bob wrote", inReplyTo=parent["id"]))
    create = {**home.create(bob, note), "summary": "invented"}
    assert await good.send(alder, create, ann) == 202
    await settle(alder)
    assert await alder.post(note["id"]) is None
    assert await alder.mentions("invented") == []


async def test_sec_S1_strangers_forward_nothing_and_their_keys_are_not_looked_up(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer, peer: PeerFactory
) -> None:
    evil = await peer("evil.test", alder)
    mallory, group = evil.person("mallory"), evil.person("club", kind="Group", path="c")
    bob = lists_its_key(home, home.person("bob"))
    _, parent = thread
    _, create = _answer(home, bob, parent, "what Bob wrote")
    create = proven(alder, bob, create)
    evil.fetched.clear()
    home.fetched.clear()
    for signer in (mallory, group):
        assert await evil.send(alder, create, signer) == 401
    assert evil.fetched == home.fetched == []
    for signer in (mallory, group):
        await alder.meet(signer.uri)
        assert await evil.send(alder, create, signer) == 401
    other = good.person("other")  # on the server of the author of what it answers, but not them
    await alder.meet(other.uri)
    assert await good.send(alder, create, other) == 401
    assert home.fetched == []
    for kind in ("Follow", "Like", "Announce", "Undo", "Block", "Accept"):
        ann, _ = thread
        odd = home.activity(kind, bob, parent["id"])
        assert await good.send(alder, odd, ann) == 401, kind
    private = {**create, "to": [], "cc": []}
    assert await good.send(alder, private, thread[0]) == 401


async def test_sec_S20_nobody_forwards_for_a_blocked_domain(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer
) -> None:
    ann, parent = thread
    bob = lists_its_key(home, home.person("bob"))
    note, create = _answer(home, bob, parent, "what Bob wrote")
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "home.test")
    home.fetched.clear()
    assert await good.send(alder, proven(alder, bob, create), ann) == 401
    assert home.fetched == []
    assert await alder.post(note["id"]) is None


async def test_sec_S25_a_forwarded_delete_counts_once_its_server_says_so(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer, lemmy: Follower
) -> None:
    ann, parent = thread
    bob = home.person("bob")
    note = home.note(bob, "an answer", inReplyTo=parent["id"])
    await said(alder, home, bob, note)
    for shown in (note, 410):
        home.shown[note["id"].removeprefix(home.origin)] = shown
        delete = home.activity("Delete", bob, note["id"], summary="invented")
        assert await good.send(alder, delete, ann) == 202
        await settle(alder)
        post = await alder.post(note["id"])
        assert post is not None
        assert post.shown is (shown is note)
    (announce,) = lemmy.peer.got("Announce", "Delete")
    assert announce["object"]["actor"] == bob.uri
    assert b"invented" not in b"".join(lemmy.peer.raw)


async def test_wire_G21_a_forward_is_not_forwarded_again(
    alder: Node, ana: Speaker, proving: Group, reader: Mastodon, good: Peer, home: Peer
) -> None:
    """The group announces what it carries; under its own signature it passes on no second hand."""
    ann = good.person("ann")
    await good.follow(alder, ann, proving.actor.uri)
    parent = good.note(ann, "a thread", to=[PUBLIC, proving.actor.uri], name="A title")
    await said(alder, good, ann, parent)
    reader.inbox.clear()
    bob = lists_its_key(home, home.person("bob"))
    note, create = _answer(home, bob, parent, "an answer")
    assert await good.send(alder, proven(alder, bob, create), ann) == 202
    await settle(alder)
    assert await alder.post(note["id"]) is not None
    assert reader.inbox == []


async def test_wire_G14_a_followed_group_may_forward_as_it_may_announce(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = lists_its_key(good, good.person("ann"))
    root = await club.thread(alder, good, ann, "hello")
    notes = [good.note(ann, f"answer {n}", inReplyTo=root["id"]) for n in range(3)]
    sent = [good.create(ann, note) for note in notes]
    sent[0] = proven(alder, ann, sent[0])
    sent[1] = {**sent[1], "object": {**notes[1], "content": "<p>bent</p>"}}
    good.shown[notes[2]["id"].removeprefix(good.origin)] = 404
    for create in sent:
        assert await club.peer.send(alder, create, club.group) == 202
    await settle(alder)
    page = await alder.thread(root["id"], club.member.id)
    assert [post.content for post in page.posts[1:]] == ["<p>answer 0</p>", "<p>answer 1</p>"]
    assert await alder.post(notes[2]["id"]) is None


async def test_sec_S15_a_forward_and_the_thing_itself_have_one_effect(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer, lemmy: Follower
) -> None:
    ann, parent = thread
    bob = lists_its_key(home, home.person("bob"))
    note, create = _answer(home, bob, parent, "an answer")
    create = proven(alder, bob, create)
    assert await good.send(alder, create, ann) == 202
    await settle(alder)
    assert await home.send(alder, create, bob) == 202  # a forward occupies nobody's id
    await settle(alder)
    assert await last_received(alder) == ("done", "")
    assert len(lemmy.peer.got("Announce", "Create")) == 1
    assert await alder.post(note["id"]) is not None


async def test_sec_S19_our_own_people_are_forwarded_by_nobody(
    alder: Node, ana: Speaker, thread: tuple[Person, Document], good: Peer, node: NodeFactory
) -> None:
    ann, parent = thread
    reply = await alder.reply(ana, parent["id"], "An answer.")
    forged = {
        "@context": parent["@context"],
        "id": f"{alder.origin}/a/forged",
        "type": "Delete",
        "actor": ana.actor.uri,
        "object": reply.uri,
        "to": [PUBLIC],
        "cc": [],
    }
    assert await good.send(alder, forged, ann) == 401
    post = await alder.post(reply.uri)
    assert post is not None
    assert post.shown


async def test_sec_I1_a_chain_of_forwards_ends(
    alder: Node, thread: tuple[Person, Document], good: Peer, home: Peer
) -> None:
    """Each is held against its own parent's author, however many there are."""
    ann, parent = thread
    bob = lists_its_key(home, home.person("bob"))
    chain = [parent]
    for number in range(3):
        note, create = _answer(home, bob, chain[-1], f"answer {number}")
        chain.append(note)
        signer, server = (ann, good) if number == 0 else (bob, home)
        assert await server.send(alder, create, signer) == 202
        await settle(alder)
    for above, below in pairwise(chain):
        assert below["inReplyTo"] == above["id"]
        assert await alder.post(below["id"]) is not None
    note, create = _answer(home, bob, chain[-1], "too far from Ann")
    assert await good.send(alder, create, ann) == 401
