"""Two and three nodes in one process, under names of their own, on real loopback HTTP."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.keys import generate
from activitypub.parts import Poll
from activitypub.state import ENGINE, HERE, REMOTE
from groups import browsing, membership, mentions, threads
from groups import groups as group_store
from groups import posts as post_store
from groups.admission import Draft
from groups.browsing import ThreadPage
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.clock import utcnow
from kernel.here import Here
from kernel.postgres import Server
from kernel.schema.actors import ActorKind
from kernel.schema.moderation import Level
from kernel.schema.posts import Wish
from kernel.schema.tables import metadata
from kernel.settings import ACTORS_PER_HOUR, NEW_PER_HOUR, S3, Network, Settings
from moderation import domains
from moderation.policy import Policy
from moderation.standing import Speaker
from moderation.visibility import Viewer
from node import door, worker
from node.app import create_app
from node.door import House
from node.listening import bind

LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass
class Names:
    """Our own DNS: names of nodes and peers to their loopback ports."""

    ports: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    elsewhere: dict[str, tuple[str, int]] = field(default_factory=dict)  # addresses of their own

    async def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        self.asked.append(host)
        if host in self.elsewhere:
            return [self.elsewhere[host]]
        if host not in self.ports:
            raise OSError("no such name")
        return [("127.0.0.1", self.ports[host])]


@dataclass
class Wall:
    """A clock that only moves when told to."""

    now: datetime = field(default_factory=utcnow)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **steps: float) -> None:
        self.now += timedelta(**steps)


@dataclass
class Node:
    """A running node, and the things a test asks of it."""

    name: str
    app: web.Application
    runner: web.AppRunner
    port: int
    names: Names
    clock: Wall
    session: aiohttp.ClientSession

    @property
    def origin(self) -> str:
        return f"http://{self.name}"

    @property
    def engine(self) -> AsyncEngine:
        return self.app[ENGINE]

    @property
    def here(self) -> Here:
        return self.app[HERE]

    async def get(
        self,
        path: str,
        *,
        accept: str = "application/activity+json",
        headers: dict[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """GET as a server does; the body is read."""
        response = await self.session.get(
            f"http://127.0.0.1:{self.port}{path}",
            headers={"Host": self.name, "Accept": accept, **(headers or {})},
            allow_redirects=False,
        )
        await response.read()
        return response

    async def persona(self, handle: str) -> Speaker:
        """Somebody who lives here and answers for one name."""
        async with self.engine.begin() as conn:
            actor = await actor_store.create_local(
                conn,
                self.here,
                kind=ActorKind.PERSON,
                handle=handle,
                name=handle.title(),
                keys=generate(),
            )
        return Speaker.alone(actor)

    async def group(
        self,
        handle: str,
        founder: Speaker | None = None,
        *,
        rules: str = "",
        settings: GroupSettings | None = None,
    ) -> Group:
        """A group of this node, open unless told otherwise."""
        async with self.engine.begin() as conn:
            return await group_store.create(
                conn,
                self.here,
                handle=handle,
                name=handle.title(),
                about="A group.",
                rules=rules,
                settings=settings or GroupSettings(),
                founder=founder.actor if founder else None,
                keys=generate(),
                desk_keys=generate(),
            )

    async def meet(self, uri: str) -> Actor:
        """Look an actor of another node up."""
        return await self.app[REMOTE].actor(uri)

    async def join(self, speaker: Speaker, group_uri: str) -> None:
        """Join a group here or on another node."""
        if not self.here.is_local(group_uri):
            await self.meet(group_uri)
        async with self.engine.begin() as conn:
            actor = await actor_store.by_uri(conn, group_uri)
            assert actor is not None
            group = await group_store.get(conn, actor.id)
            await membership.join(
                conn, self.here, speaker, group, guidelines=group.guidelines_version
            )

    async def start(
        self,
        speaker: Speaker,
        group_uri: str,
        title: str,
        words: str,
        note: str = "",
        language: str = "en",
        *,
        labels: Sequence[str] = (),
        wish: Wish | None = None,
    ) -> Post:
        """Start a thread."""
        people = await self._named(words)
        async with self.engine.begin() as conn:
            actor = await actor_store.by_uri(conn, group_uri)
            assert actor is not None
            group = await group_store.get(conn, actor.id)
            return await threads.start(
                conn,
                self.here,
                speaker,
                group,
                Draft(
                    title=title,
                    source=words,
                    note=note,
                    language=language,
                    labels=labels,
                    wish=wish,
                    guidelines=99,
                    people=people,
                ),
            )

    async def _named(self, words: str) -> Mapping[str, str]:
        return await mentions.resolve(self.engine, self.here, self.app[REMOTE], words)

    async def reply(
        self, speaker: Speaker, parent_uri: str, words: str, *, poll: Poll | None = None
    ) -> Post:
        """Answer a post that is known here by its id, perhaps with a poll."""
        people = await self._named(words)
        async with self.engine.begin() as conn:
            parent = await post_store.by_uri(conn, parent_uri)
            assert parent is not None, f"{self.name} does not know {parent_uri}"
            return await threads.reply(
                conn,
                self.here,
                speaker,
                parent,
                Draft(source=words, language="en", guidelines=99, people=people, poll=poll),
            )

    async def edit(self, speaker: Speaker, uri: str, title: str, words: str) -> Post:
        """Change one's own words."""
        people = await self._named(words)
        async with self.engine.begin() as conn:
            post = await post_store.by_uri(conn, uri)
            assert post is not None
            return await threads.edit(
                conn,
                self.here,
                speaker,
                post,
                Draft(title=title, source=words, language="en", people=people),
            )

    async def delete(self, speaker: Speaker, uri: str) -> None:
        """Take one's own words back."""
        async with self.engine.begin() as conn:
            post = await post_store.by_uri(conn, uri)
            assert post is not None
            await threads.delete(conn, self.here, speaker, post)

    async def mentions(self, words: str) -> list[str]:
        """The tables in which some text column still holds `words`."""
        found = []
        async with self.engine.connect() as conn:
            for table in metadata.sorted_tables:
                texts = [
                    column
                    for column in table.columns
                    if isinstance(column.type, sa.Text | sa.LargeBinary)
                ]
                for column in texts:
                    needle = words.encode() if isinstance(column.type, sa.LargeBinary) else words
                    hit = await conn.scalar(
                        sa.select(sa.func.count())
                        .select_from(table)
                        .where(sa.func.position(sa.literal(needle).op("IN")(column)) > 0)
                    )
                    if hit:
                        found.append(f"{table.name}.{column.name}")
        return found

    async def post(self, uri: str) -> Post | None:
        """A post as this node has it."""
        async with self.engine.connect() as conn:
            return await post_store.by_uri(conn, uri)

    async def thread(self, post_uri: str, *voices: UUID) -> ThreadPage:
        """The thread a post is in, as a signed-in member reads it."""
        async with self.engine.connect() as conn:
            post = await post_store.by_uri(conn, post_uri)
            assert post is not None, f"{self.name} does not know {post_uri}"
            return await browsing.show(conn, post.thread_id, Viewer(voices, signed_in=True))

    async def stop(self) -> None:
        """End the node; a second time changes nothing."""
        await self.session.close()
        await self.runner.cleanup()


