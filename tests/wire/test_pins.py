"""Pinned threads and a group's own words (WIRE-A8, WIRE-A24, WIRE-G26, WIRE-G32, SEC-S23)."""

import json

import pytest
import sqlalchemy as sa

from groups import browsing, desk, pins, welcome
from groups import groups as group_store
from groups.browsing import MAX_PINNED
from groups.groups import Group
from groups.posts import Post
from kernel.errors import NotAllowed
from kernel.schema.tables import audit
from moderation.standing import Speaker
from moderation.visibility import VISITOR, Viewer
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer, Person
from tests.wire import strict
from tests.wire.world import Club, Follower, ask, last_received, said

MEMBER = Viewer(signed_in=True)


async def _decide(alder: Node, ana: Speaker, group: Group, decision: str, root: Post) -> None:
    """The desk pins or unpins the thread as it is now."""
    now = await alder.post(root.uri)
    assert now is not None
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        change = pins.pin if decision == "pin" else pins.unpin
        await change(conn, alder.here, group, actor, now)
    await settle(alder)


async def _say(alder: Node, ana: Speaker, group: Group, words: str) -> Post | None:
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        await welcome.say(conn, alder.here, group, actor, words)
        found = await welcome.current(conn, group)
    await settle(alder)
    return found


async def _pinned(alder: Node, group_uri: str) -> list[str]:
    """Titles of what stands on top of a group's page."""
    actor = await alder.meet(group_uri)
    async with alder.engine.connect() as conn:
        lines = await browsing.latest(conn, MEMBER, group_id=actor.id)
    assert [line.pinned for line in lines] == sorted([line.pinned for line in lines], reverse=True)
    return [line.title for line in lines if line.pinned]


async def _featured(alder: Node) -> list[Document]:
    answer = await ask(alder, "/g/sleep/featured")
    found: Document = json.loads(answer.body)
    strict.check(found)
    assert strict.unmapped(found) == set()
    assert found["totalItems"] == len(found["orderedItems"])
    items: list[Document] = found["orderedItems"]
    return items


async def _moderator(alder: Node, group: Group, peer: Peer, name: str = "mo") -> Person:
    """Somebody on another server who looks after the group."""
    person = peer.person(name)
    actor = await alder.meet(person.uri)
    async with alder.engine.begin() as conn:
        await group_store.add_moderator(conn, alder.here, group.actor, actor, 0)
    return person


