"""`hearthold` as an operator runs it: a process of its own, with its own environment."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from node.cli import app
from tests.forks import FORKS

CODE = Path(__file__).parents[2]
PATIENCE = 240  # seconds: the demo waits for a peer that was killed


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would change a node, and with `given`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and not name.startswith("HEARTHOLD_")
    }
    return {**kept, "COLUMNS": "120", "HEARTHOLD_RELEASE_DELAY": "false", **given}


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def hearthold(*words: str, stdin: str = "", **variables: str) -> Ended:
    """Run a command to its end, in a process from the fork server."""
    with tempfile.TemporaryDirectory() as place:
        told = Path(place)
        (told / "in").write_text(stdin)
        process = FORKS.Process(target=_command, args=(words, environment(variables), told))
        process.start()
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            raise AssertionError(f"{words} did not end")
        assert process.exitcode is not None
        return Ended(process.exitcode, *((told / name).read_text() for name in ("out", "err")))


def _command(words: Sequence[str], variables: Mapping[str, str], told: Path) -> None:
    """In the process itself: what `python -m node.cli` does with these words."""
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(CODE)
    for number, (name, mode) in enumerate((("in", "r"), ("out", "w"), ("err", "w"))):
        with (told / name).open(mode) as file:
            os.dup2(file.fileno(), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    sys.argv = ["hearthold", *words]
    app(prog_name="hearthold")


@dataclass
class Serving:
    """A `hearthold serve` that runs; `lines` are what it printed so far."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str] = field(default_factory=list)

    def wait_until_ready(self) -> None:
        """Read what it prints until it is ready, or has ended."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if "is ready" in line:
                return
        code = self.process.wait()
        said = self.process.stderr.read() if self.process.stderr else "see its log"
        raise AssertionError(f"serve ended with {code}: {said}")

    def get(self, path: str = "/") -> int:
        """The status of a page."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Ask it to stop, wait until it did."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return Ended(self.process.returncode, "\n".join([*self.lines, out]), err or "")


@contextmanager
def serving(
    data_dir: Path,
    *words: str,
    port: int,
    patience: float = PATIENCE,
    log: IO[bytes] | None = None,
    **variables: str,
) -> Iterator[Serving]:
    """A node on 127.0.0.1 at `port`, ready; killed at the end, or after `patience` seconds.

    Its log goes into `log`, where one is given: it has to, if more than a pipe holds will be said.
    """
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "node.cli", "serve", "--data-dir", str(data_dir)),
            *("--listen", f"127.0.0.1:{port}", *words),
        ],
        cwd=CODE,
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log or subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(patience, process.kill)
    watchdog.start()
    try:
        serve = Serving(process, port)
        serve.wait_until_ready()
        yield serve
    finally:
        watchdog.cancel()
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
