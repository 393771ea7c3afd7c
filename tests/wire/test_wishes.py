"""What would help, and what a post is hard about, between two nodes and for everybody else."""

import pytest

from activitypub import jsonld
from groups import posts as post_store
from groups import threads
from groups.admission import Draft
from groups.groups import Group
from kernel.errors import NotAllowed
from kernel.schema.posts import Wish
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, settle
from tests.peer import PUBLIC, Document, Peer
from tests.wire.world import Follower, said

pytestmark = pytest.mark.slow


async def document(node: Node, uri: str) -> Document:
    answer = await node.get(uri.removeprefix(node.origin))
    found: Document = await answer.json(content_type=None)
    return found


async def test_dom_A8_A9_wish_and_labels_reach_another_node_and_are_said_once(
    alder: Node, sleep: Group, ana: Speaker, node: NodeFactory
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    post = await alder.start(
        ana,
        sleep.actor.uri,
        "Waking",
        "At four again.",
        "low mood",
        labels=("grief", "suicide-discussion"),
        wish=Wish.LISTEN,
    )
    await settle(alder, birch)
    there = await birch.post(post.uri)
    assert there is not None
    assert (there.wish, there.labels) == (Wish.LISTEN, "suicide-discussion grief")
    assert there.note == "suicide, grief, low mood" == post.note
    assert there.sensitive
    assert "Hoping for" not in there.content
    assert "Hoping for" not in post.content
    sent = await document(alder, post.uri)
    closing = "<p>Hoping for: somebody who just listens.</p>"
    assert str(sent["content"]).endswith(closing)
    assert sent["source"] == {
        "content": "::: spoiler suicide, grief, low mood\nAt four again.\n:::"
        "\n\nHoping for: somebody who just listens.",
        "mediaType": "text/markdown",
    }
    (expanded,) = jsonld.expand(sent)
    assert isinstance(expanded, dict)
    assert expanded["urn:hearthold:terms:supportWanted"] == [{"@value": "listen"}]
    notes = expanded["urn:hearthold:terms:contentNotes"]
    assert notes == [{"@value": "suicide-discussion"}, {"@value": "grief"}]


async def test_dom_A8_no_replies_closes_the_thread_here_and_asks_others(
    alder: Node, sleep: Group, ana: Speaker, node: NodeFactory, lemmy: Follower
) -> None:
    birch = await node("birch.test")
    ben, kay = await birch.persona("ben"), await alder.persona("kay")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    post = await alder.start(ana, sleep.actor.uri, "To be read", "Only this.", wish=Wish.NO_REPLIES)
    await settle(alder, birch)
    sent = await document(alder, post.uri)
    assert sent["commentsEnabled"] is False
    only = {"automaticApproval": [ana.actor.uri], "manualApproval": []}
    assert sent["interactionPolicy"] == {"canQuote": only, "canReply": only}
    for where, who in ((alder, kay), (birch, ben)):
        with pytest.raises(NotAllowed, match="wishes to be read"):
            await where.reply(who, post.uri, "But I want to.")
    more = await alder.reply(ana, post.uri, "And this.")
    with pytest.raises(NotAllowed, match="wishes to be read"):
        await alder.reply(kay, more.uri, "Below that, then?")
    note = lemmy.peer.note(
        lemmy.person, "I answer all the same.", inReplyTo=post.uri, to=[PUBLIC, sleep.actor.uri]
    )
    await said(alder, lemmy.peer, lemmy.person, note)
    await settle(alder)
    assert await alder.post(note["id"]) is None
    assert lemmy.peer.got("Reject")


async def test_dom_A8_an_edit_changes_the_wish_here_and_elsewhere(
    alder: Node, sleep: Group, ana: Speaker, node: NodeFactory
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    post = await alder.start(ana, sleep.actor.uri, "Quiet", "Read me.", wish=Wish.NO_REPLIES)
    await settle(alder, birch)
    alder.clock.forward(minutes=5)
    draft = Draft(title="Quiet", source="Read me.", wish=Wish.IDEAS, language="de")
    async with alder.engine.begin() as conn:
        await threads.edit(conn, alder.here, ana, post, draft)
    await settle(alder, birch)
    for where in (alder, birch):
        found = await where.post(post.uri)
        assert found is not None
        assert found.wish is Wish.IDEAS
        assert "Hoping" not in found.content
    sent = await document(alder, post.uri)
    assert str(sent["content"]).endswith('<p lang="en">Hoping for: ideas.</p>')
    answer = await birch.reply(ben, post.uri, "An idea.")
    await settle(alder, birch)
    assert await alder.post(answer.uri) is not None
    await alder.delete(ana, post.uri)
    async with alder.engine.connect() as conn:
        gone = await post_store.by_uri(conn, post.uri)
    assert gone is not None
    assert (gone.wish, gone.labels) == (None, "")


async def test_terms_from_elsewhere_that_we_do_not_know_are_left(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    note = good.note(
        ann,
        "Hello.",
        to=[PUBLIC, sleep.actor.uri],
        supportWanted="cake",
        contentNotes=["grief", "spam", "made-up", 7, "x" * 500],
        content="<p>Hello.</p><p>Hoping for: ideas.</p>",
    )
    await said(alder, good, ann, note)
    found = await alder.post(note["id"])
    assert found is not None
    assert (found.wish, found.labels) == (None, "grief")
    assert "Hoping for: ideas" in found.content  # its author's own words
