"""What every command shares: where the data lies, how lines are printed, and how it ends."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from kernel.db import describe
from kernel.errors import Misconfigured, Problem
from kernel.settings import Settings, default_directory
from node import logs
from node.opening import Opened, opened
from node.signals import stoppable

REFUSED: Final = 1  # what was asked for is not possible
MISCONFIGURED: Final = 2  # the operator has to act before it is

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Where its data lies: else $HEARTHOLD_DATA, or ~/.local/share/hearthold.",
        show_default=False,
    ),
]


def say(line: str) -> None:
    """Print a line of the answer."""
    print(line, flush=True)


def note(line: str) -> None:
    """Print a line about the answer, which a program that reads it does not want."""
    print(line, file=sys.stderr, flush=True)


def end(line: str, code: int) -> None:
    """End the command with its one clear line."""
    print(f"hearthold: {line}", file=sys.stderr)
    raise typer.Exit(code)


def run(work: Coroutine[None, None, None]) -> None:
    """Run a command to its end: one clear line on standard error, never a traceback."""
    try:
        asyncio.run(work)
    except Misconfigured as error:
        end(str(error), MISCONFIGURED)
    except Problem as error:
        end(error.detail, REFUSED)
    except (typer.Abort, typer.Exit, KeyboardInterrupt):
        raise
    except Exception as error:  # a bug; its text may quote a row, so its type and place are shown
        end(f"Something broke here: {describe(error)} at {logs.place_of(error)}.", REFUSED)


def settings_of(data_dir: Path | None, **options: str | None) -> Settings:
    """The settings of the node in `data_dir`. Raises Misconfigured."""
    directory = data_dir or default_directory(os.environ)
    return Settings.load(directory.expanduser().absolute(), os.environ, options)


def ask_secret(what: str, *, twice: bool = False) -> str:
    """A secret, typed unseen, or the next line of standard input: never an option (SEC-O6)."""
    if sys.stdin.isatty():
        secret: str = typer.prompt(what, hide_input=True, confirmation_prompt=twice)
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        end(f"{what}: give it on standard input, as a line.", REFUSED)
    return secret


@asynccontextmanager
async def watched_count() -> AsyncIterator[Callable[[int, int], None]]:
    """Shows how many lines were read on standard error, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with stoppable() as stop:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            task = bars.add_task("reading", total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)
    if stop.asked is not None:
        raise typer.Exit(128 + stop.asked)


@asynccontextmanager
async def watched() -> AsyncIterator[Callable[[str, int, int | None], None]]:
    """Shows bytes on standard error where that is a terminal; a signal ends what runs inside."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    async with stoppable() as stop:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            tasks = {}

            def show(what: str, done: int, total: int | None) -> None:
                if what not in tasks:
                    tasks[what] = bars.add_task(what.replace("_", " "), total=total)
                bars.update(tasks[what], completed=done, total=total)

            yield show
    if stop.asked is not None:
        raise typer.Exit(128 + stop.asked)


def on_node(data_dir: Path | None, command: Callable[[Opened], Awaitable[Sequence[str]]]) -> None:
    """Open the node for one command and print what it answers."""

    async def work() -> None:
        settings = settings_of(data_dir)
        async with stoppable() as stop, opened(settings, note) as node:
            for line in await command(node):
                say(line)
        if stop.asked is not None:
            raise typer.Exit(128 + stop.asked)

    run(work())
