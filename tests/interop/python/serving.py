"""What both peers are: an actor, an inbox, and a door at which they are told what to do."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

AS2 = "https://www.w3.org/ns/activitystreams"
PUBLIC = f"{AS2}#Public"
AP = "application/activity+json"

Document = dict[str, Any]


@dataclass
class Peer:
    """`verify` says whose signature an inbox request bears; `read` and `send` are the library's."""

    port: int
    actor: Document
    verify: Callable[[web.Request, bytes], Awaitable[bool]]
    read: Callable[[str], Awaitable[Document]]
    send: Callable[[str, Document], Awaitable[int]]
    said: Callable[[str, Document], Document]
    heard: list[Document] = field(default_factory=list)
    knocks: list[int] = field(default_factory=list)

    def run(self) -> None:
        app = web.Application()
        path = self.actor["id"].partition("/users/")[2]
        app.router.add_get(f"/users/{path}", self._show)
        app.router.add_post(f"/users/{path}/inbox", self._take)
        app.router.add_post("/control", self._obey)
        asyncio.run(self._serve(app))

    async def _serve(self, app: web.Application) -> None:
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        print("ready", flush=True)
        await asyncio.Event().wait()

    async def _show(self, request: web.Request) -> web.Response:
        return web.Response(text=json.dumps(self.actor), content_type=AP)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not await self.verify(request, body):
            return web.Response(status=401)
        self.heard.append(json.loads(body))
        return web.Response(status=202)

    async def _obey(self, request: web.Request) -> web.Response:
        order = await request.json()
        if order["do"] == "tell":
            return web.json_response({"heard": self.heard, "knocks": self.knocks})
        group = await self.read(order["to"])
        if order["do"] == "look":
            return web.json_response({"name": group["name"], "type": group["type"]})
        said = {"id": f"http://localhost:{self.port}/said/{uuid.uuid4()}"}
        uri = f"http://localhost:{self.port}/notes/{order.get('note')}"
        said |= self.said(uri, order)
        self.knocks.append(await self.send(group["inbox"], said))
        return web.json_response({"id": said["id"]})


async def get(url: str) -> Document:
    """A document, asked for plainly."""
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Accept": AP}) as got:
        found: Document = json.loads(await got.text())
        return found
