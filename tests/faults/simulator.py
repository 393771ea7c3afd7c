"""Three nodes, one clock, one source of chance, and a network that a seed makes lose and repeat.

Everything happens one step at a time. What a seed draws is drawn again by the same seed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub import deliver
from activitypub.client import Answer, Unreachable
from activitypub.deliver import Deliverer
from activitypub.state import CLIENT, DELIVERER
from groups import desk
from kernel import chance, faults
from kernel.errors import Problem
from kernel.faults import Point
from node import worker
from tests.faults import invariants, views
from tests.faults.world import World, rest
from tests.nodes import Node, Nodes

BEGINNING = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
CALM, ROUGH = 0.0, 0.25  # how much of what is sent has a bad day


class Crash(ConnectionResetError):
    """The process ends here: who talks with it hears no more, and what it held stays held."""


@dataclass
class Net:
    """Stands between the nodes' clients and the wire, and decides what becomes of each message."""

    seed: int
    roughness: float = CALM
    late: list[Callable[[], Awaitable[Answer]]] = field(default_factory=list)
    _times: dict[str, int] = field(default_factory=dict)

    def between(self, node: Node, patch: pytest.MonkeyPatch) -> None:
        """Take over what the node sends and fetches."""
        client = node.app[CLIENT]
        post, get = client.post, client.get

        async def sent(url: str, body: bytes, **named: Any) -> Answer:
            fate = self._fate(url, body)
            if fate == "lost":
                raise Unreachable("lost on the way")
            if fate == "late":
                self.late.append(lambda: post(url, body, **named))
                raise Unreachable("lost on the way, as it seems")
            answer = await post(url, body, **named)
            if fate == "twice":
                return await post(url, body, **named)
            if fate == "answer lost":
                raise Unreachable("the answer was lost")
            return answer

        async def asked(url: str, **named: Any) -> Answer:
            if self._fate(url, b"") in ("lost", "answer lost"):
                raise Unreachable("lost on the way")
            return await get(url, **named)

        patch.setattr(client, "post", sent)
        patch.setattr(client, "get", asked)

    def _fate(self, url: str, body: bytes) -> str:
        """By what it is and how often it was tried, so that no other message changes it."""
        name = f"{self.seed} {url} {sha256(body).hexdigest()}"
        self._times[name] = self._times.get(name, 0) + 1
        rng = Random(f"{name} {self._times[name]}")
        if rng.random() >= self.roughness:
            return "arrives"
        return rng.choice(["lost", "late", "twice", "answer lost"])

    async def deliver_late(self, rng: Random) -> None:
        """Something that seemed lost arrives after all."""
        if self.late:
            await self.late.pop(rng.randrange(len(self.late)))()


