"""Three nodes and one group, people who talk at random, and how to bring everything to rest."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Self

import sqlalchemy as sa

from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.schema.posts import PostState
from kernel.schema.tables import deliveries, posts, received, refreshes
from moderation.standing import Speaker
from node import worker
from tests.faults import invariants, views
from tests.faults.front import Front
from tests.nodes import Node, Nodes, settle

ROUNDS = 60  # of three minutes; more means that something never comes to rest


@dataclass
class World:
    """Alder has the group and Ana; Ben at birch and Cleo at cedar are members of it."""

    nodes: Nodes
    alder: Node
    birch: Node
    cedar: Node
    front: Front  # alder's
    group: Group
    people: dict[str, tuple[Node, Speaker]]
    gone: list[str] = field(default_factory=list)  # words that somebody took back
    earlier: dict[str, list[str]] = field(default_factory=dict)  # changed ones, by post
    said: int = 0

    @property
    def all(self) -> tuple[Node, Node, Node]:
        return self.alder, self.birch, self.cedar

    @classmethod
    async def make(cls, nodes: Nodes) -> Self:
        alder, birch, cedar = [
            await nodes.start(name) for name in ("alder.test", "birch.test", "cedar.test")
        ]
        front = await Front(alder).start()
        ana = await alder.persona("ana")
        group = await alder.group("sleep", ana, settings=GroupSettings())
        people = {"ana": (alder, ana)}
        for name, node in (("ben", birch), ("cleo", cedar)):
            people[name] = node, await node.persona(name)
            await node.join(people[name][1], group.actor.uri)
        await settle(alder, birch, cedar)
        world = cls(nodes, alder, birch, cedar, front, group, people)
        await world.start("ana")
        await settle(alder, birch, cedar)
        return world

    async def stop(self) -> None:
        await self.front.stop()
        await self.nodes.stop()

    def _words(self, rng: Random) -> str:
        """Never said before, so that they are found wherever they are kept."""
        self.said += 1
        return f"word{self.said}x{rng.randrange(10**12)}"

    async def start(self, name: str, words: str = "How was your night?") -> Post:
        node, speaker = self.people[name]
        self.said += 1
        return await node.start(speaker, self.group.actor.uri, f"Thread {self.said}", words)

    async def talk(self, rng: Random, name: str) -> None:
        """One thing that this person may do now: say, change, or take back."""
        node, speaker = self.people[name]
        mine = await self._posts(node, posts.c.author_id == speaker.id)
        there = await self._posts(node, sa.true())
        act = rng.choice(["start", "reply", "reply", "reply", "edit", "delete"])
        if act == "start" or not there:
            await self.start(name, self._words(rng))
        elif act == "reply" or not mine:
            uri, _ = rng.choice(there[:5])
            await node.reply(speaker, uri, self._words(rng))
        elif act == "edit":
            uri, source = rng.choice(mine[:5])
            self.earlier.setdefault(uri, []).append(source)
            self.nodes.clock.forward(minutes=1)  # an edit is told from another by its minute
            await node.edit(speaker, uri, "A new title", self._words(rng))
        else:
            uri, source = rng.choice(mine[:5])
            self.gone += [*self.earlier.pop(uri, []), source]
            await node.delete(speaker, uri)

    async def _posts(self, node: Node, which: sa.ColumnElement[bool]) -> list[tuple[str, str]]:
        """(id, Markdown) of what is shown, newest first."""
        async with node.engine.connect() as conn:
            rows = await conn.execute(
                sa.select(posts.c.uri, posts.c.source)
                .where(posts.c.state == PostState.SHOWN, which)
                .order_by(posts.c.id.desc())
            )
            return [(uri, source) for uri, source in rows]

    async def work_until(self, over: Callable[[], bool], *nodes: Node) -> None:
        """Run the queues of `nodes` again and again until `over`."""
        while not over():
            busy = await asyncio.gather(*(worker.settle(node.app) for node in nodes))
            if not any(busy):
                return

    async def check(self, *, newest: int | None = None) -> views.View:
        """At rest: every invariant holds, nothing was lost, all nodes show the same.

        Returns what everybody shows, in all threads or the `newest`.
        """
        await invariants.hold(*self.all)
        for sender in self.all:
            for receiver in self.all:
                if sender is not receiver and self.alder in (sender, receiver):
                    await invariants.kept_once(sender, receiver)
        return await views.agree(self.group.actor.uri, *self.all, newest=newest)

    async def check_words(self, count: int) -> None:
        """Words that were taken back are nowhere: looked for in every column of every table.

        Those that were only changed are where moderators look them up, and nowhere else.
        """
        for words in self.gone[-count:]:
            for node in self.all:
                assert await node.mentions(words) == [], (node.name, words)
        for words in [words for several in self.earlier.values() for words in several][-count:]:
            for node in self.all:
                assert set(await node.mentions(words)) <= {"post_edits.content"}, (node.name, words)


async def rest(*nodes: Node) -> None:
    """Everything goes where it must; waits and leases pass. Raises AssertionError: what never does.

    All of them share a clock.
    """
    for _ in range(ROUNDS):
        await settle(*nodes)
        if not any([await waiting(node) for node in nodes]):
            return
        nodes[0].clock.forward(minutes=3)
    raise AssertionError([await _what_waits(node) for node in nodes])


async def waiting(node: Node) -> int:
    """How much came and is not dealt with, has to go and did not, and is to be read again."""
    return len(await _what_waits(node))


async def _what_waits(node: Node) -> list[str]:
    came = sa.select(
        received.c.activity_uri.concat(" ")
        .concat(sa.cast(received.c.attempts, sa.Text))
        .concat(" ")
        .concat(received.c.reason)
    ).where(received.c.state == "new")
    to_go = sa.select(
        deliveries.c.activity_uri.concat(" ").concat(sa.cast(deliveries.c.attempts, sa.Text))
    ).where(deliveries.c.parked.is_(None))
    to_read = sa.select(sa.cast(refreshes.c.thread_id, sa.Text)).where(refreshes.c.due.is_not(None))
    async with node.engine.connect() as conn:
        return list(await conn.scalars(came.union_all(to_go, to_read)))
