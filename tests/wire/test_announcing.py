"""What a group of ours passes on, and in which form (WIRE 3.2, 3.3)."""

import json
from typing import Any

from groups.groups import Group
from kernel.schema.posts import ReactionKind
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Peer, PeerFactory
from tests.wire.world import Follower, last_received, reacted, said


def _oddly_written(peer: Peer, author: str, group: str) -> str:
    """A Create as no serialiser of ours would write it."""
    note = f"{peer.origin}/notes/odd"
    return f"""{{ "type":"Create",
  "@context" : ["https://www.w3.org/ns/activitystreams", {{"x": "https://x.test/ns#"}}],
  "x:unknown": {{"b": 2, "a": [1.0, 1e2, -0.0, null, "\\u00e9\\/é"]}},
  "id": "{peer.origin}/activities/odd", "actor": "{author}",
  "cc": [], "to": ["{PUBLIC}", "{group}"],
  "object": {{"id": "{note}", "type": "Note", "attributedTo": "{author}",
    "content": "<p>odd</p>", "to": ["{PUBLIC}", "{group}"], "x:more": {{}}}},
  "signature": {{"type": "RsaSignature2017", "signatureValue": "AAAA"}},
  "proof": {{"type": "DataIntegrityProof", "proofValue": "zAAAA"}} }}
"""


