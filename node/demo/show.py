"""`hearthold demo`: the story told step by step, as JSON lines or on a live screen."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiohttp import ClientError
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from kernel.db import describe
from kernel.errors import Misconfigured
from node.demo.story import Step, Story
from node.demo.visitor import Lost
from node.logs import place_of
from node.signals import stoppable


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a step went; `reason` is empty where it went well."""

    step: str
    ms: int
    reason: str = ""

    @property
    def ok(self) -> bool:
        return not self.reason


async def demonstrate(*, check: bool) -> int:
    """Tell the story; without `check` stay until told to stop. An exit code.

    Whatever happens, the nodes end and their files are gone.
    """
    done = False
    async with stoppable() as stop, AsyncExitStack() as stack:
        story = Story(stack)
        done = await (_print_lines(story) if check else _show_live(story))
        if done and not check:
            await asyncio.Event().wait()
    if stop.asked is not None and not (done and not check):
        return 128 + stop.asked
    return 0 if done else 1


async def _tell(story: Story) -> AsyncIterator[tuple[Step, Outcome | None]]:
    """Each step as it begins (None) and as it ended; a step that fails is the last."""
    for step in story.steps:
        yield step, None
        begun = time.monotonic()
        reason = ""
        try:
            await step.work()
        except (Lost, Misconfigured) as error:
            reason = str(error)
        except (ClientError, OSError, TimeoutError, AssertionError, LookupError) as error:
            reason = f"{describe(error)} at {place_of(error)}"
        ms = round((time.monotonic() - begun) * 1000)
        yield step, Outcome(step=step.name, ms=ms, reason=reason)
        if reason:
            return


async def _print_lines(story: Story) -> bool:
    """A JSON line per step and one for all; whether all went well."""
    ms, reason = 0, ""
    async for step, outcome in _tell(story):
        if outcome is None:
            continue
        line: dict[str, object] = {"step": step.name, "ok": outcome.ok, "ms": outcome.ms}
        _print(line if outcome.ok else {**line, "reason": outcome.reason})
        ms += outcome.ms
        reason = f"{step.name}: {outcome.reason}" if outcome.reason else ""
    last: dict[str, object] = {"ok": not reason, "ms": ms}
    _print(last if not reason else {**last, "reason": reason})
    return not reason


def _print(line: dict[str, object]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


async def _show_live(story: Story) -> bool:
    """The steps on the terminal as they go, then where to look; whether all went well."""
    console = Console()
    ended: list[Outcome] = []
    with Live(console=console, refresh_per_second=10) as live:
        async for step, outcome in _tell(story):
            if outcome is not None:
                ended.append(outcome)
            live.update(_table(ended, step if outcome is None else None))
    if not ended[-1].ok:
        return False
    console.print(_where_to_look(story))
    console.print("Ctrl-C stops the nodes and removes everything.")
    return True


def _table(ended: list[Outcome], now: Step | None) -> Table:
    table = Table.grid(padding=(0, 2))
    for outcome in ended:
        mark = "[green]✓[/]" if outcome.ok else "[red]✗[/]"
        table.add_row(mark, escape(outcome.step), f"[dim]{outcome.ms / 1000:.1f} s[/]")
        if outcome.reason:
            table.add_row("", f"[red]{escape(outcome.reason)}[/]", "")
    if now is not None:
        table.add_row(Spinner("dots"), escape(now.name), "")
    return table


def _where_to_look(story: Story) -> Table:
    table = Table(title="Three nodes, and who you can be", title_justify="left")
    for heading in ("node", "address", "log in as", "password", "speaks as"):
        table.add_column(heading, overflow="fold")
    for guest in story.guests:
        table.add_row(
            guest.node, guest.visitor.origin, guest.login, guest.password, guest.person.name
        )
    return table
