"""`hearthold doctor`: what is not as it should be, in lines that say what to do."""

import json
import shutil
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import outbox
from activitypub.audience import blocks_host, domains_of
from activitypub.client import Client, Resolver, Unreachable
from inbox.discovery import VERSION
from kernel import db, revisions, tombstone_log
from kernel.clock import utcnow
from kernel.errors import Misconfigured, Problem
from kernel.here import Here
from kernel.postgres_files import Record, find_keep
from kernel.rows import AnySelect
from kernel.schema.federation import ReceivedState
from kernel.schema.moderation import Level
from kernel.schema.node import Stage
from kernel.schema.pacts import PactState
from kernel.schema.tables import (
    deliveries,
    domain_blocks,
    domain_lists,
    domain_policies,
    node,
    pacts,
    peers,
    received,
    signal_sources,
    veil,
)
from kernel.sealing import NodeKey
from kernel.settings import FILE as SETTINGS_FILE
from kernel.settings import S3, SECRETS, Settings, is_loopback
from media import bucket
from media.studio import PROGRAM, NoPicture, Studio
from moderation import alerting, appeals, chain, names
from node import closing_down, server_checks
from node.opening import KEY, check_key, database

LEAST_FREE: Final = 1024**3  # bytes
WAITED: Final = timedelta(minutes=5)
UNVEILED: Final = timedelta(days=2)
FAILURES: Final = 10  # in a row: a peer rests half a day by then
FAILED_READINGS: Final = 5  # in a row, of a list of advice: eight hours

