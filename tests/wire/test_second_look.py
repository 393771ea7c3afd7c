"""Somebody elsewhere is told what a desk of ours decided, and can ask for a second look."""

import json
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub.vocab import PUBLIC
from groups import appealing, desk, explaining
from groups import labelling as labels_of_groups
from groups.groups import Group
from groups.posts import Post
from kernel.schema.labels import Effect, Giver
from kernel.schema.posts import PostState
from kernel.schema.tables import appeals
from moderation import appeals as appeal_store
from moderation import audit, labelling
from moderation.saying import Saying
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import Document, Peer, Person
from tests.wire.world import Follower, last_received, said

WORDS = "I did not mean it like that."


async def wrote(alder: Node, group: Group, peer: Peer, author: Person, words: str) -> Post:
    note = peer.note(author, words, to=[PUBLIC, group.actor.uri], name=words)
    await said(alder, peer, author, note)
    found = await alder.post(note["id"])
    assert found is not None
    return found


async def remove(alder: Node, group: Group, by: Speaker, post: Post, reason: str = "") -> None:
    here = alder.here.deciding(b"k" * 32)
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, group, by)
        await desk.remove(conn, here, group, acting, post, reason, "Be gentle & kind")
    await settle(alder)


def letters(peer: Peer) -> list[Document]:
    return [each["object"] for each in peer.got("Create") if each["object"]["type"] == "Note"]


def reply(peer: Peer, author: Person, words: str, note: Document, **extra: object) -> Document:
    uri = note["attributedTo"]
    tag = {"type": "Mention", "href": uri, "name": "@sleep_desk@alder.test"}
    more = {"to": [uri], "tag": [tag], "inReplyTo": note["id"], **extra}
    return peer.note(author, words, **more)


async def open_appeals(alder: Node) -> int:
    async with alder.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(appeals)) or 0


async def test_mod_5_12_the_desk_writes_to_whom_it_decided_about_and_reads_one_answer(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    peer, eve = mastodon.peer, mastodon.person
    post = await wrote(alder, sleep, peer, eve, "A remote thread")
    peer.inbox.clear()
    await remove(alder, sleep, ana, post, "It names <b>somebody</b>.")
    (note,) = letters(peer)
    assert (note["to"], note["cc"]) == ([eve.uri], [])
    assert note["attributedTo"] == "http://alder.test/desk/sleep"
    for says in (
        "Thank you for writing", post.uri, "It names &lt;b&gt;somebody&lt;/b&gt;.",
        "Be gentle &amp; kind", "second look", "http://alder.test/help",
    ):  # fmt: skip
        assert says in note["content"], says
    assert "ana" not in json.dumps(peer.inbox)

    cat = good.person("cat")  # guessed, forged, somebody else's: dropped, all alike
    for server, author, parent in (
        (good, cat, note["id"]),
        (peer, eve, note["id"][:-1] + ("0" if note["id"][-1] != "0" else "1")),
        (peer, eve, "http://alder.test/decided/1-"),
        (peer, eve, post.uri),
    ):
        await said(alder, server, author, reply(server, author, "Me!", {**note, "id": parent}))
        assert (await last_received(alder))[1] == "NotAllowed"
    assert await open_appeals(alder) == 0
    await said(alder, peer, eve, reply(peer, eve, "To all", note, cc=[PUBLIC]))
    assert await open_appeals(alder) == 0

    first = reply(peer, eve, "Oh, I am cross!", note)
    await said(alder, peer, eve, first)
    assert await open_appeals(alder) == 1
    deletion = peer.activity("Delete", eve, {"id": first["id"], "type": "Tombstone"})
    assert await peer.send(alder, deletion, eve) == 202
    await settle(alder)
    assert await open_appeals(alder) == 0  # her words are gone when she takes them back
    await said(alder, peer, eve, reply(peer, eve, WORDS, note))
    await said(alder, peer, eve, reply(peer, eve, "And another", note))
    assert await alder.mentions("did not mean it") == []
    async with alder.engine.connect() as conn:
        (asked,) = await appeal_store.of_group(conn, alder.here, sleep.id)
        decision = await audit.decision(conn, asked.decision_id)
        assert asked.words == WORDS
        assert asked.person_id == decision.person_id

    peer.inbox.clear()
    other = alder.here.deciding(b"o" * 32)
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, sleep, ana)
        await appealing.answer(
            conn, other, sleep, acting, decision, "You are right & kind.", change=True
        )
    await settle(alder)
    (note,) = letters(peer)
    assert note["to"] == [eve.uri]
    assert "What was decided is changed." in note["content"]
    assert "You are right &amp; kind." in note["content"]
    found = await alder.post(post.uri)
    assert found is not None
    assert found.state is PostState.SHOWN


