"""`hearthold close`: what would happen, the notice to everybody here, and how far it is."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from kernel.schema.node import Stage
from node import closing_down
from node.closing_down import MOST_DAYS, NOTICE_DAYS, State
from node.console import REFUSED, DataDir, end, on_node
from node.logs import escaped
from node.opening import Opened


def add_to(app: typer.Typer) -> None:
    """Make the command part of `hearthold`."""
    app.command(epilog="Example: hearthold close --yes --days 60")(close)


def close(
    yes: Annotated[
        bool, typer.Option("--yes", help="Tell everybody here that the node closes.")
    ] = False,
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, help="In how many days, with --yes.")
    ] = NOTICE_DAYS,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="It does not close after all; until the day comes.")
    ] = False,
    group: Annotated[str, typer.Option(help="A group that goes somewhere, with --to.")] = "",
    to: Annotated[
        str | None, typer.Option(help="Its new address, or '' for none.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Say what closing the node for good would do, or how far that is; it changes nothing.

    With --yes everybody here reads on which day. On that day writing ends, every other server is
    told that everybody here is gone, and what is here is deleted.
    """
    if yes + cancel + bool(group) > 1 or bool(group) is (to is None):
        end("Say one thing: --yes, --cancel, or --group NAME with --to ADDRESS.", REFUSED)
    if group:
        on_node(data_dir, lambda node: goes_to(node, group, to or ""))
    elif cancel:
        on_node(data_dir, call_off)
    elif yes:
        on_node(data_dir, lambda node: announce(node, days))
    else:
        on_node(data_dir, look)


async def announce(node: Opened, days: int) -> Sequence[str]:
    """Raises Conflict: it is closing already."""
    async with node.engine.begin() as conn:
        day = await closing_down.announce(conn, node.here, days=days)
    return [
        f"Everybody here reads now that this node closes on {day}.",
        "Until then `hearthold close --cancel` takes it back.",
        "Keep `hearthold serve` running: it closes the node on that day and tells other servers.",
    ]


async def call_off(node: Opened) -> Sequence[str]:
    """Raises Conflict: there is nothing to take back, or it is too late."""
    async with node.engine.begin() as conn:
        await closing_down.cancel(conn, node.here)
    return ["This node stays open."]


async def goes_to(node: Opened, group: str, address: str) -> Sequence[str]:
    """Raises NotFound, Malformed, Conflict: as `closing_down.goes_to`."""
    async with node.engine.begin() as conn:
        place = await closing_down.goes_to(conn, group, address)
    if not place.address:
        return [f"Nothing is said of where {escaped(place.name)} goes."]
    return [f"People read that {escaped(place.name)} goes to {place.address}"]


async def look(node: Opened) -> Sequence[str]:
    """What would happen, or how far it is."""
    async with node.engine.connect() as conn:
        found = await closing_down.state(conn)
        going = await closing_down.places(conn)
    lines = _SAYS[found.stage](found)
    return [*lines, *(f"{escaped(each.name)} goes to {each.address}" for each in going)]


def _open(found: State) -> Sequence[str]:
    return [
        "This node is open. Nothing was changed. If you close it (--yes):",
        f"- everybody here reads it on every page, for {NOTICE_DAYS} days or as long as --days "
        "says, and can save what they wrote;",
        f"- then {found.people} names, {found.groups} groups and {found.posts} posts are deleted, "
        "with all accounts, messages and pictures, and nobody can bring them back;",
        f"- {found.servers} other servers are asked to delete what they have from here, for up to "
        "30 days; they may not do it;",
        f"- {found.pacts} pacts end;",
        *_could_move(found),
        "- once all servers have heard it, its keys are deleted, and it answers for a year that "
        "it is gone (410), with a page of help lines and where groups went.",
        "Delete your backups yourself: nothing here can.",
    ]


def _could_move(found: State) -> Sequence[str]:
    """That groups can go on elsewhere, where there is such a place."""
    if not found.staying:
        return []
    return [
        f"- {found.staying} groups that everyone can read could go on at a node with a pact, "
        "before it closes: `hearthold group move NAME --to ADDRESS`;",
    ]


def _notice(found: State) -> Sequence[str]:
    return [
        f"This node closes on {found.closes_on}. Everybody here reads it.",
        f"Then {found.people} names, {found.groups} groups and {found.posts} posts are deleted.",
        *_could_move(found),
        "Until then `hearthold close --cancel` takes it back.",
    ]


def _ending(found: State) -> Sequence[str]:
    return [
        f"This node is closing since {found.closes_on}. Keep `hearthold serve` running.",
        f"Names to delete: {found.people}. Groups, desks and the node itself that did not say "
        f"good-bye yet: {found.speakers}.",
        f"Still to be sent: {found.unsent}, to {found.servers} servers.",
    ]


def _over(found: State) -> Sequence[str]:
    return [
        f"This node has closed: since {found.over_on} it answers that it is gone.",
        f"Please let it answer so until {found.until}, then switch it off.",
        "If backups are left, delete them.",
    ]


_SAYS: Final = {
    Stage.OPEN: _open,
    Stage.NOTICE: _notice,
    Stage.ENDING: _ending,
    Stage.OVER: _over,
}
