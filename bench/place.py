"""The node under test: `hearthold serve` in a process of its own, and what is put into it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import remote
from activitypub.actors import Actor
from activitypub.keys import KeyPair
from activitypub.vocab import ActorDocument
from bench.world import Person
from groups import groups as group_store
from groups import membership, threads
from groups.admission import Draft
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel import db
from kernel.clock import utcnow
from kernel.here import Here
from kernel.postgres import Server
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.groups import Posts
from kernel.schema.tables import follows, peers
from kernel.sealing import NodeKey
from kernel.settings import FILE, LOOPBACK, Settings
from moderation.standing import Speaker
from node.demo.nodes import DemoNode, free_port
from node.opening import KEY

READ = 99  # a version of guidelines that nobody has reached

NEW_PER_HOUR = 1_000_000
"""What is measured is what a node can do, and not that it makes strangers wait.

They are counted all the same, which is part of what an activity costs.
"""


@dataclass(slots=True, kw_only=True)
class Place:
    """A node that answers, and its database, for setting things up and for looking."""

    node: DemoNode
    engine: AsyncEngine
    here: Here

    @property
    def port(self) -> int:
        return self.node.port

    @property
    def settings(self) -> Settings:
        """As the node's own, for an application in this process."""
        directory = self.node.directory / self.node.name
        return Settings(
            data_dir=directory,
            origin=self.here.origin,
            allow_networks=LOOPBACK,
            new_per_hour=NEW_PER_HOUR,
            release_delay=False,
        )

    async def group(self, keys: KeyPair, *, members: int) -> tuple[Group, Speaker]:
        """A public group where anyone may post, with local members, and its founder."""
        async with self.engine.begin() as conn:
            founder = Speaker.alone(await self._persona(conn, "founder", keys))
            group = await group_store.create(
                conn,
                self.here,
                handle="circle",
                name="Circle",
                about="A group to measure.",
                rules="",
                settings=GroupSettings(posts=Posts.ANYONE),
                founder=founder.actor,
                keys=keys,
                desk_keys=keys,
            )
            for number in range(members - 1):
                member = Speaker.alone(await self._persona(conn, f"member_{number}", keys))
                await membership.join(conn, self.here, member, group)
        return group, founder

    async def _persona(self, conn: AsyncConnection, handle: str, keys: KeyPair) -> Actor:
        return await actor_store.create_local(
            conn, self.here, kind=ActorKind.PERSON, handle=handle, name=handle.title(), keys=keys
        )

    async def threads(self, group: Group, founder: Speaker, count: int) -> list[Post]:
        """Threads to answer in."""
        made = []
        async with self.engine.begin() as conn:
            for number in range(count):
                draft = Draft(title=f"Thread {number}", source="Who is there?", language="en")
                made.append(await threads.start(conn, self.here, founder, group, draft))
        return made

    async def reply(self, founder: Speaker, parent: Post, words: str) -> Post:
        """An answer by somebody who lives here, as their page would send it."""
        async with self.engine.begin() as conn:
            draft = Draft(source=words, language="en", guidelines=READ)
            return await threads.reply(conn, self.here, founder, parent, draft)

    async def meet(
        self, people: Sequence[Person], *, wrapped: bool, following: Group | None = None
    ) -> None:
        """The node knows these actors and their dialect; they may follow a group."""
        async with self.engine.begin() as conn:
            for person in people:
                actor = await remote.store(conn, self.here, ActorDocument.parse(person.document()))
                if following is not None:
                    await conn.execute(
                        follows.insert().values(
                            follower_id=actor.id,
                            followed_id=following.id,
                            state=FollowState.ACCEPTED,
                            uri=f"{person.uri}/follow",
                        )
                    )
            await conn.execute(
                sa.update(peers)
                .where(peers.c.host.in_({person.host for person in people}))
                .values(wrapped=wrapped)
            )


@asynccontextmanager
async def place(server: Server, directory: Path, name: str = "node") -> AsyncIterator[Place]:
    """A running node called `name` with a database of its own; stopped at the end."""
    await server.create_database(name)
    (directory / name).mkdir(mode=0o700)
    (directory / name / FILE).write_text(f"new_per_hour = {NEW_PER_HOUR}\n")
    node = DemoNode(name=name, port=free_port(), directory=directory, database_url=server.url(name))
    await node.start()
    engine = db.connect(node.database_url)
    try:
        key = NodeKey.load(directory / name / KEY)
        yield Place(node=node, engine=engine, here=Here(node.origin, key, utcnow))
    finally:
        await engine.dispose()
        await node.stop()
