"""The outgoing queue: nothing is lost, nothing is skipped, repeats are bounded (WIRE 6.3, T10)."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.client import Answer, Client
from activitypub.deliver import Deliverer
from activitypub.state import CLIENT, DELIVERER, REMOTE
from groups import threads
from groups.admission import Draft
from groups.groups import Group
from groups.posts import Post
from kernel.schema.tables import actor_keys, deliveries, received
from moderation.standing import Speaker
from node import tidy
from tests.nodes import Node, NodeFactory, settle
from tests.peer import Peer
from tests.wire.world import Follower, waiting

DRAFT = Draft(title="A title", source="Some words.", guidelines=99)


class Killed(BaseException):
    """What is killed does not clean up, and nothing of ours catches this."""


@dataclass
class Process:
    """A sender that can be killed: from then on its database is out of its reach."""

    node: Node
    dies_at: str  # a word of the activity at which it does
    before_sending: bool = False
    dead: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def deliverer(self) -> Deliverer:
        return Deliverer(
            engine=cast(AsyncEngine, self),
            here=self.node.here,
            client=cast(Client, self),
            remote=self.node.app[REMOTE],
        )

    async def run(self) -> None:
        """Deliver until it is killed."""
        with pytest.raises(Killed):
            await self._deliver()

    async def _deliver(self) -> None:
        deliverer = self.deliverer()
        while await deliverer.deliver_one():
            pass

    def execution_options(self, **options: Any) -> "Process":
        self.options = options
        return self

    def begin(self) -> Any:
        self._check()
        return self.node.engine.begin()

    def connect(self) -> Any:
        self._check()
        return self.node.engine.execution_options(**self.options).connect()

    async def post(self, url: str, body: bytes, **rest: Any) -> Answer:
        self._check()
        fatal = self.dies_at.encode() in body
        self.dead = fatal and self.before_sending
        self._check()
        answer = await self.node.app[CLIENT].post(url, body, **rest)
        self.dead = fatal
        return answer

    def _check(self) -> None:
        if self.dead:
            raise Killed


def _objects(peer: Peer) -> list[str]:
    """The posts that arrived inside Creates, in order."""
    return [each["object"]["object"]["id"] for each in peer.got("Announce", "Create")]


async def test_wire_T10_two_transactions_that_commit_in_reverse_order_lose_nothing(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    async with alder.engine.connect() as first, alder.engine.connect() as second:
        early = await threads.start(first, alder.here, ana, sleep, DRAFT)
        late = await threads.start(second, alder.here, ana, sleep, DRAFT)
        await second.commit()
        await settle(alder)
        assert _objects(lemmy.peer) == [late.uri]
        await first.commit()
    await settle(alder)
    assert _objects(lemmy.peer) == [late.uri, early.uri]
    assert await waiting(alder, "lemmy.test") == 0


async def test_wire_T10_a_crash_between_post_and_delete_shows_nothing_twice(
    alder: Node, ana: Speaker, sleep: Group, node: NodeFactory
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await alder.reply(ana, root.uri, "And another thing.")

    await Process(alder, "And another thing.").run()
    await settle(alder, birch)
    assert await waiting(alder, "birch.test") == 3  # sent, but nobody could note it
    alder.clock.forward(seconds=61)  # the dead worker's lease ends
    await settle(alder, birch)
    assert await waiting(alder, "birch.test") == 0

    page = await birch.thread(root.uri, ben.id)
    assert len(page.posts) == 2
    async with birch.engine.connect() as conn:
        kept = await conn.scalar(sa.select(sa.func.count()).select_from(received))
    assert kept == 4  # the Accept, the plain Announce, and two wrapped ones: each once


async def test_wire_T10_what_kills_the_sender_is_parked_and_the_rest_goes_on(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    poison = await alder.start(ana, sleep.actor.uri, "A title", "Poison.")
    reply = await alder.reply(ana, poison.uri, "An answer.")
    other = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    for _ in range(5):
        process = Process(alder, "Poison.", before_sending=True)
        await process.run()
        await settle(alder)  # other workers, while the dead one's lease holds
        alder.clock.forward(minutes=2)
    assert len(mastodon.peer.inbox) == 2  # a peer slows only itself
    assert _objects(lemmy.peer) == []

    await settle(alder)
    assert _objects(lemmy.peer) == [reply.uri, other.uri]
    assert await waiting(alder, "lemmy.test") == 0
    async with alder.engine.connect() as conn:
        parked = (await conn.execute(sa.select(deliveries.c.parked))).scalars().all()
    assert parked == ["broke the sender"]


async def test_wire_T10_what_cannot_be_sent_is_parked_and_its_lane_goes_on(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    eve = await alder.persona("eve")
    note = lemmy.peer.note(lemmy.person, "hello", to=["as:Public", sleep.actor.uri])
    create = lemmy.peer.create(lemmy.person, note)
    assert await lemmy.peer.send(alder, create, lemmy.person) == 202
    await settle(alder)
    lemmy.peer.inbox.clear()
    async with alder.engine.begin() as conn:
        await conn.execute(sa.delete(actor_keys).where(actor_keys.c.actor_id == eve.id))
    answers = [await alder.reply(who, note["id"], "You are not alone.") for who in (eve, ana)]
    await settle(alder)
    assert _objects(lemmy.peer) == [answer.uri for answer in answers]  # the group signs these
    assert [each["actor"] for each in lemmy.peer.got("Create")] == [ana.actor.uri]
    async with alder.engine.connect() as conn:
        parked = (await conn.execute(sa.select(deliveries.c.parked))).scalars().all()
    assert parked == ["NotFound"]


async def _days_away(node: Node, days: int) -> None:
    for _ in range(days * 2):
        node.clock.forward(hours=12)
        await settle(node)


async def test_wire_T10_a_peer_that_was_away_for_eight_days_gets_everything_in_order(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    lemmy.peer.answers = [503] * 1000
    said: dict[str, list[str]] = {}

    async def talk() -> Post:
        root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
        said[root.uri] = [root.uri]
        return root

    roots = [await talk()]
    for _ in range(4):
        await _days_away(alder, 2)
        roots.append(await talk())
        for root in roots[:2]:
            reply = await alder.reply(ana, root.uri, "And another thing.")
            said[root.uri].append(reply.uri)
    assert lemmy.peer.inbox == []
    assert len(mastodon.peer.inbox) == 4  # the fifth waits for the next round

    lemmy.peer.answers = []
    await _days_away(alder, 1)
    assert await waiting(alder, "lemmy.test") == 0
    arrived = _objects(lemmy.peer)
    for uris in said.values():
        assert [uri for uri in arrived if uri in uris] == uris
    assert sorted(arrived) == sorted(uri for uris in said.values() for uri in uris)
    assert len(lemmy.peer.got("Announce", "")) == len(roots)


@pytest.mark.slow
async def test_wire_T10_thirty_days_are_the_end(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    lemmy.peer.answers = [503] * 1000
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    await _days_away(alder, 29)
    await tidy.tidy(alder.engine, alder.here)
    assert await waiting(alder, "lemmy.test") == 2
    await _days_away(alder, 3)
    await tidy.tidy(alder.engine, alder.here)
    assert await waiting(alder, "lemmy.test") == 0


async def test_wire_T10_many_workers_send_each_row_once(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    for _ in range(3):
        await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await asyncio.gather(*(alder.app[DELIVERER].deliver_one() for _ in range(6)))
    await settle(alder)
    for peer, count in ((lemmy.peer, 6), (mastodon.peer, 3)):
        ids = [each["id"] for each in peer.inbox]
        assert len(ids) == len(set(ids)) == count


async def test_wire_T10_deleted_words_leave_the_queue_and_the_delete_stays(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    lemmy.peer.answers = [503]
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    await alder.delete(ana, root.uri)
    alder.clock.forward(minutes=2)
    await settle(alder)
    assert not any(b"Some words" in raw for raw in lemmy.peer.raw)
    assert [each["object"]["type"] for each in lemmy.peer.inbox] == ["Delete", "Announce"]
