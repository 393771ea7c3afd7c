"""Many peers are served at once: each in order, none by two, and each slows only itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from activitypub import queue as queue_module
from activitypub import refusals
from activitypub.deliver import Deliverer
from activitypub.queue import LEASE, Outcome, Queue, Setback
from activitypub.refusals import Refusal
from activitypub.state import CLIENT, DELIVERER, REMOTE
from groups.groups import Group
from kernel.schema.tables import deliveries, domain_blocks, peers
from moderation import blocklist
from moderation.standing import Speaker
from tests.nodes import Node, block, settle
from tests.peer import Peer, PeerFactory
from tests.wire.world import Follower, waiting

PATIENCE = 20  # seconds until a test says that nothing comes any more


async def _thread(alder: Node, ana: Speaker, group: Group, replies: int) -> list[str]:
    """A thread's root and answers, all waiting to be sent."""
    root = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    said = [root.uri]
    for number in range(replies):
        said.append((await alder.reply(ana, root.uri, f"Answer {number}.")).uri)
    return said


def _told(peer: Peer) -> list[str]:
    """The posts inside the Creates that arrived, in order."""
    return [each["object"]["object"]["id"] for each in peer.got("Announce", "Create")]


async def _peer(node: Node, host: str) -> Any:
    async with node.engine.connect() as conn:
        return (await conn.execute(sa.select(peers).where(peers.c.host == host))).one()


@asynccontextmanager
async def _running(deliverer: Deliverer, *, sweep: float) -> AsyncIterator[asyncio.Event]:
    """The loop of a worker for peers that took the last delivery; what it gives wakes it."""
    stop, wake = asyncio.Event(), asyncio.Event()
    loop = asyncio.create_task(deliverer.run(stop, wake, failing=False, sweep=sweep))
    try:
        yield wake
    finally:
        stop.set()
        await loop


async def test_wire_Q4_a_slow_peer_slows_only_itself_and_everybody_is_told_in_order(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, peer: PeerFactory
) -> None:
    quick = []
    for number in range(8):
        made = await peer(f"quick{number}.test", alder, "lemmy")
        await made.follow(alder, made.person("fan"), sleep.actor.uri)
        quick.append(made)
    await settle(alder)
    for each in (lemmy.peer, *quick):
        each.inbox.clear()
    said = [await _thread(alder, ana, sleep, 3) for _ in range(2)]
    go_on, others_done = asyncio.Event(), asyncio.Event()
    lemmy.peer.at_post = go_on.wait  # type: ignore[assignment]

    async def count() -> None:
        if sum(len(each.inbox) for each in quick) == 8 * 10 - 1:  # this one is not counted yet
            others_done.set()

    for each in quick:
        each.at_post = count
    async with asyncio.timeout(PATIENCE):
        async with _running(alder.app[DELIVERER], sweep=60):
            await others_done.wait()
            assert lemmy.peer.inbox == []
            go_on.set()
    await settle(alder)  # the slow one's claim may have ended with its time
    for each in (lemmy.peer, *quick):
        arrived = _told(each)
        for thread in said:
            assert [uri for uri in arrived if uri in thread] == thread
        assert len(arrived) == 8
        ids = [activity["id"] for activity in each.inbox]
        assert len(ids) == len(set(ids)) == 10


@pytest.mark.parametrize("stalled_in", ["success", "failure"])
async def test_a_worker_that_stood_still_changes_nothing_once_another_took_over(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, stalled_in: str
) -> None:
    await _thread(alder, ana, sleep, 1)
    stalled, other = (Queue(alder.engine, alder.here) for _ in range(2))
    (old,) = await stalled.claim(10)
    alder.clock.forward(seconds=LEASE.total_seconds() + 1)
    (new,) = await other.claim(10)
    assert new.broken

    refused = Refusal(status=400, kind="Create", words="late")
    late = Outcome(old, parked={old.rows[-1].id: "late"}, refused=[refused])
    if stalled_in == "success":
        late.done = [row.id for row in old.rows[:-1]]
    else:
        late.setback = Setback(reason="late", pause=LEASE, pause_anew=LEASE)
    before = await _peer(alder, "lemmy.test")
    assert not await stalled.note(late)
    assert await stalled.one_alone(old) == []
    assert await _peer(alder, "lemmy.test") == before
    assert before.lease == new.lease
    assert await waiting(alder, "lemmy.test") == len(old.rows) == 3
    async with alder.engine.connect() as conn:
        assert await refusals.of(conn, "lemmy.test") == []
        assert set(await conn.scalars(sa.select(deliveries.c.attempts))) == {0}

    assert await other.note(Outcome(new, done=[row.id for row in new.rows]))
    assert await waiting(alder, "lemmy.test") == 0
    after = await _peer(alder, "lemmy.test")
    assert (after.lease, after.failures, after.refusal) == (None, 0, "")
    assert not await stalled.note(late)
    assert await _peer(alder, "lemmy.test") == after


