"""The guarded client: nothing else opens connections to where others say (DESIGN decision 7).

Every address is resolved once, checked, and only then connected to; redirects are new requests that
go through the same gate. Nothing is taken from the environment, and no cookie or password is sent.
"""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from activitypub import jsontext
from activitypub.claims import CONTENT_TYPE
from activitypub.gate import KEPT_SECONDS, Connector, Gate, SystemResolver
from activitypub.gate import Resolver as Resolver
from activitypub.gate import Unreachable as Unreachable
from activitypub.jsontext import Json
from activitypub.vocab import AS2
from kernel.addresses import Network
from kernel.clock import Clock
from kernel.errors import Gone, Malformed, NotFound
from kernel.throttle import Throttle
from kernel.urls import Url, parse, same_origin

AP_ACCEPT = f'application/activity+json, application/ld+json; profile="{AS2}"'

KEY_CONTEXTS = (  # of documents that are a key and no more (WIRE-S18)
    AS2,
    "https://w3id.org/security/v1",
    "https://w3id.org/security/multikey/v1",
    "https://www.w3.org/ns/cid/v1",
)

MAX_DOCUMENT = 1024 * 1024  # bytes, after decompression
MAX_ANSWER = 16 * 1024  # bytes kept of the answer to a POST
MAX_HOPS = 3
CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
FETCHES_PER_ACTIVITY = 40
FETCHES_PER_REFRESH = 60  # of a thread: its pages, its posts and who wrote them
FETCHES_PER_ORIGIN = 300  # an hour
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
_SIGNED = frozenset({"host", "date", "digest", "content-digest", "signature", "signature-input"})
_SOCKETS = {"GET": 200, "POST": 400}  # open at once,
_SOCKETS_PER_HOST = {"GET": 4, "POST": 2}  # and to one host (WIRE-Q4)

Signer = Callable[[str, str, bytes | None], Mapping[str, str]]
"""Makes fresh headers for one attempt, from its method, URL and body (WIRE-S5)."""

