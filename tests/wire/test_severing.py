"""Two servers stop talking and begin again: both halves are there (MOD-5.10)."""

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from groups import groups as group_store
from groups import membership
from groups.groups import GroupSettings
from kernel.schema.groups import Posts
from kernel.schema.moderation import Level
from kernel.schema.tables import follows, severed_follows
from members.ledger import Restored
from moderation import blocklist, impact
from moderation.impact import Seen
from moderation.policy import Policy
from node import keeping_away
from node.safekeeping.replay import replay
from tests.nodes import Node, NodeFactory, settle
from tests.wire.world import followers

ANYONE = GroupSettings(posts=Posts.ANYONE)


async def _count(node: Node, table: sa.Table) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def _stop_talking(alder: Node, level: Level) -> int:
    async with alder.engine.connect() as conn:
        seen = await impact.of(conn, alder.here, ["birch.test"], level)
    await keeping_away.decide(
        alder.engine, alder.here, "birch.test", Policy(level), seen=Seen(seen.digest, looked=True)
    )
    return seen.relations.all


async def _undo(alder: Node) -> Restored:
    async with alder.engine.connect() as conn:
        newest = await conn.scalar(sa.text("SELECT max(id) FROM domain_changes"))
    assert newest is not None
    return await keeping_away.undo(alder.engine, alder.here, newest)


async def test_mod_5_10_after_an_undo_both_sides_hear_each_other_again(
    node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocklist, "FRESH", 0)
    alder, birch = await node("alder.test"), await node("birch.test")
    ana, kay = await alder.persona("ana"), await alder.persona("kay")
    ben = await birch.persona("ben")
    sleep = await alder.group("sleep", ana, settings=ANYONE)
    club = await birch.group("club", ben, settings=ANYONE)
    await alder.join(kay, club.actor.uri)
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    assert ben.actor.uri in await followers(alder, sleep.actor.uri)
    assert kay.actor.uri in await followers(birch, club.actor.uri)
    before = await _count(alder, follows)

    for level in (Level.REJECT, Level.DROP):
        cut = await _stop_talking(alder, level)
        assert cut == 2
        assert await _count(alder, severed_follows) == 2
        unheard = await birch.start(ben, club.actor.uri, "Unheard", "Words.")
        untold = await alder.start(ana, sleep.actor.uri, "Untold", "Words.")
        if level is Level.DROP:  # the other side ends its half, and we do not hear that
            async with birch.engine.begin() as conn:
                group = await group_store.get(conn, club.id)
                follower = await actor_store.by_uri(conn, kay.actor.uri)
                assert follower is not None
                await membership.decline(conn, birch.here, group, follower)
        await settle(alder, birch)
        assert await alder.post(unheard.uri) is None
        assert await birch.post(untold.uri) is None

        assert await _undo(alder) == Restored(back=2)
        await settle(alder, birch)
        assert await _count(alder, severed_follows) == 0
        assert await _count(alder, follows) == before
        assert kay.actor.uri in await followers(birch, club.actor.uri)
        heard = await birch.start(ben, club.actor.uri, "Heard", "Words.")
        told = await alder.start(ana, sleep.actor.uri, "Told", "Words.")
        await settle(alder, birch)
        assert await alder.post(heard.uri) is not None
        assert await birch.post(told.uri) is not None

    async with alder.engine.begin() as conn:  # a backup from before the decision
        done = await replay(conn, alder.here, [("policy", "birch.test", "", "reject", "")])
    assert done.domains == 1
    assert await followers(alder, sleep.actor.uri) == {ana.actor.uri}
    assert await _count(alder, severed_follows) == 2
