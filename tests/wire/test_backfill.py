"""What was missed is read from where it lives, and told to nobody (WIRE-G44 to WIRE-G46)."""

from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from activitypub import digests
from activitypub.state import REMOTE
from groups import groups as group_store
from groups import threads
from groups.groups import Group, GroupSettings
from inbox import backfill, listing, refreshes
from inbox.refreshes import REST
from kernel.errors import NotFound
from kernel.schema.groups import Posts, Premoderation
from kernel.schema.posts import PostState
from kernel.schema.tables import refreshes as refresh_table
from moderation.standing import Speaker
from tests.nodes import Node, block, settle
from tests.peer import PUBLIC, Document, Peer, Person
from tests.wire.world import Club, Follower, said


async def ask(node: Node, uri: str) -> None:
    """Have the thread of a post read now, whenever it was read before."""
    post = await node.post(uri)
    assert post is not None
    node.clock.forward(seconds=REST.total_seconds() + 60)
    async with node.engine.begin() as conn:
        await refreshes.ask(conn, node.here, post.thread_id)
    await settle(node)


async def shown(node: Node, uri: str) -> list[str]:
    """The ids of a thread's shown posts, in order."""
    post = await node.post(uri)
    assert post is not None, f"{node.name} does not know {uri}"
    async with node.engine.connect() as conn:
        found = await threads.shown_uris(conn, post.thread_id, limit=1_000)
    return [uri for _, uri in found]


def in_club(club: Club, at: Peer, author: Person, words: str, **extra: object) -> Document:
    """A post in the club's thread 1, that nobody has sent anywhere."""
    return at.note(
        author,
        words,
        to=[PUBLIC, club.group.uri],
        audience=club.group.uri,
        context=f"{club.peer.origin}/t/1",
        **extra,
    )


@pytest.fixture
async def root(alder: Node, club: Club, good: Peer) -> Document:
    """The first post of a thread in the club, known at alder."""
    note = in_club(club, good, good.person("ann"), "root", name="Root")
    await club.announce(alder, good.create(good.person("ann"), note))
    return note


