"""Numbers for Prometheus, on an address of their own: never on the port that people reach.

They count requests by route and never by path, and servers without naming one: no number leads to
a person, a persona, a group or a peer. What is in the database is counted when somebody asks, at
most once in `FRESH` seconds, so any process may be asked for it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client import Counter as Total
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

from activitypub import outbox
from activitypub.audience import blocks_host
from activitypub.state import ENGINE, HERE, SETTINGS
from kernel.here import Here
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import deliveries, domain_blocks, peers, received
from node.listening import bind
from node.logs import UNSAID, route_of

FRESH: Final = 15.0  # seconds
PATIENCE: Final = 5.0  # seconds in which the database has to answer
FAILURES: Final = 10  # in a row: a peer rests half a day by then

_BUCKETS: Final = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0)  # seconds

_STATISTICS: Final = """
    SELECT n_tup_ins, n_tup_del FROM pg_stat_user_tables
    WHERE schemaname = current_schema() AND relname = 'deliveries'
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Metrics:
    """The numbers of one node in one process."""

    registry: CollectorRegistry
    requests: Total
    seconds: Histogram
    stored: "Stored"
    read_at: float = -FRESH
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def new(cls) -> "Metrics":
        disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody asks when it began
        registry = CollectorRegistry()
        ProcessCollector(namespace="hearthold", registry=registry)
        return cls(
            registry=registry,
            requests=Total(
                "hearthold_requests",
                "Answers by route and class of status.",
                ("route", "status"),
                registry=registry,
            ),
            seconds=Histogram(
                "hearthold_request_seconds",
                "How long answers took.",
                ("route",),
                buckets=_BUCKETS,
                registry=registry,
            ),
            stored=Stored(registry),
        )


METRICS: Final = web.AppKey("metrics", Metrics)


class Stored:
    """What the database knows; the same in every process of a node."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"hearthold_{name}", text, labels, registry=registry)

        self.up = gauge("database_up", "1 where the database answered just now, else 0.")
        self.received = gauge("received", "Activities that arrived, by state.", "state")
        self.received_late = gauge(
            "received_late_seconds", "How long the oldest due arrival waits."
        )
        self.deliveries = gauge("deliveries", "Deliveries that wait or are parked.", "state")
        self.deliveries_late = gauge(
            "deliveries_late_seconds", "How long the peer that is due longest waits for its turn."
        )
        self.made = gauge("deliveries_made", "Deliveries ever queued, by the server's statistics.")
        self.gone = gauge("deliveries_gone", "Deliveries ever sent or dropped, likewise.")
        self.peers = gauge("peers", "Other servers, by how they take deliveries.", "state")
        self.pool = gauge("pool_connections", "Database connections of this process.", "state")

    async def read(self, conn: AsyncConnection, now: datetime) -> None:
        """Count anew. Raises: what the database raises."""
        await self._read_received(conn, now)
        await self._read_deliveries(conn, now)
        await self._read_peers(conn)

    async def _read_received(self, conn: AsyncConnection, now: datetime) -> None:
        by_state = sa.select(received.c.state, sa.func.count()).group_by(received.c.state)
        found = {row[0]: row[1] for row in await conn.execute(by_state)}
        for state in ReceivedState:
            self.received.labels(state.value).set(found.get(state.value, 0))
        new = received.c.state == ReceivedState.NEW
        oldest = await conn.scalar(sa.select(sa.func.min(received.c.next_attempt)).where(new))
        self.received_late.set(_seconds_since(oldest, now))

    async def _read_deliveries(self, conn: AsyncConnection, now: datetime) -> None:
        waiting = deliveries.c.parked.is_(None)
        for state, where in (("waiting", waiting), ("parked", outbox.broke_the_sender())):
            number = await conn.scalar(sa.select(sa.func.count(deliveries.c.id)).where(where))
            self.deliveries.labels(state).set(number or 0)
        due = await conn.scalar(
            sa.select(sa.func.min(peers.c.next_attempt)).where(
                ~peers.c.paused,
                ~sa.exists().where(blocks_host(peers.c.host)).correlate_except(domain_blocks),
                sa.or_(peers.c.leased_until.is_(None), peers.c.leased_until < now),
                sa.exists().where(deliveries.c.host == peers.c.host, waiting),
            )
        )
        self.deliveries_late.set(_seconds_since(due, now))
        statistics = (await conn.execute(sa.text(_STATISTICS))).one()
        self.made.set(statistics.n_tup_ins)
        self.gone.set(statistics.n_tup_del)

    async def _read_peers(self, conn: AsyncConnection) -> None:
        failures = peers.c.failures
        for state, where in (
            ("well", failures == 0),
            ("failing", failures.between(1, FAILURES - 1)),
            ("away", failures >= FAILURES),
            ("paused", peers.c.paused),
        ):
            number = await conn.scalar(sa.select(sa.func.count(peers.c.host)).where(where))
            self.peers.labels(state).set(number or 0)


def _seconds_since(moment: datetime | None, now: datetime) -> float:
    return max((now - moment).total_seconds(), 0.0) if moment is not None else 0.0


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count an answer by its route and the class of its status."""
    metrics, begun, status = request.app[METRICS], time.perf_counter(), 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        route = route_of(request)
        metrics.requests.labels(route, f"{status // 100}xx").inc()
        if route not in UNSAID:
            metrics.seconds.labels(route).observe(time.perf_counter() - begun)


async def answering(app: web.Application) -> AsyncIterator[None]:
    """The numbers at `/metrics` on their own address, as long as the node runs."""
    settings = app[SETTINGS]
    if settings.metrics_listen is None:
        yield
        return

    async def show(_: web.Request) -> web.Response:
        return await _show(app)

    inner = web.Application()
    inner.router.add_get("/metrics", show)
    runner = web.AppRunner(inner, access_log=None)
    with bind(*settings.metrics_listen) as listener:
        try:
            await runner.setup()
            await web.SockSite(runner, listener).start()
            yield
        finally:
            await runner.cleanup()


async def _show(app: web.Application) -> web.Response:
    metrics = app[METRICS]
    async with metrics.reading:
        if time.monotonic() - metrics.read_at >= FRESH:
            await _read(metrics, app[ENGINE], app[HERE])
            metrics.read_at = time.monotonic()
    return web.Response(
        body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


async def _read(metrics: Metrics, engine: AsyncEngine, here: Here) -> None:
    """What the database does not say stays as it was, and `database_up` says so."""
    pool = engine.pool
    if isinstance(pool, QueuePool):
        metrics.stored.pool.labels("used").set(pool.checkedout())
        metrics.stored.pool.labels("idle").set(pool.checkedin())
    try:
        async with asyncio.timeout(PATIENCE), engine.connect() as conn:
            await metrics.stored.read(conn, here.now())
    except (SQLAlchemyError, OSError, TimeoutError):
        metrics.stored.up.set(0)
    else:
        metrics.stored.up.set(1)
