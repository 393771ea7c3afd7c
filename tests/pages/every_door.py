"""Every door by which what was said can be read, from the routes of the running app (MOD-H12).

A door that is new joins by itself. Where one has a variable part that the scene below cannot fill,
the test says so, and whoever adds the door says here how to reach it.
"""

import asyncio
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import sqlalchemy as sa
from yarl import URL

from groups.groups import Group
from groups.posts import Post
from kernel.ids import LAST_ID
from kernel.schema.tables import activities, audit, cases
from tests.nodes import Node
from tests.pages.conftest import House
from tests.pages.people import Browser

DOCUMENT = "application/activity+json"
PAGE = "text/html,*/*;q=0.8"
SOON = 2.0  # seconds from a decision until it holds behind every door of every process
MARK = "kestrelmoss"  # is in all that is said: words, titles, alt texts
LOOKED_FOR = "zebrafinch"  # stands beside it, and is asked for, so that no answer repeats MARK
STREAMS = {"/live"}  # they do not end by themselves; tests of their own listen to them
LEADS_AWAY = {"/leave"}
_BESIDE = 6  # requests at a time
_COVER = re.compile(r"<details class=\"cover\">.*?</details>", re.DOTALL)


@dataclass(frozen=True, order=True)
class Door:
    """One way to ask: an address of the router, filled in, by whom and as what."""

    route: str
    path: str
    reader: str
    accept: str = PAGE
    method: str = "GET"

    def __str__(self) -> str:
        return f"{self.reader}: {self.method} {self.path} ({self.accept[:20]})"


