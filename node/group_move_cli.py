"""`hearthold group move`: where a group goes on, or which one goes on here."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import webfinger
from activitypub.actors import Actor
from activitypub.client import Resolver, Unreachable
from groups import groups as group_store
from groups import new_host
from groups.groups import Group
from kernel.errors import Busy, Conflict, Gone, Malformed, NotFound
from kernel.schema.actors import ActorKind
from kernel.settings import Settings
from node.console import REFUSED, DataDir, end, on_node, settings_of
from node.logs import escaped
from node.opening import Opened
from node.pact_commands import reading

_PLANNED: Final = "Nothing was told yet. `--cancel` takes it back."


def add_to(group: typer.Typer) -> None:
    """Make the command part of `hearthold group`."""
    group.command("move", epilog="Example: hearthold group move sleep --to @sleep@birch.example")(
        move
    )


def move(
    name: Annotated[str, typer.Argument(help="The group here, by its name in addresses.")],
    to: Annotated[str, typer.Option(help="Plan that it goes on as this group of a peer.")] = "",
    old: Annotated[
        str, typer.Option("--from", help="Say that this group of a peer goes on here.")
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Tell everybody. There is no way back.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="It stays after all; nothing went on here.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Say who would hear of a move of a group, and how far it is; alone it changes nothing.

    --to also says that those who run this node agree. Founders find all of it at their desk.
    """
    if bool(to) + bool(old) + yes + cancel > 1:
        end("Say one thing: --to, --from, --yes or --cancel.", REFUSED)
    if to or old:
        settings = settings_of(data_dir)
        on_node(data_dir, lambda node: say_where(node, settings, name=name, to=to, old=old))
    elif yes:
        on_node(data_dir, lambda node: send(node, settings_of(data_dir), name=name))
    elif cancel:
        on_node(data_dir, lambda node: call_off(node, name=name))
    else:
        on_node(data_dir, lambda node: look(node, name=name))


async def _find(conn: AsyncConnection, name: str) -> tuple[Group, Actor]:
    """A group of ours and its desk. Raises NotFound: there is none of that name."""
    handle = name.lower().removeprefix("@").partition("@")[0]
    found = await actor_store.by_handle(conn, handle, kind=ActorKind.GROUP)
    if found is None:
        raise NotFound("There is no such group here.")
    group = await group_store.get(conn, found.id)
    if group.desk_id is None:
        raise NotFound("There is no such group here.")
    return group, await actor_store.get(conn, group.desk_id)


async def say_where(
    node: Opened,
    settings: Settings,
    *,
    name: str,
    to: str = "",
    old: str = "",
    resolver: Resolver | None = None,
) -> Sequence[str]:
    """Raises NotFound, Malformed, Busy, NotAllowed: as `new_host.plan` and `new_host.take_in`."""
    async with reading(node, settings, resolver) as remote:
        try:
            other = await webfinger.find(node.here, remote, to or old)
        except (NotFound, Gone) as error:
            raise Malformed("Nobody answers to that address.") from error
        except Unreachable as error:
            raise Busy("That place does not answer right now. Try it later.") from error
    async with node.engine.begin() as conn:
        group, desk = await _find(conn, name)
        if old:
            await new_host.take_in(conn, node.here, group, desk, other)
            return [f"Everybody can read that {other.address} goes on as {group.actor.address}."]
        await new_host.plan(conn, node.here, group, desk, other)
        await new_host.agree(conn, node.here, group, other.id)
    return await look(node, name=name)


async def send(
    node: Opened, settings: Settings, *, name: str, resolver: Resolver | None = None
) -> Sequence[str]:
    """Raises Conflict, NotAllowed: as `new_host.send`. Raises Busy: the new place is away."""
    async with node.engine.connect() as conn:
        group, desk = await _find(conn, name)
        plan = await new_host.planned(conn, group)
    if plan is None:
        raise Conflict("No move is planned: see --to.")
    async with reading(node, settings, resolver) as remote:
        try:
            target, was = await remote.actor_now(plan.target.uri)
        except Unreachable as error:
            raise Busy("That place does not answer right now. Try it later.") from error
    async with node.engine.begin() as conn:
        await new_host.send(conn, node.here, group, desk, target, was)
    return [
        f"{escaped(group.actor.name)} goes on as {target.address}.",
        "Everybody is told; keep `hearthold serve` running for it.",
    ]


async def call_off(node: Opened, *, name: str) -> Sequence[str]:
    """Raises Conflict: there is nothing to take back."""
    async with node.engine.begin() as conn:
        group, desk = await _find(conn, name)
        if group.was and await new_host.planned(conn, group) is None:
            await new_host.not_after_all(conn, node.here, group, desk)
            return [f"{escaped(group.actor.name)} was no other group."]
        await new_host.call_off(conn, node.here, group, desk)
    return [f"{escaped(group.actor.name)} stays here."]


async def look(node: Opened, *, name: str) -> Sequence[str]:
    """Who would hear of a move, and how far it is."""
    async with node.engine.connect() as conn:
        group, _ = await _find(conn, name)
        plan = await new_host.planned(conn, group)
        reach = await new_host.reach(conn, group)
    if group.has_moved:
        return [f"{escaped(group.actor.name)} has moved. It goes on at {group.actor.moved_to}"]
    told = (
        f"{reach.members} names here would get a notice, and {reach.followers} followers elsewhere "
        f"would be told, on {reach.servers} servers."
    )
    lines = [f"It says that it was {group.was} before."] if group.was else []
    if plan is None:
        return [*lines, "No move is planned.", told]
    state = "" if plan.agreed else " Those who run this node have not agreed to it yet."
    return [*lines, f"It is to go on as {plan.target.address}.{state}", told, _PLANNED]
