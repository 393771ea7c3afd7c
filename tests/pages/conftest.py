"""A settled node with people, groups and words in it."""

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from activitypub.state import SETTINGS
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.postgres import Server
from kernel.schema.groups import Joining, Premoderation, Sees
from node.pages.group_words import STARTER
from node.pages.session import ADMINISTRATOR
from tests.conftest import TEMPLATE
from tests.faults.victim import Victim, victim
from tests.nodes import Node, NodeFactory, Nodes
from tests.pages.people import Answer, Browser, Person, person, settle


@dataclass(frozen=True)
class House:
    """Ana runs the node and looks after the groups; Ben is a member of `open`; Cleo just came."""

    node: Node
    visitor: Browser
    ana: Person
    ben: Person
    cleo: Person
    open: Group
    private: Group
    careful: Group
    thread: Post
    answer: Post
    held: Post

    def at(self, node: Node) -> "House":
        """The same people and words, at a node that is a copy of theirs."""

        def led(who: Person) -> Person:
            return replace(who, node=node, cookies=dict(who.cookies))

        ana, ben, cleo = led(self.ana), led(self.ben), led(self.cleo)
        return replace(self, node=node, visitor=Browser(node), ana=ana, ben=ben, cleo=cleo)

    def addresses(self) -> dict[str, str]:
        """A sample for every variable part of an address."""
        return {
            "{name}": "open",
            "{id}": str(self.thread.id),
            "{country}": "ie",
            "{task}": "release",
            "{hash}": "0" * 16,
            "{kind}": "like",
            "{tag}": "sleep",
            "{host}": "nowhere.example",
            "{record}": "risks",
            "{version}": "1",
            "{decision}": "1",
            "{list}": "a-list",
            "{waiting}": "00000000-0000-4000-8000-000000000000",
            "{number}": "1",
            "{channel}": "00000000-0000-4000-8000-000000000000",
            "{conversation}": "00000000-0000-4000-8000-000000000000",
            "{message}": "00000000-0000-4000-8000-000000000000",
            "{case}": "00000000-0000-4000-8000-000000000000",
            "{ask}": "00000000-0000-4000-8000-000000000000",
            "{signal}": "1",
            "{person}": "00000000-0000-4000-8000-000000000000",
        }

    def sample(self, path: str) -> str:
        """A path of the router with its variable parts filled in."""
        if path == "/static/{hash}/{name}":
            return "/static/0000000000000000/site.css"
        if path.startswith("/media/"):
            return "/media/00000000-0000-4000-8000-000000000000.webp"
        if path.startswith(("/u/", "/personas/", "/messages/")):
            path = path.replace("{name}", "ana")
        for part, value in self.addresses().items():
            path = path.replace(part, value)
        assert "{" not in path, f"say in conftest what stands for the variable part of {path}"
        return path


async def looked_at(who: Person, queue: str) -> Answer:
    """The page of the first case of a queue, once somebody has said that they look at it."""
    page = await who.open(queue)
    assert page.status == 200, page.text
    link = re.search(rf'id="case-[^"]+" href="({queue}/[^"#]+)[#"]', page.html)
    assert link is not None, page.text
    claimed = await who.fill(link[1], f"{link[1]}/claim")
    return await who.follow(claimed)


@dataclass(frozen=True)
class Kept:
    """A house that stands for all others of a run: each is a copy of its database and files."""

    house: House
    database: str
    data_dir: Path
    at: datetime  # the time there


@pytest.fixture
async def house(
    node: NodeFactory, kept: dict[str, Any], postgres: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> House:  # fmt: skip
    if "house" not in kept:
        kept["house"] = await _build(postgres, tmp_path_factory.mktemp("house"))
    one: Kept = kept["house"]
    database, data_dir = f"test_{uuid4().hex}", tmp_path_factory.mktemp("copy") / "alder.test"
    await postgres.create_database(database, template=one.database)
    shutil.copytree(one.data_dir, data_dir)
    alder = await node(
        "alder.test", database_url=postgres.url(database), data_dir=data_dir, now=one.at
    )
    return one.house.at(alder)


async def _build(postgres: Server, directory: Path) -> Kept:
    nodes = Nodes(postgres, TEMPLATE, directory)
    alder = await nodes.start("alder.test")
    built = await _furnish(alder)
    database, data_dir = alder.engine.url.database, alder.app[SETTINGS].data_dir
    assert database is not None
    await nodes.stop()
    return Kept(built, database, data_dir, nodes.clock.now)


async def _furnish(alder: Node) -> House:
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben, cleo = await person(alder, "ben"), await person(alder, "cleo")
    group = await alder.group("open", ana.speaker, rules=STARTER)
    private = await alder.group("private", ana.speaker, settings=GroupSettings(sees=Sees.MEMBERS))
    careful = await alder.group(
        "careful",
        ana.speaker,
        settings=GroupSettings(joining=Joining.APPROVAL, premoderation=Premoderation.ALL),
    )
    await alder.join(ben.speaker, group.actor.uri)
    thread = await alder.start(ana.speaker, group.actor.uri, "A first thread", "Hello all of you.")
    answer = await alder.reply(ben.speaker, thread.uri, "Hello back.")
    await alder.start(ana.speaker, private.actor.uri, "Among us", "Only members read this.")
    await alder.join(ben.speaker, careful.actor.uri)
    await ana.send("POST", "/g/careful/desk/admit", {"person": str(ben.actor.id)})
    held = await alder.start(ben.speaker, careful.actor.uri, "Waiting", "Read me first.")
    return House(
        node=alder, visitor=Browser(alder), ana=ana, ben=ben, cleo=cleo, open=group,
        private=private, careful=careful, thread=thread, answer=answer, held=held,
    )  # fmt: skip


@pytest.fixture
async def other(house: House) -> AsyncIterator[Victim]:
    """Another process of the node, with a database connection and memory of its own."""
    async with victim(house.node, None, works=False) as process:
        yield process
