"""One function builds a node from its settings; what starts also stops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from activitypub.client import Budget, Client, Resolver
from activitypub.deliver import Deliverer
from activitypub.keys import Pool
from activitypub.pace import Pace
from activitypub.remote import Remote
from activitypub.state import CLIENT, DELIVERER, ENGINE, HERE, KEYS, READING, REMOTE, SETTINGS
from inbox import datasets, discovery
from inbox import routes as federation
from inbox.intake import Intake
from kernel import db, tombstone_log
from kernel.clock import Clock, utcnow
from kernel.errors import Misconfigured
from kernel.here import Here
from kernel.sealing import NodeKey
from kernel.settings import Settings
from members import node as node_store
from moderation.blocklist import Blocklist
from node import (
    advice_api,
    closing_guard,
    door,
    health,
    list_api,
    live,
    logs,
    metrics,
    opening,
    pictures,
    problems,
)
from node.pages import headers
from node.pages import table as pages

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY = 16 * 1024 * 1024  # the largest of all doors; each door has its own, smaller cap


def create_app(
    settings: Settings,
    *,
    database_url: str,
    resolver: Resolver | None = None,
    clock: Clock = utcnow,
) -> web.Application:
    """A node that owns everything it uses: two may live in one process.

    `settings.origin` must be known by now. Raises Misconfigured: it is not.
    """
    if settings.origin is None:
        raise Misconfigured("Say where this node lives: --origin https://your.domain")
    counting = [metrics.middleware] if settings.metrics_listen is not None else []
    app = web.Application(
        middlewares=[
            logs.middleware,
            *counting,
            headers.middleware,
            door.middleware,
            problems.middleware,
            closing_guard.middleware,
            *pages.middlewares(),
        ],
        client_max_size=MAX_BODY,
    )
    here = Here(
        origin=settings.origin,
        node_key=NodeKey.load(settings.data_dir / "node.key"),
        clock=clock,
        signed_fetch=settings.signed_fetch,
        tended_within=settings.tended_within,
        decisions_fade=settings.decisions_fade,
        reports_a_day=settings.reports_a_day,
        protected_domains=settings.protected_domains,
        media_origin=settings.media_origin,
        release_delay=settings.release_delay,
    )
    engine = db.connect(db.normalise(database_url))
    tombstone_log.keep(engine, settings.tombstones)
    policies = Blocklist(engine)
    client = Client(
        user_agent=f"Hearthold/{discovery.VERSION} (+{settings.origin}/)",
        allowed_networks=settings.allow_networks,
        resolver=resolver,
        blocked=policies.covers,
    )
    app[SETTINGS], app[HERE], app[ENGINE], app[CLIENT] = settings, here, engine, client
    app[READING] = db.at_once(engine)
    app[REMOTE] = Remote(
        client=client,
        engine=engine,
        here=here,
        budget=Budget(clock=clock),
        pace=Pace.of(engine, clock, new=settings.new_per_hour, actors=settings.actors_per_hour),
    )
    app[DELIVERER] = Deliverer(engine=engine, here=here, client=client, remote=app[REMOTE])
    app[KEYS] = Pool()
    app[federation.INTAKE] = Intake(engine)
    app[federation.POLICIES] = policies
    pictures.prepare(app)
    live.prepare(app, engine)
    pages.prepare(app, clock)
    health.prepare(app)
    app[metrics.METRICS] = metrics.Metrics.new()
    app.cleanup_ctx.append(_running)
    _route(app)
    return app


async def _running(app: web.Application) -> AsyncIterator[None]:
    """The database is reached and brought up to date, and the node's own actors exist."""
    try:
        await db.check(app[ENGINE])
        await db.migrate(app[ENGINE])
        instance_keys, desk_keys = await asyncio.gather(app[KEYS].take(), app[KEYS].take())
        async with app[ENGINE].begin() as conn:
            await node_store.found(
                conn, app[HERE], instance_keys=instance_keys, desk_keys=desk_keys
            )
        async with app[ENGINE].connect() as conn:
            await opening.check_key(conn, app[HERE], app[SETTINGS].data_dir)
        yield
    finally:
        await app[KEYS].close()
        await app[CLIENT].close()
        await app[ENGINE].dispose()


def _route(app: web.Application) -> None:
    """Every address once: pages, documents, and those that are both by what is asked for."""
    both = dict(federation.DOCUMENTS)
    for route in pages.routes():
        if route.method == "GET" and route.path in both:
            app.router.add_get(route.path, _either(both.pop(route.path), route.handler))
        else:
            app.router.add_routes([route])
    for path, handler in both.items():
        app.router.add_get(path, handler)
    for part in (federation, datasets, discovery, health, list_api, advice_api):
        app.router.add_routes(part.routes())


def _either(document: Handler, page: Handler) -> Handler:
    """A page for people, a document for servers (WIRE-B7)."""

    async def choose(request: web.Request) -> web.StreamResponse:
        return await (document if federation.wants_document(request) else page)(request)

    return choose
