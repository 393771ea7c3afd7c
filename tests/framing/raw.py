"""Bytes as they are, to a node and back: no client that would put them right."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field

SECONDS = 30.0  # generous: how long the other side may take to say its last word


@dataclass(frozen=True)
class Answer:
    """One answer: status, headers by name in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Said:
    """What came back until the other side closed; `whole` is every byte of it."""

    answers: list[Answer] = field(default_factory=list)
    whole: bytes = b""

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]


@dataclass(frozen=True)
class Way:
    """A way to a node: straight, or through a proxy."""

    port: int
    tls: ssl.SSLContext | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1",
            self.port,
            ssl=self.tls,
            server_hostname="alder.test" if self.tls else None,
        )

    async def say(self, *parts: bytes) -> Said:
        """Send the parts, one write each, and listen until the other side closes.

        Raises TimeoutError: it did not close.
        """
        return await self.pour(parts)

    async def pour(self, parts: Iterable[bytes]) -> Said:
        """As `say`; stops sending once the other side has closed."""
        reader, writer = await self.open()
        sending = asyncio.ensure_future(_send(writer, parts))
        whole = bytearray()
        try:
            async with asyncio.timeout(SECONDS):
                with contextlib.suppress(ConnectionError):
                    while part := await reader.read(1 << 16):
                        whole += part
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.transport.abort()
        return Said(list(_answers(bytes(whole))), bytes(whole))


async def _send(writer: asyncio.StreamWriter, parts: Iterable[bytes]) -> None:
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()


def _answers(whole: bytes) -> Iterable[Answer]:
    at = 0
    while at < len(whole):
        end = whole.index(b"\r\n\r\n", at)
        first, *lines = whole[at:end].decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        status, at = int(first.split(" ")[1]), end + 4
        if status != 100:
            length = int(headers.get("content-length", len(whole) - at))
            yield Answer(status, headers, whole[at : at + length])
            at += length


def request(
    target: str = "/",
    *headers: str,
    method: str = "GET",
    body: bytes = b"",
    host: str = "alder.test",
) -> bytes:
    """A request in order, but for what the test makes of it."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


HIDDEN = request("/g/hidden")
"""A request that no server may find inside another one."""


def last(target: str, *headers: str) -> bytes:
    """A request after which the connection ends by itself."""
    return request(target, *headers, "Connection: close")
