"""Another server, as a test wants it: it shows documents, signs what it posts, keeps its mail."""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any

import aiohttp
from aiohttp import web

from activitypub import message_signatures, signatures
from activitypub.keys import KeyPair, ed25519_id, generate
from kernel.clock import utcnow
from kernel.schema.federation import Scheme
from tests.nodes import Names, Node

AS2 = "https://www.w3.org/ns/activitystreams"
PUBLIC = f"{AS2}#Public"
AP = "application/activity+json"

Document = dict[str, Any]


@dataclass
class Person:
    """An actor of a peer, with its key."""

    uri: str
    handle: str
    keys: KeyPair
    kind: str = "Person"
    extra: Document = field(default_factory=dict)

    @property
    def key_id(self) -> str:
        return f"{self.uri}#main-key"

    def document(self) -> Document:
        origin = "/".join(self.uri.split("/")[:3])
        return {
            "@context": [AS2, "https://w3id.org/security/v1"],
            "id": self.uri,
            "type": self.kind,
            "preferredUsername": self.handle,
            "name": self.handle.title(),
            "inbox": f"{self.uri}/inbox",
            "outbox": f"{self.uri}/outbox",
            "followers": f"{self.uri}/followers",
            "endpoints": {"sharedInbox": f"{origin}/inbox"},
            "publicKey": {
                "id": self.key_id,
                "owner": self.uri,
                "publicKeyPem": self.keys.public_pem,
            },
            **self.extra,
        }

    def multikey(self, key_id: str | None = None) -> Document:
        """Its Ed25519 key, as an actor lists it."""
        return {
            "id": key_id or ed25519_id(self.uri),
            "type": "Multikey",
            "controller": self.uri,
            "publicKeyMultibase": self.keys.ed25519_multibase,
        }


@dataclass(frozen=True)
class Posted:
    """A POST as it came to a peer, and how it was signed."""

    kind: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes


def kind_of_signature(headers: Mapping[str, str]) -> str:
    """How a request is signed: a word of `Scheme`, or nothing."""
    if "Signature-Input" in headers:
        return "ed25519" if 'alg="ed25519"' in headers["Signature-Input"] else "rfc9421"
    return "cavage" if "Signature" in headers else ""


