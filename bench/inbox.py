"""What comes in: signed answers from other servers, until they can be read on the thread's page.

Beside it, in turns: a handler that only verifies and stores. With `hosts` the group has followers
on so many servers that read FEP-1b12, and an activity is complete once each of them has it.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter

import sqlalchemy as sa
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from activitypub.keys import KeyPair, generate
from activitypub.state import DELIVERER, ENGINE
from bench import machine
from bench.bare import Task
from bench.load import Connection, Poured, pour, request
from bench.machine import Child
from bench.place import Place, place
from bench.report import Report, median, most, percentile
from bench.statements import Statements
from bench.world import Person, World, loopback_addresses, world
from groups.groups import Group
from groups.posts import Post
from kernel.postgres import Server
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import received
from moderation.standing import Speaker
from node import worker
from node.app import create_app
from node.demo.nodes import free_port

AUTHORS = 20
THREADS = 20
MEMBERS = 50
ROUNDS = 2  # each side has so many turns, so that a busy minute hits both
PER_SECOND = 250  # more than a node takes: how many activities are signed beforehand
MOST = 20_000
NEWCOMERS = 10
COUNTED = 40
WARM = 200  # activities before the clock runs: statements are prepared once per connection
DRAIN_SECONDS = 180.0  # a claim of a killed worker is held for two minutes

SHARE = 0.10  # bars: of the bare handler's throughput,
CPU = 15.0  # and times its processor time

_WORDS = re.compile(r"answer number (\d+) of the bench")
_NEXT = re.compile(r'rel="next" href="([^"]+)"')


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything that takes part."""

    server: Server
    place: Place
    world: World
    keys: KeyPair
    group: Group
    founder: Speaker
    threads: Sequence[Post]
    authors: Sequence[Person]
    hosts: int
    made: int = 0

    async def signed(self, count: int) -> list[tuple[int, bytes]]:
        """As `sign`, in a thread: the servers around the node must go on answering meanwhile."""
        return await asyncio.to_thread(self.sign, count)

    def sign(self, count: int, authors: Sequence[Person] = ()) -> list[tuple[int, bytes]]:
        """So many signed answers, numbered on from the last; authors and threads take turns."""
        people, found = authors or self.authors, []
        for number in range(self.made, self.made + count):
            author, parent = people[number % len(people)], self.threads[number % THREADS]
            document = author.create(
                number,
                f"This is answer number {number} of the bench. " + "It has some more words. " * 8,
                parent=parent.uri,
                group=self.group.actor.uri,
            )
            found.append((number, author.signed(self.place.here.origin, document)))
        self.made += count
        return found

    async def unprocessed(self) -> int:
        """How many activities wait."""
        async with self.place.engine.connect() as conn:
            waiting = sa.select(sa.func.count()).where(received.c.state == ReceivedState.NEW)
            return await conn.scalar(waiting) or 0

    async def refused(self) -> int:
        """How many activities ended in anything but an effect."""
        async with self.place.engine.connect() as conn:
            query = sa.select(sa.func.count()).where(
                received.c.state.not_in([ReceivedState.NEW, ReceivedState.DONE])
            )
            return await conn.scalar(query) or 0

    async def readable(self) -> Counter[int]:
        """How often each answer stands on the pages of the threads, for a visitor."""
        found: Counter[int] = Counter()
        connection = await Connection.open(self.place.port)
        for thread in self.threads:
            path: str | None = f"/t/{thread.thread_id}"
            while path is not None:
                headers = {"Host": self.place.here.host, "Accept": "text/html"}
                answer = await connection.ask(request("GET", path, headers))
                if answer.status != 200:
                    raise RuntimeError(f"{path} answers {answer.status}")
                page = answer.body.decode()
                found.update(int(number) for number in _WORDS.findall(page))
                following = _NEXT.search(page)
                path = following[1] if following else None
        connection.close()
        return found