async def test_wire_G10_the_inner_activity_is_passed_on_byte_for_byte(
    alder: Node, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    ann = good.person("ann")
    text = _oddly_written(good, ann.uri, sleep.actor.uri)
    assert await good.send(alder, text.encode(), ann) == 202
    await settle(alder)

    (wrapped,) = [raw for raw in lemmy.peer.raw if b"x:unknown" in raw]
    assert text.encode() in wrapped
    announce = json.loads(wrapped)
    assert announce["object"]["proof"]["proofValue"] == "zAAAA"
    assert {"id", "type", "actor", "to", "cc", "audience", "object"} <= set(announce)
    assert announce["actor"] == announce["audience"] == sleep.actor.uri
    assert announce["to"] == [PUBLIC]
    assert announce["cc"] == [sleep.actor.followers_uri]
    assert announce["id"].startswith(f"{alder.origin}/a/")
    served = await alder.get(announce["id"].removeprefix(alder.origin))
    assert await served.read() == wrapped


async def test_wire_G11_the_authors_own_server_hears_it_back(
    alder: Node, sleep: Group, peer: PeerFactory
) -> None:
    """Lemmy shows a post as waiting until it does; of an unknown server nothing else is known."""
    lemmy = await peer("lemmy.test", alder, "lemmy")
    silent = await peer("silent.test", alder)
    silent.nodeinfo_status = 500
    for each in (lemmy, silent):
        bo = each.person("bo")
        note = each.note(bo, "hello", to=[PUBLIC, sleep.actor.uri], audience=sleep.actor.uri)
        create = await said(alder, each, bo, note)
        assert [found["object"] for found in each.got("Announce", "")] == [note["id"]]
        assert [found["object"] for found in each.got("Announce", "Create")] == [create]


async def test_wire_G13_one_announce_for_each_inner_activity(
    alder: Node, sleep: Group, lemmy: Follower
) -> None:
    note = lemmy.peer.note(lemmy.person, "once", to=[PUBLIC, sleep.actor.uri])
    create = await said(alder, lemmy.peer, lemmy.person, note)
    again = lemmy.peer.create(lemmy.person, note)  # the same post under another activity
    for document in (create, again):
        alder.clock.forward(minutes=1)
        assert await lemmy.peer.send(alder, document, lemmy.person) == 202
        await settle(alder)
    assert len(lemmy.peer.got("Announce", "")) == 1
    assert len(lemmy.peer.got("Announce", "Create")) == 1


async def test_wire_G13_after_an_undo_the_next_announce_has_an_id_of_its_own(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    roots = [await alder.start(ana, sleep.actor.uri, "A title", "Some words.") for _ in range(2)]
    await alder.delete(ana, roots[0].uri)
    await settle(alder)
    first, second = mastodon.peer.got("Announce")[-1], roots[1]
    assert first["object"] == second.uri  # the deleted one never left, nor did its boost
    (undo,) = mastodon.peer.got("Undo")
    assert undo["object"]["object"] == roots[0].uri


async def test_wire_in1_a_mastodon_post_that_mentions_the_group_becomes_a_thread(
    alder: Node, sleep: Group, mastodon: Follower
) -> None:
    mention = (
        f'<span class="h-card"><a href="{sleep.actor.uri}" class="u-url mention">@<span>sleep'
        "</span></a></span>"
    )
    many = "word " * 40
    for content, title in (
        (f"<p>{mention} I wake at four</p><p>Every night.</p>", "I wake at four"),
        (f"<p>{mention}</p><p>What helps you?</p>", "What helps you?"),
        (f"<p>{mention} {many}</p>", ("word " * 20)[:99].rstrip() + "…"),
        (f"<p>{mention}</p>", "A post without words"),
    ):
        note = mastodon.peer.note(mastodon.person, "", content=content)
        note |= {
            "cc": [sleep.actor.uri, sleep.actor.followers_uri, f"{mastodon.person.uri}/followers"],
            "tag": [{"type": "Mention", "href": sleep.actor.uri, "name": "@sleep@alder.test"}],
        }
        await said(alder, mastodon.peer, mastodon.person, note)
        post = await alder.post(note["id"])
        assert post is not None
        assert post.is_root
        assert post.title == title
        assert post.thread_uri.startswith(f"{alder.origin}/t/")


async def test_wire_in2_a_reply_finds_its_thread_by_what_it_answers(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    note = mastodon.peer.note(mastodon.person, "me too", inReplyTo=root.uri, cc=[ana.actor.uri])
    create = await said(alder, mastodon.peer, mastodon.person, note)

    page = await alder.thread(root.uri)
    assert [post.uri for post in page.posts] == [root.uri, note["id"]]
    assert page.posts[1].title == ""
    assert create in [each["object"] for each in lemmy.peer.got("Announce", "Create")]


async def test_wire_in3_a_direct_message_that_names_the_group_goes_nowhere(
    alder: Node, sleep: Group, mastodon: Follower, lemmy: Follower
) -> None:
    """Mastodon lists the followers of a mentioned group even in a message meant for few."""
    note = mastodon.peer.note(mastodon.person, "between us")
    direct: dict[str, Any] = {"to": [sleep.actor.uri, sleep.actor.followers_uri], "cc": []}
    tag = [{"type": "Mention", "href": sleep.actor.uri, "name": "@sleep@alder.test"}]
    for inner, outer in (
        (direct, direct),
        (direct, {"to": [PUBLIC], "cc": []}),
        ({"to": [PUBLIC, sleep.actor.uri], "cc": []}, direct),
    ):
        note = {**mastodon.peer.note(mastodon.person, "between us"), **inner, "tag": tag}
        await said(alder, mastodon.peer, mastodon.person, note, **outer)
        assert await last_received(alder) == ("refused", "NotAllowed")
        assert await alder.post(note["id"]) is None
    assert lemmy.peer.inbox == mastodon.peer.inbox == []
    assert await alder.mentions("between us") == []


async def test_wire_in5_reactions_count_and_go_to_those_who_read_them(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    mastodon.peer.inbox.clear()
    liked = mastodon.peer.activity("Like", mastodon.person, root.uri)
    disliked = lemmy.peer.activity("Dislike", lemmy.person, root.uri)
    felt = mastodon.peer.activity("EmojiReact", mastodon.peer.person("eve"), root.uri, content="🌙")
    await mastodon.peer.send(alder, liked, mastodon.person)
    await lemmy.peer.send(alder, disliked, lemmy.person)
    await settle(alder)
    assert lemmy.peer.got("Announce", "Like")[0]["object"] == liked
    assert lemmy.peer.got("Announce", "Dislike")[0]["object"] == disliked
    assert await reacted(alder, root.uri, ReactionKind.LIKE) == 1
    assert await reacted(alder, root.uri, ReactionKind.DISLIKE) == 1

    undo = mastodon.peer.activity("Undo", mastodon.person, liked)
    await mastodon.peer.send(alder, undo, mastodon.person)
    await settle(alder)
    assert lemmy.peer.got("Announce", "Undo")[0]["object"] == undo
    assert await reacted(alder, root.uri, ReactionKind.LIKE) == 0
    assert mastodon.peer.inbox == []

    eve = mastodon.peer.person("eve")
    await mastodon.peer.send(alder, {**felt, "actor": eve.uri}, eve)
    await settle(alder)
    assert await reacted(alder, root.uri, ReactionKind.LIKE) == 1
    assert lemmy.peer.got("Announce", "EmojiReact") == []  # WIRE-G12 does not list it


async def test_wire_in5_a_dislike_is_shown_nowhere(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    path = root.uri.removeprefix(alder.origin)
    before = await (await alder.get(path)).read()
    dislike = lemmy.peer.activity("Dislike", lemmy.person, root.uri)
    await lemmy.peer.send(alder, dislike, lemmy.person)
    await settle(alder)
    assert await (await alder.get(path)).read() == before
    post = await alder.post(root.uri)
    assert post is not None
    assert post.likes == 0


async def test_wire_in6_a_persons_boost_is_counted_and_told_to_nobody(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    lemmy.peer.inbox.clear()
    boost = mastodon.peer.activity("Announce", mastodon.person, root.uri)
    await mastodon.peer.send(alder, boost, mastodon.person)
    await settle(alder)
    assert await reacted(alder, root.uri, ReactionKind.SHARE) == 1
    assert lemmy.peer.inbox == []

    undo = mastodon.peer.activity("Undo", mastodon.person, boost)
    await mastodon.peer.send(alder, undo, mastodon.person)
    await settle(alder)
    assert await reacted(alder, root.uri, ReactionKind.SHARE) == 0
    assert lemmy.peer.inbox == []


async def test_wire_Q3_an_edit_that_outran_its_post_brings_the_post(
    alder: Node, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    note = lemmy.peer.note(
        lemmy.person,
        "second words",
        to=[PUBLIC, sleep.actor.uri],
        updated="2026-01-02T04:00:00Z",
    )
    update = lemmy.peer.activity("Update", lemmy.person, note)
    await lemmy.peer.send(alder, update, lemmy.person)
    await settle(alder)
    assert await alder.post(note["id"]) is None  # the Create may be on its way
    for _ in range(3):
        alder.clock.forward(minutes=5)
        await settle(alder)

    post = await alder.post(note["id"])
    assert post is not None
    assert "second words" in post.content
    assert [each["object"] for each in mastodon.peer.got("Announce")] == [note["id"]]
