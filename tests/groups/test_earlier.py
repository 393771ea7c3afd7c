"""What a post said before: for moderators, for a while, and gone with the post (WIRE 8.5)."""

import pytest
import sqlalchemy as sa

from groups import desk, earlier
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.schema.groups import Posts
from kernel.schema.tables import post_edits
from moderation.standing import Speaker
from node import tidy
from tests.nodes import Node, NodeFactory, settle
from tests.peer import PUBLIC, PeerFactory
from tests.wire.world import said


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test")


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    return await alder.persona("ana")


@pytest.fixture
async def sleep(alder: Node, ana: Speaker) -> Group:
    return await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))


@pytest.fixture
async def changed(alder: Node, ana: Speaker, sleep: Group) -> Post:
    """A post that first said something worse."""
    post = await alder.start(ana, sleep.actor.uri, "A title", "Worse words.")
    alder.clock.forward(minutes=1)
    return await alder.edit(ana, post.uri, "A title", "Better words.")


async def versions(node: Node, post: Post) -> list[str]:
    async with node.engine.connect() as conn:
        return [each.content for each in await earlier.of(conn, post.id)]


async def test_what_a_post_said_before_is_kept_newest_first(
    alder: Node, ana: Speaker, changed: Post
) -> None:
    assert await versions(alder, changed) == ["<p>Worse words.</p>"]
    alder.clock.forward(minutes=1)
    await alder.edit(ana, changed.uri, "A title", "Better words.")  # which changes nothing
    assert len(await versions(alder, changed)) == 1
    await alder.edit(ana, changed.uri, "A title", "Best words.")
    assert await versions(alder, changed) == ["<p>Better words.</p>", "<p>Worse words.</p>"]


async def test_the_author_takes_all_of_it_back(alder: Node, ana: Speaker, changed: Post) -> None:
    await alder.delete(ana, changed.uri)
    assert await alder.mentions("Worse words.") == []


async def test_a_removal_ends_it(alder: Node, ana: Speaker, sleep: Group, changed: Post) -> None:
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.remove(conn, alder.here, sleep, actor, changed, "a reason")
    assert await alder.mentions("Worse words.") == []


async def test_it_is_kept_for_thirty_days(alder: Node, changed: Post) -> None:
    for days, left in ((29, 1), (30, 1), (31, 0)):
        async with alder.engine.begin() as conn:
            await earlier.sweep(conn, alder.clock().date() + (earlier.KEPT * days) / 30)
        assert len(await versions(alder, changed)) == left
    await tidy.tidy(alder.engine, alder.here)


@pytest.mark.parametrize("count", [earlier.VERSIONS, earlier.VERSIONS + 1, 3 * earlier.VERSIONS])
async def test_so_many_and_no_more(alder: Node, changed: Post, count: int) -> None:
    async with alder.engine.begin() as conn:
        await conn.execute(sa.delete(post_edits))
        for _ in range(count):
            await earlier.keep(conn, changed.id, alder.clock().date())
    assert len(await versions(alder, changed)) == earlier.VERSIONS


async def test_posts_from_elsewhere_are_kept_where_the_group_is_ours(
    alder: Node, sleep: Group, peer: PeerFactory
) -> None:
    good = await peer("good.test", alder)
    ann = good.person("ann")
    note = good.note(ann, "Worse words.", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    update = {**note, "content": "<p>Better.</p>", "updated": "2090-01-01T00:00:00Z"}
    assert await good.send(alder, good.activity("Update", ann, update), ann) == 202
    await settle(alder)
    post = await alder.post(note["id"])
    assert post is not None
    assert await versions(alder, post) == ["<p>Worse words.</p>"]