NodeFactory = Callable[..., Awaitable[Node]]


class Nodes:
    """Makes the nodes of one test, on one clock and one DNS."""

    def __init__(self, postgres: Server, template: str, directory: Path) -> None:
        self.postgres, self.template, self.directory = postgres, template, directory
        self.names, self.clock = Names(), Wall()
        self.nodes: list[Node] = []

    async def start(
        self,
        name: str,
        *,
        database_url: str | None = None,
        data_dir: Path | None = None,
        port: int = 0,
        cancels: bool = False,
        signed_fetch: bool = False,
        s3: S3 | None = None,
        smtp: Mapping[str, Any] | None = None,
        new_per_hour: int = NEW_PER_HOUR,
        actors_per_hour: int = ACTORS_PER_HOUR,
        release_delay: bool = False,
        leave_url: str = "https://weather.example/",
        trusted_proxies: tuple[Network, ...] = (),
        reports_a_day: int = 30,
        now: datetime | None = None,
    ) -> Node:
        """A node on a fresh database and directory, unless it is told where it lives already.

        With `cancels` a request ends where it is when its client goes away. `now` is what the clock
        of all nodes of the test shows from then on.
        """
        self.clock.now = now or self.clock.now
        if database_url is None:
            database = f"test_{uuid.uuid4().hex}"
            await self.postgres.create_database(database, template=self.template)
            database_url = self.postgres.url(database)
        data_dir = data_dir or self.directory / name
        data_dir.mkdir(mode=0o700, exist_ok=True)
        settings = Settings(
            data_dir=data_dir,
            origin=f"http://{name}",
            allow_networks=LOOPBACK,
            signed_fetch=signed_fetch,
            new_per_hour=new_per_hour,
            actors_per_hour=actors_per_hour,
            release_delay=release_delay,
            **({f"s3_{name}": value for name, value in asdict(s3).items()} if s3 else {}),
            **(smtp or {}),
            leave_url=leave_url,
            trusted_proxies=trusted_proxies,
            reports_a_day=reports_a_day,
        )
        app = create_app(
            settings,
            database_url=database_url,
            resolver=self.names,
            clock=self.clock,
        )
        runner = web.AppRunner(app, handler_cancellation=cancels)
        await runner.setup()
        site = door.site(runner, bind("127.0.0.1", port), house=House())
        await site.start()
        port = runner.addresses[0][1]
        self.names.ports[name] = port
        node = Node(
            name=name,
            app=app,
            runner=runner,
            port=port,
            names=self.names,
            clock=self.clock,
            session=aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()),
        )
        self.nodes.append(node)
        return node

    async def stop(self) -> None:
        for node in self.nodes:
            await node.stop()


async def block(conn: AsyncConnection, here: Here, domain: str, reason: str = "") -> None:
    """Stop hearing and telling a domain; `domains.forget` takes that back."""
    await domains.set_policy(conn, here, domain, Policy(Level.REJECT), private_comment=reason)


async def settle(*nodes: Node) -> None:
    """Run every queue dry; nothing sleeps. A bound catches two nodes that never stop talking."""
    for _ in range(50):
        if not any([await worker.settle(node.app) for node in nodes]):
            return
    raise AssertionError("the nodes did not come to rest")


_WAITS = sa.text(
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE NOT granted AND datname = current_database()"
)


async def until_it_waits(alder: Node, coming: asyncio.Task[None]) -> None:
    """Until it waits for a lock that the caller holds; or it did not, and is done."""
    async with alder.engine.connect() as looking:
        while not coming.done() and not await looking.scalar(_WAITS):
            await looking.rollback()


def words(page: ThreadPage) -> Sequence[str]:
    """What a thread says, in order."""
    return [post.content for post in page.posts]
