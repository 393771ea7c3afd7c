"""`hearthold serve`: a whole community node in one process, web and worker side by side."""

import asyncio
import errno
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
from kernel.schema.tables import invitations, node
from kernel.settings import Settings, is_loopback
from members import invitations as invitation_store
from node import door, worker
from node.app import create_app
from node.logs import on_loop_error
from node.opening import Say, database, known_origin, prepare_directory
from node.signals import interruptibly, stoppable

ADMINISTRATOR: Final = "administrator"
FINISH_SECONDS: Final = 10.0  # how long requests under way may take once the node stops

WORKER = web.AppKey("worker", asyncio.Task[None])

log = logging.getLogger(__name__)


async def serve(settings: Settings, say: Say, *, ask: Callable[[], str] | None = None) -> None:
    """Run the node until SIGTERM or SIGINT, then stop it in order.

    `ask` is called for an origin where the node needs one; without it that is a refusal.
    Raises Misconfigured: the node cannot start, and what to do.
    """
    asyncio.get_running_loop().set_exception_handler(on_loop_error)
    async with stoppable():
        prepare_directory(settings.data_dir, say)
        with bind(settings.listen_host, settings.listen_port) as listener:
            async with database(settings, say, own=True) as url:
                async with db.engine_for(url) as engine:
                    settings = await _with_origin(engine, settings, listener, ask)
                async with _answering(settings, url, listener) as app:
                    await _greet(app, listener, say)
                    await asyncio.wait([app[WORKER]])
                    app[WORKER].result()
                    raise Misconfigured("The node's worker ended, so the node stops as well.")
    log.info("stopped")


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens already: whoever comes while the node starts is answered after.

    Raises Misconfigured: the port is taken, or not for us.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Misconfigured(_why_not(error, host, port)) from error
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is in use: another program listens there, perhaps this node already. "
            f"Stop that one, or choose another port: --listen {host}:{port + 1}."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is not for this account. Choose one above 1023: --listen {host}:8080."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This computer does not have the address {host}. Choose another with --listen."
    return f"The node cannot listen on {host}, port {port}: {error.strerror}."


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
async def _answering(
    settings: Settings, url: str, listener: socket.socket
) -> AsyncIterator[web.Application]:
    """The node answering on `listener`, its worker beside it.

    At the end: no new connections, requests under way finish, the worker stops, pools close.
    """
    app = create_app(settings, database_url=url)
    app.cleanup_ctx.append(_worker)
    runner = web.AppRunner(app, handler_cancellation=False, shutdown_timeout=FINISH_SECONDS)
    try:
        await runner.setup()
        await door.site(runner, listener).start()
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
