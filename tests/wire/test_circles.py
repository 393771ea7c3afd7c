"""A group that only members see, shared by two nodes that trust each other (MOD-5.6)."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from groups import groups as group_store
from groups import membership
from groups.groups import Group, GroupSettings
from kernel.errors import NotFound
from kernel.schema.actors import FollowState
from kernel.schema.groups import Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import follows
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, settle, words
from tests.pages.people import settle as described
from tests.wire.test_pacts import agree

SECRET = "words for this circle alone"


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    made = await node("alder.test")
    await described(made)
    return made


@pytest.fixture
async def birch(node: NodeFactory) -> Node:
    made = await node("birch.test")
    await described(made, name="Birch")
    return made


async def group_of(node: Node, uri: str) -> Group:
    async with node.engine.connect() as conn:
        actor = await actor_store.by_uri(conn, uri)
        assert actor is not None
        return await group_store.get(conn, actor.id)


async def share(node: Node, group: Group, host: str, **changes: object) -> Group:
    settings = replace(group.settings or GroupSettings(), circle=host, **changes)
    async with node.engine.begin() as conn:
        return await group_store.update(
            conn, node.here, group, name="Quiet", about="A circle.", settings=settings
        )


async def admit(node: Node, group: Group, uri: str) -> None:
    async with node.engine.begin() as conn:
        who = await actor_store.by_uri(conn, uri)
        assert who is not None
        await membership.admit(conn, node.here, group, who)


async def states(node: Node, group_uri: str) -> dict[str, str]:
    async with node.engine.connect() as conn:
        group = await actor_store.by_uri(conn, group_uri)
        assert group is not None
        rows = await conn.execute(
            sa.select(follows.c.follower_id, follows.c.state).where(
                follows.c.followed_id == group.id
            )
        )
        return {(await actor_store.get(conn, row[0])).handle: row[1] for row in rows.all()}


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    return await alder.persona("anya")


@pytest.fixture
async def quiet(alder: Node, birch: Node, ana: Speaker) -> Group:
    """A members-only group of alder, with a pact between the two nodes and shared with birch."""
    await agree(alder, birch)
    group = await alder.group("quiet", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    return await share(alder, group, "birch.test")


@pytest.fixture
async def ben(alder: Node, birch: Node, quiet: Group) -> Speaker:
    """Of birch, and in the circle."""
    who = await birch.persona("benno")
    await birch.join(who, quiet.actor.uri)
    await settle(alder, birch)
    assert (await states(alder, quiet.actor.uri))["benno"] == FollowState.PENDING
    await admit(alder, quiet, who.actor.uri)
    await settle(alder, birch)
    assert (await states(birch, quiet.actor.uri)) == {"benno": FollowState.ACCEPTED}
    return who


async def test_mod_5_6_a_circle_spans_two_trusted_nodes_and_nobody_else_sees_it(
    alder: Node, birch: Node, ana: Speaker, ben: Speaker, quiet: Group
) -> None:
    post = await alder.start(ana, quiet.actor.uri, "Tonight", SECRET)
    await settle(alder, birch)
    there = await birch.thread(post.uri, ben.id)
    assert SECRET in words(there)[0]
    answer = await birch.reply(ben, post.uri, "an answer from birch")
    await settle(alder, birch)
    assert "an answer from birch" in words(await alder.thread(post.uri, ana.id))[1]
    edited = await alder.edit(ana, post.uri, "Tonight", "other words")
    await settle(alder, birch)
    assert "other words" in words(await birch.thread(edited.uri, ben.id))[0]

    other = await birch.persona("carla")  # has an account, and is not in it
    with pytest.raises(NotFound):
        await birch.thread(post.uri, other.id)
    await alder.delete(ana, post.uri)
    await birch.delete(ben, answer.uri)
    await settle(alder, birch)
    for node in (alder, birch):
        for uri in (post.uri, answer.uri):
            kept = await node.post(uri)
            assert kept is not None
            assert kept.state is PostState.DELETED
        for said in (SECRET, "other words", "an answer from birch"):
            assert await node.mentions(said) == [], (node.name, said)
