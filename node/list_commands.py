"""What `hearthold blocklist` does, each from an opened node to the lines it prints."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from activitypub.client import Client
from inbox import discovery
from kernel.errors import Misconfigured, NotFound
from kernel.schema.moderation import Level, ListMode
from members.severing import Differs
from moderation import domains, policy
from moderation.blocklist import Blocklist
from moderation.domains import Rule
from moderation.impact import Seen
from moderation.lists import reading, sources, taking, writing
from moderation.lists.entry import Format, Listed
from moderation.lists.sources import Source
from moderation.lists.taking import Difference
from node import keeping_away, list_reader
from node.impact_cli import unchanged
from node.logs import escaped
from node.opening import Opened


def read_file(path: Path) -> Listed:
    """A list from a file. Raises Misconfigured: it cannot be read. Raises Malformed, TooLarge."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}.") from error
    return reading.read(body)


async def bring(
    node: Opened, *, listed: Listed, name: str, max_level: Level | None, seen: Seen, command: str
) -> Sequence[str]:
    """What a file would change; and the change, once that was seen.

    A file of a name that was brought before is held against that; rows it has no more go. A
    `max_level` holds for it from now on; without, it is as before, and `reject` for a new list.
    `command` takes it.
    """
    try:
        async with node.engine.begin() as conn:
            before = await policy.in_force(conn)
            source = await sources.of_name(conn, name)
            if source is None:
                source = await sources.add(
                    conn, node.here, name=name, max_level=max_level or Level.REJECT
                )
            elif max_level is not None and max_level is not source.max_level:
                mode, excluded = source.mode, source.excluded
                await sources.change(
                    conn, node.here, source, mode=mode, max_level=max_level, excluded=excluded
                )
                source = await sources.one(conn, source.id)
            found = await taking.compare(conn, node.here, source, listed)
            await taking.take(conn, node.here, source, found, agreed=True)
            await keeping_away.settled(
                conn, node.here, before, seen=seen, rows=found.digest, about=source.id
            )
    except Differs as different:
        return [*described(found), *unchanged(different, command)]
    await keeping_away.follow_up(node.engine)
    return [*described(found), f"Taken as the list {source.id}, {escaped(source.name)}."]


def described(found: Difference) -> list[str]:
    """A difference, a line for each row that matters, and the sums."""
    lines = [f"+ {rule.domain}  {_treatment(rule)}" for rule in found.new]
    lines += [
        f"~ {after.domain}  {_treatment(before)} -> {_treatment(after)}"
        for before, after in found.changed
    ]
    lines += [f"- {rule.domain}" for rule in found.gone]
    lines += [f"= {domain}  {why}" for domain, why in found.covered]
    lines += [
        f"! {f'row {each.line}: ' if each.line else ''}{escaped(each.text)}  {each.why}"
        for each in found.refused
    ]
    if found.ties:
        lines.append(f"People here know somebody at: {', '.join(sorted(found.ties))}")
    if found.canaries:
        lines.append(f"{found.canaries} rows are canaries: nothing is done about them.")
    lines.append(
        f"{len(found.new)} new, {len(found.changed)} changed, {len(found.gone)} gone, "
        f"{found.same} as before, {len(found.covered)} change nothing, "
        f"{len(found.refused)} refused."
    )
    return lines


def _treatment(rule: Rule) -> str:
    flags = ["no media"] * rule.policy.reject_media + ["no reports"] * rule.policy.reject_reports
    return ", ".join([rule.policy.level.value, *flags])


async def export(node: Opened, *, kind: Format, private: bool) -> Sequence[str]:
    """What is in force, in a format of others."""
    async with node.engine.connect() as conn:
        rules = await domains.every(conn)
    return writing.write(kind, rules, for_others=not private).splitlines()


async def subscribe(
    node: Opened, *, url: str, name: str, mode: ListMode, max_level: Level, excluded: str
) -> Sequence[str]:
    """A list at an address, read at once; nothing of it holds before somebody agreed."""
    async with node.engine.begin() as conn:
        source = await sources.add(
            conn,
            node.here,
            name=name or url[: sources.MAX_NAME],
            url=url,
            mode=mode,
            max_level=max_level,
            excluded=sources.read_excluded(excluded),
            allow_http=bool(node.allow_networks),
        )
    return await refresh(node, list_id=source.id)


async def show(node: Opened) -> Sequence[str]:
    """A line for each list."""
    async with node.engine.connect() as conn:
        known, waiting = await sources.every(conn), await sources.count_waiting(conn)
    return [_line(source, waiting.get(source.id, 0)) for source in known] or ["There is no list."]


def _line(source: Source, waiting: int) -> str:
    words = [source.id, escaped(source.name), f"{source.rows} rows"]
    if waiting:
        words.append(f"{waiting} wait for you")
    if source.url:
        words += [source.mode.value, source.url]
    if source.trouble:
        words.append(f"left aside: {escaped(source.trouble)}")
    return "  ".join(words)


async def refresh(node: Opened, *, list_id: str = "", whatever: bool = False) -> Sequence[str]:
    """Read one list, or all that have an address. Raises NotFound: there is none of that id."""
    lines: list[str] = []
    async with client_of(node) as client:
        async with node.engine.connect() as conn:
            known = await sources.every(conn)
        chosen = [each for each in known if each.url and list_id in ("", each.id)]
        if list_id and not chosen:
            raise NotFound("There is no list of that id with an address.")
        for source in chosen:
            trouble = await list_reader.refresh(
                node.engine, node.here, client, source.id, whatever=whatever
            )
            lines.append(f"{source.id}  {f'left aside: {escaped(trouble)}' if trouble else 'read'}")
    return [*lines, *await show(node)]


async def agree(node: Opened, *, list_id: str, seen: Seen) -> Sequence[str]:
    """What waits of a list holds from now on, once what it cuts was seen. Raises NotFound."""
    try:
        async with node.engine.begin() as conn:
            before = await policy.in_force(conn)
            source = await sources.one(conn, list_id)
            taken = await taking.agree(conn, node.here, source)
            await keeping_away.settled(
                conn, node.here, before, seen=seen, rows=taking.digest(taken), about=source.address
            )
    except Differs as different:
        named = [f"+ {rule.domain}  {_treatment(rule)}" for rule in taken]
        return [*named, *unchanged(different, f"blocklist agree {list_id}")]
    await keeping_away.follow_up(node.engine)
    return [f"{len(taken)} rows hold now."]


async def remove(node: Opened, *, list_id: str, seen: Seen) -> Sequence[str]:
    """A list goes with all that was decided because of it. Raises NotFound.

    Where a harsher list counts then, what that cuts has to be seen first.
    """
    try:
        async with node.engine.begin() as conn:
            before = await policy.in_force(conn)
            source = await sources.one(conn, list_id)
            await sources.remove(conn, node.here, source)
            await keeping_away.settled(conn, node.here, before, seen=seen, about=source.address)
    except Differs as different:
        return unchanged(different, f"blocklist remove {list_id}")
    await keeping_away.follow_up(node.engine)
    return ["The list is gone, with all that was decided because of it."]


@asynccontextmanager
async def client_of(node: Opened) -> AsyncIterator[Client]:
    """What asks other servers for lists, for as long as a command runs."""
    client = Client(
        user_agent=f"Hearthold/{discovery.VERSION} (+{node.here.origin}/)",
        allowed_networks=node.allow_networks,
        blocked=Blocklist(node.engine).covers,
    )
    try:
        yield client
    finally:
        await client.close()
