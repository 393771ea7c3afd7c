"""The servers around a node: they show actors, take what they are sent, and count it.

One aiohttp server plays them all, on loopback addresses of its own; a peer is a `Host` header.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter

from aiohttp import web

from activitypub import signatures
from activitypub.jsontext import Json
from activitypub.keys import KeyPair
from activitypub.vocab import AS2, PUBLIC, Document
from bench.load import request
from kernel.clock import utcnow
from node.demo.nodes import free_port

ACTIVITY = "application/activity+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An actor of a peer."""

    host: str
    name: str
    keys: KeyPair = field(repr=False)

    @property
    def uri(self) -> str:
        return f"http://{self.host}/u/{self.name}"

    @property
    def key_id(self) -> str:
        return f"{self.uri}#main-key"

    def document(self) -> Document:
        """As Mastodon shows it, roughly."""
        return {
            "@context": [AS2, "https://w3id.org/security/v1"],
            "id": self.uri,
            "type": "Person",
            "preferredUsername": self.name,
            "name": self.name.title(),
            "inbox": f"{self.uri}/inbox",
            "outbox": f"{self.uri}/outbox",
            "followers": f"{self.uri}/followers",
            "endpoints": {"sharedInbox": f"http://{self.host}/inbox"},
            "publicKey": {
                "id": self.key_id,
                "owner": self.uri,
                "publicKeyPem": self.keys.public_pem,
            },
        }

    def create(self, number: int, words: str, *, parent: str, group: str) -> Document:
        """The Create of an answer to `parent` in `group`, with ids made from `number`."""
        uri = f"http://{self.host}/notes/{number}"
        to: list[Json] = [PUBLIC]
        cc: list[Json] = [group, f"{self.uri}/followers"]
        moment = utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "@context": [AS2, {"ostatus": "http://ostatus.org#", "sensitive": "as:sensitive"}],
            "id": f"{uri}/activity",
            "type": "Create",
            "actor": self.uri,
            "published": moment,
            "to": to,
            "cc": cc,
            "object": {
                "id": uri,
                "type": "Note",
                "summary": None,
                "inReplyTo": parent,
                "published": moment,
                "url": uri,
                "attributedTo": self.uri,
                "to": to,
                "cc": cc,
                "sensitive": False,
                "content": f"<p>{words}</p>",
                "contentMap": {"en": f"<p>{words}</p>"},
                "attachment": [],
                "tag": [{"type": "Mention", "href": group, "name": "@group"}],
            },
        }

    def signed(self, node_origin: str, document: Document) -> bytes:
        """A POST of `document` to the node's inbox, ready to be sent within the hour."""
        body = json.dumps(document).encode()
        made = signatures.sign(
            self.keys.rsa, self.key_id, "POST", f"{node_origin}/inbox", utcnow(), body
        )
        return request("POST", "/inbox", {**made, "Content-Type": ACTIVITY}, body)


@dataclass(slots=True, kw_only=True)
class World:
    """All peers. `delay` (seconds) is how long each thinks before it answers a POST."""

    port: int
    software: dict[str, str] = field(default_factory=dict)  # by host; else mastodon
    people: dict[str, Person] = field(default_factory=dict)  # by URI
    fetched: Counter[str] = field(default_factory=Counter)
    arrived: set[tuple[str, str]] = field(default_factory=set)  # host and activity id
    repeats: int = 0
    last_arrival: float = 0.0  # on the clock of `perf_counter`
    delay: float = 0.0
    last_body: bytes = b""
    _wanted: int = 0
    _enough: asyncio.Event = field(default_factory=asyncio.Event)

    def host(self, name: str) -> str:
        """A peer's host: a name below `localhost` or a loopback address, with our port."""
        return f"{name}:{self.port}"

    def person(self, name: str, host: str, keys: KeyPair) -> Person:
        """A new actor that its host shows."""
        made = Person(host=host, name=name, keys=keys)
        self.people[made.uri] = made
        return made

    def forget(self) -> None:
        """Count arrivals from nothing."""
        self.arrived.clear()

    async def until(self, arrivals: int) -> None:
        """Returns once so much has arrived."""
        self._wanted = arrivals
        self._enough.clear()
        if len(self.arrived) < arrivals:
            await self._enough.wait()

    async def show(self, request: web.Request) -> web.Response:
        origin = f"http://{request.host}"
        if request.path == "/.well-known/nodeinfo":
            rel = "http://nodeinfo.diaspora.software/ns/schema/2.0"
            return web.json_response({"links": [{"rel": rel, "href": f"{origin}/nodeinfo/2.0"}]})
        if request.path == "/nodeinfo/2.0":
            name = self.software.get(request.host, "mastodon")
            return web.json_response({"version": "2.0", "software": {"name": name}})
        self.fetched[origin + request.path] += 1
        person = self.people.get(origin + request.path)
        if person is None:
            return web.Response(status=404)
        return web.Response(body=json.dumps(person.document()).encode(), content_type=ACTIVITY)

    async def take(self, request: web.Request) -> web.Response:
        body = self.last_body = await request.read()
        if self.delay:
            await asyncio.sleep(self.delay)
        arrival = (request.host, str(json.loads(body)["id"]))
        self.repeats += arrival in self.arrived
        self.arrived.add(arrival)
        self.last_arrival = perf_counter()
        if len(self.arrived) >= self._wanted:
            self._enough.set()
        return web.Response(status=202)


@asynccontextmanager
async def world(addresses: Sequence[str] = ()) -> AsyncIterator[World]:
    """A world that listens on 127.0.0.1 and on more loopback `addresses`, with one port."""
    made = World(port=free_port())
    app = web.Application()
    app.router.add_get("/{path:.*}", made.show)
    app.router.add_post("/{path:.*}", made.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        for address in ("127.0.0.1", *addresses):
            await web.TCPSite(runner, address, made.port, backlog=512).start()
        yield made
    finally:
        await runner.cleanup()


def loopback_addresses(count: int) -> list[str]:
    """Addresses of this computer alone: `127.0.1.1` and on."""
    return [f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(count)]
