"""What a server may bring that nobody here has to do with, and who is never made to wait.

SECURITY 12: per origin 300 new objects and 100 new actors an hour.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import pace
from activitypub.pace import Pace
from activitypub.state import REMOTE
from activitypub.vocab import ActivityKind
from groups.groups import Group
from inbox.receive import UNCOUNTED, URGENT
from kernel.clock import utcnow
from kernel.errors import TooMany
from kernel.schema.tables import actors, moderators, peers, received
from kernel.settings import ACTORS_PER_HOUR, NEW_PER_HOUR
from tests.nodes import Node, NodeFactory, Wall, settle
from tests.pages.test_paging import counted
from tests.peer import PUBLIC, Document, Peer, PeerFactory, Person
from tests.wire.world import Club, last_received, post

FEW = 5  # of each in an hour, so that ten times as many take no time
INVENTED = 100_000


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test", new_per_hour=FEW, actors_per_hour=FEW)


@pytest.fixture
async def evil(peer: PeerFactory, alder: Node) -> Peer:
    return await peer("evil.test", alder)


@pytest.fixture
def ann(good: Peer) -> Person:
    return good.person("ann")


async def _send(
    node: Node, peer: Peer, author: Person, times: int = 1, **extra: Any
) -> Counter[int]:
    """New posts, and how often each status was the answer."""
    found: Counter[int] = Counter()
    for _ in range(times):
        note = peer.create(author, peer.note(author, "Hello", **extra))
        found[await peer.send(node, note, author)] += 1
    return found


async def _stored(node: Node) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(received)) or 0


async def _slowed(node: Node, host: str) -> Any:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(peers.c.slowed).where(peers.c.host == host))


def _as_bytes(like: Document) -> bytes:
    return json.dumps(like).encode()


# New things


@pytest.mark.parametrize(("times", "refused"), [(FEW, 0), (FEW + 1, 1), (10 * FEW, 9 * FEW)])
async def test_a_stranger_brings_so_much_in_an_hour_and_the_rest_later(
    alder: Node, good: Peer, ann: Person, times: int, refused: int
) -> None:
    """WIRE-Q11."""
    assert await _send(alder, good, ann, times) == +Counter({202: FEW, 429: refused})
    assert await _stored(alder) == FEW
    assert (await _slowed(alder, "good.test") is not None) == bool(refused)


async def test_what_is_refused_is_taken_when_the_answer_says(
    alder: Node, good: Peer, ann: Person
) -> None:
    await _send(alder, good, ann, FEW)
    like = _as_bytes(good.activity("Like", ann, f"{alder.origin}/p/1"))
    refused = await post(alder, like, ann)
    assert refused.status == 429
    wait = int(refused.headers["Retry-After"])
    assert 0 < wait <= pace.HOUR / FEW
    alder.clock.forward(seconds=wait - 1)
    assert (await post(alder, like, ann)).status == 429
    alder.clock.forward(seconds=1)
    assert (await post(alder, like, ann)).status == 202
    assert (await post(alder, like, ann)).status == 429
    alder.clock.forward(hours=1)
    assert await _send(alder, good, ann, FEW + 1) == {202: FEW, 429: 1}


@pytest.mark.parametrize("kind", sorted(UNCOUNTED))
async def test_what_takes_back_decides_or_warns_is_never_too_much(
    alder: Node, good: Peer, ann: Person, kind: str
) -> None:
    await _send(alder, good, ann, FEW + 1)
    for _ in range(10 * FEW):
        document = good.activity(kind, ann, f"{good.origin}/notes/1")
        assert await good.send(alder, document, ann) == 202


@pytest.mark.parametrize(
    "kind", sorted({"Arrive", *ActivityKind} - UNCOUNTED - {ActivityKind.CREATE})
)
async def test_everything_else_counts_as_new(
    alder: Node, good: Peer, ann: Person, kind: str
) -> None:
    await _send(alder, good, ann, FEW)
    assert await good.send(alder, good.activity(kind, ann, f"{alder.origin}/p/1"), ann) == 429


async def test_one_strangers_share_is_not_anothers(
    alder: Node, good: Peer, evil: Peer, ann: Person
) -> None:
    assert await _send(alder, evil, evil.person("eve"), 2 * FEW) == {202: FEW, 429: FEW}
    assert await _send(alder, good, ann, FEW) == {202: FEW}


async def test_nobody_uses_up_anothers_share_by_writing_under_their_name(
    alder: Node, good: Peer, evil: Peer, ann: Person
) -> None:
    """Nothing is counted before its signature holds (SEC-S1)."""
    eve = evil.person("eve")
    for number in range(10 * FEW):
        forged = good.create(ann, {**good.note(ann, "Never said"), "id": f"{good.origin}/{number}"})
        assert await good.send(alder, forged, eve, key_id=ann.key_id) == 401
        assert await good.send(alder, forged, eve) == 401
    assert await _send(alder, good, ann, FEW) == {202: FEW}


async def test_what_was_not_stored_is_not_counted(alder: Node, good: Peer, ann: Person) -> None:
    await _send(alder, good, ann)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE received RENAME TO away"))
    assert await _send(alder, good, ann, 2 * FEW) == {503: 2 * FEW}
    async with alder.engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE away RENAME TO received"))
    assert await _send(alder, good, ann, FEW) == {202: FEW - 1, 429: 1}


# Who is no stranger


async def test_a_server_whose_people_follow_here_is_not_slowed(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    await good.follow(alder, good.person("fay"), sleep.actor.uri)
    await settle(alder)
    assert await _send(alder, good, ann, 10 * FEW) == {202: 10 * FEW}
    assert await _slowed(alder, "good.test") is None


async def test_a_server_with_somebody_whom_we_follow_is_not_slowed(alder: Node, club: Club) -> None:
    author = club.peer.person("author")
    assert await _send(alder, club.peer, author, 10 * FEW) == {202: 10 * FEW}


async def test_a_server_of_a_moderator_is_not_slowed(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    actor = await alder.meet(ann.uri)
    async with alder.engine.begin() as conn:
        await conn.execute(moderators.insert().values(group_id=sleep.id, actor_id=actor.id))
    assert await _send(alder, good, ann, 10 * FEW) == {202: 10 * FEW}


async def test_a_follow_that_was_only_asked_for_makes_nobody_known(
    alder: Node, good: Peer, ann: Person
) -> None:
    group = good.person("club", kind="Group")
    await alder.join(await alder.persona("kay"), group.uri)
    assert await _send(alder, good, ann, FEW + 1) == {202: FEW, 429: 1}


async def test_a_follow_ends_the_waiting_and_its_end_begins_it_again(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    assert await _send(alder, good, ann, FEW + 1) == {202: FEW, 429: 1}
    follow = await good.follow(alder, ann, sleep.actor.uri)
    await settle(alder)
    alder.clock.forward(minutes=1)
    assert await _send(alder, good, ann, 2 * FEW) == {202: 2 * FEW}
    assert await good.send(alder, good.activity("Undo", ann, follow), ann) == 202
    await settle(alder)
    alder.clock.forward(minutes=10)
    assert 429 in await _send(alder, good, ann, FEW + 1)


async def test_nothing_is_asked_below_the_limit_and_once_a_minute_beyond_it(
    alder: Node, good: Peer, ann: Person
) -> None:
    limits = alder.app[REMOTE].pace
    await _send(alder, good, ann)
    with counted(alder) as heard:
        for _ in range(FEW - 1):
            async with limits.bringing("good.test"):
                pass
    assert heard == []
    with counted(alder) as heard:
        for _ in range(10 * FEW):
            with pytest.raises(TooMany):
                async with limits.bringing("good.test"):
                    pass
    assert len(heard) == 2  # who it is, and the note for administrators
    alder.clock.forward(minutes=1)
    with counted(alder) as heard, pytest.raises(TooMany):
        async with limits.bringing("good.test"):
            pass
    assert len(heard) == 1


async def test_a_node_can_do_without(node: NodeFactory, peer: PeerFactory) -> None:
    birch = await node("birch.test", new_per_hour=0, actors_per_hour=0)
    other = await peer("other.test", birch)
    for number in range(2 * FEW):
        assert await _send(birch, other, other.person(f"p{number}"), 2) == {202: 2}


# New actors


def _people(peer: Peer, number: int) -> Sequence[Person]:
    return [peer.person(f"new{n}") for n in range(number)]


async def _signed(node: Node, peer: Peer, people: Sequence[Person]) -> Counter[int]:
    """A Follow by each of them, which does not count as a new thing."""
    found: Counter[int] = Counter()
    for each in people:
        follow = peer.activity("Follow", each, f"{node.origin}/g/sleep")
        found[await peer.send(node, follow, each)] += 1
    return found


@pytest.mark.parametrize(("number", "refused"), [(FEW, 0), (FEW + 1, 1), (10 * FEW, 9 * FEW)])
async def test_a_stranger_introduces_so_many_in_an_hour(
    alder: Node, good: Peer, number: int, refused: int
) -> None:
    assert await _signed(alder, good, _people(good, number)) == +Counter({202: FEW, 429: refused})
    assert len([each for each in good.fetched if each.startswith("/u/")]) == FEW


async def test_who_is_known_goes_on_and_who_is_new_comes_later(alder: Node, good: Peer) -> None:
    *known, new = _people(good, FEW + 1)
    assert await _signed(alder, good, known) == {202: FEW}
    like = _as_bytes(good.activity("Like", new, f"{alder.origin}/p/1"))
    refused = await post(alder, like, new)
    assert refused.status == 429
    assert await _signed(alder, good, known) == {202: FEW}
    alder.clock.forward(seconds=int(refused.headers["Retry-After"]))
    assert (await post(alder, like, new)).status == 202


async def test_whoever_is_named_by_a_forger_is_not_introduced_by_that(
    alder: Node, good: Peer, evil: Peer
) -> None:
    eve, people = evil.person("eve"), _people(good, 2 * FEW)
    for each in people:
        forged = good.activity("Like", each, f"{alder.origin}/p/1")
        assert await good.send(alder, forged, eve, key_id=each.key_id) == 401
    assert await _signed(alder, good, people) == {202: FEW, 429: FEW}


async def test_a_server_gains_nothing_by_a_first_signature_that_does_not_hold(
    alder: Node, evil: Peer
) -> None:
    people = _people(evil, 2 * FEW)
    for each, other in zip(people, [*people[1:], people[0]], strict=True):
        like = evil.activity("Like", each, f"{alder.origin}/p/1")
        assert await evil.send(alder, like, other, key_id=each.key_id) == 401
    assert await _signed(alder, evil, people) == {202: FEW, 429: FEW}
    assert await _signed(alder, evil, people) == {202: FEW, 429: FEW}


@pytest.mark.parametrize("kind", sorted(URGENT))
async def test_somebody_new_may_take_back_and_warn_and_is_counted_once_they_say_more(
    alder: Node, good: Peer, kind: str
) -> None:
    *known, new = _people(good, FEW + 1)
    await _signed(alder, good, known)
    for _ in range(2):
        document = good.activity(kind, new, f"{good.origin}/notes/1")
        assert await good.send(alder, document, new) == 202
    assert await _signed(alder, good, [new]) == {429: 1}


async def test_somebody_new_on_a_server_that_is_known_is_let_in(
    alder: Node, sleep: Group, good: Peer
) -> None:
    await good.follow(alder, good.person("fay"), sleep.actor.uri)
    await settle(alder)
    assert await _signed(alder, good, _people(good, 2 * FEW)) == {202: 2 * FEW}


async def test_whom_a_stranger_names_counts_as_introduced_by_it_and_not_by_their_server(
    alder: Node, sleep: Group, good: Peer, evil: Peer
) -> None:
    """A reply that hangs on posts of many others makes us meet them, up to the number."""
    people, eve = _people(good, 2 * FEW), evil.person("eve")
    above: Document | None = None
    for each in people:
        parent = {} if above is None else {"inReplyTo": above["id"]}
        above = good.note(each, "And?", to=[PUBLIC, sleep.actor.uri], **parent)
    assert above is not None
    reply = {"inReplyTo": above["id"], "to": [PUBLIC, sleep.actor.uri]}
    assert await _send(alder, evil, eve, **reply) == {202: 1}
    await settle(alder)
    async with alder.engine.connect() as conn:
        query = sa.select(sa.func.count()).where(actors.c.host == "good.test")
        met = await conn.scalar(query)
    assert met == FEW - 1  # Eve herself is one
    limits = alder.app[REMOTE].pace
    with pytest.raises(TooMany):
        await limits.check_introducing("evil.test")
    await limits.check_introducing("good.test")


async def test_where_somebody_moves_to_waits_its_turn(alder: Node, evil: Peer) -> None:
    *people, eve = _people(evil, FEW)
    assert await _signed(alder, evil, people) == {202: FEW - 1}
    there = evil.person("there", alsoKnownAs=[eve.uri])
    assert await evil.send(alder, evil.activity("Move", eve, eve.uri, target=there.uri), eve) == 202
    await settle(alder)
    assert await last_received(alder) == ("new", "TooMany")
    alder.clock.forward(minutes=pace.HOUR / FEW / 60)
    await settle(alder)
    assert await last_received(alder) == ("done", "")


async def test_whom_a_member_looks_up_is_nobodys_introduction(alder: Node, good: Peer) -> None:
    for each in _people(good, 2 * FEW):
        await alder.meet(each.uri)
    await alder.app[REMOTE].pace.check_introducing("good.test")


# As much as is stated, and as many servers as there may be


@pytest.fixture
def limits(engine: AsyncEngine) -> Pace:
    return Pace.of(engine, Wall(), new=NEW_PER_HOUR, actors=ACTORS_PER_HOUR)


@pytest.mark.parametrize(
    ("what", "most"), [("bringing", NEW_PER_HOUR), ("introducing", ACTORS_PER_HOUR)]
)
async def test_the_numbers_that_are_stated_hold(limits: Pace, what: str, most: int) -> None:
    each = getattr(limits, what)
    for _ in range(most):
        async with each("a.test"):
            pass
    for _ in range(9 * most):
        with pytest.raises(TooMany) as refused:
            async with each("a.test"):
                pass
        assert refused.value.retry_after == pace.HOUR / most


async def test_sec_D7_invented_servers_push_each_other_out(limits: Pace) -> None:
    for number in range(INVENTED):
        async with limits.bringing(f"h{number}.test"), limits.introducing(f"h{number}.test"):
            pass
        limits.await_proof(f"http://h{number}.test/u/x")
        pace._remember(limits._known, f"h{number}.test", (utcnow() + timedelta(days=1), False))
        pace._remember(limits._noted, f"h{number}.test", utcnow().date())
    assert limits.new is not None
    assert limits.actors is not None
    kept = (limits.new, limits.actors, limits._unproven, limits._known, limits._noted)
    assert {len(each) for each in kept} == {pace.MAX_HOSTS}