async def test_wire_G44_the_groups_list_of_a_thread_brings_what_was_missed(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    bob = good.person("bob")
    first = in_club(club, good, bob, "first", inReplyTo=root["id"])
    second = in_club(club, club.peer, club.peer.person("cy"), "second", inReplyTo=first["id"])
    club.peer.collection("/t/1", [root["id"], first["id"], second["id"]])
    await ask(alder, root["id"])
    assert await shown(alder, root["id"]) == [root["id"], first["id"], second["id"]]
    page = await alder.thread(root["id"])
    assert [post.parent_id for post in page.posts] == [None, page.posts[0].id, page.posts[1].id]
    assert page.root.thread_uri == f"{club.peer.origin}/t/1"


async def test_wire_G43_a_list_that_did_not_change_is_not_sent_again(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    club.peer.collection("/t/1", [root["id"]])
    club.peer.digests["/t/1"] = digests.of([root["id"]])
    club.peer.fetched.clear()
    good.fetched.clear()
    await ask(alder, root["id"])
    assert club.peer.fetched == ["/t/1"]
    assert club.peer.heard[-1]["If-None-Match"] == f'"{digests.of([root["id"]])}"'
    assert good.fetched == []


async def test_wire_G42_a_list_in_pages_is_read_to_its_end(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    bob = good.person("bob")
    answers = [in_club(club, good, bob, f"{n}", inReplyTo=root["id"]) for n in range(6)]
    ids = [root["id"], *(each["id"] for each in answers)]
    at = f"{club.peer.origin}/t/1"
    for number in range(3):
        part = ids[3 * number : 3 * number + 3]
        club.peer.collection(f"/t/1/{number}", part, next=f"{at}/{number + 1}")
    club.peer.collection("/t/1", [], totalItems=len(ids), first=f"{at}/0")
    club.peer.shown["/t/1/2"] = {**_page(club, "/t/1/2"), "next": f"{at}/0"}  # round in a circle
    await ask(alder, root["id"])
    assert await shown(alder, root["id"]) == ids


def _page(club: Club, path: str) -> Document:
    found = club.peer.shown[path]
    assert isinstance(found, dict)
    return found


async def test_wire_G45_answers_come_before_what_they_answer(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    """The order of a list does not matter, and a circle in it is left out."""
    bob = good.person("bob")
    first = in_club(club, good, bob, "first", inReplyTo=root["id"])
    second = in_club(club, good, bob, "second", inReplyTo=first["id"])
    third = in_club(club, good, bob, "third", inReplyTo=second["id"])
    a, b = in_club(club, good, bob, "a"), in_club(club, good, bob, "b")
    alone = in_club(club, good, bob, "alone")
    for one, other in ((a, b), (b, a), (alone, alone)):
        good.show({**one, "inReplyTo": other["id"]})
    listed = [alone, a, third, b, second, first]
    club.peer.collection("/t/1", [root["id"], *(each["id"] for each in listed)])
    await ask(alder, root["id"])
    found = set(await shown(alder, root["id"]))
    assert found == {root["id"], first["id"], second["id"], third["id"]}
    page = await alder.thread(root["id"])
    by_id = {post.id: post.uri for post in page.posts}
    parents = {post.uri: by_id.get(post.parent_id or 0) for post in page.posts}
    assert parents[third["id"]] == second["id"]
    assert parents[second["id"]] == first["id"]


async def test_wire_G45_what_is_gone_keeps_its_place_and_may_come_after_all(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    bob = good.person("bob")
    lost = in_club(club, good, bob, "lost", inReplyTo=root["id"])
    leaf = in_club(club, good, bob, "leaf", inReplyTo=lost["id"])
    path = lost["id"].removeprefix(good.origin)
    good.shown[path] = 404
    club.peer.collection("/t/1", [root["id"], leaf["id"]])
    await ask(alder, root["id"])
    page = await alder.thread(root["id"])
    assert [(post.uri, post.state) for post in page.posts if post.uri == lost["id"]] == [
        (lost["id"], PostState.DELETED)
    ]
    assert {post.uri for post in page.posts if post.shown} == {root["id"], leaf["id"]}

    good.show(lost)
    await club.announce(alder, good.create(bob, lost))
    page = await alder.thread(root["id"])
    (back,) = [post for post in page.posts if post.uri == lost["id"]]
    assert back.shown
    assert back.author_uri == bob.uri
    assert "lost" in back.content
    (below,) = [post for post in page.posts if post.uri == leaf["id"]]
    assert below.parent_id == back.id


async def test_wire_Q3_what_was_taken_back_is_not_read_again(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    bob = good.person("bob")
    note = in_club(club, good, bob, "taken back", inReplyTo=root["id"])
    assert await good.send(alder, good.activity("Delete", bob, note["id"]), bob) == 202
    await settle(alder)
    club.peer.collection("/t/1", [root["id"], note["id"]])
    good.fetched.clear()
    await ask(alder, root["id"])
    assert good.fetched == []
    assert await alder.post(note["id"]) is None


async def test_what_the_group_lists_no_more_is_let_go(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    """Its author deleted it, or moderators took it out, while nobody could tell us."""
    bob = good.person("bob")
    deleted, removed = (
        in_club(club, good, bob, words, inReplyTo=root["id"]) for words in ("deleted", "removed")
    )
    for note in (deleted, removed):
        await club.announce(alder, good.create(bob, note))
    mine = await alder.reply(club.member, root["id"], "The group has not come to this yet.")
    good.shown[deleted["id"].removeprefix(good.origin)] = 410
    club.peer.collection("/t/1", [root["id"]], totalItems=7)
    await ask(alder, root["id"])
    assert len(await shown(alder, root["id"])) == 4  # a list that says it is longer proves nothing

    club.peer.collection("/t/1", [root["id"]])
    await ask(alder, root["id"])
    assert await shown(alder, root["id"]) == [root["id"], mine.uri]
    for note, state in ((deleted, PostState.DELETED), (removed, PostState.REMOVED)):
        post = await alder.post(note["id"])
        assert post is not None
        assert post.state is state
    assert await alder.mentions("<p>deleted</p>") == []


async def test_wire_G45_a_group_without_lists_has_the_answers_of_its_posts_servers(
    alder: Node, club: Club, good: Peer
) -> None:
    """Both have to say so: the list that it answers, and the answer where it belongs."""
    ann, bob = good.person("ann"), good.person("bob")
    to = [PUBLIC, club.group.uri]
    replies = f"{good.origin}/notes/replies"
    note = good.note(ann, "root", to=to, name="Root", replies=replies)
    answer = good.note(bob, "answer", to=to, inReplyTo=note["id"], replies=f"{replies}/2")
    deeper = good.note(bob, "deeper", to=to, inReplyTo=answer["id"])
    elsewhere = good.note(bob, "another group's", inReplyTo=note["id"])
    stranger = good.note(bob, "answers nothing", to=to)
    private = good.note(bob, "private", to=[club.group.uri], inReplyTo=note["id"])
    listed = [each["id"] for each in (answer, elsewhere, stranger, private)]
    good.collection("/notes/replies", listed)
    good.collection("/notes/replies/2", [deeper["id"]])
    await club.announce(alder, good.create(ann, note))
    await ask(alder, note["id"])
    assert await shown(alder, note["id"]) == [note["id"], answer["id"], deeper["id"]]


async def test_wire_G46_nobody_is_told_of_what_was_read(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    """Between a post of ours and an answer that comes there is one that nobody sent here."""
    ann, bob = good.person("ann"), good.person("bob")
    ours = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    lemmy.peer.inbox.clear()
    middle = good.note(ann, "middle", inReplyTo=ours.uri, replies=f"{good.origin}/notes/m")
    leaf = good.note(bob, "leaf", inReplyTo=middle["id"])
    beside = good.note(bob, "beside", inReplyTo=middle["id"])
    good.collection("/notes/m", [leaf["id"], beside["id"]])
    await said(alder, good, bob, leaf)
    assert await shown(alder, ours.uri) == [ours.uri, middle["id"], leaf["id"]]
    page = await alder.thread(ours.uri)
    assert page.posts[2].parent_id == page.posts[1].id
    alder.clock.forward(minutes=20)
    await settle(alder)
    assert set(await shown(alder, ours.uri)) == {ours.uri, middle["id"], leaf["id"], beside["id"]}
    told = [each["object"]["object"]["id"] for each in lemmy.peer.got("Announce", "Create")]
    assert told == [leaf["id"]]


@pytest.mark.parametrize("why", ["members only", "read first", "banned domain", "private"])
async def test_wire_G45_what_may_not_enter_a_group_is_not_brought_in(
    alder: Node, ana: Speaker, good: Peer, club: Club, why: str
) -> None:
    settings = {
        "members only": GroupSettings(posts=Posts.MEMBERS),
        "read first": GroupSettings(posts=Posts.ANYONE, premoderation=Premoderation.FIRST),
    }.get(why, GroupSettings(posts=Posts.ANYONE))
    group = await alder.group("careful", ana, settings=settings)
    ours = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    ann, bob = club.peer.person("ann"), good.person("bob")
    to = [bob.uri] if why == "private" else [PUBLIC]
    middle = club.peer.note(ann, "middle", inReplyTo=ours.uri, to=to)
    leaf = good.note(bob, "leaf", inReplyTo=middle["id"], to=[PUBLIC, group.actor.uri])
    await good.follow(alder, bob, group.actor.uri)
    if why == "banned domain":
        async with alder.engine.begin() as conn:
            await block(conn, alder.here, "club.test", "a reason")
    await said(alder, good, bob, leaf)
    alder.clock.forward(minutes=20)
    await settle(alder)
    assert await alder.post(middle["id"]) is None
    assert await alder.mentions("<p>middle</p>") == []


async def test_wire_G45_a_thread_that_begins_elsewhere_is_fetched_for_its_answer(
    alder: Node, sleep: Group, good: Peer
) -> None:
    """Its first post says that it is for the group, and never came."""
    ann, bob = good.person("ann"), good.person("bob")
    first = good.note(ann, "first", to=[PUBLIC, sleep.actor.uri])
    leaf = good.note(bob, "leaf", inReplyTo=first["id"], to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, bob, leaf)
    assert await alder.post(leaf["id"]) is None  # it is held: the first may be on its way
    alder.clock.forward(days=1)
    await settle(alder)
    for _ in range(8):
        alder.clock.forward(hours=2)
        await settle(alder)
    assert await shown(alder, first["id"]) == [first["id"], leaf["id"]]


async def test_sec_D5_one_reading_of_a_thread_has_its_numbers(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    """Forty posts at once; the rest follows after a pause, and then no more."""
    bob = good.person("bob")
    chain = [root, *(in_club(club, good, bob, f"{number}") for number in range(60))]
    for above, below in pairwise(chain):
        good.show({**below, "inReplyTo": above["id"]})
    club.peer.collection("/t/1", [each["id"] for each in chain])
    good.fetched.clear()
    await ask(alder, root["id"])
    assert len(good.fetched) <= backfill.MAX_POSTS + 1  # and who wrote them
    assert len(await shown(alder, root["id"])) == 1 + backfill.MAX_POSTS
    alder.clock.forward(minutes=20)
    await settle(alder)
    assert await shown(alder, root["id"]) == [each["id"] for each in chain]
    good.fetched.clear()
    alder.clock.forward(days=1)
    await settle(alder)
    assert good.fetched == []


async def test_sec_D6_a_list_without_end_is_left_after_twenty_pages(
    alder: Node, club: Club, root: Document
) -> None:
    at = f"{club.peer.origin}/t/1"
    for number in range(100):
        club.peer.collection(f"/t/1/{number}", [], next=f"{at}/{number + 1}")
    club.peer.collection("/t/1", [], first=f"{at}/0")
    club.peer.fetched.clear()
    await ask(alder, root["id"])
    assert len(club.peer.fetched) == 1 + listing.MAX_PAGES
    alder.clock.forward(days=1)
    await settle(alder)
    assert len(club.peer.fetched) == 1 + listing.MAX_PAGES  # it brought nothing: not once more
    assert await shown(alder, root["id"]) == [root["id"]]  # and proved nothing about what is here


async def test_sec_D6_a_post_whose_answers_are_said_to_be_everywhere_asks_twenty_of_them(
    alder: Node, sleep: Group, good: Peer
) -> None:
    hosts = [f"h{number}.test" for number in range(1_000)]
    for host in hosts:
        alder.names.ports[host] = alder.names.ports["good.test"]
    ann = good.person("ann")
    to = [PUBLIC, sleep.actor.uri]
    note = good.note(ann, "hello", to=to, replies=f"{good.origin}/notes/r")
    good.collection("/notes/r", [f"http://{host}/notes/1" for host in hosts])
    await said(alder, good, ann, note)
    alder.names.asked.clear()
    for _ in range(3):
        await ask(alder, note["id"])
    named = {name for name in alder.names.asked if name in hosts}
    assert len(named) == backfill.MAX_ANSWERS  # the same each time: nothing new came of them


async def test_sec_S2_a_list_is_its_own_servers_and_proves_no_words(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    bob = good.person("bob")
    note = in_club(club, good, bob, "what Bob wrote", inReplyTo=root["id"])
    bent = {**note, "content": "<p>bent</p>"}
    stolen = {**note, "id": f"{club.peer.origin}/stolen"}
    club.peer.show(stolen)
    club.peer.collection("/t/1", [], orderedItems=[root["id"], bent, stolen], totalItems=3)
    await ask(alder, root["id"])
    assert await shown(alder, root["id"]) == [root["id"], note["id"]]
    assert await alder.mentions("bent") == []
    assert await alder.post(stolen["id"]) is None


async def test_a_server_that_is_away_is_asked_later_and_at_last_no_more(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    club.peer.shown["/t/1"] = 503
    club.peer.fetched.clear()
    await ask(alder, root["id"])
    assert club.peer.fetched == ["/t/1"]
    for _ in range(24):
        alder.clock.forward(hours=1)
        await settle(alder)
    assert len(club.peer.fetched) == refreshes.TRIES


async def test_a_reading_that_was_cut_off_is_taken_over(
    alder: Node, club: Club, root: Document
) -> None:
    post = await alder.post(root["id"])
    assert post is not None
    alder.clock.forward(hours=1)
    async with alder.engine.begin() as conn:
        await refreshes.ask(conn, alder.here, post.thread_id)
    claimed = await refreshes.claim(alder.engine, alder.here)
    assert claimed is not None
    assert await refreshes.claim(alder.engine, alder.here) is None
    alder.clock.forward(seconds=refreshes.CLAIM.total_seconds() + 1)
    again = await refreshes.claim(alder.engine, alder.here)
    assert again is not None
    await refreshes.finish(alder.engine, alder.here, claimed)  # too late: it is another's
    async with alder.engine.connect() as conn:
        due = await conn.scalar(sa.select(refresh_table.c.due))
    assert due == again.until


async def test_a_thread_is_read_once_in_a_while_whoever_asks(
    alder: Node, club: Club, root: Document
) -> None:
    club.peer.collection("/t/1", [root["id"]])
    await ask(alder, root["id"])
    post = await alder.post(root["id"])
    assert post is not None
    club.peer.fetched.clear()
    for minutes in (1, 5, 8):
        alder.clock.forward(minutes=minutes)
        async with alder.engine.begin() as conn:
            await refreshes.ask(conn, alder.here, post.thread_id)
        await settle(alder)
    assert club.peer.fetched == []
    alder.clock.forward(minutes=2)
    async with alder.engine.begin() as conn:
        await refreshes.ask(conn, alder.here, post.thread_id)
    await settle(alder)
    assert club.peer.fetched == ["/t/1"]


async def test_wire_G45_what_was_lost_soon_after_a_reading_is_read_when_its_rest_is_over(
    alder: Node, club: Club, good: Peer, root: Document
) -> None:
    bob = good.person("bob")
    club.peer.collection("/t/1", [root["id"]])
    await ask(alder, root["id"])
    lost = in_club(club, good, bob, "lost on its way", inReplyTo=root["id"])
    above = in_club(club, good, bob, "lost as well", inReplyTo=root["id"])
    came = in_club(club, good, bob, "what shows the gap", inReplyTo=above["id"])
    whole = [each["id"] for each in (root, lost, above, came)]
    club.peer.collection("/t/1", whole)
    await club.announce(alder, good.create(bob, came))
    club.peer.fetched.clear()
    alder.clock.forward(minutes=10)
    await settle(alder)
    assert club.peer.fetched == []
    assert await shown(alder, root["id"]) == [root["id"], above["id"], came["id"]]
    alder.clock.forward(minutes=6)
    await settle(alder)
    assert club.peer.fetched == ["/t/1"]
    assert set(await shown(alder, root["id"])) == set(whole)


async def test_sec_R14_when_a_thread_was_opened_stays_hidden() -> None:
    waits = {refreshes.some_time_soon() for _ in range(200)}
    assert min(waits) >= timedelta(minutes=1)
    assert max(waits) <= refreshes.SOON
    assert len(waits) > 2


async def test_a_blocked_groups_threads_are_not_read(
    alder: Node, club: Club, root: Document
) -> None:
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "club.test", "a reason")
    club.peer.fetched.clear()
    await ask(alder, root["id"])
    assert club.peer.fetched == []
    post = await alder.post(root["id"])
    assert post is not None
    with pytest.raises(NotFound):
        await backfill.refresh(alder.engine, alder.here, alder.app[REMOTE], post.thread_id)


async def test_a_post_that_the_caller_knows_to_be_the_groups_is_brought(
    alder: Node, club: Club, good: Peer
) -> None:
    """What a group's outbox lists, for one: it comes with all that it hangs on."""
    bob = good.person("bob")
    first = in_club(club, good, bob, "first", name="First")
    second = in_club(club, good, bob, "second", inReplyTo=first["id"])
    actor = await alder.meet(club.group.uri)
    async with alder.engine.connect() as conn:
        group = await group_store.get(conn, actor.id)
    context = f"{club.peer.origin}/t/1"
    remote = alder.app[REMOTE].for_activity()
    kept = await backfill.bring(alder.engine, alder.here, remote, group, second["id"], context)
    assert kept.uri == second["id"]
    assert await shown(alder, first["id"]) == [first["id"], second["id"]]
    assert kept.thread_uri == context
