"""One real node, on a clock that moves when told to, with its log kept as a thief would find it."""

import io
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.jsontext import Json, read
from kernel.here import Here
from kernel.postgres import Server
from kernel.settings import Settings
from node import logs
from node.app import create_app
from node.pages.session import cookie_name
from tests.nodes import LOOPBACK, Names, Node, Wall

TEMPLATE = "hearthold_template"
NAME = "alder.test"


@dataclass
class Stage:
    """The node and what is around it."""

    node: Node
    url: str  # of the database
    wall: Wall
    directory: Path
    log: io.StringIO

    @property
    def engine(self) -> AsyncEngine:
        return self.node.engine

    @property
    def here(self) -> Here:
        return self.node.here

    async def document(self, uri: str) -> tuple[int, Json]:
        """What a server gets to read at an address of ours."""
        headers = {"Host": NAME, "Accept": "application/activity+json"}
        path = uri.removeprefix(self.here.origin)
        async with self.node.session.get(self._at(path), headers=headers) as answer:
            return answer.status, read(await answer.read()) if answer.status == 200 else {}

    async def visit(self, path: str, cookie: str) -> None:
        """A signed-in member opens a page."""
        headers = {"Host": NAME, "Cookie": f"{cookie_name(self.here)}={cookie}"}
        async with self.node.session.get(self._at(path), headers=headers) as answer:
            assert answer.status == 200, path

    def _at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.node.port}{path}"


@asynccontextmanager
async def set_up(postgres: Server, directory: Path) -> AsyncIterator[Stage]:
    """A node with an empty database on `postgres`, as `serve` starts it; `directory` is its own."""
    database = f"test_{uuid.uuid4().hex}"
    await postgres.create_database(database, template=TEMPLATE)
    wall = Wall()
    settings = Settings(
        data_dir=directory,
        origin=f"http://{NAME}",
        allow_networks=LOOPBACK,
        tended_within=0,
        release_delay=False,
    )
    url, names = postgres.url(database), Names()
    app = create_app(settings, database_url=url, resolver=names, clock=wall)
    runner = web.AppRunner(
        app,
        access_log_class=logs.RequestLog,
        access_log=logging.getLogger("node.requests"),
        auto_decompress=False,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with_cookies = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    try:
        with Logged(wall) as log:
            port = runner.addresses[0][1]
            node = Node(NAME, app, runner, port, names, wall, with_cookies)
            yield Stage(node, url, wall, directory, log)
    finally:
        await with_cookies.close()
        await runner.cleanup()


class Logged:
    """Everything the node logs at level INFO, at the time of its own clock, in its own form."""

    def __init__(self, wall: Wall) -> None:
        self.stream, self.wall = io.StringIO(), wall
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(logs.LineFormatter())
        self.handler.addFilter(self._on_time)
        self.rooms = [logging.getLogger(name) for name in sorted(logs._OURS)]

    def _on_time(self, record: logging.LogRecord) -> bool:
        record.created = self.wall.now.timestamp()
        return True

    def __enter__(self) -> io.StringIO:
        self.levels = [room.level for room in self.rooms]
        for room in self.rooms:
            room.addHandler(self.handler)
            room.setLevel(logging.INFO)
            room.propagate = False
        return self.stream

    def __exit__(self, *_: object) -> None:
        for room, level in zip(self.rooms, self.levels, strict=True):
            room.removeHandler(self.handler)
            room.setLevel(level)
            room.propagate = True
