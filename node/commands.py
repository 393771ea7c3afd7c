"""What the operator's commands do, each from an opened node to the lines it prints."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from activitypub import actors as actor_store
from activitypub import refusals
from activitypub.keys import Pool
from groups import groups as group_store
from groups.groups import GroupSettings
from kernel import tombstone_log
from kernel.errors import Misconfigured, NotFound
from kernel.schema.actors import ActorKind
from kernel.schema.moderation import Level
from kernel.settings import Settings
from members import accounts, invitations, nights
from members.severing import Differs, Words
from moderation import chain, domains, peers
from moderation.chain import Verdict
from moderation.domains import Rule
from moderation.impact import UNSEEN, Seen
from moderation.policy import Policy
from node import keeping_away, rotation, seeding
from node.impact_cli import unchanged
from node.logs import escaped
from node.opening import Opened
from node.serve import ADMINISTRATOR, MODERATOR


async def create_account(
    node: Opened, *, login: str, passphrase: str, administrator: bool
) -> Sequence[str]:
    """A new account, ready to log in, and its recovery code.

    Raises Malformed, Conflict: as `members.accounts`.
    """
    roles = frozenset({ADMINISTRATOR}) if administrator else frozenset[str]()
    prepared = await accounts.prepare(node.here, login=login, password=passphrase, roles=roles)
    async with node.engine.begin() as conn:
        await accounts.insert(conn, node.here, prepared)
    return [
        "The account is there.",
        f"Recovery code: {prepared.recovery_code}",
        "It is shown this once. Print it or write it down: whoever forgets the passphrase "
        "needs it, and nobody else can help.",
    ]


async def verify_decisions(
    node: Opened, settings: Settings, show: Callable[[int, int], None]
) -> Verdict:
    """Whether the log of decisions is as it was written, read in one snapshot."""
    path = settings.tombstones
    log = tombstone_log.read(path.read_text() if path.exists() else "")
    async with node.engine.connect() as conn:
        await conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return await chain.verify(conn, log, show)


async def create_group(
    node: Opened, *, name: str, title: str, about: str, guidelines: Path | None, moderator: str
) -> Sequence[str]:
    """A new group that everyone may see and join; its address.

    Raises NotFound: there is no persona `moderator` here. Raises Malformed, Conflict: as `groups`.
    """
    rules = _read(guidelines) if guidelines is not None else ""
    keys = Pool()
    pair, desk_pair = await keys.take(), await keys.take()
    async with node.engine.begin() as conn:
        founder = None
        if moderator:
            handle = moderator.removeprefix("@").partition("@")[0]
            founder = await actor_store.by_handle(conn, handle, kind=ActorKind.PERSON)
            if founder is None:
                raise NotFound(f"There is no persona {escaped(handle)} on this node.")
        group = await group_store.create(
            conn,
            node.here,
            handle=name,
            name=title,
            about=about,
            rules=rules,
            settings=GroupSettings(),
            founder=founder,
            keys=pair,
            desk_keys=desk_pair,
        )
    return [f"The group {group.actor.address} is there: {group.actor.uri}"]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Misconfigured(f"The guidelines {path} cannot be read: {reason}.") from error


async def invite(node: Opened, *, uses: int) -> Sequence[str]:
    """A link with which `uses` people can make an account."""
    async with node.engine.begin() as conn:
        secret = await invitations.create(conn, uses=uses, grants=frozenset())
    return [f"{node.here.origin}/sign-up?invite={secret}"]


async def moderator(node: Opened, *, uses: int) -> Sequence[str]:
    """A link with which `uses` people become moderators of the node, with an account or a new one.

    Which accounts have the task lies in their own sealed rows, so no command can give it to one.
    """
    async with node.engine.begin() as conn:
        secret = await invitations.create(conn, uses=uses, grants=[MODERATOR])
    return [f"{node.here.origin}/moderation/join?invite={secret}"]


async def block_domain(
    node: Opened, *, domain: str, reason: str, level: Level = Level.REJECT, seen: Seen = UNSEEN
) -> Sequence[str]:
    """The node neither hears nor tells `domain` any more. Raises Malformed, NotAllowed.

    What that cuts has to be `seen` first: else it is printed, and nothing changes (MOD-5.9).
    """
    try:
        change = await keeping_away.decide(
            node.engine,
            node.here,
            domain,
            Policy(level),
            words=Words(private_comment=reason),
            seen=seen,
        )
    except Differs as different:
        return unchanged(different)
    return [f"{change.domain} and everything below it is blocked."]


async def unblock_domain(node: Opened, *, domain: str, seen: Seen) -> Sequence[str]:
    """The node hears and tells `domain` again. Raises Malformed: not a domain.

    Where a list would cut somebody off then, that has to be `seen` first (MOD-5.9).
    """
    domain = domains.read_domain(domain)
    try:
        change = await keeping_away.forget(node.engine, node.here, domain, seen=seen)
    except Differs as different:
        return unchanged(different, f"domain unblock {domain}")
    if change.after.blocks:
        return [f"{change.domain} stays blocked: a list says so, or it is below a blocked one."]
    return [f"{change.domain} is not blocked."]


async def list_domains(node: Opened) -> Sequence[str]:
    """A line per domain that something was decided about, with the reason where there is one."""
    lines: list[str] = []
    after = ""
    async with node.engine.connect() as conn:
        while page := await domains.find(conn, after=after):
            lines += [_line(rule) for rule in page]
            after = page[-1].domain
    return lines or ["Nothing is decided about any domain."]


def _line(rule: Rule) -> str:
    words = [rule.domain, rule.policy.level.value]
    words += ["no media"] * rule.policy.reject_media + ["no reports"] * rule.policy.reject_reports
    if rule.source_name:
        words.append(f"by the list {escaped(rule.source_name)}")
    if comment := rule.private_comment or rule.public_comment:
        words.append(escaped(comment))
    return "  ".join(words)


async def list_peers(node: Opened, *, search: str) -> Sequence[str]:
    """A line per server, those in trouble first."""
    lines: list[str] = []
    today, after = node.here.now().date(), None
    async with node.engine.connect() as conn:
        while page := await peers.listed(conn, search=search, after=after):
            lines += [f"{escaped(peer.host)}  {peer.state}; {peer.queue(today)}" for peer in page]
            after = page[-1].trouble, page[-1].host
    return lines or ["No such server is known." if search else "No other server is known yet."]


async def show_peer(node: Opened, *, host: str) -> Sequence[str]:
    """How one server is doing, and what it refused lately. Raises NotFound: it is not known."""
    async with node.engine.connect() as conn:
        peer = await peers.one(conn, host.strip().lower())
        refused = await refusals.of(conn, peer.host)
    today = node.here.now().date()
    lines = [
        f"{escaped(peer.host)}: {peer.state}",
        f"software: {escaped(peer.software) or 'not known yet'}",
        escaped(peer.dialect),
        f"signatures: {peer.signatures(today)}",
        f"queue: {peer.queue(today)}",
    ]
    if peer.slowed:
        lines.append(f"what it brings: {peer.slow_down(today)}")
    if peer.parked:
        lines.append(f"put aside, because they broke the sender: {peer.parked}")
    if peer.failures:
        lines.append(f"next attempt: {peer.next_attempt:%Y-%m-%d %H:%M} UTC")
    lines += [
        f"refused: {each.status} {each.kind} {escaped(each.words)}".rstrip() for each in refused
    ]
    return lines


async def pause_peer(node: Opened, *, host: str, reason: str) -> Sequence[str]:
    """Nothing is sent to a server until it is resumed. Raises NotFound, Malformed."""
    async with node.engine.begin() as conn:
        await peers.pause(conn, node.here, host.strip().lower(), reason)
    return [f"{escaped(host)} is paused: what is to be told waits."]


async def resume_peer(node: Opened, *, host: str) -> Sequence[str]:
    """A server is sent to again, beginning now. Raises NotFound."""
    async with node.engine.begin() as conn:
        await peers.resume(conn, node.here, host.strip().lower())
    return [f"{escaped(host)} is sent to again."]


async def try_peer(node: Opened, *, host: str) -> Sequence[str]:
    """A server that rests is tried now. Raises NotFound."""
    async with node.engine.begin() as conn:
        await peers.try_now(conn, node.here, host.strip().lower())
    return [f"{escaped(host)} is tried now."]


async def rotate_keys(node: Opened, *, actor: str) -> Sequence[str]:
    """New keys for one of those who speak here, or for all where none is named.

    Raises NotFound: nobody of that name speaks here.
    """
    pool = Pool()
    try:
        if actor:
            handle = actor.removeprefix("@").partition("@")[0]
            address = await rotation.rotate_one(node.engine, node.here, pool, handle)
            return [f"{address} has new keys."]
        with _bars() as bars:
            task = bars.add_task("keys", total=None)

            def show(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)

            count = await rotation.rotate_all(node.engine, node.here, pool, show)
    finally:
        await pool.close()
    return [f"{count} have new keys."]


async def reveil(node: Opened) -> Sequence[str]:
    """Accounts, sessions and drafts under another veil, tonight's work at any hour."""
    if not await nights.work(node.engine, node.here, now=True):
        return ["That is under way already, or somebody uses a row: the worker goes on with it."]
    async with node.engine.connect() as conn:
        foreign = await nights.left(conn)
    lines = ["Accounts, sessions and drafts look different now."]
    if foreign:
        lines.append(f"{foreign} rows are locked with another node key, and stay as they are.")
    return lines


def _bars() -> Progress:
    """Bars on standard error, where that is a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


async def seed(node: Opened, size: seeding.Size, *, seed: int, more: bool) -> Sequence[str]:
    """A made-up community, with a bar on standard error where that is a terminal.

    Raises Conflict: the node has posts already, and `more` was not asked for.
    """
    with _bars() as bars:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what.replace("_", " "), total=total)
            bars.update(tasks[what], completed=done)

        await seeding.seed(node.engine, node.here, size, seed=seed, more=more, progress=show)
    return [
        f"There are {size.posts} more posts by {size.personas} personas in {size.groups} groups."
    ]
