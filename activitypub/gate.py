"""The gate every connection outwards passes: names become addresses here, checked and pinned."""

import asyncio
import socket
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from aiohttp import AddrInfoType, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey

from kernel.addresses import Network, is_public, is_within
from kernel.urls import Url

_PIN_SECONDS = 60.0
_STALE_SECONDS = 3600.0
_PINS = 5_000
_THREADS = 32  # names looked up at once: one whose server is slow keeps its thread for a while


KEPT_SECONDS = 60.0  # a connection that nobody uses stays open; servers mostly close after 75


class Unreachable(Exception):
    """Nothing useful came back; `reason` is a few words for the administrator, without secrets."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status  # of the answer, where there was one


class Resolver(Protocol):
    """Turns a name and a port into the addresses and ports to connect to."""

    async def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        """Raises OSError: there are none."""


class SystemResolver:
    """The computer's own resolver, in threads of its own; `*.localhost` never leaves the house."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="resolve")

    async def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        """Raises OSError: no such name."""
        if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
            return [("127.0.0.1", port), ("::1", port)]
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [(str(address[0]), int(address[1])) for *_, address in found]

    def close(self) -> None:
        """Look nothing up any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Pin:
    """What a name was found to be, and when."""

    since: float
    results: list[ResolveResult]


class Gate(AbstractResolver):
    """Resolves a name once, lets through only addresses that may be reached, and pins them.

    Public addresses may be reached over https on its own port; everything else (plain http, other
    ports, private addresses) only inside the ranges the node names (SEC-R1, SEC-R2).
    """

    def __init__(self, resolver: Resolver, allowed: tuple[Network, ...]) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._pinned: OrderedDict[tuple[str, int], _Pin] = OrderedDict()
        self._renewals: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def admit(self, url: Url) -> None:
        """Raises Unreachable: `url` has no address, or none that may be reached."""
        await self.resolve(url.host, url.port)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses to connect to; aiohttp asks here as it connects.

        They are the same for a minute. For an hour after that they still serve while the name is
        looked up anew beside it: names that take long to find, of which anybody can have many, do
        not hold up what goes to servers that are known (SEC-R10).
        """
        now, key = asyncio.get_running_loop().time(), (host, port)
        pin = self._pinned.pop(key, None)
        if pin is None or now - pin.since >= _STALE_SECONDS:
            pin = _Pin(now, await self._look_up(host, port))
        elif now - pin.since >= _PIN_SECONDS and key not in self._renewals:
            self._renewals[key] = asyncio.ensure_future(self._renew(host, port))
            self._renewals[key].add_done_callback(lambda _: self._renewals.pop(key, None))
        self._pinned[key] = pin
        while len(self._pinned) > _PINS:
            self._pinned.popitem(last=False)
        return pin.results

    async def _renew(self, host: str, port: int) -> None:
        """What may not be reached any more is forgotten: whoever asks next is told why."""
        try:
            results = await self._look_up(host, port)
        except Unreachable:
            self._pinned.pop((host, port), None)
        else:
            self._pinned[host, port] = _Pin(asyncio.get_running_loop().time(), results)

    async def _look_up(self, host: str, port: int) -> list[ResolveResult]:
        if host.replace(".", "").isdigit():
            found = [(host, port)]
        else:
            try:
                found = await self._resolver.resolve(host, port)
            except OSError as error:
                raise Unreachable("no address") from error
        results = [
            ResolveResult(
                hostname=host,
                host=ip,
                port=connect_port,
                family=socket.AF_INET6 if ":" in ip else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for ip, connect_port in found
            if self._may_reach(ip, port)
        ]
        if not results:
            raise Unreachable("address not allowed")
        return results

    def _may_reach(self, ip: str, port: int) -> bool:
        try:
            address = ip_address(ip)
        except ValueError:
            return False
        return is_within(address, self._allowed) or (port == 443 and is_public(address))

    def open_socket(self, info: AddrInfoType) -> socket.socket:
        """The last door: no socket is made for an address that could never be let through."""
        family, kind, protocol, _, address = info
        if not self._may_reach(str(address[0]), 443):
            raise OSError("address not allowed")
        opened = socket.socket(family=family, type=kind, proto=protocol)
        opened.setblocking(False)
        return opened

    async def close(self) -> None:
        """Look nothing up any more."""
        for task in list(self._renewals.values()):
            task.cancel()
        self._pinned.clear()


class Connector(TCPConnector):
    """Connects through a gate; its `limit` bounds connections that rest as well as those in use.

    aiohttp 3.14 counts the latter alone, and would keep one to every server told in a minute.
    """

    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        too_many = len(self._acquired) + len(self._conns) > self.limit
        super()._release(key, protocol, should_close=should_close or too_many)
