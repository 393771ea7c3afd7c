"""A group keeps a server further away than its node does (MOD-5.7)."""

import asyncio
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from groups import desk, distance, polls
from groups.distance import Rule, Unseen
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.clock import iso
from kernel.errors import Conflict, Malformed, NotAllowed
from kernel.schema.federation import ReceivedState
from kernel.schema.groups import Distance, Posts
from kernel.schema.moderation import Level
from kernel.schema.posts import PostState, ReactionKind
from kernel.schema.tables import audit, follows, moderators, poll_votes, severed_follows
from members.ledger import Restored
from moderation import impact
from moderation.impact import Seen
from moderation.policy import Policy
from moderation.standing import Speaker
from node import keeping_away
from tests.nodes import Node, NodeFactory, settle, until_it_waits
from tests.peer import PUBLIC, Peer, PeerFactory, Person
from tests.wire.world import followers, last_received, reacted

ANYONE = GroupSettings(posts=Posts.ANYONE)


async def _decide(
    node: Node, ana: Speaker, group: Group, domain: str, level: Distance, seen: str = ""
) -> Rule:
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, group, ana)
        return await distance.decide(conn, node.here, group, acting, domain, level, seen=seen)


async def _forget(node: Node, ana: Speaker, group: Group, domain: str) -> Restored:
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, group, ana)
        return await distance.forget(conn, node.here, group, acting, domain)


async def _say(
    node: Node, peer: Peer, author: Person, group: Group, words: str, parent: str | None = None
) -> str:
    """The address of a post that a peer sends into a group."""
    extra = {"inReplyTo": parent} if parent else {}
    note = peer.note(author, words, to=[PUBLIC, group.actor.uri], name=words, **extra)
    assert await peer.send(node, peer.create(author, note), author) == 202
    await settle(node)
    return str(note["id"])


async def test_mod_5_7_a_group_reads_first_what_comes_from_a_server_it_filters(
    node: NodeFactory, peer: PeerFactory
) -> None:
    alder = await node("alder.test")
    oak, elm = await peer("oak.test", alder), await peer("elm.test", alder)
    ana, mo, eli = await alder.persona("ana"), oak.person("mo"), elm.person("eli")
    sleep = await alder.group("sleep", ana, settings=ANYONE)
    grief = await alder.group("grief", ana, settings=ANYONE)
    await _decide(alder, ana, sleep, "oak.test", Distance.FILTER)

    held = await alder.post(await _say(alder, oak, mo, sleep, "Awake"))
    other = await alder.post(await _say(alder, oak, mo, grief, "Sad"))
    free = await alder.post(await _say(alder, elm, eli, sleep, "Hello"))

    assert free is not None
    answer = await alder.post(await _say(alder, oak, mo, sleep, "Me too", parent=free.uri))
    states = [each.state for each in (held, other, free, answer) if each is not None]
    assert states == [PostState.HELD, PostState.SHOWN, PostState.SHOWN, PostState.HELD]


async def test_mod_5_7_nobody_from_a_rejected_server_joins_posts_or_reacts(
    node: NodeFactory, peer: PeerFactory
) -> None:
    alder = await node("alder.test")
    oak = await peer("oak.test", alder)
    ana, mo = await alder.persona("ana"), oak.person("mo")
    sleep = await alder.group("sleep", ana, settings=ANYONE)
    root = await alder.start(ana, sleep.actor.uri, "Night", "How was yours?")
    await settle(alder)
    await _decide(alder, ana, sleep, "oak.test", Distance.REJECT)

    uri = await _say(alder, oak, mo, sleep, "Awake")
    assert await alder.post(uri) is None
    assert (await last_received(alder))[0] is ReceivedState.REFUSED
    assert await oak.send(alder, oak.activity("Like", mo, root.uri), mo) == 202
    await settle(alder)
    assert await reacted(alder, root.uri, ReactionKind.LIKE) == 0
    assert await oak.send(alder, oak.activity("Follow", mo, sleep.actor.uri), mo) == 202
    await settle(alder)
    assert mo.uri not in await followers(alder, sleep.actor.uri)

    await _forget(alder, ana, sleep, "oak.test")
    assert await alder.post(await _say(alder, oak, mo, sleep, "Better")) is not None
    assert await oak.send(alder, oak.activity("Like", mo, root.uri), mo) == 202
    await settle(alder)
    assert await reacted(alder, root.uri, ReactionKind.LIKE) == 1


