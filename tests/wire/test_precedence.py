"""What takes something back goes before all else that waits for a server (WIRE 6.3)."""

import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub.state import DELIVERER
from groups import desk, groups, reactions
from groups.groups import Group
from kernel.schema.federation import Rank
from kernel.schema.tables import deliveries
from moderation import domains
from moderation.standing import Speaker
from tests.nodes import Node, block, settle
from tests.peer import Peer, Person
from tests.wire.queues import fill
from tests.wire.world import Follower, post, said, waiting

WAITING = 10_000


def _kinds(peer: Peer) -> list[str]:
    """What arrived, in order; of what is wrapped, what is inside."""
    return [
        f"{each['type']} {each['object']['type']}"
        if isinstance(each.get("object"), dict)
        else each["type"]
        for each in peer.inbox
    ]


async def test_wire_T10_a_delete_reaches_a_peer_with_ten_thousand_rows_in_one_claim(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    lemmy.peer.inbox.clear()
    await fill(alder, "lemmy.test", sleep.actor, WAITING)
    await alder.delete(ana, root.uri)
    assert await alder.app[DELIVERER].deliver() == 1
    assert _kinds(lemmy.peer)[:3] == ["Announce Delete", "Undo Announce", "Update"]
    assert WAITING - 100 <= await waiting(alder, "lemmy.test") < WAITING


async def test_wire_T10_what_is_taken_back_stays_before_what_takes_it_back(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    eve = lemmy.peer.person("eve")
    await fill(alder, "lemmy.test", sleep.actor, 10)
    await lemmy.peer.follow(alder, eve, sleep.actor.uri)
    lemmy.peer.answers = [503, 503]  # of each lane
    await settle(alder)  # the Accept waits behind the others
    async with alder.engine.begin() as conn:
        person = await actor_store.by_uri(conn, eve.uri)
        assert person is not None
        group = await groups.get(conn, sleep.id)
        moderator = await desk.require(conn, group, ana)
        await desk.ban(conn, alder.here, group, moderator, person, "unkind")
        await desk.unban(conn, alder.here, group, moderator, person)
    alder.clock.forward(minutes=2)
    await settle(alder)
    assert _kinds(lemmy.peer) == [
        "Accept Follow",
        "Reject Follow",
        "Announce Block",
        "Announce Undo",
        *["Update"] * 10,
        "Create Note",  # the desk tells them why
    ]


async def test_wire_T10_a_like_that_is_taken_back_goes_along_with_its_undo(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    lemmy.peer.inbox.clear()
    await fill(alder, "lemmy.test", sleep.actor, 10)
    kay = await alder.persona("kay")
    async with alder.engine.begin() as conn:
        await reactions.like(conn, alder.here, kay, root)
    assert await _ranks(alder) == {Rank.IN_ORDER: 10, Rank.VOTE: 1}
    async with alder.engine.begin() as conn:
        await reactions.unlike(conn, alder.here, kay, root)
    await settle(alder)
    assert _kinds(lemmy.peer)[:2] == ["Announce Like", "Announce Undo"]


async def _ranks(node: Node) -> dict[Rank, int]:
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(deliveries.c.rank, sa.func.count()).group_by(deliveries.c.rank)
        )
        return {Rank(rank): number for rank, number in rows}


async def test_wire_T10_a_lock_does_not_overtake_what_was_said_before_it(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await alder.reply(ana, root.uri, "An answer.")
    async with alder.engine.begin() as conn:
        group = await groups.get(conn, sleep.id)
        moderator = await desk.require(conn, group, ana)
        await desk.lock(conn, alder.here, group, moderator, root, "")
        await desk.unlock(conn, alder.here, group, moderator, root)
    await settle(alder)
    wrapped = [kind for kind in _kinds(lemmy.peer) if kind != "Announce"]
    assert wrapped == ["Announce Create", "Announce Create", "Announce Lock", "Announce Undo"]


async def test_a_vote_is_not_worth_sending_after_two_days_and_everything_else_is(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    kay = await alder.persona("kay")
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    lemmy.peer.answers = [503] * 100
    async with alder.engine.begin() as conn:
        await reactions.like(conn, alder.here, kay, root)
    await settle(alder)
    for _ in range(6):
        alder.clock.forward(hours=13)
        await settle(alder)
    lemmy.peer.answers = []
    alder.clock.forward(hours=15)
    await settle(alder)
    assert _kinds(lemmy.peer) == ["Announce", "Announce Create"]
    assert await waiting(alder, "lemmy.test") == 0


async def test_votes_of_today_go_after_posts(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    kay = await alder.persona("kay")
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    async with alder.engine.begin() as conn:
        await reactions.like(conn, alder.here, kay, root)
    await alder.reply(ana, root.uri, "An answer.")
    await settle(alder)
    wrapped = [kind for kind in _kinds(lemmy.peer) if kind != "Announce"]
    assert wrapped == ["Announce Create", "Announce Create", "Announce Like"]


async def test_wire_M23_a_blocked_server_is_neither_heard_nor_told_and_its_queue_is_frozen(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    shown = await alder.start(ana, sleep.actor.uri, "Early", "These words reached them.")
    await settle(alder)
    lemmy.peer.inbox.clear()
    lemmy.peer.raw.clear()
    gone = await alder.start(ana, sleep.actor.uri, "Late", "Nobody there reads this.")
    kept = await alder.start(ana, sleep.actor.uri, "Last", "This they read later.")
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "lemmy.test", "harassment")
    assert await waiting(alder, "lemmy.test") == 4  # frozen, not dropped

    await alder.delete(ana, gone.uri)
    await alder.delete(ana, shown.uri)
    await alder.start(ana, sleep.actor.uri, "Meanwhile", "Not for them.")
    like = b'{"id":"%s/1","type":"Like","actor":"%s","object":"%s"}'
    body = like % (lemmy.peer.origin.encode(), lemmy.person.uri.encode(), shown.uri.encode())
    assert (await post(alder, body, lemmy.person)).status == 403
    await settle(alder)
    assert lemmy.peer.inbox == []
    assert not await alder.mentions("Nobody there reads this.")

    async with alder.engine.begin() as conn:
        await domains.forget(conn, alder.here, "lemmy.test")
    await settle(alder)
    kinds = _kinds(lemmy.peer)
    assert kinds[-2:] == ["Announce", "Announce Create"]  # of what was said before the block
    assert set(kinds[:-2]) == {"Announce Delete", "Undo Announce"}
    assert b"Nobody there" not in b"".join(lemmy.peer.raw)
    assert b"Not for them" not in b"".join(lemmy.peer.raw)
    assert kept.uri.encode() in b"".join(lemmy.peer.raw)
    deletes = [each["object"]["object"] for each in lemmy.peer.got("Announce", "Delete")]
    assert shown.uri in [each["id"] for each in deletes]


async def test_sec_L12_an_edit_after_a_block_is_not_delivered(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "lemmy.test")
    lemmy.peer.inbox.clear()
    await alder.edit(ana, root.uri, "A title", "Other words.")
    async with alder.engine.begin() as conn:
        await domains.forget(conn, alder.here, "lemmy.test")
    await settle(alder)
    assert lemmy.peer.inbox == []


async def _person_with_post(
    alder: Node, peer: Peer, sleep: Group
) -> tuple[Person, dict[str, object]]:
    person = peer.person("gus")
    await peer.follow(alder, person, sleep.actor.uri)
    note = peer.note(person, "Hello.", to=["as:Public", sleep.actor.uri], name="Hello")
    await said(alder, peer, person, note)
    return person, note


async def test_sec_L10_after_a_block_nothing_of_a_server_comes_in_by_any_way(
    alder: Node, ana: Speaker, sleep: Group, good: Peer, lemmy: Follower
) -> None:
    gus, note = await _person_with_post(alder, good, sleep)
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "good.test")
    lemmy.peer.inbox.clear()
    words = {**note, "content": "<p>Changed later.</p>", "updated": "2026-01-03T00:00:00Z"}
    for document in (
        good.activity("Update", gus, words),
        good.activity("Announce", gus, note["id"]),
        good.activity("Like", gus, note["id"]),
    ):
        assert await good.send(alder, document, gus) == 403
    boost = lemmy.peer.activity("Announce", lemmy.person, note["id"])
    assert await lemmy.peer.send(alder, boost, lemmy.person) == 202
    answer = good.note(gus, "An answer.", to=["as:Public", sleep.actor.uri], inReplyTo=note["id"])
    fetched = len(good.fetched)
    below = lemmy.peer.note(
        lemmy.person, "Below.", to=["as:Public", sleep.actor.uri], inReplyTo=answer["id"]
    )
    await said(alder, lemmy.peer, lemmy.person, below)
    await settle(alder)
    assert await alder.post(answer["id"]) is None
    assert len(good.fetched) == fetched
    assert not await alder.mentions("Changed later.")
