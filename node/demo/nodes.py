"""Three nodes as a community would run them: a process each, a database each, on free ports."""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kernel.postgres import running
from kernel.postgres_files import Record
from node.demo.visitor import Lost

NAMES: Final = ("alder", "birch", "cedar")
LATER: Final = "thorn"  # a place that nobody of these knows at first
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0

_CODE = Path(__file__).parents[2]
_LINK = re.compile(r"https?://\S+[?&]token=\S+")


@dataclass(slots=True, kw_only=True)
class DemoNode:
    """One `hearthold serve`; `welcome` is the link its start printed for an administrator."""

    name: str
    port: int
    directory: Path
    database_url: str = field(repr=False)
    welcome: str = field(default="", repr=False)
    _process: asyncio.subprocess.Process | None = None
    _reader: asyncio.Task[None] | None = None

    @property
    def origin(self) -> str:
        return f"http://{self.name}.localhost:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start the node, until it answers. Raises Lost: it ended instead; its last line."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name != "DATABASE_URL" and not name.startswith("HEARTHOLD_")
        }
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_CODE), kept.get("PYTHONPATH")]))
        with (self.directory / f"{self.name}.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "node.cli", "serve"),
                *("--data-dir", str(self.directory / self.name)),
                *("--origin", self.origin, "--listen", f"127.0.0.1:{self.port}"),
                env={
                    **kept,
                    "DATABASE_URL": self.database_url,
                    "HEARTHOLD_ALLOW_NETWORKS": "127.0.0.0/8",
                    "HEARTHOLD_LOG_LEVEL": "warning",
                    "HEARTHOLD_RELEASE_DELAY": "false",
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which stops its nodes in order
            )
        ready = asyncio.Event()
        self._reader = asyncio.create_task(self._read(ready))
        try:
            async with asyncio.timeout(START_SECONDS):
                await ready.wait()
        except TimeoutError:
            raise Lost(f"{self.name} did not start within {START_SECONDS:.0f} s") from None
        if self.pid is None:
            raise Lost(f"{self.name} did not start: {self._last_words()}")

    async def _read(self, ready: asyncio.Event) -> None:
        """Note what the node prints; `ready` once it answers, or has ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace")
            if link := _LINK.search(text):
                self.welcome = link[0]
            if "is ready" in text:
                ready.set()
        await self._process.wait()
        ready.set()

    def _last_words(self) -> str:
        lines = (self.directory / f"{self.name}.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    async def kill(self) -> None:
        """End the process as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int | None:
        """Ask the process to stop, and insist after a while; its exit code."""
        await self._end(signal.SIGTERM)
        return self._process.returncode if self._process else None

    async def _end(self, number: signal.Signals) -> None:
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return
        if process.returncode is None:
            process.send_signal(number)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await reader


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def three_nodes() -> AsyncIterator[dict[str, DemoNode]]:
    """alder, birch and cedar, running in a temporary directory that is gone at the end.

    thorn is there as well, and not started. Raises Lost: a node does not start.
    """
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hearthold-")))
        # Under root the database has a user of its own, who must be able to pass through.
        os.chmod(directory, 0o711)  # noqa: S103
        stack.callback(_remove_what_lies_elsewhere, directory)
        server = await stack.enter_async_context(running(directory))
        nodes = {}
        for name in (*NAMES, LATER):
            await server.create_database(name)
            nodes[name] = DemoNode(
                name=name,
                port=free_port(),
                directory=directory,
                database_url=server.url(name),
            )
        stack.push_async_callback(_stop_all, nodes)
        await asyncio.gather(*(nodes[name].start() for name in NAMES))
        yield nodes


def _remove_what_lies_elsewhere(directory: Path) -> None:
    """Under root the database lies outside where its user cannot reach our directory."""
    base = Record.read(directory / "postgres").base
    if not base.is_relative_to(directory):
        shutil.rmtree(base)


async def _stop_all(nodes: dict[str, DemoNode]) -> None:
    await asyncio.gather(*(node.stop() for node in nodes.values()))