@asynccontextmanager
async def stage(hosts: int = 0) -> AsyncIterator[Stage]:
    """A node with a group, its members and threads, authors it knows, and followers elsewhere."""
    addresses = loopback_addresses(hosts)
    async with (
        machine.own_postgres() as (server, directory),
        world(addresses) as around,
        place(server, directory) as node,
    ):
        keys = generate()
        group, founder = await node.group(keys, members=MEMBERS)
        host = around.host("peer.localhost")
        authors = [around.person(f"author_{n}", host, generate()) for n in range(AUTHORS)]
        await node.meet(authors, wrapped=False)
        followers = [around.person("follower", around.host(a), keys) for a in addresses]
        await node.meet(followers, wrapped=True, following=group)
        threads = await node.threads(group, founder, THREADS)
        made = Stage(
            server=server, place=node, world=around, keys=keys, group=group, founder=founder,
            threads=threads, authors=authors, hosts=hosts,
        )  # fmt: skip
        await _settle(made, 2 * THREADS * hosts)
        yield made


async def _settle(stage: Stage, arrivals: int) -> tuple[float, int]:
    """When nothing waits any more and so much has arrived, on the clock of `perf_counter`.

    Patience ends: the second number is how many activities are not complete even so.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await stage.unprocessed():  # noqa: ASYNC110  (a table does not tell)
                await asyncio.sleep(0.02)
            processed = perf_counter()
            await stage.world.until(arrivals)
            return max(processed, stage.world.last_arrival if arrivals else 0.0), 0
    missing = (arrivals - len(stage.world.arrived)) // max(1, stage.hosts)
    return perf_counter(), max(missing, await stage.unprocessed())


@asynccontextmanager
async def bare(stage: Stage) -> AsyncIterator[Child]:
    """The bare handler, beside the node's tables in the same database."""
    signer = stage.keys.rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    task = Task(
        port=free_port(),
        dsn=stage.place.node.database_url,
        socket=str(stage.server.socket_dir),
        keys={author.key_id: author.keys.public_pem for author in stage.authors},
        targets=[f"http://{stage.world.host(a)}/inbox" for a in loopback_addresses(stage.hosts)],
        signer=signer.decode(),
        relay=stage.hosts > 0,
    )
    async with machine.child("bench.bare", port=task.port, stdin=task.to_json()) as made:
        yield made


@dataclass(slots=True)
class Side:
    """What one side did in all its turns."""

    done: int = 0
    left: int = 0  # accepted, and not complete when patience ended
    seconds: float = 0.0
    pouring: float = 0.0  # of them until the last answer
    own_cpu: float = 0.0
    postgres_cpu: float = 0.0
    answered: list[float] = field(default_factory=list)
    accepted: set[int] = field(default_factory=set)
    others: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def cpu_ms(self) -> float:
        """Processor milliseconds per activity, PostgreSQL's with them."""
        return 1000 * (self.own_cpu + self.postgres_cpu) / max(1, self.done)


async def turn(
    stage: Stage,
    side: Side,
    requests: Iterator[tuple[int, bytes]],
    *,
    port: int,
    pid: int | None,
    seconds: float,
    queued: bool,
) -> None:
    """One turn of one side: pour, wait until everything is complete, add it up."""
    postgres = machine.pid_of(stage.server)
    stage.world.forget()
    own, theirs = machine.cpu_seconds(pid), machine.cpu_seconds(postgres)
    begun = perf_counter()
    poured = await pour(port, requests, seconds=seconds)
    accepted = poured.numbered(202)
    ended, left = perf_counter(), 0
    if queued or stage.hosts:
        settled, left = await _settle(stage, len(accepted) * stage.hosts)
        ended = max(ended, settled)
    side.seconds += ended - begun
    side.pouring += poured.seconds
    side.own_cpu += machine.cpu_seconds(pid) - own
    side.postgres_cpu += machine.cpu_seconds(postgres) - theirs
    side.done += len(accepted) - left
    side.left += left
    side.accepted |= set(accepted)
    side.answered += [answer.whole for answer in poured.answers.values()]
    side.others.update(a.status for a in poured.answers.values() if a.status != 202)


