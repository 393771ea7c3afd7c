"""What a followed group passes on, and how little of it is believed (WIRE 3.3, 3.7)."""

from itertools import pairwise

from groups.groups import Group
from kernel.schema.posts import ReactionKind
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer
from tests.wire.world import Club, last_received, reacted


async def test_wire_G14_only_a_group_that_is_followed_brings_threads(
    alder: Node, club: Club, good: Peer
) -> None:
    ann, bob = good.person("ann"), good.person("bob")
    stranger = club.peer.person("stranger", kind="Group", path="c")
    note = good.note(ann, "hello", to=[PUBLIC, club.group.uri])
    create = good.create(ann, note)
    announce = club.peer.activity("Announce", stranger, create)
    assert await club.peer.send(alder, announce, stranger) == 202
    assert await good.send(alder, good.activity("Announce", bob, create), bob) == 202
    await settle(alder)
    assert await alder.post(note["id"]) is None

    await club.announce(alder, create)
    post = await alder.post(note["id"])
    assert post is not None
    assert post.author_uri == ann.uri


async def test_wire_G14_an_inner_activity_keeps_to_one_server(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    mallory = club.peer.person("mallory")
    note = good.note(ann, "hello", to=[PUBLIC, club.group.uri])
    create = good.create(ann, note)
    for forged in (
        {**create, "id": f"{club.peer.origin}/activities/1"},
        {**create, "actor": mallory.uri, "id": f"{club.peer.origin}/activities/2"},
        {**create, "actor": None},
    ):
        await club.announce(alder, forged)
        assert (await last_received(alder))[0] == "refused"
    assert await alder.post(note["id"]) is None


async def test_wire_G15_a_thread_comes_in_many_forms(alder: Node, club: Club, good: Peer) -> None:
    ann = good.person("ann")
    for form in ("note", "note id", "activity id", "twice", "list of one"):
        note = good.note(ann, "hello", to=[PUBLIC, club.group.uri])
        create = good.show(good.create(ann, note))
        inner = {
            "note": {**note, "content": "<p>bent</p>"},
            "note id": note["id"],
            "activity id": create["id"],
            "twice": club.peer.activity("Announce", club.group, create),
            "list of one": [create],
        }[form]
        await club.announce(alder, inner)
        assert await last_received(alder) == ("done", ""), form
        await club.announce(alder, create)
        page = await alder.thread(note["id"], club.member.id)
        assert ["hello" in post.content for post in page.posts] == [True], form


async def test_wire_G15_three_announces_deep_is_read_by_nobody(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    inner: Document = good.create(ann, good.note(ann, "hello"))
    for _ in range(2):
        inner = club.peer.activity("Announce", club.group, inner)
    await club.announce(alder, inner)
    assert await last_received(alder) == ("refused", "Malformed")


async def test_wire_G15_a_known_post_costs_no_fetch(alder: Node, club: Club, good: Peer) -> None:
    note = await club.thread(alder, good, good.person("ann"), "hello")
    good.fetched.clear()
    await club.announce(alder, note["id"])
    assert (await last_received(alder))[0] == "done"
    assert good.fetched == []


async def test_wire_G15_G16_votes_come_in_batches_and_count_as_numbers(
    alder: Node, club: Club, good: Peer
) -> None:
    note = await club.thread(alder, good, good.person("ann"), "hello")
    fetched = len(good.fetched)
    voters = [f"{good.origin}/u/voter{number}" for number in range(3)]
    votes = [
        {"id": f"{uri}/like", "type": "Like", "actor": uri, "object": note["id"]} for uri in voters
    ]
    broken = [{"type": "Like"}, 7, {**votes[0], "id": "http://else.test/1"}]
    smuggled = {**votes[0], "type": "Delete", "id": f"{voters[0]}/delete"}
    await club.announce(alder, [*votes, *broken, smuggled])
    assert await reacted(alder, note["id"], ReactionKind.LIKE) == 3

    undo = {"id": f"{voters[0]}/undo", "type": "Undo", "actor": voters[0], "object": votes[0]}
    batch = {"type": "OrderedCollection", "orderedItems": [votes[1], undo]}
    await club.announce(alder, batch)
    assert await reacted(alder, note["id"], ReactionKind.LIKE) == 2
    assert len(good.fetched) == fetched  # votes can be proven nowhere: nobody is asked

    await club.announce(alder, [votes[0]] * 101)
    assert await last_received(alder) == ("refused", "Malformed")


async def test_wire_G16_a_group_votes_on_its_own_posts_only(
    alder: Node, ana: Speaker, sleep: Group, club: Club, good: Peer
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    ann = good.person("ann")
    like = good.activity("Like", ann, root.uri)
    await club.announce(alder, like)
    assert await reacted(alder, root.uri, ReactionKind.LIKE) == 0

    assert await good.send(alder, like, ann) == 202
    await settle(alder)
    await club.announce(alder, good.activity("Undo", ann, like))
    assert await reacted(alder, root.uri, ReactionKind.LIKE) == 1


async def test_wire_Q3_a_vote_waits_a_little_for_its_post(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    note = good.note(ann, "hello", to=[PUBLIC, club.group.uri])
    await club.announce(alder, good.activity("Like", ann, note["id"]))
    await club.announce(alder, good.create(ann, note))
    alder.clock.forward(minutes=1)
    await settle(alder)
    assert await reacted(alder, note["id"], ReactionKind.LIKE) == 1


async def test_wire_G17_a_delete_counts_once_the_posts_own_server_says_so(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    note = await club.thread(alder, good, ann, "hello")
    other = good.note(ann, "not here yet", to=[PUBLIC, club.group.uri])
    for uri in (note["id"], other["id"]):
        await club.announce(alder, good.activity("Delete", ann, uri))
    await club.announce(alder, good.create(ann, other))
    for uri in (note["id"], other["id"]):
        post = await alder.post(uri)
        assert post is not None, "a group's word buried it"
        assert post.shown

    path = note["id"].removeprefix(good.origin)
    good.show({"@context": note["@context"], "id": note["id"], "type": "Tombstone"})
    assert good.shown[path] != note
    await club.announce(alder, good.activity("Delete", ann, note["id"]))
    assert await alder.mentions("<p>hello</p>") == []


async def test_wire_G17_an_edit_brings_what_the_posts_own_server_shows(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    note = await club.thread(alder, good, ann, "hello")
    bent = {**note, "content": "<p>bent</p>", "updated": "2026-01-03T00:00:00Z"}
    good.show({**note, "content": "<p>better</p>", "updated": "2026-01-03T00:00:00Z"})
    await club.announce(alder, good.activity("Update", ann, bent))
    post = await alder.post(note["id"])
    assert post is not None
    assert "better" in post.content


async def test_wire_G17_a_moderators_removal_counts_in_their_own_group(
    alder: Node, ana: Speaker, sleep: Group, club: Club, good: Peer
) -> None:
    note = await club.thread(alder, good, good.person("ann"), "hello")
    ours = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    mo = good.person("mo")

    async def shown_after_removal(listed: list[str]) -> list[bool]:
        moderators = {
            "@context": note["@context"],
            "id": f"{club.group.uri}/moderators",
            "type": "OrderedCollection",
            "orderedItems": listed,
        }
        club.peer.show(moderators)
        for uri in (note["id"], ours.uri):
            await club.announce(alder, good.activity("Delete", mo, uri, summary=""))
        posts = [await alder.post(uri) for uri in (note["id"], ours.uri)]
        return [post is not None and post.shown for post in posts]

    assert await shown_after_removal([]) == [True, True]
    assert await shown_after_removal([mo.uri]) == [False, True]


async def test_wire_G17_a_group_answers_for_its_own_servers_decisions(
    alder: Node, club: Club, good: Peer
) -> None:
    """Lemmy's administrators are in no list of moderators (WIRE 4.9, rule 2)."""
    note = await club.thread(alder, good, good.person("ann"), "hello")
    admin = club.peer.person("admin")
    await club.announce(alder, club.peer.activity("Lock", admin, note["id"]))
    page = await alder.thread(note["id"], club.member.id)
    assert page.root.locked
    lock = club.peer.activity("Lock", admin, note["id"])
    await club.announce(alder, club.peer.activity("Undo", admin, lock))
    page = await alder.thread(note["id"], club.member.id)
    assert not page.root.locked
    removal = club.peer.activity("Delete", admin, note["id"], summary="a reason")
    await club.announce(alder, removal)
    post = await alder.post(note["id"])
    assert post is not None
    assert not post.shown


async def test_sec_S25_an_actor_is_gone_only_when_it_says_so_itself(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    note = await club.thread(alder, good, ann, "hello")
    await club.announce(alder, good.activity("Delete", ann, ann.uri))
    await club.announce(alder, good.activity("Delete", ann, ann.uri, summary="a reason"))
    post = await alder.post(note["id"])
    assert post is not None
    assert post.shown
    other = good.note(ann, "still here", to=[PUBLIC, club.group.uri])
    await club.announce(alder, good.create(ann, other))
    assert await alder.post(other["id"]) is not None  # the group is not gone either


async def test_wire_G18_a_boost_by_a_group_we_do_not_follow_counts_for_our_posts_only(
    alder: Node, ana: Speaker, sleep: Group, club: Club, good: Peer
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    stranger = club.peer.person("stranger", kind="Group", path="c")
    theirs = good.note(good.person("ann"), "hello")
    for uri in (root.uri, theirs["id"]):
        await club.peer.send(alder, club.peer.activity("Announce", stranger, uri), stranger)
    await settle(alder)
    assert await reacted(alder, root.uri, ReactionKind.SHARE) == 1
    assert await alder.post(theirs["id"]) is None


async def test_wire_G41_a_mirrored_thread_keeps_the_name_its_group_gave_it(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    named = f"{club.peer.origin}/t/1"
    for context, kept in ((named, True), (named, False), (f"{good.origin}/t/2", False)):
        note = good.note(ann, "hello", to=[PUBLIC, club.group.uri], context=context)
        await club.announce(alder, good.create(ann, note))
        post = await alder.post(note["id"])
        assert post is not None
        assert (post.thread_uri == context) is kept  # taken once, and from its own server
    reply = await alder.reply(club.member, note["id"], "Welcome.")
    await settle(alder)
    create = club.peer.got("Create")[0]
    assert create["object"]["context"] == reply.thread_uri


async def test_wire_G45_missing_ancestors_are_read_and_a_circle_is_left(
    alder: Node, club: Club, good: Peer
) -> None:
    """WIRE-in-4."""
    ann = good.person("ann")
    root = good.note(ann, "root", to=[PUBLIC, club.group.uri])
    middle = good.note(ann, "middle", inReplyTo=root["id"])
    leaf = good.note(ann, "leaf", inReplyTo=middle["id"])
    await club.announce(alder, good.create(ann, leaf))
    page = await alder.thread(leaf["id"], club.member.id)
    assert [post.uri for post in page.posts] == [root["id"], middle["id"], leaf["id"]]

    a, b = good.note(ann, "a"), good.note(ann, "b")
    good.show({**a, "inReplyTo": b["id"]})
    good.show({**b, "inReplyTo": a["id"]})
    good.fetched.clear()
    await club.announce(alder, good.create(ann, good.note(ann, "c", inReplyTo=a["id"])))
    assert await last_received(alder) == ("refused", "NotAllowed")
    assert len(good.fetched) <= 3
    assert await alder.post(a["id"]) is None


async def test_wire_G45_an_endless_chain_is_given_up_for_good(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    notes = [good.note(ann, f"note {number}") for number in range(60)]
    for note, parent in pairwise(notes):
        good.show({**note, "inReplyTo": parent["id"]})
    good.fetched.clear()
    await club.announce(alder, good.create(ann, notes[0]))
    assert (await last_received(alder))[0] == "refused"
    alder.clock.forward(hours=2)
    await settle(alder)
    assert len(good.fetched) <= 41  # the posts within one activity's budget, and their author