Blocked = Callable[[str], Awaitable[bool]]
"""Whether a host (`name` or `name:port`) is one this node does not talk with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `url` is the last one asked; `headers` can be read in any case."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes
    content_type: str

    @property
    def is_activity(self) -> bool:
        """Whether its media type says that it is meant as ActivityPub (SEC-S3)."""
        return is_activity_type(self.content_type)


def is_activity_type(content_type: str) -> bool:
    """Whether a Content-Type is `application/activity+json`, or ld+json with the AS2 profile."""
    kind, _, rest = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "application/activity+json":
        return True
    parameters = dict(_parameter(part) for part in rest.split(";"))
    return kind == "application/ld+json" and AS2 in parameters.get("profile", "").split()


def has_context(document: dict[str, Json], contexts: Collection[str]) -> bool:
    """Whether a document names one of the contexts (WIRE-B1)."""
    given = document.get("@context")
    return any(each in contexts for each in (given if isinstance(given, list) else [given]))


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"')


class Unchanged(Exception):
    """The server still shows what we have (RFC 9110 §13.1.2)."""


class Budget:
    """Bounds the fetches that others can cause (DESIGN, Limits; SEC-S29), in bounded memory."""

    def __init__(self, *, clock: Clock) -> None:
        self._hourly = Throttle(FETCHES_PER_ORIGIN, 3600, clock, capacity=10_000)
        self._left = math.inf

    def for_activity(self) -> "Budget":
        """What one activity may spend: 40, out of the same hourly 300."""
        return self._of(FETCHES_PER_ACTIVITY)

    def for_refresh(self) -> "Budget":
        """What reading a thread anew may spend: 60, out of the same hourly 300."""
        return self._of(FETCHES_PER_REFRESH)

    def _of(self, count: int) -> "Budget":
        budget = copy(self)
        budget._left = count
        return budget

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self._left <= 0

    def spend(self, origin: str) -> None:
        """Count one request to `origin`.

        Raises Malformed: the activity has nothing left, and trying again would cost as much.
        Raises TooMany: its origin has nothing left; within the hour it will.
        """
        if self._left <= 0:
            raise Malformed("That would take too many look-ups.")
        self._hourly.check(origin)
        self._left -= 1


class Client:
    """Fetches and posts for the node, within limits of address, hops, bytes and seconds.

    Plain http, ports and private addresses work only inside `allowed_networks`. `tls` replaces the
    system's certificate authorities; certificates are always checked.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        allowed_networks: tuple[Network, ...] = (),
        resolver: Resolver | None = None,
        blocked: Blocked | None = None,
        total_seconds: float = TOTAL_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._user_agent = _plain(user_agent)
        self._allow_http = bool(allowed_networks)
        self._resolver = resolver or SystemResolver()
        self._gate = Gate(self._resolver, allowed_networks)
        self._blocked = blocked
        self._total_seconds = total_seconds
        self._tls = tls
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def get(
        self,
        url: str,
        *,
        accept: str = AP_ACCEPT,
        signer: Signer | None = None,
        limit: int = MAX_DOCUMENT,
        budget: Budget | None = None,
        hops: int = MAX_HOPS,
        at_home: bool = False,
        digest: str = "",
        unless: Mapping[str, str] | None = None,
    ) -> Answer:
        """What is at `url`, whatever its status, after at most `hops` redirects.

        A redirect is a new request: checked like the first and signed afresh for where it goes.
        `at_home`: none may lead to another server. With a `digest` a server may say that it still
        shows that (status 304), and so it may `unless` its own conditions hold (RFC 9110 §13.1).
        Raises Malformed: the URL, a redirect or the answer's form is not acceptable, or the body is
        longer than `limit` bytes. Raises Unreachable. Each request is counted on the `budget`, the
        redirected ones for where they go (SEC-D6); see there for what it raises.
        """
        asked = parse(url, allow_http=self._allow_http, allow_fragment=True)
        headers = {"Accept": accept, "Accept-Encoding": "gzip, deflate", **(unless or {})}
        if digest:
            headers["If-None-Match"] = f'"{digest}"'
        home = asked.origin
        async with self._limits():
            for _ in range(1 + hops):
                if budget is not None:
                    budget.spend(asked.origin)
                answer = await self._ask_twice("GET", asked, headers, signer, None, limit, budget)
                if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                    return answer
                asked = self._redirected(asked, answer.headers["Location"])
                if at_home and asked.origin != home:
                    raise Malformed("That address sends us on to another server.")
        raise Malformed("That address sends us on too often.")

    async def fetch_document(
        self,
        uri: str,
        *,
        signer: Signer | None = None,
        budget: Budget | None = None,
        contexts: Collection[str] = (AS2,),
        digest: str = "",
    ) -> dict[str, Json]:
        """The ActivityPub document at `uri`, which its own server vouches for (WIRE 4.9).

        Its id is `uri` or where that led; a document that names another id on its server is asked
        for once more by that id (WIRE-B2). Its context is, or has, one of `contexts`.
        Raises Malformed: it is not that, or of another media type or context (SEC-S2, SEC-S3,
        SEC-S4; WIRE-B1). Raises NotFound, Gone: 404, 410. Raises Unreachable.
        Raises Unchanged: the collection still has the members of `digest` (WIRE-G43).
        """
        answer = await self.get(uri, signer=signer, budget=budget, digest=digest)
        if digest and answer.status == 304:
            raise Unchanged
        return await self.confirmed(uri, answer, signer=signer, budget=budget, contexts=contexts)

    async def confirmed(
        self,
        uri: str,
        answer: Answer,
        *,
        signer: Signer | None = None,
        budget: Budget | None = None,
        contexts: Collection[str] = (AS2,),
    ) -> dict[str, Json]:
        """The document that came for `uri`; where it names another id, the one under that id.

        Raises: as `fetch_document`.
        """
        document, found = _document(answer, contexts)
        if found in (uri, uri.partition("#")[0], answer.url):
            return document
        answer = await self.get(found, signer=signer, budget=budget)
        again, found_again = _document(answer, contexts)
        if found_again != found:
            raise Malformed("That document does not keep to one id.")
        return again

    async def post(
        self, url: str, body: bytes, *, signer: Signer | None, also: Mapping[str, str] | None = None
    ) -> Answer:
        """Send an activity. Redirects are reported, not followed; the answer's body may be cut.

        `also` are headers beside those that are always sent.

        A kept connection that the peer had closed is replaced once. Raises Unreachable.
        """
        try:
            asked = parse(url, allow_http=self._allow_http)
        except Malformed as error:
            raise Unreachable("address not allowed") from error
        headers = {"Accept-Encoding": "identity", "Content-Type": CONTENT_TYPE, **(also or {})}
        async with self._limits():
            return await self._ask_twice("POST", asked, headers, signer, body, MAX_ANSWER)

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        await self._gate.close()
        if isinstance(self._resolver, SystemResolver):
            self._resolver.close()

    def _redirected(self, asked: Url, location: str) -> Url:
        if not location.isascii() or not location.isprintable() or " " in location:
            raise Malformed("That address sends us on to one we cannot read.")
        goal = parse(
            urljoin(str(asked), location), allow_http=self._allow_http, allow_fragment=True
        )
        if asked.scheme == "https" and goal.scheme != "https":
            raise Malformed("That address sends us on to one that is not safe.")
        return goal

    async def _ask_twice(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        signer: Signer | None,
        body: bytes | None,
        limit: int,
        budget: Budget | None = None,
    ) -> Answer:
        """One answer: the peer may have closed a connection that we kept, so it is asked again.

        Signed anew, and counted like the first (SEC-S29).
        """
        try:
            return await self._ask(method, url, headers, signer, body, limit)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
        if budget is not None:
            budget.spend(url.origin)
        return await self._ask(method, url, headers, signer, body, limit)

    async def _ask(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        signer: Signer | None,
        body: bytes | None,
        limit: int,
    ) -> Answer:
        """One request and its answer, once the address is admitted."""
        if self._blocked is not None and await self._blocked(url.netloc):
            raise Unreachable("blocked")
        await self._gate.admit(url)
        target = url.origin + url.path_and_query
        sent = {"User-Agent": self._user_agent, **headers}
        if signer is not None:
            sent |= _signed_headers(signer(method, target, body))
        async with self._session(method).request(
            method,
            URL(target, encoded=True),
            headers={name: _plain(value) for name, value in sent.items()},
            data=body,
            allow_redirects=False,
        ) as response:
            kinds = response.headers.getall("Content-Type", [""])
            return Answer(
                status=response.status,
                url=url.without_fragment,
                headers=response.headers,
                body=await _read(response, limit, whole=method == "GET"),
                content_type=kinds[0] if len(kinds) == 1 else "",
            )

    def _session(self, method: str) -> aiohttp.ClientSession:
        """Posts have connections of their own, and so cannot be crowded."""
        if method not in self._sessions:
            connector = Connector(
                resolver=self._gate,
                use_dns_cache=False,
                limit=_SOCKETS[method],
                limit_per_host=_SOCKETS_PER_HOST[method],
                keepalive_timeout=KEPT_SECONDS,
                socket_factory=self._gate.open_socket,
                ssl=self._tls or True,
            )
            session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            )
            # aiohttp 3.14 repeats a GET by itself, uncounted, with the same signature
            session._retry_connection = False
            self._sessions[method] = session
        return self._sessions[method]

    @asynccontextmanager
    async def _limits(self) -> AsyncIterator[None]:
        """Bound the seconds of everything inside, and say in our own words what went wrong."""
        try:
            async with asyncio.timeout(self._total_seconds):
                yield
        except TimeoutError as error:
            raise Unreachable("too slow") from error
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise Unreachable("no secure connection") from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable("no connection") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable("broken answer") from error


