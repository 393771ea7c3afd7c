"""`hearthold blocklist preview` and `undo`: what a decision would cut, and taking one back."""

import json
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from kernel.schema.moderation import Level
from members import severing
from members.severing import Decided, Differs
from moderation import domains, impact
from moderation.impact import Impact, Seen
from moderation.lists import undoing
from node import keeping_away
from node.console import REFUSED, DataDir, end, on_node
from node.logs import escaped
from node.opening import Opened

_DIGITS: Final = 18  # of a number that the database can hold

AsJson = Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")]


def add_to(group: typer.Typer) -> None:
    """Add the commands to `hearthold blocklist`."""

    @group.command("preview", epilog="Example: hearthold blocklist preview spam.example")
    def preview(
        name: Annotated[str, typer.Argument(metavar="DOMAIN", help="With everything below it.")],
        level: Annotated[Level, typer.Option(help="What would be decided.")] = Level.REJECT,
        reject_media: Annotated[
            bool, typer.Option("--reject-media", help="No pictures would be taken from there.")
        ] = False,
        as_json: AsJson = False,
        data_dir: DataDir = None,
    ) -> None:
        """Print what it would cut to talk with a domain no more. Nothing is changed."""
        on_node(
            data_dir, lambda node: _preview(node, name, level, bare=reject_media, as_json=as_json)
        )

    @group.command("undo", epilog="Example: hearthold blocklist undo i12 --dry-run")
    def undo(
        which: Annotated[
            str,
            typer.Argument(metavar="WHICH", help="12 of `history`, or i12 of `imports`."),
        ],
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only say what would come back.")
        ] = False,
        seen: Annotated[str, typer.Option(help="What the command printed, once you saw it.")] = "",
        looked: Annotated[
            bool, typer.Option("--looked", help="You looked at it, although it cuts a lot.")
        ] = False,
        data_dir: DataDir = None,
    ) -> None:
        """Take a decision about a domain back, or an import, and put back what it cut.

        After an import was taken back, its list says what it said before.
        """
        number = which.removeprefix("i")
        if not number.isascii() or not number.isdigit() or len(number) > _DIGITS:
            end("Name a decision such as 12, or an import such as i12.", REFUSED)
        if which.startswith("i"):
            shown = Seen(seen, looked)
            on_node(
                data_dir, lambda node: _undo_taking(node, int(number), dry_run=dry_run, seen=shown)
            )
        else:
            on_node(data_dir, lambda node: _undo(node, int(number), dry_run=dry_run))

    @group.command("imports", epilog="Example: hearthold blocklist imports")
    def imports(data_dir: DataDir = None) -> None:
        """Print when rows of lists were taken, as far as that can be taken back, newest first."""
        on_node(data_dir, _imports)

    @group.command("history", epilog="Example: hearthold blocklist history")
    def history(as_json: AsJson = False, data_dir: DataDir = None) -> None:
        """Print the last decisions about domains and how much they cut, newest first."""
        on_node(data_dir, lambda node: _history(node, as_json=as_json))


def lines_of(found: Impact, command: str = "") -> list[str]:
    """What a decision would cut, and the `command` that makes it after that: a block, if none."""
    lines = [str(line) for line in found.words] or ["That cuts nothing."]
    lines += [f"Please look twice: {line}" for line in found.asks_for_a_look]
    if found.binds and (command or found.cuts):
        much = " --looked" if found.asks_for_a_look else ""
        command = command or _block(found)
        lines.append(f"To do it: hearthold {command} --seen {found.digest}{much}")
    return lines


def unchanged(different: Differs, command: str = "") -> list[str]:
    """The same where nothing was done, since nobody had seen it."""
    return ["Nothing was changed.", *lines_of(different.impact, command)]


def _block(found: Impact) -> str:
    drops = f" --level {found.policy}" if found.policy == Level.DROP else ""
    return f"domain block {found.domains[0]}{drops}"


async def _preview(
    node: Opened, name: str, level: Level, *, bare: bool, as_json: bool
) -> Sequence[str]:
    async with node.engine.connect() as conn:
        about = [domains.read_domain(name)]
        found = await impact.of(conn, node.here, about, level, reject_media=bare)
    if as_json:
        return [json.dumps(found.as_json(), indent=2)]
    return lines_of(found)


async def _undo(node: Opened, number: int, *, dry_run: bool) -> Sequence[str]:
    if dry_run:
        async with node.engine.begin() as conn:
            restored = await severing.undo(conn, node.here, number, dry_run=True)
    else:
        restored = await keeping_away.undo(node.engine, node.here, number)
    return [str(line) for line in restored.words]


async def _undo_taking(node: Opened, number: int, *, dry_run: bool, seen: Seen) -> Sequence[str]:
    if dry_run:
        would, restored = await keeping_away.undoing_taking(node.engine, node.here, number)
        again = lines_of(would, f"blocklist undo i{number}") if would.binds else []
        return [*(str(line) for line in restored.words), *again]
    try:
        restored = await keeping_away.undo_taking(node.engine, node.here, number, seen=seen)
    except Differs as different:
        return unchanged(different, f"blocklist undo i{number}")
    return [str(line) for line in restored.words]


async def _imports(node: Opened) -> Sequence[str]:
    async with node.engine.connect() as conn:
        found = await undoing.history(conn)
    lines = [
        f"i{each.id}  {each.day}  {each.list_id}  {escaped(each.name)}  {each.rows} rows"
        for each in found
    ]
    return lines or ["Nothing was taken of any list in the last 90 days."]


async def _history(node: Opened, *, as_json: bool) -> Sequence[str]:
    async with node.engine.connect() as conn:
        found = await severing.history(conn)
    if as_json:
        return [json.dumps([each.as_json() for each in found], indent=2)]
    return [_line(each) for each in found] or ["Nothing was decided yet."]


def _line(each: Decided) -> str:
    ties = each.impact.relations.all
    state = "waits for somebody" if each.is_held else "stands" if each.stands else "taken back"
    return f"{each.id}  {each.day}  {each.domain}  {each.after}  cut {ties}  {state}"