More = Callable[[Report, Stage, Child, Side], Awaitable[None]]
"""What else to measure on the same stage: the limit still runs, and the node's side is known."""


async def run(
    report: Report, *, seconds: float, hosts: int = 0, kill: bool = False, more: More | None = None
) -> None:
    """Measure the way in; with `hosts` and on to the followers' servers."""
    async with stage(hosts) as on, AsyncExitStack() as stack:
        limit = await stack.enter_async_context(bare(on))
        for port, queued in ((limit.port, False), (on.place.port, True)):
            warm = iter(await on.signed(WARM))
            await turn(on, Side(), warm, port=port, pid=None, seconds=60, queued=queued)
        part = min(MOST, int(seconds * PER_SECOND)) // ROUNDS + 1
        node_side, bare_side = Side(), Side()
        for _ in range(ROUNDS):
            requests = await on.signed(part)
            # A stored row is a stored row: the bare inbox takes the same ones again and again.
            again = iter(enumerate(data for _, data in cycle(requests)))
            await turn(
                on, bare_side, iter(requests) if hosts else again,
                port=limit.port, pid=limit.pid, seconds=seconds / ROUNDS, queued=False,
            )  # fmt: skip
            await turn(
                on, node_side, iter(requests),
                port=on.place.port, pid=on.place.node.pid, seconds=seconds / ROUNDS, queued=True,
            )  # fmt: skip
        _report_sides(report, on, node_side, bare_side)
        if more is not None:
            await more(report, on, limit, node_side)
        report.add("node: most memory", machine.peak_mib(on.place.node.pid), "MiB")
        report.add("bare: most memory", machine.peak_mib(limit.pid), "MiB")
        await limit.stop()
        await _report_readable(report, on, node_side.accepted)
        if not hosts:
            await _first_contact(report, on)
        if kill:
            await _kill(report, on, seconds)
        await _count(report, on)


def _report_sides(report: Report, on: Stage, node: Side, limit: Side) -> None:
    report.add("node: complete activities", node.rate, "/s")
    report.add("node: answered with 202", (node.done + node.left) / max(node.pouring, 1e-9), "/s")
    report.add("node: not complete in time", node.left, at_most=0)
    report.add("bare: complete activities", limit.rate, "/s")
    report.add("node / bare", node.rate / max(limit.rate, 1e-9), at_least=SHARE)
    report.add("node: CPU per activity", node.cpu_ms, "ms")
    for name, value in (("node", node.own_cpu), ("PostgreSQL", node.postgres_cpu)):
        report.add(f"  of that {name}", 1000 * value / max(1, node.done), "ms")
    report.add("bare: CPU per activity", limit.cpu_ms, "ms")
    report.add("CPU, node / bare", node.cpu_ms / max(limit.cpu_ms, 1e-9), at_most=CPU)
    report.add("node: 202 after (median)", 1000 * median(node.answered), "ms")
    report.add("node: 202 after (95 %)", 1000 * percentile(node.answered, 95), "ms")
    if on.hosts:
        report.add("node: deliveries", node.rate * on.hosts, "/s")
        report.add("arrived twice", on.world.repeats, at_most=0)
    report.add("answers other than 202", node.others.total() + limit.others.total(), at_most=0)


async def _report_readable(report: Report, on: Stage, accepted: set[int]) -> None:
    shown = await on.readable()
    report.add("accepted, not readable", len(accepted - set(shown)), at_most=0)
    twice = sum(times > 1 for times in shown.values())
    report.add("readable twice", twice, at_most=0)
    report.add("refused or parked", await on.refused(), at_most=0)


