"""Servers on loopback that answer exactly what a test tells them to, however rude."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

Reply = Callable[[str], bytes | AsyncIterator[bytes] | None]
"""Answers a request target with raw bytes, in one piece or many; None hangs up."""

ACTIVITY = "application/activity+json"


@dataclass(frozen=True, slots=True)
class Heard:
    """One request: its first line, its headers (names in lower case) and its body."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def __getitem__(self, name: str) -> str:
        return dict(self.headers)[name]

    def __contains__(self, name: str) -> bool:
        return name in dict(self.headers)


@dataclass(slots=True)
class Server:
    """What a server saw."""

    reply: Reply
    port: int = 0
    connections: int = 0
    heard: list[Heard] = field(default_factory=list)
    sent: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def targets(self) -> list[str]:
        return [heard.target for heard in self.heard]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        # A client that is done with us hangs up: that ends a conversation and is no error here.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        pairs = [entry.split(": ", 1) for entry in lines]
        headers = [(name.lower(), value) for name, value in pairs]
        body = await reader.readexactly(int(dict(headers).get("content-length", "0")))
        self.heard.append(Heard(line, headers, body))
        answer = self.reply(line.split(" ")[1])
        if answer is None:
            raise ConnectionError
        parts = _once(answer) if isinstance(answer, bytes) else answer
        async for part in parts:
            writer.write(part)
            await writer.drain()
            self.sent += len(part)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with one client until it or the test ends."""
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        try:
            await task
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _once(part: bytes) -> AsyncIterator[bytes]:
    yield part


@contextlib.asynccontextmanager
async def serve(
    reply: Reply, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server on a free port of `host`."""
    server = Server(reply)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await server.accept(reader, writer)

    listener = await asyncio.start_server(accept, host, 0, ssl=tls, limit=2**20)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await listener.wait_closed()


def answer(
    body: bytes = b"",
    *,
    status: str = "200 OK",
    kind: str = ACTIVITY,
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """A well-formed answer that keeps the connection."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def moved(location: str, *, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A redirect."""
    return answer(status="302 Found", headers=[("Location", location), *headers])


class Names:
    """A resolver that knows only what a test tells it, and remembers what it was asked."""

    def __init__(self) -> None:
        self.known: dict[str, list[tuple[str, int]]] = {}
        self.asked: list[str] = []

    def add(self, host: str, *answers: tuple[str, int]) -> None:
        self.known[host] = list(answers)

    async def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        self.asked.append(host)
        if host not in self.known:
            raise OSError(f"no such name: {host}")
        return self.known[host]
