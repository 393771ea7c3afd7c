"""This machine: a PostgreSQL of the bench's own, processes, and what they cost.

Every process started here is ended by its pid; everything listens on loopback alone.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kernel.postgres import Server, running
from kernel.postgres_files import Record

CODE: Final = Path(__file__).parents[1]
START_SECONDS: Final = 30.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def own_postgres() -> AsyncIterator[tuple[Server, Path]]:
    """A durable server in a temporary directory; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="hearthold-bench-") as name:
        directory = Path(name)
        # Under root the server has a user of its own, who must be able to pass through.
        os.chmod(directory, 0o711)  # noqa: S103
        try:
            async with running(directory) as server:
                yield server, directory
        finally:
            base = Record.read(directory / "postgres").base
            if not base.is_relative_to(directory):
                shutil.rmtree(base, ignore_errors=True)


@dataclass(slots=True, kw_only=True)
class Child:
    """A module of ours in a process of its own, which prints `ready` once it answers."""

    process: asyncio.subprocess.Process = field(repr=False)
    port: int

    @property
    def pid(self) -> int:
        return self.process.pid

    async def stop(self) -> None:
        """End it, at once if it does not go."""
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), 5)
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def child(*words: str, port: int, stdin: bytes = b"") -> AsyncIterator[Child]:
    """`python -m …` with `stdin`, listening on `port`. Raises RuntimeError: it does not start."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *words,
        cwd=CODE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # as the node: Linux shares the processor out by session
    )
    made = Child(process=process, port=port)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stdin)
        process.stdin.close()
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        if line.strip() != b"ready":
            raise RuntimeError(f"{words[0]} did not start")
        yield made
    finally:
        await made.stop()


def cpu_seconds(*pids: int | None) -> float:
    """Processor seconds that these processes and all below them have used so far."""
    stats = _stats()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    total, left = 0.0, [pid for pid in pids if pid is not None]
    while left:
        pid = left.pop()
        total += stats.get(pid, (0, 0.0))[1]
        left += children.get(pid, [])
    return total


def _stats() -> Mapping[int, tuple[int, float]]:
    """By pid: the parent, and the seconds of the process and of its children that have ended."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, IndexError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            found[int(entry.name)] = int(fields[1]), sum(map(int, fields[11:15])) / _TICKS
    return found


def peak_mib(pid: int | None) -> float:
    """The most memory the process ever held, in MiB."""
    return _mib(pid, "VmHWM:")


def resident_mib(pid: int | None) -> float:
    """The memory the process holds now, in MiB."""
    return _mib(pid, "VmRSS:")


def _mib(pid: int | None, name: str) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    return 0.0


def pid_of(server: Server) -> int | None:
    """The process that every backend of the server is a child of."""
    return server.process.pid if server.process is not None else None