async def test_mod_5_12_a_desk_is_no_way_to_write_to_strangers(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    peer, eve = mastodon.peer, mastodon.person
    stranger = await alder.meet(good.person("stranger").uri)
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, sleep, ana)
        await desk.ban(conn, alder.here, sleep, acting, stranger, "never heard of")
    await settle(alder)
    assert letters(good) == []

    several = [await wrote(alder, sleep, peer, eve, f"Thread {n}") for n in range(5)]
    for post in several:
        await remove(alder, sleep, ana, post)
    assert len(letters(peer)) == explaining.MOST_A_DAY
    alder.clock.forward(days=1)
    peer.inbox.clear()
    async with alder.engine.begin() as conn:
        known = await alder.meet(eve.uri)
        until = alder.here.now().date() + timedelta(days=7)
        await desk.ban(conn, alder.here, sleep, acting, known, "a week", until)
    await settle(alder)
    (note,) = letters(peer)
    assert f"stay away until {until.isoformat()}" in note["content"]
    # What is taken back needs no note: they see that they can come back.
    peer.inbox.clear()
    async with alder.engine.begin() as conn:
        await desk.unban(conn, alder.here, sleep, acting, known)
    await settle(alder)
    assert letters(peer) == []


async def test_mod_5_12_a_program_elsewhere_is_decided_about_and_told_like_anybody(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    bot = good.person("bot", kind="Service")
    await wrote(alder, sleep, good, bot, "Beep.")
    async with alder.engine.begin() as conn:
        person = await actor_store.by_uri(conn, bot.uri)
        assert person is not None
        acting = await desk.require(conn, sleep, ana)
        until = alder.here.now().date()
        await desk.warn(conn, alder.here, sleep, acting, person, "Less often, please.")
        await desk.limit(conn, alder.here, sleep, acting, person, "Too much.", until)
        await desk.ban(conn, alder.here, sleep, acting, person, "Far too much.")
    await settle(alder)
    assert len(letters(good)) == 3


async def test_dom_D18_whose_words_a_label_holds_elsewhere_hears_of_it_once(
    alder: Node, sleep: Group, mastodon: Follower
) -> None:
    """By a moderator of the group, or by what a peer says where its labels may do so."""
    peer, eve = mastodon.peer, mastodon.person
    own, peers = [await wrote(alder, sleep, peer, eve, words) for words in ("One", "Two")]
    today, here = alder.clock().date(), alder.here
    given = Saying(
        label="method-detail", giver=Giver.GROUP, effect=Effect.HOLD, why="It names a dose.",
        starts=today, ends=today + timedelta(days=30),
    )  # fmt: skip
    heard = replace(
        given, giver=Giver.PEER, host="elm.test", signal="https://elm.test/signals/1", why="",
        version=labels_of_groups.words_of(peers),
    )  # fmt: skip
    peer.inbox.clear()
    async with alder.engine.begin() as conn:
        await labels_of_groups.give(conn, here, sleep, own, given)
        await labelling.give(conn, peers.id, heard)
    while await labels_of_groups.hold_one(alder.engine, here):
        pass
    await settle(alder)
    by_moderator, by_rule = letters(peer)
    for note, post in ((by_moderator, own), (by_rule, peers)):
        assert note["to"] == [eve.uri]
        assert "in peace" in note["content"]
        assert post.uri in note["content"]
    assert "They wrote: “It names a dose.”" in by_moderator["content"]
    assert "not by a program" in by_moderator["content"]
    assert "what elm.test said of it, by a rule of alder.test" in by_rule["content"]
    assert "not by a program" not in by_rule["content"]
