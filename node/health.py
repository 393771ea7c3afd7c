"""Two questions that a supervisor or a proxy asks, with no session and no words of anybody.

`/healthz`: does the process live? A node whose database is away does, and starting it again would
not help. `/readyz`: can it answer people now?
"""

import asyncio
from typing import Final

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from activitypub.state import ENGINE
from kernel import revisions

SECONDS: Final = 2.0  # the database has to answer in

_STOPPING: Final = web.AppKey("stopping", asyncio.Event)
_NEEDED: Final = web.AppKey("needed schema", str)


def prepare(app: web.Application) -> None:
    """Let `/readyz` know when the node begins to stop."""
    app[_STOPPING] = asyncio.Event()
    app[_NEEDED] = revisions.head()

    async def stop(app: web.Application) -> None:
        app[_STOPPING].set()

    app.on_shutdown.append(stop)


def routes() -> list[web.RouteDef]:
    """The two addresses."""
    return [web.get("/healthz", live), web.get("/readyz", ready)]


async def live(_: web.Request) -> web.Response:
    """GET /healthz: 200 while the process answers."""
    return _answer("ok", 200)


async def ready(request: web.Request) -> web.Response:
    """GET /readyz: 200, or 503 with one word: `stopping`, `database` (away) or `schema` (other)."""
    if request.app[_STOPPING].is_set():
        return _answer("stopping", 503)
    try:
        async with asyncio.timeout(SECONDS), request.app[ENGINE].connect() as conn:
            schema = await revisions.current(conn)
    except (SQLAlchemyError, OSError, TimeoutError):
        return _answer("database", 503)
    return _answer("ok", 200) if schema == request.app[_NEEDED] else _answer("schema", 503)


def _answer(word: str, status: int) -> web.Response:
    return web.Response(text=f"{word}\n", status=status, headers={"Cache-Control": "no-store"})
