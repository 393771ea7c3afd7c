"""`hearthold signals`: how far advice from elsewhere may go here, and what it did."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

import typer

from kernel.schema.effects import EffectState, Kind, Mode
from moderation.signals import effects, received, rules
from moderation.signals.rules import Rule
from moderation.signals.vocabulary import Policy
from node import acting
from node.acting import Outcome
from node.console import DataDir, on_node
from node.logs import escaped
from node.opening import Opened

signals = typer.Typer(help="What advice from elsewhere may do here, and did.", no_args_is_help=True)

Host = Annotated[str, typer.Argument(metavar="SERVER", help="Its name, such as example.org.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]
_USUAL = Rule()
_NOT_OVER = sorted(set(EffectState) - set(effects.OVER))


def add_to(app: typer.Typer) -> None:
    """Make these commands part of `hearthold`."""
    app.add_typer(signals, name="signals")


@signals.command(
    "rules",
    epilog="Example: hearthold signals rules birch.example --kind advice.domain --mode apply "
    "--weight 0.5",
)
def signals_rules(
    name: Host,
    kind: Annotated[Kind, typer.Option(help="What it is about.")] = _USUAL.kind,
    label: Annotated[str, typer.Option(help="Only with this label.")] = "",
    mode: Annotated[
        Mode | None, typer.Option(help="What happens with it.", show_default=False)
    ] = None,
    max_policy: Annotated[
        Policy, typer.Option(help="The harshest that it may count for.")
    ] = _USUAL.max_policy,
    weight: Annotated[
        float, typer.Option(min=0, max=1, help="How much it counts.")
    ] = _USUAL.weight,
    delay: Annotated[int, typer.Option(min=0, help="Hours until it begins.")] = 24,
    ttl: Annotated[int, typer.Option(min=1, help="Days that it holds at most.")] = 180,
    budget: Annotated[int, typer.Option(min=0, help="How many in a day.")] = _USUAL.budget,
    together: Annotated[str, typer.Option(help="All with this word count as one.")] = "",
    usual: Annotated[bool, typer.Option("--usual", help="Forget the rule.")] = False,
    dry_run: DryRun = False,
    data_dir: DataDir = None,
) -> None:
    """Print how far what a server says may go; with `--mode`, change it."""
    rule = None
    if mode is not None:
        rule = Rule(
            host=name,
            kind=kind,
            label=label,
            mode=mode,
            max_policy=max_policy,
            weight=weight,
            delay=timedelta(hours=delay),
            ttl_cap=timedelta(days=ttl),
            budget=budget,
            group=together,
        )
    elif usual:
        on_node(data_dir, lambda node: _forget(node, name, kind, label, dry_run=dry_run))
        return
    on_node(data_dir, lambda node: _rules(node, name, rule, dry_run=dry_run))


async def _forget(
    node: Opened, host: str, kind: Kind, label: str, *, dry_run: bool
) -> Sequence[str]:
    would = await acting.forget_rule(node.engine, node.here, host, kind, label, dry_run=dry_run)
    if dry_run:
        return _lines(would)
    return await _rules(node, host, None, dry_run=False)


async def _rules(node: Opened, host: str, rule: Rule | None, *, dry_run: bool) -> Sequence[str]:
    if rule is not None and dry_run:
        return _lines(await acting.if_rule(node.engine, node.here, rule))
    async with node.engine.begin() as conn:
        if rule is not None:
            await rules.write(conn, node.here, rule)
            await received.stand_anew(conn, node.here, host)
        written = await rules.about(conn, host)
        usual = [await rules.of(conn, host, kind) for kind in Kind]
    labelled = [rule for rule in written if rule.label]
    return [
        f"{rule.kind}{' ' + escaped(rule.label) if rule.label else ''}: {rule.mode}, "
        f"at most {rule.max_policy}, weight {rule.weight:g}, {rule.budget} a day"
        for rule in [*usual, *labelled]
    ]


def _lines(would: Outcome) -> list[str]:
    lines = [
        f"{escaped(it.domain)}  {it.before} -> {it.after}"
        f"{f', from {it.due:%Y-%m-%d %H:%M} UTC' if it.due else ''}"
        f"{', if a person says yes' if it.asks else ''}"
        for it in would.turns
    ]
    if would.people:
        lines.append(f"{would.people} people elsewhere are treated otherwise.")
    if would.posts:
        lines.append(f"{would.posts} posts here are shown in another way.")
    return lines or ["Nothing changes."]


@signals.command("effects", epilog="Example: hearthold signals effects --state held")
def signals_effects(
    state: Annotated[
        EffectState | None, typer.Option(help="Only those that stand so.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Print the last things that advice does, would do, or asks for, newest first."""
    on_node(data_dir, lambda node: _effects(node, [state] if state else _NOT_OVER))


async def _effects(node: Opened, states: Sequence[EffectState]) -> Sequence[str]:
    async with node.engine.connect() as conn:
        found = await effects.listed(conn, states)
    return [
        f"{it.id}  {escaped(it.domain)}  {it.level}  {it.state}"
        f"{' (' + it.why + ')' if it.why else ''}  {escaped(', '.join(it.hosts))}"
        for it in found
    ] or ["Advice does nothing here."]


@signals.command(
    "rollback",
    epilog="Example: hearthold signals rollback birch.example --since 2026-11-01 --dry-run",
)
def signals_rollback(
    name: Host,
    since: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day, such as 2026-11-01.")
    ],
    dry_run: DryRun = False,
    data_dir: DataDir = None,
) -> None:
    """End what a server's advice did since a day, where nobody else says the same."""
    on_node(data_dir, lambda node: _roll_back(node, name, since.date(), dry_run=dry_run))


async def _roll_back(node: Opened, host: str, since: date, *, dry_run: bool) -> Sequence[str]:
    return _lines(await acting.roll_back(node.engine, node.here, host, since, dry_run=dry_run))