_NAMED: Final = 5  # hosts in one line
_DOT: Final = bytes.fromhex(  # the smallest of pictures: a GIF of one white dot
    "47494638396101000100800000ffffff0000002c00000000010001000002024401003b"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to see to: `check` names where, `says` is one line."""

    check: str
    says: str


@dataclass(slots=True)
class Queues:
    """How many rows wait, by what for; of deliveries also since when."""

    received_waiting: int = 0
    received_parked: int = 0
    deliveries_today: int = 0
    deliveries_this_week: int = 0
    deliveries_older: int = 0
    deliveries_parked: int = 0


@dataclass(slots=True)
class Report:
    """Everything that was found; nothing: all is well."""

    findings: list[Finding] = field(default_factory=list)
    queues: Queues = field(default_factory=Queues)

    @property
    def well(self) -> bool:
        return not self.findings

    def lines(self, *, as_json: bool) -> Sequence[str]:
        """A line per finding; for programs one JSON object, whose names stay as they are."""
        if as_json:
            return [json.dumps({"ok": self.well, **asdict(self)})]
        return [f"{found.check}: {found.says}" for found in self.findings] or ["All is well."]


async def examine(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utcnow,
    resolver: Resolver | None = None,
) -> Report:
    """Look at everything that can be looked at, beside a running node or without one."""
    report = Report()
    if not (settings.data_dir / KEY).exists():
        says = f"There is no node in {settings.data_dir}: start it with `hearthold serve`, or name"
        report.findings.append(Finding("node", f"{says} its directory with --data-dir."))
        return report
    report.findings += [*_disk(settings), *_modes(settings)]
    async for finding in _drawing():
        report.findings.append(finding)
    if settings.s3 is not None:
        async for finding in _bucket(settings.s3, settings.media):
            report.findings.append(finding)
    try:
        key = NodeKey.load(settings.data_dir / KEY)
    except Misconfigured as error:
        report.findings.append(Finding("key", str(error)))
        return report
    try:
        async with database(settings, lambda _: None, own=False) as url:
            engine = db.connect(url)
            try:
                await db.check(engine)
                async with engine.connect() as conn:
                    async for finding in _database(conn, settings, key, clock, report.queues):
                        report.findings.append(finding)
                    origin = await _origin(conn)
                if origin is not None:
                    async for finding in _outside(settings, origin, resolver):
                        report.findings.append(finding)
            finally:
                await engine.dispose()
    except Misconfigured as error:
        report.findings.append(Finding("database", str(error)))
    return report


async def _drawing() -> AsyncIterator[Finding]:
    """Whether a picture can be decoded here: it needs a process with limits of its own."""
    with tempfile.TemporaryFile() as file:
        file.write(_DOT)
        try:
            await Studio().draw(file)
        except NoPicture:
            yield Finding(
                "pictures",
                f"No picture can be decoded: see that `{sys.executable} -I {PROGRAM}` may start, "
                "and that it may use 512 MiB of memory.",
            )


async def _bucket(place: S3, folder: Path) -> AsyncIterator[Finding]:
    """Whether pictures can be kept and read, by the node alone."""
    if (says := await bucket.examine(place)) is not None:
        yield Finding("bucket", says)
    parts = urlsplit(place.endpoint)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        yield Finding(
            "bucket",
            f"{place.endpoint} is plain http, so whoever is on the way to it sees every picture: "
            "use https, or a network that is yours alone.",
        )
    if _holds_pictures(folder):
        yield Finding(
            "bucket",
            f"Pictures still lie in {folder}: `hearthold move-pictures` carries them over.",
        )


def _holds_pictures(folder: Path) -> bool:
    return any(each.is_file() for each in folder.glob("*/*"))


def _disk(settings: Settings) -> Iterator[Finding]:
    places = {settings.data_dir, settings.media}
    if settings.database_url is None:
        places.add(Record.read(find_keep(settings.data_dir)).base)
    for place in sorted(places):
        free = shutil.disk_usage(place).free if place.exists() else LEAST_FREE
        if free < LEAST_FREE:
            mebibytes = free // 1024**2
            yield Finding("disk", f"{place} has {mebibytes} MiB left: make room on its disk.")
            return


def _modes(settings: Settings) -> Iterator[Finding]:
    directory = settings.data_dir
    if _mode(directory) & 0o066:
        yield Finding("modes", f"Others can look into {directory}: `chmod go-rw '{directory}'`.")
    postgres = find_keep(directory)
    private = [directory / KEY, settings.tombstones]
    private += [postgres / name for name in ("owner.lock", "password", "place.json")]
    written = _text(directory / SETTINGS_FILE)
    if any(secret in written for secret in SECRETS):
        private.append(directory / SETTINGS_FILE)
    folder = settings.media
    if folder.exists() and _mode(folder) & 0o077:
        yield Finding("modes", f"Others can look into {folder}: `chmod 700 '{folder}'`.")
    for path in private:
        if path.exists() and _mode(path) & 0o077:
            yield Finding("modes", f"Others can read or change {path}: `chmod 600 '{path}'`.")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def _database(
    conn: AsyncConnection,
    settings: Settings,
    key: NodeKey,
    clock: Callable[[], datetime],
    queues: Queues,
) -> AsyncIterator[Finding]:
    async for check, says in server_checks.look(conn, clock):
        yield Finding(check, says)
    schema = await revisions.current(conn)
    if schema is None:
        yield Finding("schema", "The database is empty: start the node with `hearthold serve`.")
        return
    if schema != revisions.head():
        todo = (
            "start `hearthold serve` anew, which brings it up to date"
            if revisions.known(schema)
            else "it is of a newer hearthold, so use that one"
        )
        yield Finding("schema", f"The database has the schema {schema}: {todo}.")
        return
    if finding := await _ends(conn, clock().date()):
        yield finding
        return  # what it should keep doing otherwise does not matter any more
    async for finding in _node(conn, settings, key, clock):
        yield finding
    async for finding in _alerts(conn, clock().date()):
        yield finding
    async for finding in _second_looks(conn, clock().date()):
        yield finding
    async for finding in _received(conn, clock(), queues):
        yield finding
    async for finding in _deliveries(conn, clock(), queues):
        yield finding
    async for finding in _lists(conn):
        yield finding
    async for finding in _protected(conn, settings.protected_domains):
        yield finding
    async for finding in _pacts(conn):
        yield finding


async def _ends(conn: AsyncConnection, today: date) -> Finding | None:
    """A node that closes is not ill, but it needs something until it is gone (WIRE-Q11)."""
    found = await closing_down.state(conn)
    if found.stage is Stage.ENDING:
        return Finding(
            "closing",
            f"This node is closing since {found.closes_on}, and {found.unsent} words about it are "
            f"still to be sent to {found.servers} servers: keep `hearthold serve` running.",
        )
    if found.stage is Stage.OVER and found.until is not None:
        says = f"has to answer so until {found.until}: keep `hearthold serve` running."
        if found.until < today:
            says = "did so for a year: you can switch it off now."
        return Finding("closing", f"This node has closed and {says}")
    return None


async def _pacts(conn: AsyncConnection) -> AsyncIterator[Finding]:
    """Peers whose key or whose past is not what was agreed on (MOD-5.5)."""
    aside = signal_sources.c.quarantined
    if hosts := await _some(conn, sa.select(signal_sources.c.host).where(aside != "")):
        yield Finding(
            "pacts",
            f"What these servers advise does not hold together ({hosts}), so it is not read any "
            "more: see /settings/node/signals, and speak with the people there.",
        )
    silent = sa.select(signal_sources.c.host).where(
        aside == "", signal_sources.c.attempts > FAILED_READINGS
    )
    if hosts := await _some(conn, silent):
        yield Finding(
            "pacts",
            f"What these servers advise could not be read for some time ({hosts}): ask the people "
            "there.",
        )
    broken = sa.select(pacts.c.host).where(pacts.c.state == PactState.BROKEN)
    if hosts := await _some(conn, broken):
        yield Finding(
            "pacts",
            f"These servers have another key than the one agreed on ({hosts}): speak with the "
            "people there, then make a new pact.",
        )


async def _node(
    conn: AsyncConnection, settings: Settings, key: NodeKey, clock: Callable[[], datetime]
) -> AsyncIterator[Finding]:
    row = (await conn.execute(sa.select(node.c.origin, node.c.counted))).first()
    if row is None:
        yield Finding("node", "This node has not run yet: start it with `hearthold serve`.")
        return
    if settings.origin not in (None, row.origin):
        yield Finding(
            "origin", f"This node is {row.origin} for ever: set origin to that, or leave it out."
        )
    parts = urlsplit(row.origin)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        yield Finding(
            "origin",
            f"{row.origin} is plain http, so others on the way can read along: for real use, "
            "start a new node at an address with https.",
        )
    try:
        await check_key(conn, Here(row.origin, key, clock), settings.data_dir)
    except Misconfigured as error:
        yield Finding("key", str(error))
    if row.counted is not None and row.counted < clock().date() - timedelta(days=1):
        yield Finding(
            "tidy",
            f"Nothing was tidied since {row.counted}: see that `hearthold serve` runs, and its "
            "log.",
        )
    async for finding in _veil(conn, row.counted, clock().date()):
        yield finding
    if says := await chain.look(conn, tombstone_log.read(_text(settings.tombstones))):
        yield Finding("decisions", f"{says} Run `hearthold audit verify`, and ask who did that.")


async def _veil(conn: AsyncConnection, counted: date | None, today: date) -> AsyncIterator[Finding]:
    """Whether accounts, sessions and drafts look different since last night."""
    last = await conn.scalar(sa.select(veil.c.day))
    if counted is None or (last is not None and last >= today - UNVEILED):
        return
    when = "" if last is None else f" since {last}"
    yield Finding(
        "veil",
        f"Accounts look the same in the database{when}, so copies of several days can be compared: "
        "see that `hearthold serve` runs, and its log, or run `hearthold reveil`.",
    )


async def _alerts(conn: AsyncConnection, today: date) -> AsyncIterator[Finding]:
    """Whether people on duty hear that something waits."""
    if count := await alerting.failing(conn, today):
        yield Finding(
            "alerts",
            f"{count} alerts reached nobody since yesterday or longer: the alerts pages of the "
            "desks say which, and the log says why.",
        )


async def _second_looks(conn: AsyncConnection, today: date) -> AsyncIterator[Finding]:
    """Whether somebody else than who decided is there to look again (MOD-5.12)."""
    if count := await appeals.long_unanswered(conn, today):
        yield Finding(
            "second looks",
            f"{count} second looks have waited for more than two weeks. If one person alone looks "
            "after this node, nobody can answer them: `hearthold moderator` invites another one.",
        )


async def _origin(conn: AsyncConnection) -> str | None:
    """Where the node lives; None where the database has none, or not of our schema."""
    if await revisions.current(conn) != revisions.head():
        return None
    origin: str | None = await conn.scalar(sa.select(node.c.origin))
    return origin


async def _outside(
    settings: Settings, origin: str, resolver: Resolver | None
) -> AsyncIterator[Finding]:
    """Whether the node answers at its own address, as other servers ask it."""
    try:
        allowed = settings.with_origin(origin).allow_networks
    except Misconfigured as error:
        yield Finding("origin", str(error))
        return
    client = Client(
        user_agent=f"Hearthold/{VERSION} (doctor)", allowed_networks=allowed, resolver=resolver
    )
    try:
        document = await client.fetch_document(f"{origin}/")
        if document.get("id") == f"{origin}/":
            return
        reason = "something else answers"
    except Unreachable as error:
        reason = error.reason
    except Problem as error:
        reason = error.detail
    finally:
        await client.close()
    yield Finding(
        "origin",
        f"The node does not answer at {origin} ({reason}): see that `hearthold serve` runs, that "
        "the name leads here, and that the proxy passes on the name it was asked for (Host).",
    )


async def _received(conn: AsyncConnection, now: datetime, queues: Queues) -> AsyncIterator[Finding]:
    new = received.c.state == ReceivedState.NEW
    parked = received.c.state == ReceivedState.PARKED
    late = sa.and_(new, received.c.next_attempt < now - WAITED)
    counts = await _count(conn, received, new, late, parked)
    queues.received_waiting, queues.received_parked = counts[0], counts[2]
    if counts[1]:
        yield Finding(
            "received",
            f"{counts[1]} activities wait for more than {WAITED.seconds // 60} minutes to be dealt "
            "with: see that `hearthold serve` runs, and its log.",
        )
    if counts[2]:
        reasons = await _some(conn, sa.select(received.c.reason).where(parked))
        yield Finding(
            "received",
            f"{counts[2]} activities broke the program and are parked ({reasons}): update "
            "hearthold, or report it with these words.",
        )


async def _deliveries(
    conn: AsyncConnection, now: datetime, queues: Queues
) -> AsyncIterator[Finding]:
    today = now.date()
    day, waiting = deliveries.c.day, deliveries.c.parked.is_(None)
    broke = outbox.broke_the_sender()
    counts = await _count(
        conn,
        deliveries,
        sa.and_(waiting, day >= today),
        sa.and_(waiting, day < today, day >= today - timedelta(days=7)),
        sa.and_(waiting, day < today - timedelta(days=7)),
        broke,
    )
    queues.deliveries_today, queues.deliveries_this_week = counts[0], counts[1]
    queues.deliveries_older, queues.deliveries_parked = counts[2], counts[3]
    if counts[3]:
        reasons = await _some(conn, sa.select(deliveries.c.parked).where(broke))
        yield Finding(
            "deliveries",
            f"{counts[3]} deliveries broke the program and are parked ({reasons}): update "
            "hearthold, or report it with these words.",
        )
    behind = await _some(
        conn,
        sa.select(deliveries.c.host)
        .join(peers, peers.c.host == deliveries.c.host)
        .where(
            waiting,
            day < today - timedelta(days=1),
            peers.c.failures == 0,
            ~peers.c.paused,
            ~sa.exists().where(blocks_host(peers.c.host)).correlate_except(domain_blocks),
        ),
    )
    if behind:
        yield Finding(
            "deliveries",
            f"Deliveries to servers that answer wait since before yesterday ({behind}): see that "
            "`hearthold serve` runs, and its log.",
        )
    failing = await _some(conn, sa.select(peers.c.host).where(peers.c.failures >= FAILURES))
    if failing:
        yield Finding(
            "peers",
            f"These servers did not answer for long ({failing}): where one is gone for good, "
            "`hearthold domain block` ends the trying; otherwise it ends after 30 days.",
        )


async def _lists(conn: AsyncConnection) -> AsyncIterator[Finding]:
    """Lists of domains that could not be read, or not be believed (MOD-5.10)."""
    aside = await _some(
        conn, sa.select(domain_lists.c.id).where(domain_lists.c.trouble != sa.literal(""))
    )
    if aside:
        yield Finding(
            "lists",
            f"These lists of domains were left aside, and what was taken before stays ({aside}): "
            "`hearthold blocklist list` says why.",
        )


async def _protected(conn: AsyncConnection, protected: Sequence[str]) -> AsyncIterator[Finding]:
    """Decisions against names that were protected only later: nothing ends them by itself."""
    upper = sorted({name for each in protected for name in names.above(each)})
    column = domain_policies.c
    below = (sa.literal(each) == sa.any_(domains_of(column.domain)) for each in protected)
    harmless = sa.and_(
        column.level.in_([Level.ACCEPT, Level.NOTE]), ~column.reject_media, ~column.reject_reports
    )
    query = sa.select(column.domain).where(
        column.in_force, ~harmless, sa.or_(column.domain.in_(upper), *below)
    )
    if found := await _some(conn, query):
        yield Finding(
            "protected",
            f"Something is decided against names that are protected by now ({found}): "
            "`hearthold domain unblock` takes a decision of yours back, and a list that says so is "
            "to be read or imported again.",
        )


async def _count(
    conn: AsyncConnection, table: sa.Table, *wheres: sa.ColumnElement[bool]
) -> list[int]:
    """How many rows fit each of `wheres`."""
    counts = [sa.func.count().filter(where) for where in wheres]
    return list((await conn.execute(sa.select(*counts).select_from(table))).one())


async def _some(conn: AsyncConnection, query: AnySelect) -> str:
    """Up to five different values, of which none was written by a person."""
    rows = await conn.execute(query.distinct().order_by(sa.text("1")).limit(_NAMED + 1))
    found = [str(row[0]) for row in rows]
    return ", ".join([*found[:_NAMED], *(["…"] if len(found) > _NAMED else [])])
