"""`hearthold`: everything an operator types. `docs/reference/cli.md` shows each command."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from inbox.discovery import VERSION
from kernel.schema.moderation import Level
from kernel.settings import read_origin
from moderation.impact import Seen
from node import (
    alert_commands,
    closing_cli,
    commands,
    effect_cli,
    group_move_cli,
    impact_cli,
    label_cli,
    logs,
    pact_cli,
    seeding,
)
from node.console import (
    REFUSED,
    DataDir,
    end,
    note,
    on_node,
    run,
    say,
    settings_of,
    watched_count,
)
from node.demo import show
from node.list_cli import Looked, SeenDigest, blocklist
from node.opening import opened
from node.safekeeping import cli as safekeeping
from node.serve import serve as serve_node
from node.serve import work as work_on

MAX_SEEDED: Final = 10_000_000


class Away(StrEnum):
    """How a domain can be blocked."""

    REJECT = Level.REJECT
    DROP = Level.DROP


app = typer.Typer(
    name="hearthold",
    help="A node of a federated peer-support network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
account = typer.Typer(help="Ways to log in.", no_args_is_help=True)
group = typer.Typer(help="Support groups.", no_args_is_help=True)
domain = typer.Typer(help="What you decide about other servers.", no_args_is_help=True)
keys = typer.Typer(help="What people and groups here sign with.", no_args_is_help=True)
audit = typer.Typer(help="What moderators and administrators decided.", no_args_is_help=True)
peers = typer.Typer(help="Other servers this node talks with.", no_args_is_help=True)
alert = typer.Typer(help="Where people on duty hear that something waits.", no_args_is_help=True)
app.add_typer(alert, name="alert")
app.add_typer(account, name="account")
app.add_typer(group, name="group")
app.add_typer(domain, name="domain")
app.add_typer(peers, name="peers")
app.add_typer(keys, name="keys")
app.add_typer(audit, name="audit")
app.add_typer(blocklist, name="blocklist")

safekeeping.add_to(app)
pact_cli.add_to(app)
effect_cli.add_to(app)
label_cli.add_to(app)
closing_cli.add_to(app)
group_move_cli.add_to(group)


impact_cli.add_to(blocklist)


@app.command(epilog="Example: hearthold serve --origin https://alder.example")
def serve(
    data_dir: DataDir = None,
    origin: Annotated[
        str | None,
        typer.Option(
            help="The address of the node, for ever: https://alder.example. "
            "Needed at the first start only.",
            show_default=False,
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(help="HOST:PORT to listen on: else 127.0.0.1:8080.", show_default=False),
    ] = None,
    no_worker: Annotated[
        bool,
        typer.Option(
            "--no-worker", help="Answer only: `hearthold worker` sends and receives beside it."
        ),
    ] = False,
) -> None:
    """Run the node until it is told to stop (Ctrl-C, SIGTERM).

    The first start makes the data directory and a database, and prints a link for the first
    administrator. Without --origin, a node that listens on this computer only is
    http://localhost:8080.
    """

    async def work() -> None:
        settings = settings_of(data_dir, origin=origin, listen=listen)
        logs.set_up(settings.log_level)
        ask = _ask_origin if sys.stdin.isatty() else None
        await serve_node(settings, say, ask=ask, with_worker=not no_worker)

    run(work())


def _ask_origin() -> str:
    say("Which address will people type? It is for ever: everything here lives under it.")
    while True:
        try:
            return read_origin(typer.prompt("Address", default="https://", show_default=False))
        except ValueError as error:
            say(f"Please try again: {error}")


@app.command(epilog="Example: hearthold worker")
def worker(data_dir: DataDir = None) -> None:
    """Deal with what arrived and send what waits, until told to stop; it answers no pages.

    Any number of them, and of `hearthold serve`, share one database (DATABASE_URL) and one data
    directory. A node of one process needs none: `hearthold serve` has a worker of its own.
    """

    async def work() -> None:
        settings = settings_of(data_dir)
        logs.set_up(settings.log_level)
        await work_on(settings, say)

    run(work())


@account.command("create", epilog="Example: hearthold account create --administrator")
def account_create(
    data_dir: DataDir = None,
    administrator: Annotated[
        bool, typer.Option("--administrator", help="May settle and look after the node.")
    ] = False,
) -> None:
    """Make a way to log in, and print its recovery code.

    Asks for the login name and the passphrase. Without a terminal they are read from standard
    input, a line each. Neither is ever an option, since others can see those.
    """
    login, passphrase = _ask_secrets()
    on_node(
        data_dir,
        lambda node: commands.create_account(
            node, login=login, passphrase=passphrase, administrator=administrator
        ),
    )


def _ask_secrets() -> tuple[str, str]:
    if sys.stdin.isatty():
        login = typer.prompt("Login name")
        return login, typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
    login, passphrase = (sys.stdin.readline().rstrip("\r\n") for _ in range(2))
    if not login or not passphrase:
        end("Give the login name and the passphrase on standard input, a line each.", REFUSED)
    return login, passphrase


@group.command(
    "create",
    epilog="Example: hearthold group create sleep --title 'Sleeping badly' "
    "--about 'For nights that are long.' --moderator robin",
)
def group_create(
    name: Annotated[str, typer.Argument(help="Its name in addresses: a-z, 0-9 and _.")],
    title: Annotated[str, typer.Option(help="What people call it.")],
    about: Annotated[
        str, typer.Option(help="Who it is for, in a sentence or two (Markdown).")
    ] = "",
    guidelines: Annotated[
        Path | None, typer.Option(help="A file with its guidelines (Markdown).")
    ] = None,
    moderator: Annotated[
        str, typer.Option(help="The handle of a persona here who will look after it.")
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """Make a support group that everyone may see and join."""
    on_node(
        data_dir,
        lambda node: commands.create_group(
            node, name=name, title=title, about=about, guidelines=guidelines, moderator=moderator
        ),
    )


@app.command(epilog="Example: hearthold invite --uses 5")
def invite(
    uses: Annotated[int, typer.Option(min=1, max=1000, help="For how many people.")] = 1,
    data_dir: DataDir = None,
) -> None:
    """Print a link with which people can make an account here."""
    on_node(data_dir, lambda node: commands.invite(node, uses=uses))


@app.command(epilog="Example: hearthold moderator")
def moderator(
    uses: Annotated[int, typer.Option(min=1, max=1000, help="For how many people.")] = 1,
    data_dir: DataDir = None,
) -> None:
    """Print a link with which people become moderators of the node.

    They read what is reported to the people who run it. Somebody who has an account opens the link
    while they are logged in; nobody, this command included, can look up who did.
    """
    on_node(data_dir, lambda node: commands.moderator(node, uses=uses))


@domain.command("block", epilog="Example: hearthold domain block spam.example --reason spam")
def domain_block(
    name: Annotated[str, typer.Argument(metavar="DOMAIN", help="With everything below it.")],
    reason: Annotated[str, typer.Option(help="Why, for the other administrators.")] = "",
    level: Annotated[
        Away, typer.Option(help="reject: they are told so; drop: they get no word about it.")
    ] = Away.REJECT,
    seen: SeenDigest = "",
    looked: Looked = False,
    data_dir: DataDir = None,
) -> None:
    """Neither hear nor tell a domain any more.

    Where somebody here would lose somebody there, it prints how many and changes nothing: look at
    it, then say what you have seen.
    """
    shown = Seen(seen, looked)
    on_node(
        data_dir,
        lambda node: commands.block_domain(
            node, domain=name, reason=reason, level=Level(level), seen=shown
        ),
    )


@domain.command("unblock", epilog="Example: hearthold domain unblock spam.example")
def domain_unblock(
    name: Annotated[str, typer.Argument(metavar="DOMAIN")],
    seen: SeenDigest = "",
    looked: Looked = False,
    data_dir: DataDir = None,
) -> None:
    """Hear and tell a domain again.

    Where a list would cut somebody off then, it prints that and changes nothing.
    """
    shown = Seen(seen, looked)
    on_node(data_dir, lambda node: commands.unblock_domain(node, domain=name, seen=shown))


@domain.command("list", epilog="Example: hearthold domain list")
def domain_list(data_dir: DataDir = None) -> None:
    """Print what is decided about domains, by you or a list, a line each."""
    on_node(data_dir, commands.list_domains)


@keys.command("rotate", epilog="Example: hearthold keys rotate --actor sleep")
def keys_rotate(
    actor: Annotated[
        str, typer.Option(help="The name of a person, group or desk.", show_default=False)
    ] = "",
    everyone: Annotated[
        bool, typer.Option("--all", help="Everybody who speaks here, and the node itself.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Give somebody new keys, after a leak for example, and tell other servers.

    They are told under the old keys, which are kept until all of them know.
    """
    if bool(actor) is everyone:
        end("Say for whom: --actor NAME, or --all.", REFUSED)
    on_node(data_dir, lambda node: commands.rotate_keys(node, actor=actor))


