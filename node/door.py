"""The door to the street: what every connection must keep to before any page or inbox sees it.

aiohttp reads HTTP and refuses most of what two programs could read differently. What is added here:
the rest of that (SEC-F1 to SEC-F8), an end to every wait (SEC-D4), a share of a body's bytes that
may be wrapping (SEC-D2), a number of connections that is never passed, and refusals that quote
nothing. Upgraded connections and streams that a handler writes itself are that handler's to end.
"""

import asyncio
import logging
import re
import resource
from asyncio import AbstractEventLoop, BaseTransport
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web

from node.logs import RequestLog

MAX_CONNECTIONS: Final = 4096
MAX_HELD: Final = 32 * 1024 * 1024  # bytes of all requests coming in, and answers going out
MAX_WRAPPING: Final = 64 * 1024  # bytes of a body's chunk sizes, extensions and trailers
OPEN_FILES: Final = 16_384  # asked of the system at the start, where it allows as many
_LINGER: Final = 3.0  # seconds for the rest of a body whose answer went out early

_HOST: Final = re.compile(r"[A-Za-z0-9.:_\[\]-]{0,255}")
_TARGET: Final = re.compile(r"(?:https?://(?P<authority>[^/?#]*))?(?P<rest>/[^#]*|\*)")
_VERSIONS: Final = (HttpVersion10, HttpVersion11)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client may take, in seconds."""

    head: float = 15.0  # from the connection, or the first byte of a request, to the head's end
    body: float = 30.0  # for a body, and then one second for each `rate` bytes of it
    rate: int = 32 * 1024
    answer: float = 60.0  # for taking the answer
    idle: float = 150.0  # between requests: longer than the two minutes that Caddy keeps a way open
    look: float = 1.0  # how often all of them are looked at


PATIENCE: Final = Patience()


class Phase(Enum):
    """What a connection waits for."""

    IDLE = auto()  # the client: nothing of a next request has come
    HEAD = auto()  # the client: a head has begun
    WORK = auto()  # the client until the body ends, then us
    ANSWER = auto()  # the client: it takes the answer


@dataclass(eq=False)
class House:
    """Every connection of one listener; when all places are taken, whoever dawdles longest leaves.

    Several nodes in one process have one each.
    """

    patience: Patience = PATIENCE
    places: int = MAX_CONNECTIONS
    room: int = MAX_HELD
    coming: int = 0  # bytes that came of requests that are not answered yet
    doors: set["Door"] = field(default_factory=set)

    def enter(self, door: "Door") -> None:
        """A new connection; room is made for it."""
        self.doors.add(door)
        if len(self.doors) > self.places:
            waiting = [each for each in self.doors if each.waits_for_client and each is not door]
            min(waiting, key=lambda each: each.since, default=door).cut()
            log.warning("all places were taken, so the slowest connection was closed")

    def look(self, now: float) -> None:
        """Close the connections whose time is up, and then those that hold too much."""
        for door in [each for each in self.doors if each.until < now and each.waits_for_client]:
            door.cut()
        self.relieve()

    def relieve(self) -> None:
        """Where more is held than there is room for, the oldest requests that hold some leave.

        A quarter of the room is free then, so that this is not looked at for every piece.
        """
        held = sum(door.held for door in self.doors)
        if held <= self.room:
            return
        log.warning("more was under way than there is room for, so the oldest were closed")
        holding = [door for door in self.doors if door.held and door.waits_for_client]
        for door in sorted(holding, key=lambda each: each.since):
            held -= door.held
            door.cut()
            if held <= self.room * 3 / 4:
                return


class Door(web.RequestHandler):
    """One connection, as aiohttp keeps it, and what it is waiting for."""

    __slots__ = (
        "_away",
        "_came",
        "_head",
        "_house",
        "_request",
        "_unreadable",
        "phase",
        "since",
        "until",
    )

    def __init__(
        self, house: House, manager: web.Server, *, loop: AbstractEventLoop, **settings: Any
    ) -> None:
        super().__init__(manager, loop=loop, **settings)
        self._house, self._came, self._away, self._head = house, 0, 0, 0
        self._unreadable = False
        self._request: web.BaseRequest | None = None
        self.phase, self.since, self.until = Phase.IDLE, loop.time(), 0.0

    def _enter(self, phase: Phase, seconds: float) -> None:
        """A wait begins; a body's goes on from its head's."""
        self.phase, self.since = phase, self._loop.time()
        self.until = self.since + seconds

    @property
    def waits_for_client(self) -> bool:
        """Whether anything could come or go now, if only the client did its part."""
        if self.phase is Phase.WORK:
            return self._request is not None and not self._request.content.is_eof()
        return True

    @property
    def held(self) -> int:
        """How many bytes it keeps in memory: a request that comes in, an answer that goes out."""
        return (
            self._came
            - self._away
            + (self.transport.get_write_buffer_size() if self.transport else 0)
        )

    def cut(self) -> None:
        """End the connection at once; what was not sent is not sent any more."""
        self._leave()
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._enter(Phase.HEAD, self._house.patience.head)
        self._house.enter(self)

    def _leave(self) -> None:
        self._house.doors.discard(self)
        self._count(0)

    def _count(self, came: int, away: int = 0) -> None:
        """So much came of the request that is under way, and so much of that is put away."""
        self._house.coming += (came - away) - (self._came - self._away)
        self._came, self._away = came, away

    def put_away(self, count: int) -> None:
        """So many bytes of the body are on disk, or nowhere: they need no room in memory."""
        self._count(self._came, min(self._came, self._away + count))

    def connection_lost(self, exc: BaseException | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if data and self.phase is Phase.IDLE:
            self._enter(Phase.HEAD, self._house.patience.head)
        if self.phase in (Phase.HEAD, Phase.WORK):
            self._count(self._came + len(data), self._away)
        super().data_received(data)
        if self._wrapping() > MAX_WRAPPING:
            self.cut()
        elif self._house.coming > self._house.room:
            self._house.relieve()

    def _wrapping(self) -> int:
        """How many bytes of the body's came without being the body; 0 while some are not read."""
        reading = self.transport is not None and self.transport.is_reading()
        if self._request is None or not reading or self._request.content.is_eof():
            return 0
        return self._came - self._head - self._request.content.total_bytes

    def take(self, request: web.BaseRequest) -> None:
        """A head has ended: its body is awaited, and then our work."""
        patience, length = self._house.patience, request.content_length
        size = request.client_max_size if length is None else length
        allowed = min(size, request.client_max_size) / patience.rate
        self._request, self._head = request, self._came - request.content.total_bytes
        self.phase, self.until = Phase.WORK, self._loop.time() + patience.body + allowed

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer. What came behind an early answer or an upgrade is never read as HTTP."""
        if resp is not None and not resp.prepared:
            resp.headers.setdefault(hdrs.SERVER, "Hearthold")  # and not what it is made of
            if _is_last(request):
                resp.force_close()
        self._enter(Phase.ANSWER, self._house.patience.answer)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._request = None
            self._count(0)
            self._enter(Phase.IDLE, self._house.patience.idle)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no HTTP, and the last one: it quotes nothing (SEC-F7)."""
        self._unreadable = True
        if isinstance(exc, ConnectionError):  # the client left, and its body waits in a circle:
            exc.with_traceback(None)  # an error, the places it passed, and what those hold
        else:
            log.warning("a request could not be read", extra={"why": type(exc).__name__})
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was under way")
        return _refusal(status)

    def log_access(
        self, request: web.BaseRequest, response: web.StreamResponse, time: float | None
    ) -> None:
        """A line per request; what could not be read as one has none (SEC-D14)."""
        if not self._unreadable:
            super().log_access(request, response, time)


