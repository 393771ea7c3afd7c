"""The node follows groups elsewhere once itself (WIRE-G6)."""

import json

import sqlalchemy as sa

from activitypub.keys import KeyPair, generate
from groups import groups as group_store
from groups import membership
from kernel.schema.tables import follows
from members import reader
from tests.nodes import Node, block, settle
from tests.peer import Peer
from tests.wire import strict
from tests.wire.world import Club, ask, followers

READER = "/desk/node-reader"


async def _keys() -> KeyPair:
    return generate()


async def _keep_up(alder: Node) -> int:
    """One round; what it sends has arrived when this returns."""
    count = await reader.keep_up(alder.engine, alder.here, _keys)
    await settle(alder)
    return count


async def _leave(alder: Node, club: Club) -> None:
    async with alder.engine.begin() as conn:
        actor = await alder.meet(club.group.uri)
        group = await group_store.get(conn, actor.id)
        await membership.leave(conn, alder.here, club.member, group)


async def test_wire_G6_the_reader_follows_what_somebody_here_belongs_to_and_leaves_after_them(
    alder: Node, club: Club, good: Peer
) -> None:
    assert await _keep_up(alder) == 1
    (follow,) = club.peer.got("Follow")
    assert follow["actor"] == f"{alder.origin}{READER}"
    assert (
        await club.peer.send(alder, club.peer.activity("Accept", club.group, follow), club.group)
        == 202
    )
    await settle(alder)
    assert await _keep_up(alder) == 0
    assert [each["type"] for each in club.peer.inbox] == ["Follow"]

    await _leave(alder, club)
    await club.thread(alder, good, good.person("ann"), "hello")  # until the next round
    assert await _keep_up(alder) == 1
    assert await followers(alder, club.group.uri) == set()
    undo = club.peer.got("Undo")[-1]
    assert undo["actor"] == f"{alder.origin}{READER}"
    assert undo["object"]["id"] == follow["id"]
    assert await _keep_up(alder) == 0


async def test_wire_G6_the_reader_is_a_service_that_can_be_read(alder: Node, club: Club) -> None:
    await _keep_up(alder)
    found = json.loads((await ask(alder, READER)).body)
    strict.check(found)
    assert strict.unmapped(found) == set()
    assert found["type"] == "Service"
    finger = await ask(alder, "/.well-known/webfinger?resource=acct:node-reader@alder.test")
    assert json.loads(finger.body)["subject"] == "acct:node-reader@alder.test"


async def test_wire_G6_who_is_only_asking_makes_nobody_follow(alder: Node, good: Peer) -> None:
    group = good.person("careful", kind="Group", path="c")
    kay = await alder.persona("kay")
    await alder.join(kay, group.uri)
    assert await _keep_up(alder) == 0


async def test_wire_G6_a_group_that_wants_no_reader_is_not_asked_again(
    alder: Node, club: Club
) -> None:
    await _keep_up(alder)
    (follow,) = club.peer.got("Follow")
    reject = club.peer.activity("Reject", club.group, follow)
    assert await club.peer.send(alder, reject, club.group) == 202
    await settle(alder)
    assert await _keep_up(alder) == 0
    assert len(club.peer.got("Follow")) == 1
    async with alder.engine.connect() as conn:
        states = await conn.scalars(sa.select(follows.c.state).order_by(follows.c.state))
    assert list(states) == ["accepted", "pending"]
    await _leave(alder, club)
    assert await _keep_up(alder) == 1
    assert await followers(alder, club.group.uri) == set()


async def test_wire_G6_groups_of_a_blocked_domain_are_not_followed(alder: Node, club: Club) -> None:
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "club.test")
    assert await _keep_up(alder) == 0
