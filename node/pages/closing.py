"""What people read when their place closes, and what is left to read once it has (WIRE-Q11)."""

from aiohttp import web

from activitypub.state import ENGINE, READING
from members.node import Node
from node import closing_down
from node.pages.card import Card
from node.pages.memory import MEMORY, site
from node.pages.render import render


async def show(request: web.Request) -> web.Response:
    """GET /closing: on which day, what happens then, and what can be done before."""
    node = await site(request.app[MEMORY], request.app[ENGINE])
    async with request.app[READING].connect() as conn:
        places = await closing_down.places(conn)
    return render(request, "closing/soon.html", node=node, places=places)


async def gone(request: web.Request, node: Node) -> web.Response:
    """Every address of a place that has closed: lines of help, and where its groups went."""
    async with request.app[READING].connect() as conn:
        places = await closing_down.places(conn)
    return render(
        request,
        "closing/gone.html",
        status=200 if request.path == "/" else 410,
        node=node,
        places=places,
        lines=Card.of(request, node.country),
    )


def routes() -> list[web.RouteDef]:
    return [web.get("/closing", show)]