async def test_mod_5_7_who_asks_to_join_while_a_group_decides_stays_out(
    node: NodeFactory, peer: PeerFactory
) -> None:
    alder = await node("alder.test")
    oak = await peer("oak.test", alder)
    ana, mo = await alder.persona("ana"), oak.person("mo")
    sleep = await alder.group("sleep", ana, settings=ANYONE)
    await alder.meet(mo.uri)
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, sleep, ana)
        await distance.decide(conn, alder.here, sleep, acting, "oak.test", Distance.REJECT)
        assert await oak.send(alder, oak.activity("Follow", mo, sleep.actor.uri), mo) == 202
        coming = asyncio.create_task(settle(alder))
        await until_it_waits(alder, coming)
    await coming
    assert mo.uri not in await followers(alder, sleep.actor.uri)


async def _members(alder: Node, birch: Node) -> tuple[Speaker, Group, Speaker]:
    ana, ben = await alder.persona("ana"), await birch.persona("ben")
    sleep = await alder.group("sleep", ana, settings=ANYONE)
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    assert ben.actor.uri in await followers(alder, sleep.actor.uri)
    return ana, sleep, ben


async def _count(node: Node, table: sa.Table) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def test_mod_5_9_who_would_lose_a_place_is_counted_first_and_can_come_back(
    node: NodeFactory,
) -> None:
    alder, birch = await node("alder.test"), await node("birch.test")
    ana, sleep, ben = await _members(alder, birch)
    before = await _count(alder, follows)

    with pytest.raises(Unseen) as asked:
        await _decide(alder, ana, sleep, "birch.test", Distance.REJECT)
    assert asked.value.reach.members >= 1
    assert asked.value.reach.words
    assert await _count(alder, follows) == before, "nothing went before somebody saw it"
    with pytest.raises(Unseen):
        await _decide(alder, ana, sleep, "birch.test", Distance.REJECT, seen="9-9-9")

    seen = asked.value.reach.digest
    await _decide(alder, ana, sleep, "birch.test", Distance.REJECT, seen=seen)
    assert await _count(alder, severed_follows) == asked.value.reach.members
    assert ben.actor.uri not in await followers(alder, sleep.actor.uri)
    unheard = await birch.start(ben, sleep.actor.uri, "Unheard", "Words.")
    await settle(alder, birch)
    assert await alder.post(unheard.uri) is None

    await _decide(alder, ana, sleep, "sub.birch.test", Distance.NOTE)
    assert ben.actor.uri not in await followers(alder, sleep.actor.uri)
    await _forget(alder, ana, sleep, "birch.test")
    assert await _count(alder, follows) == before
    assert await _count(alder, severed_follows) == 0
    told = await alder.start(ana, sleep.actor.uri, "Told", "Words.")
    heard = await birch.start(ben, sleep.actor.uri, "Heard", "Words.")
    await settle(alder, birch)
    assert await birch.post(told.uri) is not None
    assert await alder.post(heard.uri) is not None


async def test_mod_5_7_a_milder_rule_below_a_harsh_one_spares_what_is_below_it(
    node: NodeFactory,
) -> None:
    alder, birch = await node("alder.test"), await node("in.birch.test")
    ana, sleep, ben = await _members(alder, birch)
    await _decide(alder, ana, sleep, "in.birch.test", Distance.NOTE)
    await _decide(alder, ana, sleep, "birch.test", Distance.REJECT)
    assert ben.actor.uri in await followers(alder, sleep.actor.uri)
    with pytest.raises(Conflict):
        await _forget(alder, ana, sleep, "in.birch.test")


async def test_mod_5_7_a_group_is_never_looser_than_its_node(
    node: NodeFactory, peer: PeerFactory
) -> None:
    alder = await node("alder.test")
    oak = await peer("oak.test", alder)
    ana, mo = await alder.persona("ana"), oak.person("mo")
    sleep = await alder.group("sleep", ana, settings=ANYONE)
    await keeping_away.decide(alder.engine, alder.here, "oak.test", Policy(Level.DROP))
    await _decide(alder, ana, sleep, "oak.test", Distance.NOTE)
    note = oak.note(mo, "Awake", to=[PUBLIC, sleep.actor.uri], name="Awake")
    await oak.send(alder, oak.create(mo, note), mo)
    await settle(alder)
    assert await alder.post(note["id"]) is None