async def test_a_whole_worker_that_stood_still_between_two_rows_sends_no_further(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await _thread(alder, ana, sleep, 2)
    stalled = Deliverer(alder.engine, alder.here, alder.app[CLIENT], alder.app[REMOTE])
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        reached.set()
        await go_on.wait()

    lemmy.peer.at_post = stand_still
    work = asyncio.create_task(stalled.deliver())
    await reached.wait()
    lemmy.peer.at_post = None
    alder.clock.forward(seconds=LEASE.total_seconds() + 1)
    await settle(alder)
    assert _told(lemmy.peer) == said
    monkeypatch.setattr("activitypub.deliver.CLAIM_SECONDS", 0)
    go_on.set()
    await work
    assert len(lemmy.peer.inbox) == 4 + 1  # what it had under way came a second time, no more
    assert (await _peer(alder, "lemmy.test")).failures == 0


async def test_wire_T11_a_peer_that_came_back_meanwhile_does_not_rest_long(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    await _thread(alder, ana, sleep, 0)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(peers).values(failures=7))
    queue = Queue(alder.engine, alder.here)
    assert await queue.claim(10, failing=False) == []
    (claim,) = await queue.claim(10, failing=True)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(peers).values(failures=0))  # it sent us something
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    await queue.note(Outcome(claim, setback=Setback(reason="503", pause=hour, pause_anew=minute)))
    found = await _peer(alder, "lemmy.test")
    assert (found.failures, found.next_attempt) == (1, alder.here.now() + minute)


async def test_sec_S20_nothing_is_sent_to_a_blocked_host_whatever_waits_for_it(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    await _thread(alder, ana, sleep, 0)
    async with alder.engine.begin() as conn:  # a row that a block did not see yet
        await conn.execute(domain_blocks.insert().values(domain="lemmy.test"))
    assert await alder.app[DELIVERER].deliver() == 1
    assert len(mastodon.peer.inbox) == 1
    assert lemmy.peer.inbox == []
    assert await waiting(alder, "lemmy.test") == 2


async def test_sec_S20_a_block_holds_for_rows_that_are_claimed_already(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocklist, "FRESH", 0)
    await _thread(alder, ana, sleep, 3)

    async def block_now() -> None:
        lemmy.peer.at_post = None
        async with alder.engine.begin() as conn:
            await block(conn, alder.here, "lemmy.test")

    lemmy.peer.at_post = block_now
    await alder.app[DELIVERER].deliver()
    assert len(lemmy.peer.inbox) == 1
    assert (await _peer(alder, "lemmy.test")).refusal == "blocked"


async def test_what_a_lost_notify_left_is_found_by_the_sweep(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    arrived = asyncio.Event()

    async def tell() -> None:
        arrived.set()

    mastodon.peer.at_post = tell
    async with asyncio.timeout(PATIENCE), _running(alder.app[DELIVERER], sweep=0.05):
        await _thread(alder, ana, sleep, 0)
        await arrived.wait()
    assert await waiting(alder, "mastodon.test") == 0


async def test_what_comes_for_a_peer_that_is_being_served_follows_at_once(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    said = asyncio.Event()

    async def say_more() -> None:
        mastodon.peer.at_post = tell
        await _thread(alder, ana, sleep, 0)
        wake.set()
        await asyncio.sleep(0)  # the worker hears of it while it still waits for this answer

    async def tell() -> None:
        said.set()

    mastodon.peer.at_post = say_more
    await _thread(alder, ana, sleep, 0)
    async with asyncio.timeout(PATIENCE), _running(alder.app[DELIVERER], sweep=3600) as wake:
        await said.wait()
    assert len(mastodon.peer.inbox) == 2


async def test_a_worker_that_is_told_to_stop_begins_no_further_row(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    await _thread(alder, ana, sleep, 3)
    stop = asyncio.Event()

    async def end() -> None:
        stop.set()

    lemmy.peer.at_post = end
    async with asyncio.timeout(PATIENCE):
        await alder.app[DELIVERER].run(stop, asyncio.Event(), failing=False, sweep=60)
    assert len(lemmy.peer.inbox) == 1
    assert await waiting(alder, "lemmy.test") == 4
    assert (await _peer(alder, "lemmy.test")).lease is None


async def test_a_note_that_fails_is_written_later_and_holds_no_other_up(
    alder: Node,
    ana: Speaker,
    sleep: Group,
    lemmy: Follower,
    mastodon: Follower,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write, refused = Queue._write, list[set[str]]()

    async def break_twice(self: Queue, outcomes: Sequence[Outcome]) -> set[tuple[str, UUID]]:
        hosts = {outcome.claim.host for outcome in outcomes}
        if "lemmy.test" in hosts and len(refused) < 2:
            refused.append(hosts)
            raise OSError("the database is away")
        return await write(self, outcomes)

    monkeypatch.setattr(Queue, "_write", break_twice)
    monkeypatch.setattr(queue_module, "AGAIN", 0)
    await _thread(alder, ana, sleep, 0)
    assert await alder.app[DELIVERER].deliver() == 2
    assert refused == [{"lemmy.test", "mastodon.test"}, {"lemmy.test"}]
    assert await waiting(alder, "lemmy.test") == await waiting(alder, "mastodon.test") == 0
    await settle(alder)
    assert len(mastodon.peer.inbox) == 1
    assert len(lemmy.peer.inbox) == 2


async def test_wire_Q10_what_a_peer_says_of_a_post_it_refuses_is_not_kept(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    lemmy.peer.answers = [400] * 10
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    assert await waiting(alder, "lemmy.test") == 0
    assert (await _peer(alder, "lemmy.test")).refusal == "400"
