"""What groups keep for care, where two things happen at once or one after the other."""

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from groups import check_ins, desk, membership, rearranging
from groups import posts as post_store
from groups.groups import GroupSettings
from groups.posts import Post
from kernel.errors import NotAllowed
from kernel.schema.groups import Posts
from kernel.schema.posts import Mood
from kernel.schema.tables import check_ins as said
from kernel.schema.tables import follows, posts
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, until_it_waits


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test")


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    return await alder.persona("ana")


async def test_a_thread_that_was_put_into_another_can_be_taken_out_again(
    alder: Node, ana: Speaker
) -> None:
    sleep = await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))
    one = await alder.start(ana, sleep.actor.uri, "One", "First.")
    alder.clock.forward(minutes=1)
    two = await alder.start(ana, sleep.actor.uri, "Two", "Second.")
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await rearranging.merge(conn, alder.here, sleep, actor, two, one)
    async with alder.engine.begin() as conn:
        post = await post_store.get(conn, two.id)
        assert not post.is_root
        again = await rearranging.split(conn, alder.here, sleep, actor, post, "Two again")
    assert again.is_root
    assert (again.title, again.thread_uri) == ("Two again", two.thread_uri)


async def test_two_who_come_to_a_full_group_at_once_get_two_numbers(
    alder: Node, ana: Speaker
) -> None:
    full = await alder.group("full", ana, settings=GroupSettings(cap=1))
    one, two = await alder.persona("one"), await alder.persona("two")

    async def second() -> None:
        async with alder.engine.begin() as conn:
            await membership.join(conn, alder.here, two, full)

    async with alder.engine.begin() as conn:
        await membership.join(conn, alder.here, one, full)
        coming = asyncio.create_task(second())
        await until_it_waits(alder, coming)
    await coming
    async with alder.engine.connect() as conn:
        turns = await conn.scalars(sa.select(follows.c.turn).where(follows.c.turn.is_not(None)))
        assert sorted(turns) == [1, 2]


async def _asked(alder: Node, ana: Speaker) -> tuple[Post, Speaker, Speaker]:
    """A weekly question, and two names of one member who may answer it."""
    group = await alder.group(
        "weekly", ana, settings=GroupSettings(check_in=alder.clock.now.weekday())
    )
    assert await check_ins.ask_one(alder.engine, alder.here)
    own = [await alder.persona(f"own{number}") for number in range(2)]
    voices = tuple(each.id for each in own)
    for each in own:
        await alder.join(each, group.actor.uri)
    async with alder.engine.begin() as conn:
        root = await post_store.get(conn, (await conn.scalars(sa.select(posts.c.id))).one())
    one, other = (replace(each, voices=voices) for each in own)
    return root, one, other


async def test_dom_B15_a_member_says_it_under_one_name(alder: Node, ana: Speaker) -> None:
    """Otherwise one person's four words and one of somebody else would show that one."""
    root, one, other = await _asked(alder, ana)
    async with alder.engine.begin() as conn:
        await check_ins.say(conn, alder.here, one, root, Mood.FINE)
        await check_ins.say(conn, alder.here, one, root, Mood.HARD)
        with pytest.raises(NotAllowed):
            await check_ins.say(conn, alder.here, other, root, Mood.FINE)
        await check_ins.take_back(conn, one, root)
        await check_ins.say(conn, alder.here, other, root, Mood.FINE)


async def test_dom_B15_two_names_of_one_member_at_once_say_it_once(
    alder: Node, ana: Speaker
) -> None:
    root, one, other = await _asked(alder, ana)

    async def second() -> None:
        async with alder.engine.begin() as conn:
            await check_ins.say(conn, alder.here, other, root, Mood.HARD)

    async with alder.engine.begin() as conn:
        await check_ins.say(conn, alder.here, one, root, Mood.FINE)
        coming = asyncio.create_task(second())
        await until_it_waits(alder, coming)
    with pytest.raises(NotAllowed):
        await coming
    async with alder.engine.connect() as conn:
        assert (await conn.scalars(sa.select(said.c.persona_id))).all() == [one.id]
