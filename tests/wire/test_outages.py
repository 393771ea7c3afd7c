"""A peer that has a bad day loses nothing and nobody (WIRE 6.2, T11)."""

from activitypub.client import FETCHES_PER_ORIGIN
from activitypub.deliver import backoff
from activitypub.state import REMOTE
from groups.groups import Group
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import Peer
from tests.wire.world import Follower, followers, post, waiting


async def _start(alder: Node, ana: Speaker, group: Group) -> str:
    root = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    await settle(alder)
    return root.uri


async def test_wire_T11_an_inbox_that_is_not_there_while_its_actor_lives_loses_no_follower(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    for status in (404, 410):
        mastodon.peer.answers = [status]
        await _start(alder, ana, sleep)
        assert await waiting(alder, "mastodon.test") == 0  # this one is lost, no more
        assert mastodon.person.uri in await followers(alder, sleep.actor.uri)

    then = await _start(alder, ana, sleep)
    assert [each["object"] for each in mastodon.peer.inbox] == [then]


async def test_wire_Q10_who_is_gone_follows_no_more_and_their_neighbours_stay(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    eve = mastodon.peer.person("eve")
    await mastodon.peer.follow(alder, eve, sleep.actor.uri)
    await settle(alder)
    mastodon.peer.shown["/u/mas"] = 410
    mastodon.peer.answers = [410]
    await _start(alder, ana, sleep)
    assert await followers(alder, sleep.actor.uri) == {ana.actor.uri, eve.uri}


async def test_wire_Q10_an_inbox_that_moved_is_found_and_used(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    moved = {"endpoints": {"sharedInbox": f"{mastodon.peer.origin}/new-inbox"}}
    mastodon.peer.show({**mastodon.person.document(), **moved})
    mastodon.peer.answers = [308]
    first = await _start(alder, ana, sleep)
    assert [each["object"] for each in mastodon.peer.inbox] == [first]
    actor = await alder.meet(mastodon.person.uri)
    assert actor.delivery_inbox == f"{mastodon.peer.origin}/new-inbox"


async def test_wire_T11_nodeinfo_that_breaks_for_days_takes_nothing_away(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    lemmy.peer.nodeinfo_status = 500
    for _ in range(5):
        alder.clock.forward(days=1)
        lemmy.peer.inbox.clear()
        await _start(alder, ana, sleep)
        assert len(lemmy.peer.inbox) == 2  # plain, and still wrapped


async def test_wire_T11_a_429_is_obeyed_to_the_second(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    mastodon.peer.answers, mastodon.peer.headers = [429, 429], {"Retry-After": "7200"}
    await _start(alder, ana, sleep)
    assert len(mastodon.peer.answers) == 1
    alder.clock.forward(seconds=7199)
    await settle(alder)
    assert len(mastodon.peer.answers) == 1
    alder.clock.forward(seconds=1)
    await settle(alder)
    assert mastodon.peer.answers == []
    alder.clock.forward(seconds=7200)
    await settle(alder)
    assert len(mastodon.peer.inbox) == 1


def test_wire_Q10_the_pause_grows_to_twelve_hours_and_never_under_what_was_asked() -> None:
    pauses = [backoff(failures, None).total_seconds() / 60 for failures in (0, 1, 5, 100)]
    for pause, expected in zip(pauses, (1, 2, 32, 720), strict=True):
        assert 0.8 * expected <= pause < 1.2 * expected
    assert all(backoff(0, 3600).total_seconds() >= 3600 for _ in range(50))
    assert backoff(0, 10**6).total_seconds() == 12 * 3600


async def test_wire_T11_the_first_signed_request_brings_a_peer_back(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    mastodon.peer.answers = [503] * 9
    root = await _start(alder, ana, sleep)
    for _ in range(9):
        alder.clock.forward(hours=15)
        await settle(alder)
    assert mastodon.peer.answers == []
    alder.clock.forward(minutes=1)
    await settle(alder)
    mastodon.peer.inbox.clear()
    mastodon.peer.answers = [503] * 9
    await _start(alder, ana, sleep)
    assert len(mastodon.peer.answers) == 8
    mastodon.peer.answers = []
    like = mastodon.peer.activity("Like", mastodon.person, root)
    await mastodon.peer.send(alder, like, mastodon.person)
    await settle(alder)
    assert len(mastodon.peer.inbox) == 1


async def test_wire_T11_our_own_429_says_when_and_hurts_only_whom_nobody_knows(
    alder: Node, sleep: Group, good: Peer
) -> None:
    known, new = good.person("known"), good.person("new")
    like = good.activity("Like", known, f"{alder.origin}/p/1")
    assert await good.send(alder, like, known) == 202
    budget = alder.app[REMOTE].budget
    for _ in range(FETCHES_PER_ORIGIN - 1):
        budget.spend(good.origin)

    body = b'{"id":"%s/1","type":"Like","actor":"%s","object":"%s/p/1"}'
    like_bytes = body % (good.origin.encode(), new.uri.encode(), alder.origin.encode())
    refused = await post(alder, like_bytes, new)
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    again = good.activity("Like", known, f"{alder.origin}/p/1")
    assert await good.send(alder, again, known) == 202

    alder.clock.forward(seconds=int(refused.headers["Retry-After"]))
    assert (await post(alder, like_bytes, new)).status == 202
