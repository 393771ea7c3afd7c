"""`hearthold pact` and `hearthold advice`: whom this node trusts, and what it tells them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated

import typer

from kernel.schema.pacts import Afterwards
from moderation.pact_terms import Flow, Wishes
from moderation.signals.published import Advice
from moderation.signals.vocabulary import Policy
from node import pact_commands
from node.console import DataDir, note, run, say, settings_of
from node.opening import Opened, opened
from node.signals import stoppable

pact = typer.Typer(help="Nodes that this one trusts, by agreement.", no_args_is_help=True)
advice = typer.Typer(help="What this node advises about other servers.", no_args_is_help=True)

Host = Annotated[str, typer.Argument(metavar="SERVER", help="Its name, such as example.org.")]
Domain = Annotated[str, typer.Argument(metavar="DOMAIN", help="With everything below it.")]
Sends = Annotated[list[Flow], typer.Option("--send", help="What may go to them; repeat it.")]
Takes = Annotated[list[Flow], typer.Option("--take", help="What we want to hear; repeat it.")]
Care = Annotated[str, typer.Option(help="Who here answers when somebody needs looking after.")]
Keeps = Annotated[str, typer.Option("--retention", help="How long what they send is kept.")]
Until = Annotated[
    datetime, typer.Option(formats=["%Y-%m-%d"], help="The last day, such as 2027-01-31.")
]
_ADVICE = [Flow.ADVICE]


def add_to(app: typer.Typer) -> None:
    """Make these commands part of `hearthold`."""
    app.add_typer(pact, name="pact")
    app.add_typer(advice, name="advice")
    app.command(
        epilog="Example: hearthold advise bad.example --policy filter --label harassment "
        "--summary 'Unwanted contact' --until 2027-01-31"
    )(advise)


def _on_node(data_dir: DataDir, command: Callable[[Opened], Awaitable[Sequence[str]]]) -> None:
    async def work() -> None:
        settings = settings_of(data_dir)
        async with stoppable() as stop, opened(settings, note) as node:
            for line in await command(node):
                say(line)
        if stop.asked is not None:
            raise typer.Exit(128 + stop.asked)

    run(work())


def _wishes(sends: Sequence[Flow], takes: Sequence[Flow], care: str, keeps: str) -> Wishes:
    return Wishes(sends=frozenset(sends), takes=frozenset(takes), care=care, retention=keeps)


@pact.command("offer", epilog="Example: hearthold pact offer birch.example --send advice")
def pact_offer(
    name: Host,
    sends: Sends = _ADVICE,
    takes: Takes = _ADVICE,
    care: Care = "",
    keeps: Keeps = "",
    data_dir: DataDir = None,
) -> None:
    """Offer a pact to another node, and print the words to compare by voice.

    A pact that waits there for an answer of yours is accepted so.
    """
    wishes = _wishes(sends, takes, care, keeps)
    _on_node(
        data_dir,
        lambda node: pact_commands.offer(node, settings_of(data_dir), host=name, wishes=wishes),
    )


@pact.command("list", epilog="Example: hearthold pact list")
def pact_list(data_dir: DataDir = None) -> None:
    """Print the pacts and offers, a line each."""
    _on_node(data_dir, pact_commands.listed)


@pact.command("show", epilog="Example: hearthold pact show birch.example")
def pact_show(name: Host, data_dir: DataDir = None) -> None:
    """Print the terms of both sides, and the words to compare by voice."""
    _on_node(data_dir, lambda node: pact_commands.show(node, host=name))


@pact.command(
    "accept",
    epilog="Example: hearthold pact accept alder.example "
    "--words 'bakid fotal gimup nosar tulib' --take advice",
)
def pact_accept(
    name: Host,
    words: Annotated[
        str,
        typer.Option(prompt="The five words that you compared", help="Those you compared."),
    ],
    sends: Sends = _ADVICE,
    takes: Takes = _ADVICE,
    care: Care = "",
    keeps: Keeps = "",
    data_dir: DataDir = None,
) -> None:
    """Say yes to the offer of another node: the one with these words.

    Compare the words of `pact show` with the people there before, by voice.
    """
    wishes = _wishes(sends, takes, care, keeps)
    _on_node(
        data_dir,
        lambda node: pact_commands.accept(node, host=name, wishes=wishes, words=words),
    )


@pact.command("refuse", epilog="Example: hearthold pact refuse alder.example")
def pact_refuse(name: Host, data_dir: DataDir = None) -> None:
    """Say no to the offer of another node."""
    _on_node(data_dir, lambda node: pact_commands.refuse(node, host=name))


@pact.command("end", epilog="Example: hearthold pact end alder.example --afterwards review")
def pact_end(
    name: Host,
    afterwards: Annotated[
        Afterwards, typer.Option(help="What shall become of what their advice led to.")
    ] = Afterwards.KEEP,
    data_dir: DataDir = None,
) -> None:
    """End a pact at once, or take an offer back, or both, and tell the other node."""
    _on_node(data_dir, lambda node: pact_commands.end(node, host=name, afterwards=afterwards))


@pact.command("freeze", epilog="Example: hearthold pact freeze alder.example")
def pact_freeze(
    name: Host,
    again: Annotated[bool, typer.Option("--listen-again", help="The other way round.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Stop listening to a peer for now, or listen to it again."""
    _on_node(data_dir, lambda node: pact_commands.freeze(node, host=name, frozen=not again))


@pact.command("unsafe", epilog="Example: hearthold pact unsafe")
def pact_unsafe(data_dir: DataDir = None) -> None:
    """Ask every peer not to trust this node for now, after a break-in for example.

    Each of them trusts it again only once both have agreed on a new pact.
    """
    _on_node(data_dir, pact_commands.freeze_ourselves)


def advise(
    domain: Domain,
    until: Until,
    policy: Annotated[
        Policy | None,
        typer.Option(help="What to do about it; without, it is a note.", show_default=False),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="A label; repeat it.", show_default=False)
    ] = None,
    summary: Annotated[str, typer.Option(help="Why, for the people who run other nodes.")] = "",
    cases: Annotated[
        int | None, typer.Option(min=1, help="How often you saw it.", show_default=False)
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How sure you are, from 0 to 1.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Advise other nodes about a domain: signed, until a day, for those who may read it."""
    said = Advice(
        domain=domain,
        policy=policy,
        until=until.date(),
        labels=tuple(label or ()),
        summary=summary,
        cases=cases,
        confidence=confidence,
    )
    _on_node(data_dir, lambda node: pact_commands.advise(node, said))


@advice.command("list", epilog="Example: hearthold advice list")
def advice_list(data_dir: DataDir = None) -> None:
    """Print what this node advises, a line for each domain."""
    _on_node(data_dir, pact_commands.advice)


@advice.command("renew", epilog="Example: hearthold advice renew bad.example --until 2027-05-31")
def advice_renew(domain: Domain, until: Until, data_dir: DataDir = None) -> None:
    """Say that advice still holds, until another day."""
    _on_node(data_dir, lambda node: pact_commands.renew(node, domain=domain, until=until.date()))


@advice.command("retract", epilog="Example: hearthold advice retract bad.example")
def advice_retract(
    domain: Domain,
    comment: Annotated[str, typer.Option(help="Why, for whoever read it.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Take advice back."""
    _on_node(data_dir, lambda node: pact_commands.retract(node, domain=domain, comment=comment))
