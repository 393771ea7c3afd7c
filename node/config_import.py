"""`hearthold blocklist import-config`: FediBlockHole's file becomes lists that are followed."""

from collections.abc import Sequence
from pathlib import Path

from activitypub.client import Client, Unreachable
from kernel.errors import Conflict, Malformed, Misconfigured, Problem
from moderation.lists import blockhole, reading, sources
from moderation.lists.blockhole import MAX_CONFIG, Plan
from moderation.lists.entry import MAX_BYTES
from node import list_reader
from node.list_commands import client_of
from node.logs import escaped
from node.opening import Opened


def read_file(path: Path) -> Plan:
    """Raises Misconfigured: it cannot be read. Raises Malformed: it is no such file."""
    try:
        with path.open("rb") as file:
            return blockhole.read(file.read(MAX_CONFIG + 1))
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}.") from error


async def bring(node: Opened, *, plan: Plan, dry: bool) -> Sequence[str]:
    """What a file asks for; and unless it is `dry`, its lists are followed from now on.

    Nothing of them holds before somebody agreed. What its allowlists name now, each of them leaves
    alone. Raises Malformed: these name more domains than can be left out.
    """
    lines = [f"+ {each.url}  at most {each.max_level.value}" for each in plan.lists]
    async with client_of(node) as client:
        spared, unread = await _spared(client, plan)
        lines += [f"= {name}: left alone by each of them" for name in spared]
        lines += [f"! {escaped(line)}" for line in [*plan.unsaid, *unread]]
        if dry:
            return [*lines, "Nothing was changed. To do it, say --yes."]
        for each in plan.lists:
            try:
                async with node.engine.begin() as conn:
                    source = await sources.add(
                        conn,
                        node.here,
                        name=each.name,
                        url=each.url,
                        max_level=each.max_level,
                        excluded=spared,
                    )
            except (Conflict, Malformed) as problem:
                lines.append(f"! {escaped(each.url)}: {problem.detail}")
                continue
            trouble = await list_reader.refresh(node.engine, node.here, client, source.id)
            state = f"left aside: {escaped(trouble)}" if trouble else "waits for you"
            lines.append(f"{source.id}  {escaped(source.name)}  {state}")
    return lines


async def _spared(client: Client, plan: Plan) -> tuple[tuple[str, ...], list[str]]:
    """The domains that its allowlists name now, and why some allowlist was not read."""
    names, unread = list(plan.spared_domains), list[str]()
    for url in plan.spared:
        try:
            answer = await client.get(url, accept=list_reader.ACCEPT, limit=MAX_BYTES)
            if answer.status != 200:
                unread.append(f"{url}: its server answered {answer.status}.")
                continue
            names += reading.read(answer.body).entries
        except Unreachable:
            unread.append(f"{url}: its server could not be reached.")
        except Problem as problem:
            unread.append(f"{url}: {problem.detail}")
    if plan.spared:
        unread.append("Allowlists are read once, now. What they name later, leave out yourself.")
    return sources.read_excluded("\n".join(names)), unread
