"""Threads are split and put together by moderators, here and over the wire (DOM-A17)."""

# ruff: noqa: ASYNC110  (who writes meanwhile waits in the database, which tells nobody)

import asyncio

import pytest
import sqlalchemy as sa

from groups import browsing, desk, rearranging, threads
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from kernel.errors import NotAllowed, NotFound
from kernel.schema.posts import PostState
from kernel.schema.tables import posts
from kernel.schema.tables import threads as thread_table
from moderation.standing import Speaker
from moderation.visibility import VISITOR
from tests.nodes import Node, NodeFactory, settle
from tests.wire.world import Follower


async def _split(alder: Node, group: Group, ana: Speaker, uri: str, title: str) -> Post:
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        post = await post_store.by_uri(conn, uri)
        assert post is not None
        return await rearranging.split(conn, alder.here, group, actor, post, title, "Too much.")


async def _merge(alder: Node, group: Group, ana: Speaker, uri: str, into: str) -> None:
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        root, other = [await post_store.by_uri(conn, each) for each in (uri, into)]
        assert root is not None
        assert other is not None
        await rearranging.merge(conn, alder.here, group, actor, root, other)


async def _said(node: Node, uri: str) -> tuple[str, list[str], int]:
    """Title, posts and counted answers of the thread that a post is in."""
    page = await node.thread(uri)
    async with node.engine.connect() as conn:
        replies = await conn.scalar(
            sa.select(thread_table.c.replies).where(thread_table.c.id == page.root.id)
        )
    assert replies is not None
    return page.root.title, [post.uri for post in page.posts], replies


async def test_wire_G36_a_split_and_a_merge_reach_another_node_and_keep_addresses(
    node: NodeFactory, alder: Node, ana: Speaker, sleep: Group
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder, birch)
    aside = await birch.reply(ben, root.uri, "By the way, about tea.")
    await settle(alder, birch)
    tea = await alder.reply(ana, aside.uri, "I like tea.")
    other = await alder.reply(ana, root.uri, "Back to it.")
    await settle(alder, birch)

    made = await _split(alder, sleep, ana, aside.uri, "Tea")
    await settle(alder, birch)
    for each in (alder, birch):
        assert await _said(each, root.uri) == ("A title", [root.uri, other.uri], 1)
        assert await _said(each, tea.uri) == ("Tea", [aside.uri, tea.uri], 1)
    there = await birch.post(aside.uri)
    assert there is not None
    assert there.thread_uri == made.thread_uri == f"{alder.origin}/t/{made.id}"
    context = await (await alder.get(f"/t/{made.id}")).json()
    assert context["orderedItems"] == [aside.uri, tea.uri]
    later = await birch.reply(ben, tea.uri, "Me too.")
    await settle(alder, birch)
    assert await _said(alder, aside.uri) == ("Tea", [aside.uri, tea.uri, later.uri], 2)

    await _merge(alder, sleep, ana, aside.uri, root.uri)
    await settle(alder, birch)
    for each in (alder, birch):
        title, uris, replies = await _said(each, later.uri)
        assert (title, replies) == ("A title", 4)
        assert set(uris) == {root.uri, other.uri, aside.uri, tea.uri, later.uri}
        assert uris[0] == root.uri
    moved = await alder.get(f"/t/{made.id}")
    assert (moved.status, moved.headers["Location"]) == (301, root.thread_uri)
    document = await (await alder.get(f"/p/{tea.id}")).json()
    assert document["context"] == root.thread_uri
    async with alder.engine.connect() as conn:
        lines = await browsing.latest(conn, VISITOR, group_id=sleep.id)
    assert [line.title for line in lines] == ["A title"]