async def test_wire_A8_A24_featured_is_whole_posts_that_strict_readers_parse(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    ours = await alder.start(ana, sleep.actor.uri, "A title", "Some words.", "sleep")
    ann = good.person("ann")
    note = good.note(ann, 'hello<script src="x"></script>', to=[PUBLIC, sleep.actor.uri], name="Hi")
    note |= {"type": "Question", "oneOf": [{"type": "Note", "name": "Yes"}]}
    note["attachment"] = {"type": "Video", "url": "http://good.test/v.mp4"}
    await said(alder, good, ann, note)
    theirs = await alder.post(note["id"])
    assert theirs is not None
    assert await _featured(alder) == []
    for root in (ours, theirs):
        await _decide(alder, ana, sleep, "pin", root)

    items = await _featured(alder)
    assert {item["id"] for item in items} == {ours.uri, note["id"]}
    for item in items:
        assert item["type"] == "Note"
        assert item["attachment"] == []
        assert PUBLIC in item["to"]
        assert item["audience"] == sleep.actor.uri
    (foreign,) = [item for item in items if item["id"] == note["id"]]
    assert foreign["attributedTo"] == ann.uri
    assert "hello" in foreign["content"]
    assert "script" not in foreign["content"]
    assert await _pinned(alder, sleep.actor.uri) == ["A title", "Hi"]  # newest answer first


async def test_wire_G26_G32_a_pin_is_told_to_those_who_read_it(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    lemmy.peer.inbox.clear()
    mastodon.peer.inbox.clear()
    await _decide(alder, ana, sleep, "pin", root)
    await _decide(alder, ana, sleep, "pin", root)  # a repeat says nothing
    await _decide(alder, ana, sleep, "unpin", root)
    add, remove = [each["object"] for each in lemmy.peer.inbox]
    assert (add["type"], remove["type"]) == ("Add", "Remove")
    for each in (add, remove):
        assert each["actor"] == f"{alder.origin}/desk/sleep"
        assert each["object"] == root.uri
        assert each["target"] == f"{sleep.actor.uri}/featured"
        assert (each["to"], each["cc"]) == ([PUBLIC], [sleep.actor.uri])
        assert each["audience"] == sleep.actor.uri
    assert mastodon.peer.inbox == []
    assert await _pinned(alder, sleep.actor.uri) == []


async def test_wire_A8_a_thread_that_is_gone_is_not_pinned(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    kept, deleted, removed = [
        await alder.start(ana, sleep.actor.uri, title, "Some words.")
        for title in ("kept", "deleted", "removed")
    ]
    for root in (kept, deleted, removed):
        await _decide(alder, ana, sleep, "pin", root)
        await alder.reply(ana, root.uri, "An answer, so that the thread stays.")
    await alder.delete(ana, deleted.uri)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.remove(conn, alder.here, sleep, actor, removed, "a reason")
    assert await _pinned(alder, sleep.actor.uri) == ["kept"]
    assert [item["id"] for item in await _featured(alder)] == [kept.uri]


async def test_wire_A8_a_group_pins_some_threads_and_no_more(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    roots = [
        await alder.start(ana, sleep.actor.uri, f"Thread {n}", "Some words.")
        for n in range(MAX_PINNED + 1)
    ]
    for root in roots[:MAX_PINNED]:
        await _decide(alder, ana, sleep, "pin", root)
    with pytest.raises(NotAllowed):
        await _decide(alder, ana, sleep, "pin", roots[-1])
    assert len(await _featured(alder)) == MAX_PINNED
    async with alder.engine.connect() as conn:
        page = await browsing.latest(conn, VISITOR, group_id=sleep.id, limit=20)
        later = await browsing.latest(
            conn, VISITOR, group_id=sleep.id, before=page[-1].latest_id + 1, limit=20
        )
    assert sorted(line.title for line in page) == sorted(f"Thread {n}" for n in range(11))
    assert [line.title for line in later] == [roots[-1].title]  # pinned ones come once


async def test_wire_G32_sec_S23_a_moderator_elsewhere_pins_in_their_own_group_only(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    other = await alder.group("other", ana)
    mo = await _moderator(alder, sleep, good)
    ann = good.person("ann")
    mine = await alder.start(ana, sleep.actor.uri, "Mine", "Some words.")
    not_mine = await alder.start(ana, other.actor.uri, "Not mine", "Some words.")
    await settle(alder)
    lemmy.peer.inbox.clear()
    for actor, root, target in (
        (ann, mine, f"{sleep.actor.uri}/featured"),  # nobody's moderator
        (mo, not_mine, f"{other.actor.uri}/featured"),  # of another group
        (mo, not_mine, f"{sleep.actor.uri}/featured"),  # a post of B into A's list
        (mo, mine, f"{other.actor.uri}/featured"),
        (mo, mine, f"{sleep.actor.uri}/featured/"),
    ):
        for kind in ("Add", "Remove"):
            document = good.activity(kind, actor, root.uri, target=target)
            assert await good.send(alder, document, actor) == 202
            await settle(alder)
            assert (await last_received(alder))[0] == "refused", (kind, target)
    assert await _pinned(alder, sleep.actor.uri) == await _pinned(alder, other.actor.uri) == []
    for root in (mine, not_mine):
        post = await alder.post(root.uri)
        assert post is not None
        assert post.shown
    assert lemmy.peer.inbox == []

    add = good.activity("Add", mo, mine.uri, target=f"{sleep.actor.uri}/featured")
    assert await good.send(alder, add, mo) == 202
    await settle(alder)
    assert await _pinned(alder, sleep.actor.uri) == ["Mine"]
    assert [each["object"] for each in lemmy.peer.got("Announce")] == [add]
    remove = good.activity("Remove", mo, mine.uri, target=f"{sleep.actor.uri}/featured")
    assert await good.send(alder, remove, mo) == 202
    await settle(alder)
    assert await _pinned(alder, sleep.actor.uri) == []
    post = await alder.post(mine.uri)
    assert post is not None
    assert post.shown  # it left the list of pins, not the group
    async with alder.engine.connect() as conn:
        verbs = await conn.scalars(sa.select(audit.c.verb).order_by(audit.c.id))
    assert list(verbs) == ["pin", "unpin"]  # SEC-S23: each decision has a line


async def test_wire_G32_a_followed_group_pins_its_own_threads(
    alder: Node, club: Club, good: Peer
) -> None:
    club.peer.shown.pop(club.group.uri.removeprefix(club.peer.origin))
    club.group.extra["featured"] = f"{club.group.uri}/featured"
    club.peer.show(club.group.document())
    alder.clock.forward(hours=25)
    await alder.meet(club.group.uri)
    note = await club.thread(alder, good, good.person("ann"), "hello")
    mo, mallory = club.peer.person("mo"), good.person("mallory")
    target = f"{club.group.uri}/featured"
    await club.announce(alder, good.activity("Add", mallory, note["id"], target=target))
    assert await _pinned(alder, club.group.uri) == []
    await club.announce(alder, club.peer.activity("Add", mo, note["id"], target=target))
    assert await _pinned(alder, club.group.uri) == ["hello"]
    await club.announce(alder, club.peer.activity("Remove", mo, note["id"], target=target))
    assert await _pinned(alder, club.group.uri) == []
    post = await alder.post(note["id"])
    assert post is not None
    assert post.shown


async def test_wire_A8_G32_a_groups_welcome_is_its_own_pinned_note(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    post = await _say(alder, ana, sleep, "Hello. In a crisis call **somebody**.")
    assert post is not None
    assert post.author_uri == sleep.actor.uri
    (item,) = await _featured(alder)
    assert item["attributedTo"] == sleep.actor.uri
    assert item["tag"] == []

    create, add = mastodon.peer.inbox
    assert (create["type"], create["actor"]) == ("Create", sleep.actor.uri)
    assert create["object"]["attributedTo"] == sleep.actor.uri
    assert (add["type"], add["actor"]) == ("Add", sleep.actor.uri)
    assert (add["object"], add["target"]) == (post.uri, f"{sleep.actor.uri}/featured")
    wrapped = [each["object"]["type"] for each in lemmy.peer.inbox]
    assert wrapped == ["Create", "Add"]
    for document in (*mastodon.peer.inbox, *lemmy.peer.inbox):
        strict.check(document)
        assert strict.unmapped(document) == set()
    raw = b"".join((*mastodon.peer.raw, *lemmy.peer.raw))
    assert b"ana" not in raw  # WIRE-T15: nobody is named who wrote it

    mastodon.peer.inbox.clear()
    alder.clock.forward(minutes=2)
    assert await _say(alder, ana, sleep, "Hello again.") is not None
    assert await _say(alder, ana, sleep, "Hello again.") is not None  # nothing new
    assert await _say(alder, ana, sleep, "") is None
    assert [each["type"] for each in mastodon.peer.inbox] == ["Update", "Delete"]
    assert await _featured(alder) == []
    assert await alder.mentions("Hello again") == []


async def test_wire_A8_a_welcome_is_answered_like_any_thread_and_removed_in_the_settings_alone(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    post = await _say(alder, ana, sleep, "Hello.")
    assert post is not None
    note = lemmy.peer.note(lemmy.person, "thank you", inReplyTo=post.uri)
    await said(alder, lemmy.peer, lemmy.person, note)
    page = await alder.thread(post.uri)
    assert len(page.posts) == 2
    reply = await alder.reply(ana, post.uri, "Welcome from me, too.")
    assert reply.shown
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        with pytest.raises(NotAllowed):
            await desk.remove(conn, alder.here, sleep, actor, post, "a reason")


async def test_wire_A8_a_groups_welcome_arrives_on_other_nodes(
    alder: Node, ana: Speaker, sleep: Group, club: Club
) -> None:
    """A group that one of ours follows says something itself."""
    note = club.peer.note(club.group, "welcome all", to=[PUBLIC], name="Welcome")
    await club.announce(alder, club.peer.create(club.group, note))
    post = await alder.post(note["id"])
    assert post is not None
    assert post.by_group
    assert post.shown
    mo = club.peer.person("mo")
    await club.announce(alder, club.peer.activity("Delete", mo, note["id"], summary="old"))
    removed = await alder.post(note["id"])
    assert removed is not None
    assert not removed.shown
