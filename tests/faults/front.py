"""What stands before a node's processes, as an operator's proxy does: it says who answers now."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

from tests.nodes import Node


class Front:
    """The address of a node, whichever process of it answers behind."""

    def __init__(self, node: Node) -> None:
        self._names, self._name, self._home = node.names, node.name, node.port
        self._behind = node.port
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> "Front":
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self._names.ports[self._name] = self._server.sockets[0].getsockname()[1]
        return self

    async def lead_to(self, port: int | None = None) -> None:
        """From now on this process answers, or the node's first one; kept connections end."""
        self._behind = port or self._home
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        await self.lead_to()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(OSError):
                back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._behind)
                try:
                    await _first_to_end(_pipe(reader, back_writer), _pipe(back_reader, writer))
                finally:
                    back_writer.close()
        except asyncio.CancelledError:
            pass  # asyncio.start_server logs a cancelled handler; ours is meant
        finally:
            self._open.discard(task)
            writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _first_to_end(*pipes: Coroutine[None, None, None]) -> None:
    """Both directions end when one does."""
    tasks = [asyncio.ensure_future(pipe) for pipe in pipes]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
