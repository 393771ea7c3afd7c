"""Following a group and leaving it (WIRE 3.1)."""

from groups import groups as group_store
from groups import membership
from groups.groups import Group, GroupSettings
from kernel.schema.groups import Joining
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import Peer
from tests.wire.world import Club, followers


async def test_wire_G1_every_follow_is_answered_with_the_follow_inside(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    follow = await good.follow(alder, ann, sleep.actor.uri)
    await settle(alder)

    (accept,) = good.got("Accept")
    assert accept["actor"] == sleep.actor.uri
    assert accept["to"] == [ann.uri]
    assert accept["object"] == {
        "id": follow["id"],
        "type": "Follow",
        "actor": ann.uri,
        "object": sleep.actor.uri,
    }

    alder.clock.forward(minutes=1)
    assert await good.send(alder, follow, ann) == 202  # its server lost the answer
    another = await good.follow(alder, ann, sleep.actor.uri)
    await settle(alder)
    assert [each["object"]["id"] for each in good.got("Accept")] == [
        follow["id"],
        follow["id"],
        another["id"],
    ]
    assert await followers(alder, sleep.actor.uri) >= {ann.uri}


async def test_wire_S13_a_follow_that_is_replayed_brings_nobody_back(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    follow = good.activity("Follow", ann, sleep.actor.uri)
    date = alder.clock()
    assert await good.send(alder, follow, ann, date=date) == 202
    await settle(alder)
    await good.send(alder, good.activity("Undo", ann, follow), ann)
    await settle(alder)

    assert await good.send(alder, follow, ann, date=date) == 202
    await settle(alder)
    assert ann.uri not in await followers(alder, sleep.actor.uri)


async def test_wire_G2_a_group_that_asks_first_is_silent_until_a_moderator_says(
    alder: Node, ana: Speaker, good: Peer
) -> None:
    group = await alder.group("quiet", ana, settings=GroupSettings(joining=Joining.APPROVAL))
    closed = await alder.group("closed", ana, settings=GroupSettings(joining=Joining.INVITATION))
    ann = good.person("ann")
    follow = await good.follow(alder, ann, group.actor.uri)
    asked = await good.follow(alder, ann, closed.actor.uri)
    await settle(alder)
    assert good.got("Accept") == []
    assert [each["object"]["id"] for each in good.got("Reject")] == [asked["id"]]

    async with alder.engine.begin() as conn:
        follower = await alder.meet(ann.uri)
        await membership.admit(conn, alder.here, group, follower)
    await settle(alder)
    assert [each["object"]["id"] for each in good.got("Accept")] == [follow["id"]]


async def test_wire_G3_a_follower_leaves_by_the_follow_or_by_its_id(
    alder: Node, sleep: Group, good: Peer
) -> None:
    people = [good.person(name) for name in ("ann", "bob", "cat")]
    asked = [await good.follow(alder, each, sleep.actor.uri) for each in people]
    await settle(alder)
    assert await followers(alder, sleep.actor.uri) >= {each.uri for each in people}

    nameless = {name: value for name, value in asked[2].items() if name != "id"}
    for person, obj in zip(people, (asked[0], asked[1]["id"], nameless), strict=True):
        assert await good.send(alder, good.activity("Undo", person, obj), person) == 202
    await settle(alder)
    assert not await followers(alder, sleep.actor.uri) & {each.uri for each in people}


async def test_wire_G3_nobody_undoes_the_follow_of_another(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann, bob = good.person("ann"), good.person("bob")
    follow = await good.follow(alder, ann, sleep.actor.uri)
    await settle(alder)
    for obj in (follow, follow["id"], {**follow, "actor": bob.uri}):
        await good.send(alder, good.activity("Undo", bob, obj), bob)
    await settle(alder)
    assert ann.uri in await followers(alder, sleep.actor.uri)


async def test_wire_G3_a_reject_after_the_accept_ends_our_membership(
    alder: Node, club: Club
) -> None:
    assert await followers(alder, club.group.uri) == {club.member.actor.uri}
    answer = {
        "id": f"{alder.origin}/a/lost",
        "type": "Follow",
        "actor": club.member.actor.uri,
        "object": club.group.uri,
    }
    reject = club.peer.activity("Reject", club.group, answer)
    assert await club.peer.send(alder, reject, club.group) == 202
    await settle(alder)
    assert await followers(alder, club.group.uri) == set()


async def test_wire_G3_one_of_ours_leaves_with_the_follow_inside(alder: Node, club: Club) -> None:
    async with alder.engine.begin() as conn:
        actor = await alder.meet(club.group.uri)
        group = await group_store.get(conn, actor.id)
        await membership.leave(conn, alder.here, club.member, group)
    await settle(alder)
    (undo,) = club.peer.got("Undo")
    assert undo["actor"] == club.member.actor.uri
    assert set(undo["object"]) == {"id", "type", "actor", "object"}
    assert undo["object"]["type"] == "Follow"
    assert undo["object"]["object"] == club.group.uri


async def test_wire_G5_following_a_thread_is_taken_and_left(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    ann = good.person("ann")
    await good.follow(alder, ann, root.uri)
    await settle(alder)
    assert good.inbox == []
