"""Load: ready-made requests over a few kept connections, as fast as they are answered.

It speaks just enough HTTP/1.1 that the generator is no part of what is measured: a request is bytes
that were made before, an answer is a status and a body of known length.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Self

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """`first_byte` and `whole` are seconds after the request was written."""

    status: int
    first_byte: float
    whole: float
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Poured:
    """What came of some requests: answers by the number of the request, and seconds in all."""

    answers: dict[int, Answer] = field(default_factory=dict)
    seconds: float = 0.0
    broken: int = 0  # connections that were cut

    def numbered(self, status: int) -> list[int]:
        """Which requests got this status."""
        return [number for number, answer in self.answers.items() if answer.status == status]


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self._asked = self._first = 0.0

    @classmethod
    async def open(cls, port: int, host: str = "127.0.0.1") -> Self:
        """Raises OSError: nobody listens there."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(cls, host, port)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def ask(self, data: bytes) -> Answer:
        """Raises ConnectionError: the connection was cut before the answer was whole."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError
        self._buffer.clear()
        self._waiting = asyncio.get_running_loop().create_future()
        self._asked, self._first = perf_counter(), 0.0
        self._transport.write(data)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        self._first = self._first or perf_counter()
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._waiting is None or self._waiting.done():
            return
        head, begin = bytes(self._buffer[:end]).lower(), end + 4
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if len(self._buffer) < begin + int(length or 0):
            return
        self._waiting.set_result(
            Answer(
                int(head[9:12]),
                self._first - self._asked,
                perf_counter() - self._asked,
                bytes(self._buffer[begin:]),
            )
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError())

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def pour(
    port: int,
    requests: Iterator[tuple[int, bytes]],
    *,
    seconds: float,
    connections: int = CONNECTIONS,
    into: Poured | None = None,
) -> Poured:
    """Send each of `requests` once, until they are through or time is."""
    poured = into if into is not None else Poured()
    begun = perf_counter()

    async def one() -> None:
        connection = await Connection.open(port)
        try:
            for number, data in requests:
                poured.answers[number] = await connection.ask(data)
                if perf_counter() - begun > seconds:
                    return
        except ConnectionError:
            poured.broken += 1
        finally:
            connection.close()

    async with asyncio.timeout(seconds + 60), asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one())
    poured.seconds = perf_counter() - begun
    return poured