@dataclass
class Peer:
    """One small server under a name of its own; `software` is what its NodeInfo says."""

    name: str
    names: Names
    software: str = "mastodon"
    shown: dict[str, Document | int] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)  # by path; `types` says of what type
    file_headers: dict[str, dict[str, str]] = field(default_factory=dict)  # by path
    inbox: list[Document] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)  # HTML by path
    moved: dict[str, str] = field(default_factory=dict)  # redirects by path
    digests: dict[str, str] = field(default_factory=dict)  # ETags by path
    heard: list[dict[str, str]] = field(default_factory=list)  # the headers of each fetch
    answers: list[int] = field(default_factory=list)  # statuses for the next posts; then 202
    headers: dict[str, str] = field(default_factory=dict)  # sent with every answer to a post
    nodeinfo_status: int = 200
    nodeinfo_links: Document | None = None  # what stands there instead of what is true
    reads: set[str] | None = None  # how a POST may be signed, where it looks
    shows_to: set[str] | None = None  # and a GET
    refuses_with: int = 401
    posted: list[Posted] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # how each GET of a document was signed
    at_post: Callable[[], Awaitable[None]] | None = None  # awaited before a post is answered
    _runner: web.AppRunner | None = None
    _session: aiohttp.ClientSession | None = None

    @property
    def origin(self) -> str:
        return f"http://{self.name}"

    async def start(self) -> "Peer":
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_get("/.well-known/nodeinfo", self._nodeinfo_links)
        app.router.add_get("/nodeinfo/2.0", self._nodeinfo)
        app.router.add_get("/{path:.*}", self._show)
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.names.ports[self.name] = self._runner.addresses[0][1]
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _nodeinfo_links(self, request: web.Request) -> web.Response:
        if self.nodeinfo_status != 200:
            return web.Response(status=self.nodeinfo_status)
        if self.nodeinfo_links is not None:
            return web.json_response(self.nodeinfo_links)
        rel = "http://nodeinfo.diaspora.software/ns/schema/2.0"
        return web.json_response({"links": [{"rel": rel, "href": f"{self.origin}/nodeinfo/2.0"}]})

    async def _nodeinfo(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "2.0", "software": {"name": self.software}})

    async def _show(self, request: web.Request) -> web.Response:
        self.fetched.append(request.path)
        self.heard.append(dict(request.headers))
        self.asked.append(kind := kind_of_signature(request.headers))
        if self.shows_to is not None and kind not in self.shows_to:
            return web.Response(status=self.refuses_with)
        if request.path in self.pages:
            return web.Response(text=self.pages[request.path], content_type="text/html")
        if request.path in self.moved:
            return web.Response(status=302, headers={"Location": self.moved[request.path]})
        if f'"{self.digests.get(request.path)}"' == request.headers.get("If-None-Match"):
            return web.Response(status=304)
        if request.path in self.files:
            kind = self.types.get(request.path, "image/png")
            more = self.file_headers.get(request.path)
            return web.Response(body=self.files[request.path], content_type=kind, headers=more)
        shown = self.shown.get(request.path_qs, self.shown.get(request.path))
        if shown is None:
            return web.Response(status=404)
        if isinstance(shown, int):
            return web.Response(status=shown)
        return web.Response(
            body=json.dumps(shown).encode(), content_type=self.types.get(request.path, AP)
        )

    async def _take(self, request: web.Request) -> web.Response:
        if self.at_post is not None:
            await self.at_post()
        status = self.answers.pop(0) if self.answers else 202
        body = await request.read()
        kind = kind_of_signature(request.headers)
        self.posted.append(Posted(kind, request.path, list(request.headers.items()), body))
        if self.reads is not None and kind not in self.reads:
            return web.Response(status=self.refuses_with, headers=self.headers)
        if status != 202:  # as some servers do, it quotes what it refuses
            return web.Response(status=status, headers=self.headers, body=body)
        self.raw.append(body)
        self.inbox.append(json.loads(body))
        return web.Response(status=status, headers=self.headers)

    def person(self, handle: str, *, kind: str = "Person", path: str = "u", **extra: Any) -> Person:
        """An actor that this server shows."""
        made = Person(f"{self.origin}/{path}/{handle}", handle, generate(), kind, extra)
        self.show(made.document())
        return made

    def show(self, document: Document) -> Document:
        """Serve a document under its id."""
        self.shown[document["id"].removeprefix(self.origin)] = document
        return document

    def collection(self, path: str, items: list[str], **extra: Any) -> Document:
        """An ordered collection of ids that this server shows."""
        document = {
            "@context": [AS2],
            "id": f"{self.origin}{path}",
            "type": "OrderedCollection",
            "totalItems": len(items),
            "orderedItems": items,
            **extra,
        }
        return self.show(document)

    def note(self, author: Person, words: str, **extra: Any) -> Document:
        """A public Note that this server shows."""
        return self.show(
            {
                "@context": [AS2],
                "id": f"{self.origin}/notes/{uuid.uuid4()}",
                "type": "Note",
                "attributedTo": author.uri,
                "to": [PUBLIC],
                "cc": [],
                "content": f"<p>{words}</p>",
                "published": "2026-01-02T03:04:05Z",
                **extra,
            }
        )

    def activity(self, kind: str, actor: Person, obj: Any, **extra: Any) -> Document:
        """An activity with a fresh id on this server."""
        return {
            "@context": [AS2],
            "id": f"{self.origin}/activities/{uuid.uuid4()}",
            "type": kind,
            "actor": actor.uri,
            "object": obj,
            "to": [PUBLIC],
            "cc": [],
            **extra,
        }

    def create(self, author: Person, note: Document, **extra: Any) -> Document:
        """A Create of `note`, addressed as it is."""
        return self.activity(
            "Create", author, note, **{"to": note["to"], "cc": note.get("cc", []), **extra}
        )

    async def send(
        self,
        node: Node,
        document: Document | bytes,
        signer: Person | None,
        *,
        path: str = "/inbox",
        date: datetime | None = None,
        headers: Mapping[str, str] | None = None,
        key_id: str | None = None,
        scheme: Scheme = Scheme.CAVAGE,
    ) -> int:
        """POST to a node, signed as `signer`; the status comes back."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        sent = {"Content-Type": AP, "Host": node.name}
        if signer is not None:
            at, url = date or node.clock() or utcnow(), f"{node.origin}{path}"
            if scheme is Scheme.CAVAGE:
                sent |= signatures.sign(
                    signer.keys.rsa, key_id or signer.key_id, "POST", url, at, body
                )
            elif scheme is Scheme.RFC9421:
                sent |= message_signatures.sign(
                    signer.keys.rsa, key_id or signer.key_id, "POST", url, at, body
                )
            else:
                key_id = key_id or ed25519_id(signer.uri)
                sent |= message_signatures.sign(signer.keys.ed25519, key_id, "POST", url, at, body)
        sent |= headers or {}
        assert self._session is not None
        async with self._session.post(
            f"http://127.0.0.1:{node.port}{path}", data=BytesIO(body), headers=sent
        ) as response:
            await response.read()
            return response.status

    def signed_get(self, node: Node, signer: Person, path: str) -> dict[str, str]:
        """The headers of a GET that `signer` signs."""
        return signatures.sign(
            signer.keys.rsa, signer.key_id, "GET", f"{node.origin}{path}", node.clock(), None
        )

    async def follow(self, node: Node, follower: Person, target: str) -> Document:
        """Ask to follow somebody of the node's."""
        document = self.activity("Follow", follower, target, to=[target])
        assert await self.send(node, document, follower) == 202
        return document

    def got(self, kind: str, inner: str | None = None) -> list[Document]:
        """Activities of a kind that arrived; `inner` narrows Announces to wrapped ones of a kind.

        `inner=""` asks for plain ones.
        """
        found = [each for each in self.inbox if each["type"] == kind]
        if inner is None:
            return found
        if inner == "":
            return [each for each in found if isinstance(each["object"], str)]
        return [
            each
            for each in found
            if isinstance(each["object"], dict) and each["object"]["type"] == inner
        ]


PeerFactory = Callable[..., Awaitable[Peer]]
