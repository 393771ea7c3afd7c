"""`hearthold backup`, `restore`, `move`, `key`, `doctor`: the commands that keep a node safe."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kernel import sealed_file
from kernel.settings import Settings
from node import doctor
from node.console import REFUSED, DataDir, ask_secret, end, run, say, settings_of
from node.safekeeping import archive, commands
from node.signals import interruptibly, stoppable

key = typer.Typer(help="The node's own key, apart from its backups.", no_args_is_help=True)

_PASSPHRASE = "Passphrase of the backup"  # noqa: S105  (what is asked for)


def add_to(app: typer.Typer) -> None:
    """Make these commands part of `hearthold`."""
    app.command(epilog="Example: hearthold backup /mnt/safe/alder-2026-01-02.backup")(backup)
    app.command(epilog="Example: hearthold restore /mnt/safe/alder.backup --since /mnt/safe/since")(
        restore
    )
    app.command(epilog="Example: hearthold move < /root/address-of-the-new-database")(move)
    app.command("move-pictures", epilog="Example: hearthold move-pictures")(move_pictures)
    app.add_typer(key, name="key")
    app.command("doctor", epilog="Example: hearthold doctor --json")(see_doctor)


def backup(
    file: Annotated[Path, typer.Argument(help="A new file, sealed under a passphrase.")],
    new_key: Annotated[
        bool,
        typer.Option("--new-key", help="Make a random passphrase and print it, this once."),
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Seal nothing: whoever has the file can read it all.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Write the whole node into one file, while it goes on running.

    Asks for the passphrase. Without a terminal it is the first line on standard input. The node key
    is not in the file: see `hearthold key export`.
    """
    if plain and new_key:
        end("--plain seals nothing, so it needs no key: choose one of the two.", REFUSED)
    passphrase = None
    if not plain:
        passphrase = sealed_file.new_key() if new_key else ask_secret(_PASSPHRASE, twice=True)

    async def work() -> None:
        await commands.back_up(settings_of(data_dir), file, passphrase, tell=new_key)

    run(work())


def restore(
    file: Annotated[Path, typer.Argument(help="What `hearthold backup` wrote.")],
    since: Annotated[
        Path | None,
        typer.Option(
            help="Your copy of the lost node's folder `since`: what was deleted, decided and sent "
            "after the backup. Else the one in the data directory.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only see that the file is whole; change nothing.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Bring a node back from a backup, into an empty database.

    Everybody has to log in again, and what was deleted since stays gone. The node key has to be
    there: see `hearthold key import`. Asks for the passphrase as `hearthold backup` does.
    """

    async def work() -> None:
        settings = settings_of(data_dir)
        passphrase = None
        if archive.needs_passphrase(file):
            passphrase = interruptibly(lambda: ask_secret(_PASSPHRASE))
        await commands.bring_back(settings, file, passphrase, since=since, check_only=check)

    run(work())


def move(data_dir: DataDir = None) -> None:
    """Carry the node to another PostgreSQL server, into an empty database.

    Stop the node first. Asks for the address of the new database, such as
    postgresql://hearthold:password@db.internal/hearthold. Without a terminal it is the first line
    on standard input. The old database is only read.
    """

    async def work() -> None:
        settings = settings_of(data_dir)
        target = interruptibly(lambda: ask_secret("Address of the new database"))
        await commands.carry_over(settings, target)

    run(work())


def move_pictures(data_dir: DataDir = None) -> None:
    """Carry the pictures in `media/` into the bucket that the settings name (s3_bucket).

    Stop the node first, and start it again afterwards. Each picture is removed here once it is
    there; whatever ends this early, run it again.
    """

    async def work() -> None:
        await commands.carry_pictures(settings_of(data_dir))

    run(work())


@key.command("export", epilog="Example: hearthold key export /mnt/elsewhere/alder.key")
def key_export(
    file: Annotated[Path, typer.Argument(help="A new file, on another disk than the backups.")],
    data_dir: DataDir = None,
) -> None:
    """Write the node key into a file of its own, which can also be printed."""
    _at_once(lambda settings: commands.export_key(settings, file), data_dir)


@key.command("import", epilog="Example: hearthold key import /mnt/elsewhere/alder.key")
def key_import(
    file: Annotated[Path, typer.Argument(help="What `hearthold key export` wrote.")],
    data_dir: DataDir = None,
) -> None:
    """Put an exported key into the data directory, before a restore."""
    _at_once(lambda settings: commands.import_key(settings, file), data_dir)


def _at_once(command: Callable[[Settings], Sequence[str]], data_dir: Path | None) -> None:
    async def work() -> None:
        for line in command(settings_of(data_dir)):
            say(line)

    run(work())


def see_doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Look the node over, beside a running one too, and say what to do. Changes nothing.

    Ends with 0 when all is well, and with 1 when there is something to see to.
    """

    async def work() -> None:
        async with stoppable() as stop:
            report = await doctor.examine(settings_of(data_dir))
        if stop.asked is not None:
            raise typer.Exit(128 + stop.asked)
        for line in report.lines(as_json=as_json):
            say(line)
        if not report.well:
            raise typer.Exit(REFUSED)

    run(work())
