"""A group that follows groups elsewhere (WIRE-G4, WIRE-G37, WIRE-T12)."""

import pytest

from activitypub.actors import Actor
from groups import browsing, desk, following
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from kernel.errors import Malformed, NotAllowed
from kernel.schema.groups import Posts, Sees
from moderation.standing import Speaker
from moderation.visibility import VISITOR, Viewer
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Peer, Person
from tests.wire.world import Club, Follower, followers

MEMBER = Viewer(signed_in=True)


async def _follow(alder: Node, ana: Speaker, group: Group, other: Actor, *, end: bool) -> None:
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        act = following.unfollow if end else following.follow
        await act(conn, alder.here, group, actor, other)
    await settle(alder)


async def _lines(alder: Node, group: Group, viewer: Viewer = MEMBER) -> list[tuple[str, str]]:
    async with alder.engine.connect() as conn:
        lines = await browsing.latest(conn, viewer, group_id=group.id)
    return [(line.title, line.group_address) for line in lines]


async def _accepted(alder: Node, ana: Speaker, sleep: Group, host: Peer) -> Person:
    """A group at `host` that `sleep` follows."""
    other = host.person("other", kind="Group", path="c")
    await _follow(alder, ana, sleep, await alder.meet(other.uri), end=False)
    (follow,) = host.got("Follow")
    assert (follow["actor"], follow["object"]) == (sleep.actor.uri, other.uri)
    assert await host.send(alder, host.activity("Accept", other, follow), other) == 202
    await settle(alder)
    return other


async def test_wire_G37_a_followed_groups_threads_are_shown_and_passed_on_to_nobody(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower, good: Peer
) -> None:
    other = await _accepted(alder, ana, sleep, good)
    await alder.start(ana, sleep.actor.uri, "Ours", "Some words.")
    await settle(alder)
    for each in (lemmy, mastodon):
        each.peer.inbox.clear()
    club = Club(good, other, ana)
    ann = good.person("ann")
    for number in range(7):
        note = good.note(ann, "hello", to=[PUBLIC, other.uri], name=f"Theirs {number}")
        create = good.create(ann, note)
        await club.announce(alder, create)
        await club.announce(alder, create)
    lines = await _lines(alder, sleep)
    assert lines[0] == ("Ours", "sleep")
    assert len(lines) == 1 + browsing.FROM_FOLLOWED
    assert {address for _, address in lines[1:]} == {"other@good.test"}
    assert await _lines(alder, sleep, VISITOR) == [("Ours", "sleep")]
    assert lemmy.peer.inbox == mastodon.peer.inbox == []

    await _follow(alder, ana, sleep, await alder.meet(other.uri), end=True)
    (undo,) = good.got("Undo")
    assert undo["actor"] == sleep.actor.uri
    assert await _lines(alder, sleep) == [("Ours", "sleep")]


async def test_wire_G37_two_groups_that_follow_each_other_make_no_loop(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    other = await _accepted(alder, ana, sleep, good)
    await good.follow(alder, other, sleep.actor.uri)
    await settle(alder)
    root = await alder.start(ana, sleep.actor.uri, "Ours", "Some words.")
    await settle(alder)
    told = good.got("Announce", "Create")[-1]
    for each in (lemmy.peer, good):
        each.inbox.clear()
    club = Club(good, other, ana)
    await club.announce(alder, told["object"])  # they pass our own on to us
    await club.announce(alder, root.uri)
    await club.announce(alder, told)
    assert lemmy.peer.inbox == good.inbox == []
    assert await _lines(alder, sleep) == [("Ours", "sleep")]


async def test_wire_G37_T12_a_group_that_stays_here_follows_nobody(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    other = await _accepted(alder, ana, sleep, good)
    hidden = await alder.group("hidden", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    actor = await alder.meet(other.uri)
    good.inbox.clear()
    with pytest.raises(NotAllowed):
        await _follow(alder, ana, hidden, actor, end=False)
    for wrong in (sleep.actor, ana.actor, await alder.meet(good.person("ann").uri)):
        with pytest.raises(Malformed):
            await _follow(alder, ana, sleep, wrong, end=False)
    assert good.inbox == []
    async with alder.engine.begin() as conn:
        await group_store.update(
            conn,
            alder.here,
            sleep,
            name="Sleep",
            about="A group.",
            settings=GroupSettings(sees=Sees.NODE, posts=Posts.ANYONE),
        )
    await settle(alder)
    assert [each["type"] for each in good.inbox] == ["Undo"]
    assert await followers(alder, other.uri) == set()