def _document(answer: Answer, contexts: Collection[str]) -> tuple[dict[str, Json], str]:
    """A document and its id, which is on the server that it came from."""
    if answer.status == 404:
        raise NotFound
    if answer.status == 410:
        raise Gone
    if answer.status != 200:
        raise Unreachable(f"status {answer.status}", status=answer.status)
    if not answer.is_activity:
        raise Malformed("That is not an ActivityPub document.")
    document = jsontext.read(answer.body)
    if not has_context(document, contexts):
        raise Malformed("That document has no context we know.")
    found = document.get("id")
    if not isinstance(found, str) or not same_origin(found, answer.url):
        raise Malformed("That document's id is not on the server it came from.")
    return document, found


async def _read(response: aiohttp.ClientResponse, limit: int, *, whole: bool) -> bytes:
    """The decoded body; more than `limit` bytes are refused where the `whole` of it is wanted."""
    encodings = response.headers.getall("Content-Encoding", [""])
    if whole and (len(encodings) > 1 or encodings[0].strip().lower() not in _ENCODINGS):
        raise Malformed("That answer is packed in a way we do not open.")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            if whole:
                raise Malformed("That answer is too long.")
            break
    return bytes(body[:limit])


def _signed_headers(made: Mapping[str, str]) -> dict[str, str]:
    """A signer's headers; it may add nothing but what proves who asks (SEC-R3)."""
    if odd := {name for name in made if name.lower() not in _SIGNED}:
        raise ValueError(f"A signer may not set {', '.join(sorted(odd))}.")
    return dict(made)


def _plain(value: str) -> str:
    """A header value that cannot end its line (SEC-R8)."""
    if not value.isascii() or not value.isprintable():
        raise ValueError("A header value must be printable ASCII.")
    return value