async def test_mod_5_10_no_undo_of_the_node_brings_back_whom_a_group_keeps_out(
    node: NodeFactory,
) -> None:
    alder, birch = await node("alder.test"), await node("birch.test")
    ana, sleep, ben = await _members(alder, birch)
    with pytest.raises(Unseen) as asked:
        await _decide(alder, ana, sleep, "birch.test", Distance.REJECT)
    seen = asked.value.reach.digest
    await _decide(alder, ana, sleep, "birch.test", Distance.REJECT, seen=seen)
    rejected = Policy(Level.REJECT)
    async with alder.engine.connect() as conn:
        would = await impact.of(conn, alder.here, ["birch.test"], Level.REJECT)
    looked = Seen(would.digest, looked=True)
    await keeping_away.decide(alder.engine, alder.here, "birch.test", rejected, seen=looked)
    await keeping_away.forget(alder.engine, alder.here, "birch.test")
    assert ben.actor.uri not in await followers(alder, sleep.actor.uri)
    assert await _count(alder, severed_follows) == asked.value.reach.members


async def test_mod_5_7_some_things_no_group_may_decide(node: NodeFactory) -> None:
    alder, birch = await node("alder.test"), await node("birch.test")
    ana, sleep, ben = await _members(alder, birch)
    refused: Sequence[tuple[str, type[Exception]]] = (
        ("alder.test", NotAllowed), ("*.birch.test", Malformed), ("github.io", Malformed),
    )  # fmt: skip
    for domain, error in refused:
        with pytest.raises(error):
            await _decide(alder, ana, sleep, domain, Distance.REJECT)
    async with alder.engine.begin() as conn:
        there = await actor_store.by_uri(conn, ben.actor.uri)
        assert there is not None
        row = {"group_id": sleep.id, "actor_id": there.id, "founder": False}
        await conn.execute(moderators.insert().values(row))
    with pytest.raises(Conflict):  # who looks after the group is asked to stop first
        await _decide(alder, ana, sleep, "birch.test", Distance.REJECT)


async def test_sec_S23_what_a_group_decides_about_a_server_is_in_its_log(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    ana = await alder.persona("ana")
    sleep = await alder.group("sleep", ana, settings=ANYONE)
    await _decide(alder, ana, sleep, "oak.test", Distance.FILTER)
    await _forget(alder, ana, sleep, "oak.test")
    async with alder.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(audit.c.verb, audit.c.object_uri, audit.c.group_id)
            .where(audit.c.verb.startswith("group server"))
            .order_by(audit.c.id)
        )
        assert [tuple(row) for row in rows] == [
            ("group server filter", "oak.test", sleep.id),
            ("group server as any other", "oak.test", sleep.id),
        ]


async def test_mod_5_7_edits_and_votes_are_treated_as_posts_are(
    node: NodeFactory, peer: PeerFactory
) -> None:
    alder = await node("alder.test")
    oak = await peer("oak.test", alder)
    ana, mo = await alder.persona("ana"), oak.person("mo")
    sleep = await alder.group("sleep", ana, settings=ANYONE)
    note = oak.note(mo, "Awake", to=[PUBLIC, sleep.actor.uri], name="Awake")
    assert await oak.send(alder, oak.create(mo, note), mo) == 202
    await settle(alder)
    root = await alder.start(ana, sleep.actor.uri, "Night", "How was yours?")
    asked = polls.draft(alder.here, ["Good", "Bad"], several=False, days=1)
    poll = await alder.reply(ana, root.uri, "And today?", poll=asked)

    async def change(words: str) -> Post:
        alder.clock.forward(minutes=1)
        said = {**note, "content": f"<p>{words}</p>", "updated": iso(alder.clock())}
        assert await oak.send(alder, oak.activity("Update", mo, said), mo) == 202
        await settle(alder)
        found = await alder.post(note["id"])
        assert found is not None
        return found

    await _decide(alder, ana, sleep, "oak.test", Distance.REJECT)
    assert "Nothing" not in (await change("Nothing helps")).content
    vote = {
        "id": f"{mo.uri}#votes/1", "type": "Note", "name": "Good", "attributedTo": mo.uri,
        "to": [ana.actor.uri], "inReplyTo": poll.uri,
    }  # fmt: skip
    voting = oak.activity("Create", mo, vote, to=[ana.actor.uri])
    assert await oak.send(alder, voting, mo) == 202
    await settle(alder)
    assert await _count(alder, poll_votes) == 0

    await _decide(alder, ana, sleep, "oak.test", Distance.FILTER)
    changed = await change("Something helps")
    assert changed.state is PostState.HELD, "a moderator reads the new words first"
    assert "Something" in changed.content
