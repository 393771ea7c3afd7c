"""The story this exists for: a thread crosses three nodes and stays one thread."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from groups import desk
from groups.groups import Group, GroupSettings
from inbox import refreshes
from kernel.schema.groups import Posts
from kernel.schema.tables import deliveries, peers
from moderation.standing import Speaker
from tests.faults import views
from tests.nodes import Node, NodeFactory, settle
from tests.peer import PUBLIC, PeerFactory


async def test_a_thread_started_at_alder_is_answered_from_birch_and_read_at_cedar(
    node: NodeFactory,
) -> None:
    alder, birch, cedar = [await node(f"{name}.test") for name in ("alder", "birch", "cedar")]
    ana, ben, cleo = (
        await alder.persona("ana"),
        await birch.persona("ben"),
        await cedar.persona("cleo"),
    )
    group = await alder.group("sleep", ana)
    await birch.join(ben, group.actor.uri)
    await cedar.join(cleo, group.actor.uri)
    await settle(alder, birch, cedar)

    root = await alder.start(ana, group.actor.uri, "Waking at four", "Does anyone else?")
    await settle(alder, birch, cedar)
    answer = await birch.reply(ben, root.uri, "Every night. You are not alone.")
    await settle(alder, birch, cedar)
    thanks = await cedar.reply(cleo, answer.uri, "Thank you both.")
    await settle(alder, birch, cedar)

    expected = [root.uri, answer.uri, thanks.uri]
    for each in (alder, birch, cedar):
        page = await each.thread(root.uri)
        assert [post.uri for post in page.posts] == expected, each.name
        assert page.root.title == "Waking at four"
        assert page.root.thread_uri == root.thread_uri, each.name
        assert "You are not alone" in page.posts[1].content


async def test_a_thread_started_away_takes_the_name_its_group_gives_it(node: NodeFactory) -> None:
    alder, birch, cedar = [await node(f"{name}.test") for name in ("alder", "birch", "cedar")]
    ana, ben, cleo = (
        await alder.persona("ana"),
        await birch.persona("ben"),
        await cedar.persona("cleo"),
    )
    group = await alder.group("sleep", ana)
    await birch.join(ben, group.actor.uri)
    await cedar.join(cleo, group.actor.uri)
    await settle(alder, birch, cedar)

    root = await birch.start(ben, group.actor.uri, "New here", "Hello from another node.")
    await settle(alder, birch, cedar)

    contexts = {(await each.thread(root.uri)).root.thread_uri for each in (alder, birch, cedar)}
    assert len(contexts) == 1
    assert contexts.pop().startswith(alder.origin + "/t/")


async def test_an_edit_and_a_delete_travel_and_the_words_are_gone(node: NodeFactory) -> None:
    alder, birch = await node("alder.test"), await node("birch.test")
    ana, ben = await alder.persona("ana"), await birch.persona("ben")
    group = await alder.group("sleep", ana)
    await birch.join(ben, group.actor.uri)
    await settle(alder, birch)
    root = await birch.start(ben, group.actor.uri, "A title", "First words.")
    await settle(alder, birch)
    assert "First words" in (await alder.thread(root.uri)).root.content

    alder.clock.forward(minutes=2)
    await birch.edit(ben, root.uri, "A title", "Second words.")
    await settle(alder, birch)
    assert "Second words" in (await alder.thread(root.uri)).root.content

    await birch.delete(ben, root.uri)
    await settle(alder, birch)
    gone = await alder.post(root.uri)
    assert gone is not None
    assert gone.content == ""
    assert await alder.mentions("words.") == []


@dataclass(frozen=True)
class Three:
    """A group at alder where anyone may post; somebody at birch and at cedar each."""

    alder: Node
    birch: Node
    cedar: Node
    ana: Speaker
    ben: Speaker
    cleo: Speaker
    group: Group

    async def settle(self) -> None:
        await settle(self.alder, self.birch, self.cedar)

    async def agree(self) -> views.View:
        """What all three show."""
        return await views.agree(self.group.actor.uri, self.alder, self.birch, self.cedar)

    @asynccontextmanager
    async def unheard(self, node: Node) -> AsyncIterator[None]:
        """What alder tells meanwhile never reaches the node, and nobody says so."""
        here = peers.c.host == node.name
        async with self.alder.engine.begin() as conn:
            await conn.execute(sa.update(peers).where(here).values(paused=True))
        yield
        await self.settle()
        async with self.alder.engine.begin() as conn:
            await conn.execute(sa.delete(deliveries).where(deliveries.c.host == node.name))
            await conn.execute(sa.update(peers).where(here).values(paused=False))

    async def remove(self, uri: str) -> None:
        """Alder's moderators take a post out."""
        post = await self.alder.post(uri)
        assert post is not None
        async with self.alder.engine.begin() as conn:
            actor = await desk.require(conn, self.group, self.ana)
            await desk.remove(conn, self.alder.here, self.group, actor, post, "a reason")

    async def open(self, node: Node, uri: str) -> None:
        """Somebody reads the thread of a post at the node, and some minutes pass."""
        post = await node.post(uri)
        assert post is not None
        node.clock.forward(minutes=16)
        async with node.engine.begin() as conn:
            soon = refreshes.some_time_soon()
            await refreshes.ask(conn, node.here, post.thread_id, after=soon)
        node.clock.forward(minutes=6)
        await self.settle()


