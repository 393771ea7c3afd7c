"""Hashtags and mentions, out and in; and whoever wants to hear nothing (WIRE-P7, P8, M10)."""

from typing import Any

import pytest

from activitypub.vocab import PUBLIC as EVERYBODY
from groups import hashtags
from groups.groups import Group, GroupSettings
from kernel.schema.groups import Posts, Sees
from moderation.standing import Speaker
from moderation.visibility import VISITOR, Viewer
from tests.nodes import Node, block, settle
from tests.peer import PUBLIC, Document, Peer, Person
from tests.wire import strict
from tests.wire.world import Club, Follower, ask, followers, last_received, said

pytestmark = pytest.mark.slow


def findable(peer: Peer, person: Person) -> Person:
    """Its server answers WebFinger for it."""
    peer.shown["/.well-known/webfinger"] = {
        "subject": f"acct:{person.handle}@{peer.name}",
        "links": [{"rel": "self", "type": "application/activity+json", "href": person.uri}],
    }
    return person


async def tagged(node: Node, tag: str, viewer: Viewer = VISITOR) -> list[str]:
    async with node.engine.connect() as conn:
        lines = await hashtags.tagged(conn, tag, viewer, before=None, limit=50)
    return [line.content for line in lines]


def _tag(kind: str, document: Document) -> list[Any]:
    return [tag for tag in document["tag"] if tag["type"] == kind]