async def test_wire_G36_what_servers_are_told_of_a_split_and_a_merge(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    answer = await alder.reply(ana, root.uri, "By the way.")
    await settle(alder)
    for each in (lemmy, mastodon):
        each.peer.inbox.clear()
    made = await _split(alder, sleep, ana, answer.uri, "By the way")
    await settle(alder)
    (announce,) = lemmy.peer.got("Announce", "Move")
    inner = announce["object"]
    assert inner["actor"] == f"{alder.origin}/desk/sleep"
    assert (inner["object"], inner["origin"]) == (answer.uri, root.thread_uri)
    assert (inner["target"], inner["name"]) == (made.thread_uri, "By the way")
    assert inner["summary"] == "Too much."
    assert not lemmy.peer.got("Announce", "Update")  # nothing is said in the author's name
    note = await (await alder.get(f"/p/{answer.id}")).json()
    assert (note["context"], note["inReplyTo"]) == (made.thread_uri, None)
    assert note["name"] == "By the way"
    boosts = [each["object"] for each in mastodon.peer.got("Announce")]
    assert boosts == [answer.uri]  # it is a first post now, and nobody is sent a Move
    mastodon.peer.inbox.clear()
    await _merge(alder, sleep, ana, answer.uri, root.uri)
    await settle(alder)
    (undo,) = mastodon.peer.got("Undo")
    assert undo["object"]["object"] == answer.uri
    move = lemmy.peer.got("Announce", "Move")[-1]["object"]
    assert (move["object"], move["target"]) == (made.thread_uri, root.thread_uri)


async def test_sec_S23_who_does_not_moderate_rearranges_nothing(
    node: NodeFactory, alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    answer = await alder.reply(ana, root.uri, "By the way.")
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    before = await _said(alder, answer.uri)
    host, bo = lemmy.peer, lemmy.person
    move = host.activity(
        "Move", bo, answer.uri, origin=root.thread_uri, target=f"{host.origin}/t/1", name="Mine"
    )
    assert await host.send(alder, move, bo) == 202
    assert await host.send(birch, move, bo) == 202
    await settle(alder, birch)
    assert await _said(alder, answer.uri) == before


async def test_what_cannot_be_put_together_says_why(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    first = await alder.start(ana, sleep.actor.uri, "First", "Some words.")
    second = await alder.start(ana, sleep.actor.uri, "Second", "Some words.")
    answer = await alder.reply(ana, second.uri, "By the way.")
    with pytest.raises(NotAllowed, match="began later"):
        await _merge(alder, sleep, ana, first.uri, second.uri)
    with pytest.raises(NotAllowed, match="itself"):
        await _merge(alder, sleep, ana, first.uri, first.uri)
    with pytest.raises(NotFound):
        await _merge(alder, sleep, ana, answer.uri, first.uri)
    with pytest.raises(NotFound):
        await _split(alder, sleep, ana, second.uri, "A title")


async def test_an_answer_that_is_written_meanwhile_goes_along(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    first = await alder.start(ana, sleep.actor.uri, "First", "Some words.")
    second = await alder.start(ana, sleep.actor.uri, "Second", "Some words.")
    aside = await alder.reply(ana, second.uri, "By the way.")
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await rearranging.split(conn, alder.here, sleep, actor, aside, "Aside")
        writing = asyncio.create_task(alder.reply(ana, aside.uri, "Meanwhile."))
        await _wait_for_a_writer(alder)
    answer = await writing
    assert answer.thread_id == aside.id
    assert await _said(alder, aside.uri) == ("Aside", [aside.uri, answer.uri], 1)
    assert await _said(alder, second.uri) == ("Second", [second.uri], 0)
    root = await alder.post(second.uri)
    assert root is not None
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await rearranging.merge(conn, alder.here, sleep, actor, root, first)
        writing = asyncio.create_task(alder.reply(ana, second.uri, "Meanwhile, too."))
        await _wait_for_a_writer(alder)
    answer = await writing
    assert await _said(alder, first.uri) == ("First", [first.uri, second.uri, answer.uri], 2)
    async with alder.engine.connect() as conn:
        assert await threads.is_emptied(conn, second.id)
        assert not await conn.scalar(
            sa.select(thread_table.c.shown).where(thread_table.c.id == second.id)
        )
        shown = sa.select(sa.func.count()).where(posts.c.state == PostState.SHOWN)
        assert await conn.scalar(shown) == 5


async def _wait_for_a_writer(alder: Node) -> None:
    """Until somebody waits for a row that this test holds."""
    waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(30), alder.engine.connect() as conn:
        while not await conn.scalar(waits):
            await asyncio.sleep(0.01)
