"""What a node that closed still answers: one kind page, and 410 once others had heard (WIRE-Q11).

Nothing is asked of the database for it but the node's own row, which pages remember for seconds.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from activitypub import actors as actor_store
from activitypub import documents
from activitypub.state import ENGINE, HERE
from inbox.routes import document_response, wants_document
from kernel.errors import Busy, Gone
from kernel.schema.node import Stage
from members.node import Node
from node.pages import closing
from node.pages.memory import DATABASE_ERRORS, MEMORY, known_site, site

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STAYS: Final = ("/help", "/leave", "/leaving", "/look", "/static/", "/healthz", "/readyz")
_MACHINES: Final = ("/.well-known/", "/nodeinfo")
_LATER: Final = 3600  # seconds: by then it may have been said to all that this node is gone


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every address of a node that closed; of any other node nothing changes.

    While others are still being told, an inbox asks to be tried again later and actors show the
    keys that prove it: 410 comes only afterwards. Raises Busy, Gone.
    """
    if request.path.startswith(_STAYS):
        return await handler(request)
    found = await _site(request)
    if not found.has_closed:
        return await handler(request)
    over = found.stage is Stage.OVER
    if request.path.endswith("/inbox"):
        if over:
            raise Gone("This node has closed.")
        raise Busy("This node is closing.", retry_after=_LATER)
    if request.path.startswith(_MACHINES):
        if over:
            raise Gone("This node has closed.")
        return await handler(request)
    if wants_document(request):
        if over:
            raise Gone("This node has closed.")
        return await _key(request)
    return await closing.gone(request, found)


async def _site(request: web.Request) -> Node:
    """As it was known last where the database does not answer: who comes is told so further in."""
    try:
        return await site(request.app[MEMORY], request.app[ENGINE])
    except DATABASE_ERRORS:
        return known_site(request.app[MEMORY], request.app[HERE])


async def _key(request: web.Request) -> web.Response:
    """Enough of an actor to check what it says last. Raises Gone: there is none of that address."""
    uri = f"{request.app[HERE].origin}{request.path}"
    async with request.app[ENGINE].connect() as conn:
        actor = await actor_store.by_uri(conn, uri)
    if actor is None or not actor.local:
        raise Gone("This node is closing.")
    response = document_response(documents.stub(documents.actor(actor)))
    response.headers["Cache-Control"] = "no-store"
    return response