@dataclass
class Scene:
    """What was said, who reads it, and the other process that they read it through."""

    house: House
    port: int
    group: Group
    posts: Sequence[Post]
    author: str
    readers: Mapping[str, Browser]
    pictures: Sequence[str] = ()  # names of files
    host: str = "nowhere.example"
    message: Mapping[str, str] = field(default_factory=dict)

    @property
    def node(self) -> Node:
        return self.house.node

    def there(self, who: Browser) -> Browser:
        """The same browser, led to the other process."""
        return replace(who, node=replace(who.node, port=self.port))

    def at(self, thing: str) -> str:
        """A route with its first post or its group in it, to be asked for in a test."""
        return thing.replace("{id}", str(self.posts[0].id)).replace("{name}", self.handle)

    @property
    def handle(self) -> str:
        return self.group.actor.handle

    async def doors(self) -> list[Door]:
        """Every GET of the app, and what is looked for by a form."""
        found = []
        parts = await self._parts()
        for route in sorted(routes(self.node)):
            if route in STREAMS | LEADS_AWAY:
                continue
            for path in self.filled(route, parts):
                found += [Door(route, path, reader) for reader in self.readers]
                found.append(Door(route, path, "visitor", DOCUMENT))
        searchers = [reader for reader in self.readers if reader != "visitor"]
        return [*found, *(Door("/find", "/find", each, method="POST") for each in searchers)]

    def filled(self, route: str, parts: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """The addresses of a route that lead to what was said, if any do."""
        paths = [route]
        place = route.split("/")[1]
        for part in re.findall(r"\{[^}]+\}", route):
            values = parts.get(f"{place} {part}", parts.get(part))
            assert values is not None, f"say how to reach it: {part} of {route}"
            paths = [path.replace(part, value) for path in paths for value in values]
        for path in paths:
            yield path
            yield from (path + query for query in self._queries(route))

    async def _parts(self) -> Mapping[str, Sequence[str]]:
        """What stands for each variable part, by the first word of the route where that counts."""
        uris = [post.uri for post in self.posts]
        async with self.node.engine.connect() as conn:
            told = await conn.scalars(
                sa.select(activities.c.uri).where(
                    sa.or_(activities.c.object_uri.in_(uris), activities.c.body.contains(MARK))
                )
            )
            decided = await conn.scalars(sa.select(audit.c.id))
            waiting = await conn.scalars(sa.select(cases.c.id))
        random = str(uuid4())
        sample = {part: [value] for part, value in self.house.addresses().items()}
        numbers = [str(each) for each in decided] or ["1"]
        return {
            **sample,
            "p {id}": [str(post.id) for post in self.posts],
            "t {id}": [str(post.id) for post in self.posts if post.is_root],
            "a {id}": [uri.rpartition("/")[2] for uri in told] or [random],
            "m {id}": [self.message.get("{message}", random)],
            "g {name}": [self.handle],
            "desk {name}": [self.handle, "node"],
            "u {name}": [self.author],
            "personas {name}": [self.author],
            "messages {name}": [self.author],
            "static {name}": ["site.css"],
            "media {name}": list(self.pictures) or [f"{random}.webp"],
            "tags {tag}": [LOOKED_FOR],
            "{token}": [random],
            "{case}": [str(each) for each in waiting] or [random],
            "decisions {decision}": numbers,
            "desk {number}": numbers,
            "api {ending}": ["csv"],
            "api {number}": numbers,
            "datasets {id}": [random],
            "{change}": [random],
            "labels {id}": ["grief"],
            "{host}": [self.host],
            **{part: [value] for part, value in self.message.items()},
        }

    def _queries(self, route: str) -> Sequence[str]:
        """What else a route is asked for, where that may show more of it."""
        origin, group = self.node.origin, self.handle
        finger = [f"acct:{name}@{self.node.name}" for name in (self.author, group, f"{group}_desk")]
        known = {
            "/search": [f"?q={LOOKED_FOR}", f"?q=%40{self.author}%40{self.node.name}"],
            "/.well-known/webfinger": [f"?resource={each}" for each in finger],
            "/interact": [f"?uri={post.uri}" for post in self.posts],
            "/g/{name}/desk/person": [f"?person={UUID(int=0)}"],
            "/p/{id}/replies": ["?after=0"],
            "/t/{id}": ["?after=0"],
            "/": [f"?before={LAST_ID}"],
            "/g/{name}": [f"?before={LAST_ID}"],
            "/groups": ["?after=a"],
            "/g/{name}/followers": [f"?is_follower={origin}/u/{self.author}"],
        }
        return known.get(route, ())

    async def ask(self, door: Door) -> str:
        """What comes back, if anything does; a picture comes back as MARK: it cannot be read."""
        who = self.readers[door.reader]
        sent = {"Host": self.node.name, "Accept": door.accept, "Origin": self.node.origin}
        if who.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in who.cookies.items())
        url = URL(f"http://127.0.0.1:{self.port}{door.path}", encoded=True)
        fields = {"words": LOOKED_FOR} if door.method == "POST" else None
        asked = self.node.session.request(
            door.method, url, headers=sent, data=fields, allow_redirects=False
        )
        async with asked as answer:
            body = await answer.read()
            assert answer.status < 500, (str(door), answer.status)
            if answer.status != 200:
                assert MARK.encode() not in body.lower(), str(door)
                return ""
            if answer.content_type.startswith("image/") and "/media/" in door.path:
                return MARK
            return f"{body.decode(errors='replace')} {dict(answer.headers)}".lower()

    async def read(self, doors: Collection[Door]) -> dict[Door, str]:
        """What is behind those of the doors that are open."""
        places = asyncio.Semaphore(_BESIDE)

        async def look(door: Door) -> str:
            async with places:
                return await self.ask(door)

        found = await asyncio.gather(*(look(door) for door in doors))
        return {door: told for door, told in zip(doors, found, strict=True) if told}

    async def showing(
        self, doors: Collection[Door], mark: str = MARK, *, covered: bool = False
    ) -> set[Door]:
        """Those of the doors that show it; `covered`: without what is opened by a click."""
        found = await self.read(doors)
        return {
            door
            for door, told in found.items()
            if mark in (_COVER.sub("", told) if covered else told)
        }

    async def still_shown(
        self, doors: Sequence[Door], since: float, mark: str = MARK, *, covered: bool = False
    ) -> set[Door]:
        """Those that show it although it was decided at `since`, and two seconds are over.

        Each is asked at once; only one that shows it is asked again until then.
        """
        loop = asyncio.get_running_loop()
        left = await self.showing(doors, mark, covered=covered)
        while left and loop.time() - since < SOON:
            await asyncio.sleep(0.05)
            left = await self.showing(left, mark, covered=covered)
        return left


def routes(node: Node) -> set[str]:
    """The paths that the app answers a GET at, pages and documents alike."""
    return {
        route.resource.canonical
        for route in node.app.router.routes()
        if route.method == "GET" and route.resource is not None
    }


def named(doors: Collection[Door], reader: str) -> set[str]:
    """The routes by which a reader gets to it."""
    return {door.route for door in doors if door.reader == reader}
