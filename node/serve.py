"""`hearthold serve`: a whole community node in one process, web and worker side by side.

`hearthold worker` is the worker alone. Any number of both share one database.
"""

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub.state import ENGINE, HERE
from kernel import db
from kernel.errors import Misconfigured
from kernel.schema.node import Stage
from kernel.schema.tables import invitations, node
from kernel.settings import Settings, is_loopback
from members import invitations as invitation_store
from node import closing_down, door, floors, metrics, worker
from node.app import create_app
from node.listening import bind
from node.logs import on_loop_error
from node.opening import Say, database, known_origin, prepare_directory
from node.signals import interruptibly, stoppable

ADMINISTRATOR: Final = "administrator"
MODERATOR: Final = "moderator"
FINISH_SECONDS: Final = 10.0  # how long requests under way may take once the node stops

WORKER = web.AppKey("worker", asyncio.Task[None])

log = logging.getLogger(__name__)


async def serve(
    settings: Settings,
    say: Say,
    *,
    ask: Callable[[], str] | None = None,
    with_worker: bool = True,
) -> None:
    """Run the node until SIGTERM or SIGINT, then stop it in order.

    `ask` is called for an origin where the node needs one; without it that is a refusal.
    Raises Misconfigured: the node cannot start, and what to do.
    """
    _prepare()
    async with stoppable():
        prepare_directory(settings.data_dir, say)
        with bind(settings.listen_host, settings.listen_port) as listener:
            async with database(settings, say, own=True) as url:
                async with db.engine_for(url) as engine:
                    settings = await _with_origin(engine, settings, listener, ask)
                async with _running(settings, url, listener, with_worker) as app:
                    await _greet(app, listener, say)
                    await _until_the_worker_ends(app)
    log.info("stopped")


async def work(settings: Settings, say: Say) -> None:
    """Run a worker alone until SIGTERM or SIGINT, beside whatever serves the node's pages.

    Raises Misconfigured: the node has not run yet, or its database does not answer.
    """
    _prepare()
    async with stoppable():
        prepare_directory(settings.data_dir, say)
        async with database(settings, say, own=False, start=False) as url:
            async with db.engine_for(url) as engine:
                origin = await known_origin(engine, settings.origin)
            if origin is None:
                raise Misconfigured("This node has not run yet: start `hearthold serve` first.")
            settings = settings.with_origin(origin)
            async with _running(settings, url, None, with_worker=True) as app:
                say(f"A worker for {origin} is ready.")
                log.info("started", extra={"origin": origin})
                await _until_the_worker_ends(app)
    log.info("stopped")


def _prepare() -> None:
    """Raises Misconfigured: a library is too old to be safe (SEC-O1)."""
    floors.check()
    loop = asyncio.get_running_loop()
    loop.set_debug(False)  # or aiohttp would show a stack to whoever meets a fault (SEC-O5)
    loop.set_exception_handler(on_loop_error)


def _spare_what_stays() -> None:
    """What is loaded by now stays until the end: no collection looks through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def _until_the_worker_ends(app: web.Application) -> None:
    """For ever. Raises Misconfigured: there is a worker, and it ended."""
    if WORKER not in app:
        await asyncio.Event().wait()
    await asyncio.wait([app[WORKER]])
    app[WORKER].result()
    raise Misconfigured("The node's worker ended, so the node stops as well.")


async def _with_origin(
    engine: AsyncEngine,
    settings: Settings,
    listener: socket.socket,
    ask: Callable[[], str] | None,
) -> Settings:
    origin = await known_origin(engine, settings.origin)
    if origin is None and is_loopback(settings.listen_host):
        origin = f"http://localhost:{listener.getsockname()[1]}"
    if origin is None and ask is not None:
        origin = interruptibly(ask)
    if origin is None:
        raise Misconfigured(
            "This node needs its address before its first start, since everything on it will have "
            "an address below that, for ever: --origin https://alder.example"
        )
    return settings.with_origin(origin)


@asynccontextmanager
async def _running(
    settings: Settings, url: str, listener: socket.socket | None, with_worker: bool
) -> AsyncIterator[web.Application]:
    """The node answering on `listener`, where there is one, its worker beside it.

    At the end: no new connections, requests under way finish, the worker stops, pools close.
    """
    app = create_app(settings, database_url=url)
    app.cleanup_ctx.append(metrics.answering)
    if with_worker:
        app.cleanup_ctx.append(_worker)
    runner = web.AppRunner(app, handler_cancellation=False, shutdown_timeout=FINISH_SECONDS)
    try:
        await runner.setup()
        if listener is not None:
            await door.site(runner, listener).start()
        _spare_what_stays()
        yield app
    finally:
        await runner.cleanup()


async def _worker(app: web.Application) -> AsyncIterator[None]:
    stop = asyncio.Event()
    app[WORKER] = asyncio.create_task(worker.run(app, stop))
    yield
    stop.set()
    if not app[WORKER].done():
        await app[WORKER]


async def _greet(app: web.Application, listener: socket.socket, say: Say) -> None:
    origin, port = app[HERE].origin, listener.getsockname()[1]
    if origin.startswith("http:") and not origin.endswith(f":{port}"):
        say(f"It listens on port {port}: {origin} has to lead there.")
    async with app[ENGINE].begin() as conn:
        link = await invite_administrator(conn, origin)
    if link is not None:
        say(f"Open this link to make the first administrator: {link}")
    async with app[ENGINE].connect() as conn:
        ends = await closing_down.state(conn)
    if ends.stage is not Stage.OPEN:
        say(f"This node closes, or has closed, on {ends.closes_on}: see `hearthold close`.")
    say(f"Hearthold is ready at {origin}")
    log.info("started", extra={"origin": origin})


async def invite_administrator(conn: AsyncConnection, origin: str) -> str | None:
    """A one-time link, the only one of its kind, until the node is settled; then None."""
    if await conn.scalar(sa.select(node.c.settled)):
        return None
    earlier = sa.literal(ADMINISTRATOR) == sa.any_(invitations.c.grants)
    await conn.execute(sa.delete(invitations).where(earlier))
    secret = await invitation_store.create(conn, uses=1, grants=frozenset({ADMINISTRATOR}))
    return f"{origin}/welcome?token={secret}"
