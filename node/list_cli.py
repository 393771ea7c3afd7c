"""`hearthold blocklist`: lists of domains, in and out."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from kernel.schema.moderation import Level, ListMode
from moderation.impact import UNSEEN, Seen
from moderation.lists.entry import Format
from moderation.lists.writing import TYPES
from node import config_import, list_commands
from node.console import REFUSED, DataDir, end, on_node

blocklist = typer.Typer(
    help="Lists of servers to keep away, from others and for others.", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A list in any format we read.")]
ListId = Annotated[str, typer.Argument(metavar="LIST", help="Its id: see `blocklist list`.")]
Name = Annotated[str, typer.Option(help="What to call the list: else the file's name.")]
SeenDigest = Annotated[
    str, typer.Option("--seen", help="What the command printed, once you saw it.")
]
Looked = Annotated[bool, typer.Option("--looked", help="You looked at it, although it cuts a lot.")]
MaxLevel = Annotated[Level, typer.Option(help="No row counts for more than this.")]
MaxLevelOfFile = Annotated[
    Level | None,
    typer.Option(
        help="No row counts for more than this, from now on; for a new list: reject.",
        show_default=False,
    ),
]


@blocklist.command("import", epilog="Example: hearthold blocklist import blocks.csv --dry-run")
def bring(
    file: File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Take it, once you saw that.")] = False,
    name: Name = "",
    max_level: MaxLevelOfFile = None,
    seen: SeenDigest = "",
    looked: Looked = False,
    data_dir: DataDir = None,
) -> None:
    """Take a list from a file, and show what that changes.

    What you decided yourself always counts more. A file that was brought under the same name before
    is replaced: rows it has no more go.
    """
    if dry_run is yes:
        end("Say --dry-run to see what would change, or --yes to take it.", REFUSED)
    _bring(file, name, max_level, seen=UNSEEN if dry_run else Seen(seen, looked), data_dir=data_dir)


@blocklist.command(
    "import-config", epilog="Example: hearthold blocklist import-config blockhole.toml --dry-run"
)
def bring_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="FediBlockHole's own, as TOML.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show which lists it names.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Follow them, once you saw that.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Follow the lists that a configuration of FediBlockHole names.

    Nothing of them holds before you agreed. What it says that is otherwise here is printed.
    """
    if dry_run is yes:
        end("Say --dry-run to see what it names, or --yes to follow that.", REFUSED)
    on_node(
        data_dir,
        lambda node: config_import.bring(node, plan=config_import.read_file(file), dry=dry_run),
    )


@blocklist.command("diff", epilog="Example: hearthold blocklist diff blocks.csv")
def diff(
    file: File, name: Name = "", max_level: MaxLevelOfFile = None, data_dir: DataDir = None
) -> None:
    """Show what a file would change, and change nothing."""
    _bring(file, name, max_level, seen=UNSEEN, data_dir=data_dir)


def _bring(
    file: Path, name: str, max_level: Level | None, *, seen: Seen, data_dir: Path | None
) -> None:
    again = ["blocklist", "import", str(file), "--yes"]
    again += ["--name", name] if name else []
    again += ["--max-level", max_level.value] if max_level is not None else []
    on_node(
        data_dir,
        lambda node: list_commands.bring(
            node,
            listed=list_commands.read_file(file),
            name=name or file.name,
            max_level=max_level,
            seen=seen,
            command=shlex.join(again),
        ),
    )


@blocklist.command("export", epilog="Example: hearthold blocklist export mastodon-csv")
def export(
    kind: Annotated[Format, typer.Argument(metavar="FORMAT", help=", ".join(TYPES))],
    private: Annotated[
        bool, typer.Option("--private", help="Also what you would not share: for yourself.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Print what is in force in a format of others, by domain."""
    if kind not in TYPES:
        end(f"That format is only read. Write one of {', '.join(TYPES)}.", REFUSED)
    on_node(data_dir, lambda node: list_commands.export(node, kind=kind, private=private))


@blocklist.command(
    "subscribe", epilog="Example: hearthold blocklist subscribe https://lists.example/blocks.csv"
)
def subscribe(
    address: Annotated[str, typer.Argument(metavar="URL", help="Where the list is.")],
    mode: Annotated[
        ListMode, typer.Option(help="draft: you look at each new row; automatic: 25 a day hold.")
    ] = ListMode.DRAFT,
    name: Annotated[str, typer.Option(help="What to call the list.")] = "",
    max_level: MaxLevel = Level.REJECT,
    exclude: Annotated[str, typer.Option(help="Domains it leaves alone, by commas.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Read a list from an address each day. Its first rows wait for you in either mode."""
    on_node(
        data_dir,
        lambda node: list_commands.subscribe(
            node, url=address, name=name, mode=mode, max_level=max_level, excluded=exclude
        ),
    )


@blocklist.command("list", epilog="Example: hearthold blocklist list")
def show(data_dir: DataDir = None) -> None:
    """Print the lists there are, and what of them waits for you."""
    on_node(data_dir, list_commands.show)


@blocklist.command("refresh", epilog="Example: hearthold blocklist refresh")
def refresh(
    which: Annotated[str, typer.Argument(metavar="[LIST]", help="Its id; none: all.")] = "",
    whatever: Annotated[
        bool, typer.Option("--whatever", help="Also one that grew or shrank a lot: you looked.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Read lists at addresses now."""
    on_node(data_dir, lambda node: list_commands.refresh(node, list_id=which, whatever=whatever))


@blocklist.command("agree", epilog="Example: hearthold blocklist agree 4fGh_2kLm9Qw")
def agree(
    which: ListId, seen: SeenDigest = "", looked: Looked = False, data_dir: DataDir = None
) -> None:
    """Let what waits of a list hold; what that cuts is shown first."""
    shown = Seen(seen, looked)
    on_node(data_dir, lambda node: list_commands.agree(node, list_id=which, seen=shown))


@blocklist.command("remove", epilog="Example: hearthold blocklist remove 4fGh_2kLm9Qw")
def remove(
    which: ListId, seen: SeenDigest = "", looked: Looked = False, data_dir: DataDir = None
) -> None:
    """End a list, with all that was decided because of it.

    Where another list would cut somebody off then, that is shown first.
    """
    shown = Seen(seen, looked)
    on_node(data_dir, lambda node: list_commands.remove(node, list_id=which, seen=shown))