async def _first_contact(report: Report, on: Stage) -> None:
    """Actors nobody has heard of, several activities of each at once."""
    host = on.world.host("new.localhost")
    newcomers = [on.world.person(f"newcomer_{n}", host, generate()) for n in range(NEWCOMERS)]
    requests = on.sign(4 * NEWCOMERS, newcomers)
    poured = await pour(on.place.port, iter(requests), seconds=30)
    await _settle(on, 0)
    fetched = max(on.world.fetched[person.uri] for person in newcomers)
    report.add("first contact: fetches of an actor", fetched, at_most=1)
    report.add("first contact: 401s", len(poured.numbered(401)), at_most=0)
    report.add("first contact: accepted", len(poured.numbered(202)), at_least=len(requests))


async def _kill(report: Report, on: Stage, seconds: float) -> None:
    """Kill the node in the middle; whatever it had answered with 202 is there once."""
    requests = on.sign(max(64, int(seconds * PER_SECOND / 4)))
    poured, halfway = Poured(), asyncio.Event()

    def ringing() -> Iterator[tuple[int, bytes]]:
        for number, each in enumerate(requests):
            if number == len(requests) // 2:
                halfway.set()
            yield each

    async with asyncio.TaskGroup() as group:
        group.create_task(pour(on.place.port, ringing(), seconds=120, into=poured))
        await halfway.wait()
        await on.place.node.kill()
    begun = perf_counter()
    await on.place.node.start()
    await _settle(on, 0)
    report.add("killed: whole again after", perf_counter() - begun, "s")
    shown, accepted = await on.readable(), set(poured.numbered(202))
    report.add("killed: answered 202", len(accepted), at_least=1)
    report.add("killed: cut connections", poured.broken, at_least=1)
    report.add("killed: lost", len(accepted - set(shown)), at_most=0)
    report.add("killed: there twice", sum(shown[n] > 1 for n in accepted), at_most=0)


@asynccontextmanager
async def watched(on: Stage) -> AsyncIterator[tuple[web.Application, int, Statements]]:
    """The node in this process instead, where every round trip to the database can be seen.

    Its application, the port it answers on, and the counter.
    """
    await on.place.node.stop()
    app = create_app(on.place.settings, database_url=on.place.node.database_url)
    seen = Statements()
    seen.attach(app[ENGINE])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        seen.clear()  # of what the start asked
        yield app, runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


async def _count(report: Report, on: Stage) -> None:
    async with watched(on) as (app, port, seen):
        await pour(port, iter(on.sign(AUTHORS)), seconds=30, connections=1)  # warms the caches
        await process(app)
        await deliver(app)
        seen.clear()
        await pour(port, iter(on.sign(COUNTED)), seconds=30, connections=1)
        report_statements(report, seen, "receive", COUNTED, "activity")
        await process(app)
        report_statements(report, seen, "process", COUNTED, "activity")
        if on.hosts:
            await deliver(app)
            report_statements(report, seen, "deliver", COUNTED * on.hosts, "delivery")


def report_statements(report: Report, seen: Statements, name: str, of: int, unit: str) -> None:
    """What was asked since the last time, per one of `of`."""
    report.add(f"{name}: statements", seen.statements / of, f"per {unit}")
    report.add(f"{name}: round trips", seen.round_trips / of, f"per {unit}")
    report.notes += [f"{name}, statements per {unit}:", *most(seen.counts, of)]
    report.notes.append(
        f"  {(seen.between - seen.pings) / of:6.2f} × BEGIN, COMMIT, ROLLBACK; "
        f"{seen.pings / of:.2f} × ping"
    )
    seen.clear()


async def process(app: web.Application) -> None:
    """Everything that came, dealt with."""
    while await worker.process(app):
        pass


async def deliver(app: web.Application) -> None:
    """Everything that must go, sent."""
    while await app[DELIVERER].deliver():
        pass