@pytest.fixture
async def three(node: NodeFactory) -> Three:
    alder, birch, cedar = [await node(f"{name}.test") for name in ("alder", "birch", "cedar")]
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))
    made = Three(
        alder, birch, cedar, ana, await birch.persona("ben"), await cedar.persona("cleo"), group
    )
    await birch.join(made.ben, group.actor.uri)
    await made.settle()
    return made


async def test_wire_G45_who_comes_late_reads_the_same_thread(three: Three) -> None:
    """Cedar joins when much was said; some of it is gone by then, and some in between."""
    root = await three.alder.start(three.ana, three.group.actor.uri, "Long nights", "Who else?")
    await three.settle()
    first = await three.birch.reply(three.ben, root.uri, "I am up too.")
    await three.settle()
    second = await three.alder.reply(three.ana, first.uri, "Tea?")
    out = await three.alder.reply(three.ana, first.uri, "Something unkind.")
    await three.settle()
    third = await three.birch.reply(three.ben, out.uri, "Please be kind.")
    back = await three.birch.reply(three.ben, second.uri, "Said too much.")
    await three.settle()
    fourth = await three.alder.reply(three.ana, back.uri, "It is all right.")
    await three.remove(out.uri)
    await three.birch.delete(three.ben, back.uri)
    await three.settle()

    await three.cedar.join(three.cleo, three.group.actor.uri)
    await three.settle()
    last = await three.alder.reply(three.ana, fourth.uri, "Good night.")
    await three.settle()
    assert await three.cedar.post(first.uri) is None
    three.alder.clock.forward(minutes=6)
    await three.settle()

    seen = (await three.agree())[root.uri]
    assert {uri for uri, post in seen.items() if post} == {
        each.uri for each in (root, first, second, third, fourth, last)
    }
    thread = seen[third.uri], seen[fourth.uri]
    assert [post.parent for post in thread if post] == [out.uri, back.uri]
    for each in (three.alder, three.birch, three.cedar):
        assert await each.mentions("Said too much") == []
    assert await three.cedar.mentions("Something unkind") == []


async def test_wire_G45_what_never_arrived_is_there_once_somebody_looks(three: Three) -> None:
    """Answers in the middle, a Delete and a removal get lost on the way to cedar."""
    await three.cedar.join(three.cleo, three.group.actor.uri)
    await three.settle()
    root = await three.alder.start(three.ana, three.group.actor.uri, "Long nights", "Who else?")
    deleted = await three.alder.reply(three.ana, root.uri, "Taken back later.")
    await three.settle()
    removed = await three.birch.reply(three.ben, root.uri, "Taken out later.")
    await three.settle()
    await three.agree()

    async with three.unheard(three.cedar):
        middle = await three.birch.reply(three.ben, root.uri, "Nobody at cedar hears this.")
        await three.settle()
        await three.alder.reply(three.ana, middle.uri, "Nor this.")
        await three.alder.delete(three.ana, deleted.uri)
        await three.remove(removed.uri)
    with pytest.raises(AssertionError):
        await three.agree()

    await three.open(three.cedar, root.uri)
    seen = (await three.agree())[root.uri]
    assert len([post for post in seen.values() if post]) == 3
    assert await three.cedar.mentions("Taken back later") == []


async def test_wire_G45_posts_that_nobody_sent_are_the_same_everywhere(
    three: Three, peer: PeerFactory
) -> None:
    """An answer hangs on one that its author told nobody here; others hang on each other."""
    good = await peer("good.test", three.alder)
    ann, bob = good.person("ann"), good.person("bob")
    await three.cedar.join(three.cleo, three.group.actor.uri)
    await three.settle()
    root = await three.alder.start(three.ana, three.group.actor.uri, "Long nights", "Who else?")
    await three.settle()
    middle = good.note(ann, "middle", inReplyTo=root.uri)
    leaf = good.note(bob, "leaf", inReplyTo=middle["id"])
    to = [PUBLIC, three.group.actor.uri]
    one, other, alone = (good.note(bob, name, to=to) for name in ("one", "other", "alone"))
    circle = [
        good.show({**note, "inReplyTo": above["id"]})
        for note, above in ((one, other), (other, one), (alone, alone))
    ]
    for note in (leaf, *circle):
        assert await good.send(three.alder, good.create(bob, note), bob) == 202
    await three.settle()
    for _ in range(9):
        three.alder.clock.forward(hours=3)
        await three.settle()
    seen = await three.agree()
    assert list(seen) == [root.uri]
    assert set(seen[root.uri]) == {root.uri, middle["id"], leaf["id"]}
