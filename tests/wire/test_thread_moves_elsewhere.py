"""Threads of groups on other servers go where both groups say (FEP-f15d, WIRE-G36, SEC-S23)."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from groups import browsing, desk
from groups import groups as group_store
from groups.posts import Post
from kernel.errors import NotAllowed
from kernel.schema.posts import PostState
from moderation.standing import Speaker
from moderation.visibility import Viewer
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer, PeerFactory, Person
from tests.wire.world import Club, last_received

MEMBER = Viewer(signed_in=True)


@dataclass
class Story:
    """A thread by Ann in the club, which lies on its own server."""

    alder: Node
    club: Club
    ann: Person
    note: Document
    context: str
    log: list[str] = field(default_factory=list)

    async def root(self) -> Post:
        post = await self.alder.post(self.note["id"])
        assert post is not None
        return post

    async def group(self) -> str:
        async with self.alder.engine.connect() as conn:
            return (await group_store.get(conn, (await self.root()).group_id)).actor.uri

    def move(self, who: Person, target: str, **extra: Any) -> Document:
        peer = self.club.peer
        document = peer.activity(
            "Move", who, self.context, origin=self.club.group.uri, target=target
        )
        origin = who.uri.split("/u/")[0].split("/c/")[0]
        return {**document, "id": f"{origin}/activities/{len(self.log)}-{target}", **extra}

    async def announced(self, by: Club, document: Document) -> str:
        self.log.append(document["id"])
        await by.announce(self.alder, document)
        return (await last_received(self.alder))[0]


@pytest.fixture
async def story(alder: Node, club: Club) -> Story:
    peer = club.peer
    ann = peer.person("ann")
    context = f"{peer.origin}/t/1"
    note = peer.note(
        ann, "Some words.", to=[PUBLIC, club.group.uri], name="A title", context=context
    )
    await club.announce(alder, peer.create(ann, note))
    made = Story(alder, club, ann, note, context)
    assert (await made.root()).thread_uri == context
    return made


async def _joined(alder: Node, peer: Peer, name: str, member: Speaker) -> Club:
    """Another group that one of ours belongs to."""
    group = peer.person(name, kind="Group", path="c")
    await alder.join(member, group.uri)
    await settle(alder)
    follow = [each for each in peer.got("Follow") if each["object"] == group.uri][-1]
    assert await peer.send(alder, peer.activity("Accept", group, follow), group) == 202
    await settle(alder)
    return Club(peer, group, member)


async def titles(alder: Node, uri: str) -> list[tuple[str, bool]]:
    group = await alder.meet(uri)
    async with alder.engine.connect() as conn:
        lines = await browsing.latest(conn, MEMBER, group_id=group.id)
    return [(line.title, line.moved) for line in lines]


async def test_wire_G36_a_thread_goes_to_another_group_of_its_server(
    alder: Node, story: Story
) -> None:
    other = await _joined(alder, story.club.peer, "other", story.club.member)
    mo = story.club.peer.person("mo")
    answer = await alder.reply(story.club.member, story.note["id"], "An answer.")
    await settle(alder)
    document = story.move(mo, other.group.uri, summary="nights")
    assert await story.announced(story.club, document) == "done"
    assert await story.group() == other.group.uri
    assert await titles(alder, story.club.group.uri) == []
    assert await titles(alder, other.group.uri) == [("A title", False)]
    root = await story.root()
    assert (root.moved_to, root.thread_uri, root.author_uri) == (
        None, story.context, story.ann.uri,
    )  # fmt: skip
    kept = await alder.post(answer.uri)
    assert kept is not None
    assert kept.group_id == root.group_id
    async with alder.engine.connect() as conn:
        old = await group_store.get(conn, (await alder.meet(story.club.group.uri)).id)
        (line,) = await desk.log(conn, old)
    assert (line.verb, line.object_uri, line.reason) == ("move", story.note["id"], "nights")
    later = story.club.peer.note(
        story.ann, "Later.", to=[PUBLIC, other.group.uri], inReplyTo=story.note["id"]
    )
    assert await story.announced(other, story.club.peer.create(story.ann, later)) == "done"
    assert len((await alder.thread(story.note["id"])).posts) == 3
    again = story.move(mo, other.group.uri)
    assert await story.announced(other, again) == "done"  # the other group says it, too
    assert await story.group() == other.group.uri


async def test_wire_G36_the_new_group_of_the_same_server_may_say_it_first(
    alder: Node, story: Story
) -> None:
    other = await _joined(alder, story.club.peer, "other", story.club.member)
    mo = story.club.peer.person("mo")
    document = story.move(mo, other.group.uri, object=story.note["id"])  # as PieFed names it
    assert await story.announced(other, document) == "done"
    assert await story.group() == other.group.uri


async def test_wire_G36_an_author_and_a_listed_moderator_may_have_it_moved(
    alder: Node, story: Story, good: Peer
) -> None:
    """PieFed lets authors; moderators may live anywhere (WIRE-G35)."""
    other = await _joined(alder, story.club.peer, "other", story.club.member)
    mo = good.person("mo")
    story.club.peer.collection("/c/club/moderators", [mo.uri])
    assert await story.announced(story.club, story.move(mo, other.group.uri)) == "done"
    assert await story.group() == other.group.uri


async def test_wire_G36_where_nobody_follows_the_new_group_the_thread_says_where_it_went(
    alder: Node, story: Story
) -> None:
    peer = story.club.peer
    other = peer.person("other", kind="Group", path="c")
    mo = peer.person("mo")
    assert await story.announced(story.club, story.move(mo, other.uri)) == "done"
    root = await story.root()
    assert root.moved_to == other.uri
    assert await story.group() == story.club.group.uri
    assert await titles(alder, story.club.group.uri) == [("A title", True)]
    with pytest.raises(NotAllowed, match="moved to another group"):
        await alder.reply(story.club.member, story.note["id"], "An answer.")
    # Somebody joins it, and it has something in the thread: then it is there.
    joined = await _joined(alder, peer, "other", story.club.member)
    later = peer.note(story.ann, "Later.", to=[PUBLIC, other.uri], inReplyTo=story.note["id"])
    assert await story.announced(joined, peer.create(story.ann, later)) == "done"
    assert await story.group() == other.uri
    assert (await story.root()).moved_to is None
    await alder.reply(story.club.member, story.note["id"], "An answer.")


async def test_wire_G36_between_servers_both_groups_have_to_say_so(
    alder: Node, story: Story, good: Peer
) -> None:
    far = await _joined(alder, good, "far", story.club.member)
    mo = story.club.peer.person("mo")
    document = story.move(mo, far.group.uri)
    assert await story.announced(story.club, document) == "done"
    assert (await story.root()).moved_to == far.group.uri
    assert await story.group() == story.club.group.uri
    assert await story.announced(far, {**document, "id": f"{document['id']}/2"}) == "done"
    assert await story.group() == far.group.uri


async def test_wire_G36_a_thread_comes_back(alder: Node, story: Story, good: Peer) -> None:
    far = good.person("far", kind="Group", path="c")
    mo = story.club.peer.person("mo")
    assert await story.announced(story.club, story.move(mo, far.uri)) == "done"
    back = story.move(mo, story.club.group.uri, origin=far.uri)
    assert await story.announced(story.club, back) == "done"
    assert (await story.root()).moved_to is None
    await alder.reply(story.club.member, story.note["id"], "An answer.")


async def test_sec_S23_no_group_puts_a_thread_into_anothers_list(
    alder: Node, story: Story, good: Peer
) -> None:
    """FEP-fe34: neither by itself, nor through a moderator of its own."""
    far = await _joined(alder, good, "far", story.club.member)
    mine = story.club.peer.person("mine", kind="Group", path="c")
    mo, stranger = good.person("mo"), good.person("stranger")
    good.collection("/c/far/moderators", [mo.uri, far.group.uri])
    far.group.extra["attributedTo"] = f"{good.origin}/c/far/moderators"
    good.show(far.group.document())
    for by, who, target in (
        (far, mo, far.group.uri),  # it takes what is not its own
        (far, far.group, far.group.uri),
        (far, story.ann, far.group.uri),
        (far, mo, mine.uri),  # it gives away what is not its own
        (story.club, stranger, mine.uri),  # nobody of the group's says so
        (story.club, mo, far.group.uri),
        (story.club, story.ann, f"{alder.origin}/g/nowhere"),
        (story.club, story.ann, stranger.uri),  # no group
        (story.club, story.ann, f"{good.origin}/c/nobody"),
    ):
        state = await story.announced(by, story.move(who, target))
        for _ in range(3):  # it is tried again, should the other one's word still come
            alder.clock.forward(hours=1)
            await settle(alder)
        state = (await last_received(alder))[0]
        assert state != "done", (by.group.uri, who.uri, target)
        assert await story.group() == story.club.group.uri
        assert (await story.root()).moved_to is None


async def test_sec_S23_no_group_elsewhere_moves_threads_of_ours_or_into_ours(
    alder: Node, ana: Speaker, sleep: Any, story: Story
) -> None:
    night = await alder.group("night", ana)
    ours = await alder.start(ana, sleep.actor.uri, "Ours", "Some words.")
    mo = story.club.peer.person("mo")
    into = story.move(mo, sleep.actor.uri)
    out = story.move(mo, story.club.group.uri, object=ours.uri, origin=sleep.actor.uri)
    between = story.move(mo, night.actor.uri, object=ours.thread_uri, origin=sleep.actor.uri)
    for document in (into, out, between):
        assert await story.announced(story.club, document) == "refused"
        peer = story.club.peer
        raw = {**document, "id": f"{document['id']}/raw"}
        assert await peer.send(alder, raw, mo) == 202
        await settle(alder)
        assert (await last_received(alder))[0] == "refused"
    kept = await alder.post(ours.uri)
    assert kept is not None
    assert kept.group_id == sleep.id
    assert await story.group() == story.club.group.uri


async def _told(alder: Node, peer: Peer, document: Document, who: Person) -> str:
    assert await peer.send(alder, document, who) == 202
    await settle(alder)
    return (await last_received(alder))[0]


async def test_wire_G36_nodebb_says_it_without_an_announce_and_its_thread_shows_it(
    alder: Node, story: Story, good: Peer
) -> None:
    """One server, whose own list of the thread names the new group (FEP-fe34)."""
    other = await _joined(alder, story.club.peer, "other", story.club.member)
    peer, mo = story.club.peer, story.club.peer.person("mo")
    document = story.move(mo, other.group.uri)
    assert await _told(alder, peer, document, mo) != "done"  # there is no such list
    peer.collection("/t/1", [story.note["id"]], audience=story.club.group.uri)
    assert await _told(alder, peer, {**document, "id": f"{document['id']}/2"}, mo) == "refused"
    eve = good.person("eve")
    peer.collection("/t/1", [story.note["id"]], audience=other.group.uri)
    theirs = {**document, "id": f"{good.origin}/a/1", "actor": eve.uri}
    assert await _told(alder, good, theirs, eve) == "refused"  # of another server
    assert await story.group() == story.club.group.uri
    assert await _told(alder, peer, {**document, "id": f"{document['id']}/3"}, mo) == "done"
    assert await story.group() == other.group.uri


async def test_an_actors_own_move_is_not_believed_from_a_group(alder: Node, story: Story) -> None:
    """SEC-S27."""
    moved = story.club.peer.activity("Move", story.ann, story.ann.uri, target=story.club.group.uri)
    assert await story.announced(story.club, moved) == "refused"


async def test_a_place_that_was_kept_is_filled_after_a_move(
    alder: Node, story: Story, peer: PeerFactory
) -> None:
    other = await _joined(alder, story.club.peer, "other", story.club.member)
    host, ann = story.club.peer, story.ann
    lost = host.note(ann, "Lost.", to=[PUBLIC, story.club.group.uri], inReplyTo=story.note["id"])
    path = lost["id"].removeprefix(host.origin)
    host.shown[path] = 404
    below = host.note(ann, "Below.", to=[PUBLIC, story.club.group.uri], inReplyTo=lost["id"])
    await story.club.announce(alder, host.create(ann, below), context=story.context)
    place = await alder.post(lost["id"])
    assert place is not None
    assert place.stands_in
    mo = host.person("mo")
    assert await story.announced(story.club, story.move(mo, other.group.uri)) == "done"
    host.shown[path] = lost
    await other.announce(alder, host.create(ann, lost))
    filled = await alder.post(lost["id"])
    assert filled is not None
    assert (filled.state, filled.author_uri) == (PostState.SHOWN, ann.uri)