Host = Annotated[str, typer.Argument(metavar="SERVER", help="Its name, such as example.org.")]


@peers.command("list", epilog="Example: hearthold peers list --search example")
def peers_list(
    search: Annotated[str, typer.Option(help="Only those with this in their name.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Print the servers this node knows, those in trouble first, a line each."""
    on_node(data_dir, lambda node: commands.list_peers(node, search=search))


@peers.command("show", epilog="Example: hearthold peers show example.org")
def peers_show(name: Host, data_dir: DataDir = None) -> None:
    """Print how one server is doing, and what it refused lately."""
    on_node(data_dir, lambda node: commands.show_peer(node, host=name))


@peers.command("pause", epilog="Example: hearthold peers pause example.org --reason 'They move.'")
def peers_pause(
    name: Host,
    reason: Annotated[str, typer.Option(help="Why, for the other administrators.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Send nothing to a server for now: what is to be told waits, for up to 30 days."""
    on_node(data_dir, lambda node: commands.pause_peer(node, host=name, reason=reason))


@peers.command("resume", epilog="Example: hearthold peers resume example.org")
def peers_resume(name: Host, data_dir: DataDir = None) -> None:
    """Send to a paused server again."""
    on_node(data_dir, lambda node: commands.resume_peer(node, host=name))


@peers.command("try", epilog="Example: hearthold peers try example.org")
def peers_try(name: Host, data_dir: DataDir = None) -> None:
    """Do not let a server that did not answer rest any longer."""
    on_node(data_dir, lambda node: commands.try_peer(node, host=name))


@audit.command("verify", epilog="Example: hearthold audit verify")
def audit_verify(data_dir: DataDir = None) -> None:
    """Read the whole log of decisions, and say whether anybody changed it afterwards.

    It ends with 1 and the first line that is not as it was written.
    """

    async def work() -> None:
        settings = settings_of(data_dir)
        async with watched_count() as show, opened(settings, note) as node:
            verdict = await commands.verify_decisions(node, settings, show)
        for line in verdict.gone:
            note(line)
        if verdict.broken:
            end(verdict.broken, REFUSED)
        say(f"Lines read, each as it was written: {verdict.lines}.")
        if verdict.forgotten:
            say(f"Only the day and the kind is kept of: {verdict.forgotten}.")

    run(work())


@alert.command("list", epilog="Example: hearthold alert list")
def alert_list(data_dir: DataDir = None) -> None:
    """Print where alerts go, a line each: its id, its desk, and the last letters of its address."""
    on_node(data_dir, alert_commands.list_places)


@alert.command(
    "remove", epilog="Example: hearthold alert remove 4f0c5a52-54a6-4a5e-9f0e-3b1f0a6f5c11"
)
def alert_remove(
    place: Annotated[str, typer.Argument(metavar="ID", help="As `hearthold alert list` has it.")],
    data_dir: DataDir = None,
) -> None:
    """Send no more alerts to a place, whichever desk it belongs to."""
    on_node(data_dir, lambda node: alert_commands.remove_place(node, place=place))


@app.command(epilog="Example: hearthold reveil")
def reveil(data_dir: DataDir = None) -> None:
    """Let accounts, sessions and drafts look different in the database, as every night does.

    Whoever copied the database before cannot tell which rows are the same. Nobody is logged out.
    """
    on_node(data_dir, commands.reveil)


@app.command(epilog="Example: hearthold seed --posts 50000 --personas 5000 --groups 200")
def seed(
    posts: Annotated[int, typer.Option(min=1, max=MAX_SEEDED, help="How many posts.")] = 1000,
    personas: Annotated[int, typer.Option(min=1, max=MAX_SEEDED, help="By how many.")] = 100,
    groups: Annotated[int, typer.Option(min=1, max=MAX_SEEDED, help="In how many groups.")] = 10,
    number: Annotated[
        int, typer.Option("--seed", help="The same number draws the same community.")
    ] = 0,
    more: Annotated[
        bool, typer.Option("--more", help="Also on a node that has posts already.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Fill a node with a made-up community, to try it out or to measure it.

    Nobody can log in as one of these personas, nothing is told to other servers, and there is no
    way back but a new data directory.
    """
    size = seeding.Size(posts=posts, personas=personas, groups=groups)
    on_node(data_dir, lambda node: commands.seed(node, size, seed=number, more=more))


@app.command(epilog="Example: hearthold demo --check")
def demo(
    check: Annotated[
        bool, typer.Option("--check", help="Run the story once, print JSON lines, and end.")
    ] = False,
) -> None:
    """Show three nodes that talk to each other, on this computer and for as long as you look.

    They start with people, groups and a clinic, and a story runs between them. Everything lives in
    a temporary directory that is gone afterwards.
    """

    async def work() -> None:
        raise typer.Exit(await show.demonstrate(check=check))

    run(work())


@app.command(epilog="Example: hearthold version")
def version() -> None:
    """Print the version of this program."""
    say(VERSION)


if __name__ == "__main__":
    app(prog_name="hearthold")