@dataclass
class Simulation:
    """A world that a seed moves; `trace` is what happened, to compare two runs of one seed."""

    world: World
    net: Net
    rng: Random
    banned: set[str] = field(default_factory=set)  # who ever was, by name
    trace: list[str] = field(default_factory=list)
    latest: datetime = BEGINNING  # that the clock ever showed

    @classmethod
    async def of(cls, nodes: Nodes, seed: int, patch: pytest.MonkeyPatch) -> "Simulation":
        """Three nodes that were just made; the same seed makes the same again."""
        nodes.clock.now = BEGINNING
        chance.install(Random(seed))
        _one_at_a_time(patch)
        world = await World.make(nodes)
        net = Net(seed)
        for node in world.all:
            net.between(node, patch)
        return cls(world, net, Random(seed))

    async def run(self, steps: int) -> views.View:
        """So many steps in rough weather, then calm; what all nodes show at the end."""
        self.net.roughness = ROUGH
        for _ in range(steps):
            await self.step()
            self.latest = max(self.latest, self.world.nodes.clock())
            await invariants.hold(*self.world.all, at_rest=False, latest=self.latest)
        self.net.roughness = CALM
        while self.net.late:
            await self.net.deliver_late(self.rng)
        await rest(*self.world.all)
        await invariants.hold(*self.world.all)
        return await self._agree()

    async def step(self) -> None:
        """One thing that happens somewhere."""
        steps = {
            self._talk: 8,
            self._deliver: 8,
            self._process: 8,
            self._late: 3,
            self._join: 1,
            self._ban: 1,
            self._crash: 3,
            self._jump: 3,
            self._drop_connections: 1,
        }
        (what,) = self.rng.choices(list(steps), list(steps.values()))
        await what()

    def _note(self, *words: object) -> None:
        self.trace.append(" ".join(str(word) for word in words))

    async def _talk(self) -> None:
        name = self.rng.choice(sorted(self.world.people))
        try:
            await self.world.talk(self.rng, name)
        except Problem as problem:  # banned, or the post went away
            self._note(name, "may not:", type(problem).__name__)
        else:
            self._note(name, "talks")

    async def _deliver(self) -> None:
        node = self.rng.choice(self.world.all)
        self._note(node.name, "delivers", await node.app[DELIVERER].deliver_one())

    async def _process(self) -> None:
        node = self.rng.choice(self.world.all)
        self._note(node.name, "processes", await worker.process(node.app))

    async def _late(self) -> None:
        self._note("late", len(self.net.late))
        await self.net.deliver_late(self.rng)

    async def _join(self) -> None:
        node = self.rng.choice(self.world.all[1:])
        name = f"{node.name[0]}{len(self.world.people)}"
        self.world.people[name] = node, await node.persona(name)
        try:
            await node.join(self.world.people[name][1], self.world.group.actor.uri)
        finally:
            self._note(name, "joins")

    async def _ban(self) -> None:
        """Ana bans somebody, or lets them come back; Ben and Cleo stay, and so their nodes hear."""
        alder, ana = self.world.people["ana"]
        names = sorted(self.world.people.keys() - {"ana", "ben", "cleo"})
        if not names:
            return
        name = self.rng.choice(names)
        _, speaker = self.world.people[name]
        back = name in self.banned and self.rng.random() < 0.6
        try:
            person = await alder.meet(speaker.actor.uri)
        except Unreachable:
            return
        async with alder.engine.begin() as conn:
            here, group = alder.here, self.world.group
            acting = await desk.require(conn, group, ana)
            if back:
                await desk.unban(conn, here, group, acting, person)
            else:
                await desk.ban(conn, here, group, acting, person, "Please rest.")
        self.banned.add(name)
        self._note(name, "comes back" if back else "is banned")

    async def _crash(self) -> None:
        """A process ends at some point of its work; another one takes over."""
        node, point = self.rng.choice(self.world.all), self.rng.choice(list(Point))
        left = self.rng.randint(1, 3)

        def at(reached: Point) -> None:
            nonlocal left
            left -= reached is point
            if left == 0:
                raise Crash

        faults.install(at)
        try:
            await worker.settle(node.app)
        except Crash:
            self._note(node.name, "ends", point)
        finally:
            faults.install()

    async def _jump(self) -> None:
        hours = self.rng.choice([1 / 60, 1 / 60, 1 / 20, 1, 24, -1 / 60, -1])
        self.world.nodes.clock.forward(hours=hours)
        self._note("clock", hours)

    async def _drop_connections(self) -> None:
        node = self.rng.choice(self.world.all)
        async with node.engine.connect() as conn:
            await conn.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        for _ in range(10):  # turns in which the loop reads each last word, and the end behind it
            await asyncio.sleep(0)
        self._note(node.name, "loses its connections")

    async def _agree(self) -> views.View:
        """What the group's node shows, every other one shows; and the other way round.

        What somebody said or changed while banned, the group's node refuses for good, and their
        own node goes on showing it. So posts of people who were ever banned are compared between
        the nodes that are not their own.
        """
        unsure = {self.world.people[name][1].actor.uri: name for name in self.banned}
        uri = self.world.group.actor.uri
        expected = await views.view(self.world.alder, uri)
        for other in self.world.all[1:]:
            own = {actor for actor in unsure if other.here.is_local(actor)}
            found = await views.view(other, uri)
            loose = _loose(found, own) | _loose(expected, own)
            assert _without(found, own, loose) == _without(expected, own, loose), other.name
        return expected


def _one_at_a_time(patch: pytest.MonkeyPatch) -> None:
    """One peer and one message after the other: of two at once, nobody knows which comes first."""
    several = Deliverer.deliver

    async def one(deliverer: Deliverer, limit: int = 1, *, failing: bool | None = None) -> int:
        return await several(deliverer, min(limit, 1), failing=failing)

    patch.setattr(Deliverer, "deliver", one)
    patch.setattr(deliver, "LANES", 1)


def _shown(view: views.View) -> dict[str, views.Seen]:
    posts = {uri: seen for thread in view.values() for uri, seen in thread.items()}
    return {uri: seen for uri, seen in posts.items() if seen is not None}


def _loose(view: views.View, authors: set[str]) -> set[str]:
    """Answers to what is not shown, or is of some authors."""
    there = {uri: seen for uri, seen in _shown(view).items() if seen.author not in authors}
    return {uri for uri, seen in there.items() if seen.parent and seen.parent not in there}


def _without(view: views.View, authors: set[str], loose: Collection[str]) -> dict[str, views.Seen]:
    """Every shown post but those of some authors; where the `loose` ones hang is left out.

    An answer to what is gone, or was refused, may stand alone under its own first words, or hang on
    what is above that, where what it answers never came (WIRE-Q3); elsewhere it stands below an
    empty place.
    """
    return {
        uri: replace(
            seen,
            parent=None if uri in loose else seen.parent,
            title="" if seen.title == seen.words else seen.title,
        )
        for uri, seen in _shown(view).items()
        if seen.author not in authors
    }