def _is_last(request: web.BaseRequest) -> bool:
    return (
        not request.content.is_eof()
        or hdrs.UPGRADE in request.headers
        or request.method == hdrs.METH_CONNECT
    )


def _refusal(status: int) -> web.Response:
    response = web.Response(
        status=status,
        text="This request cannot be read.\n",
        headers={"X-Content-Type-Options": "nosniff"},
    )
    response.force_close()
    return response


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what another program on the way could have read differently (RFC 9112 §11)."""
    if isinstance(request.protocol, Door):
        request.protocol.take(request)
    return await handler(request) if _is_sound(request) else _refusal(400)


def _is_sound(request: web.Request) -> bool:
    hosts = request.headers.getall(hdrs.HOST, [])
    target = _TARGET.fullmatch(request.raw_path)
    codings = request.headers.getall(hdrs.TRANSFER_ENCODING, [])
    return (
        request.version in _VERSIONS
        and len(hosts) <= 1
        and _HOST.fullmatch("".join(hosts)) is not None
        and target is not None
        and (target["authority"] is None or [target["authority"]] == hosts)
        and (not codings or _is_chunked(request, codings))
    )


def _is_chunked(request: web.Request, codings: list[str]) -> bool:
    return request.version == HttpVersion11 and [each.lower() for each in codings] == ["chunked"]


class Site(web.SockSite):
    """Where a node listens: `web.SockSite` with a `Door` for each connection."""

    def __init__(
        self, runner: web.AppRunner, listener: Any, *, house: House | None = None, **settings: Any
    ) -> None:
        super().__init__(runner, listener)
        self.house = house or House()
        self._settings = settings
        self._looking: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Answer from now on."""
        await web.BaseSite.start(self)
        loop, server = asyncio.get_running_loop(), self._runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")
        self._server = await loop.create_server(
            lambda: Door(self.house, server, loop=loop, **self._settings),
            sock=self._sock,
            backlog=self._backlog,
        )
        self._look(loop)

    def _look(self, loop: AbstractEventLoop) -> None:
        self.house.look(loop.time())
        self._looking = loop.call_later(self.house.patience.look, self._look, loop)

    async def stop(self) -> None:
        """Take no new connections; those that are open end with the runner."""
        if self._looking is not None:
            self._looking.cancel()
        await super().stop()


def site(runner: web.AppRunner, listener: Any, *, house: House | None = None) -> Site:
    """A node's site as `hearthold serve` runs it; `runner.cleanup()` ends it."""
    return Site(
        runner,
        listener,
        house=house or House(places=places()),
        access_log_class=RequestLog,
        access_log=logging.getLogger("node.requests"),
        auto_decompress=False,  # a packed body is refused unopened (SEC-D1)
        lingering_time=_LINGER,
    )


def places() -> int:
    """How many connections there may be: half of the files that may be open at most.

    Asks the system for more open files first: many give 1,024 to a service that asks for none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        soft = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(MAX_CONNECTIONS, soft // 2))
