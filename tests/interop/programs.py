"""Other people's programs as peers: real processes on loopback, spoken with over real HTTP."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
import pytest

from tests.nodes import Names

HERE = Path(__file__).parent
START = 60  # seconds until a program must listen; a quiet machine needs three


@dataclass
class Loopback(Names):
    """Every name is this computer, at the port that its address says."""

    async def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        self.asked.append(host)
        return [("127.0.0.1", port)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def missing(what: str) -> NoReturn:
    """A program that the test needs is not here: skipped, and a failure where it must be."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def node_js(package: Path) -> str:
    """The path of Node.js, with the packages of `package` installed beside it."""
    found = shutil.which("node")
    if found is None:
        missing("Node.js is not installed")
    if not (package / "node_modules").is_dir():
        missing(f"`npm ci` was not run in {package.name}")
    return found


@dataclass
class Program:
    """A running peer; `tell` hands it an order and gives back what it answers."""

    port: int
    session: aiohttp.ClientSession
    output: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    async def tell(self, **order: Any) -> Any:
        """Raises AssertionError: it could not do that; what it said is in the message."""
        url = f"http://127.0.0.1:{self.port}/control"
        async with self.session.post(url, json=order) as answer:
            text = await answer.text()
            assert answer.status == 200, f"{order}: {text}\n{''.join(self.output[-20:])}"
            return await answer.json(content_type=None)


@asynccontextmanager
async def running(command: Sequence[str], port: int, cwd: Path) -> AsyncIterator[Program]:
    """Start it, wait until it says `ready`, and end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )
    assert process.stdout is not None
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=START)) as session:
        program = Program(port, session)
        try:
            async with asyncio.timeout(START):
                while program.output[-1:] != ["ready\n"]:
                    line = await process.stdout.readline()
                    assert line, "it ended: " + "".join(program.output)
                    program.output.append(line.decode())
            reading = asyncio.create_task(_read_on(process.stdout, program.output))
            yield program
            reading.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _read_on(stream: asyncio.StreamReader, output: list[str]) -> None:
    while line := await stream.readline():
        output.append(line.decode())