async def test_wire_P7_hashtags_go_out_as_links_and_tags(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    post = await alder.start(ana, sleep.actor.uri, "A title", "Some #Words and `#code`.")
    await settle(alder)
    (announce,) = lemmy.peer.got("Announce", "Create")
    note = announce["object"]["object"]
    strict.check(announce)
    assert strict.unmapped(announce) == set()
    assert _tag("Hashtag", note) == [
        {"type": "Hashtag", "href": "http://alder.test/tags/words", "name": "#words"}
    ]
    assert (
        'href="http://alder.test/tags/words" class="mention hashtag" rel="tag"' in note["content"]
    )
    assert note["source"]["content"] == "Some #Words and `#code`."
    assert len(await tagged(alder, "words")) == 1
    alder.clock.forward(minutes=1)
    await alder.edit(ana, post.uri, "A title", "Some #other words.")
    assert await tagged(alder, "words") == []
    assert len(await tagged(alder, "other")) == 1
    await alder.delete(ana, post.uri)
    assert await tagged(alder, "other") == []
    assert await alder.mentions("other") == []


async def test_wire_P7_hashtags_that_come_are_kept_and_end_at_thirty(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    tags = [{"type": "Hashtag", "name": f"#T{n}", "href": "x"} for n in range(31)]
    tags += [{"type": "Hashtag", "name": "no tag"}, {"type": "Hashtag"}, {"name": "#t0"}]
    note = good.note(ann, "Words.", to=[PUBLIC, sleep.actor.uri], tag=tags)
    await said(alder, good, ann, note)
    assert len(await tagged(alder, "t0")) == 1
    assert len(await tagged(alder, "t29")) == 1
    assert await tagged(alder, "t30") == []


async def test_what_is_under_a_tag_is_what_its_reader_may_see(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    private = await alder.group("private", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    await alder.start(ana, private.actor.uri, "Among us", "A #secret.")
    ann = good.person("ann")
    tag = [{"type": "Hashtag", "name": "#secret"}]
    await said(
        alder, good, ann, good.note(ann, "From away.", to=[PUBLIC, sleep.actor.uri], tag=tag)
    )
    assert await tagged(alder, "secret") == ["<p>From away.</p>"]
    assert len(await tagged(alder, "secret", Viewer((ana.id,), signed_in=True))) == 2
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "good.test")
    assert await tagged(alder, "secret") == []


async def test_wire_P8_somebody_elsewhere_is_found_named_and_told(
    alder: Node, ana: Speaker, sleep: Group, good: Peer, lemmy: Follower
) -> None:
    ann = findable(good, good.person("ann"))
    post = await alder.start(ana, sleep.actor.uri, "A title", "Hello @Ann@good.test.")
    await settle(alder)
    (create,) = good.got("Create")
    strict.check(create)
    note = create["object"]
    assert ann.uri in note["cc"]
    assert ann.uri in create["cc"]
    assert {"type": "Mention", "href": ann.uri, "name": "@ann@good.test"} in note["tag"]
    assert f'<a href="{ann.uri}" class="u-url mention"' in note["content"]
    good.fetched.clear()
    await alder.reply(ana, post.uri, "Once more, @ann@good.test.")
    await settle(alder)
    assert "/.well-known/webfinger" not in good.fetched  # she is known now
    assert len(good.got("Create")) == 2
    await alder.delete(ana, post.uri)
    await settle(alder)
    assert len(good.got("Delete")) == 1


async def test_wire_P8_who_is_not_found_stays_plain_text(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    good.person("ann")
    blocked = good.person("bob")
    group = good.person("club", kind="Group")
    for person in (blocked, group):
        findable(good, person)
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "evil.test")
    words = "@nobody@good.test @x@nowhere.test @x@evil.test @nobody @club@good.test @sleep"
    post = await alder.start(ana, sleep.actor.uri, "A title", words)
    assert post.content == f"<p>{words}</p>"
    assert post.mentioned == ""
    assert "evil.test" not in alder.names.asked


async def test_a_member_of_ours_is_named_and_nobody_learns_who_belongs(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    await alder.persona("kay")
    await alder.start(ana, sleep.actor.uri, "A title", "Hello @kay.")
    await settle(alder)
    (announce,) = lemmy.peer.got("Announce", "Create")
    note = announce["object"]["object"]
    mention = {"type": "Mention", "href": "http://alder.test/u/kay", "name": "@kay@alder.test"}
    assert mention in note["tag"]
    assert set(note["to"]) == {EVERYBODY, sleep.actor.uri}
    assert note["cc"] == [sleep.actor.followers_uri, "http://alder.test/u/kay"]


async def test_words_among_members_are_sent_to_nobody_they_name(
    alder: Node, ana: Speaker, good: Peer
) -> None:
    findable(good, good.person("ann"))
    private = await alder.group(
        "private", ana, settings=GroupSettings(sees=Sees.MEMBERS, posts=Posts.MEMBERS)
    )
    await alder.start(ana, private.actor.uri, "Among us", "Hello @ann@good.test.")
    await settle(alder)
    assert good.inbox == []


async def test_wire_P8_of_mentions_that_come_the_address_counts(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    other = await alder.group("other", settings=GroupSettings(posts=Posts.ANYONE))
    tag = [{"type": "Mention", "href": sleep.actor.uri, "name": "@other@alder.test"}]
    note = good.note(ann, "Words for @other@alder.test.", tag=tag)
    await said(alder, good, ann, note)
    post = await alder.post(note["id"])
    assert post is not None
    assert post.group_id == sleep.id != other.id


async def test_wire_M10_whoever_blocks_somebody_hears_no_more_of_them(
    alder: Node, ana: Speaker, sleep: Group, good: Peer, lemmy: Follower
) -> None:
    ann = findable(good, good.person("ann"))
    await good.follow(alder, ann, ana.actor.uri)
    await settle(alder)
    note = good.note(ann, "Me too.", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    block = good.activity("Block", ann, ana.actor.uri, to=[ana.actor.uri])
    assert await good.send(alder, block, ann) == 202
    await settle(alder)
    assert (await last_received(alder))[0] == "done"
    assert await followers(alder, ana.actor.uri) == set()
    good.inbox.clear()
    reply = await alder.reply(ana, note["id"], "Thank you, @ann@good.test.")
    await settle(alder)
    assert good.got("Create") == []
    (announce,) = lemmy.peer.got("Announce", "Create")[-1:]
    document = announce["object"]["object"]
    assert document["inReplyTo"] == note["id"]
    assert _tag("Mention", document) == [
        {"type": "Mention", "href": sleep.actor.uri, "name": "@sleep@alder.test"}
    ]
    assert ann.uri not in document["cc"]
    page = await ask(alder, reply.uri.removeprefix(alder.origin), Accept="text/html")
    assert b"block" not in page.body.lower()
    ben = await alder.persona("ben")
    await alder.reply(ben, note["id"], "And you?")  # somebody else still reaches her
    await settle(alder)
    assert len(good.got("Create")) == 1
    undo = good.activity("Undo", ann, block, to=[ana.actor.uri])
    assert await good.send(alder, undo, ann) == 202
    await settle(alder)
    await alder.reply(ana, note["id"], "Better now?")
    await settle(alder)
    assert len(good.got("Create")) == 2
    assert not [each for each in (*good.inbox, *lemmy.peer.inbox) if each["type"] == "Block"]


async def test_a_block_of_nobody_of_ours_is_left(alder: Node, good: Peer, club: Club) -> None:
    ann = good.person("ann")
    for target in ("http://alder.test/u/nobody", "http://else.test/u/x", alder.origin + "/"):
        block = good.activity("Block", ann, target, to=[target])
        assert await good.send(alder, block, ann) == 202
        await settle(alder)
        assert await last_received(alder) == ("refused", "NotFound")
