"""What this place is, what it keeps, and how people from elsewhere take part."""

from aiohttp import web

from activitypub.state import ENGINE
from node.pages.memory import MEMORY, site
from node.pages.render import render

_MAX_ADDRESS = 500


async def show(request: web.Request) -> web.Response:
    return render(
        request, "about/about.html", node=await site(request.app[MEMORY], request.app[ENGINE])
    )


async def show_privacy(request: web.Request) -> web.Response:
    return render(
        request, "about/privacy.html", node=await site(request.app[MEMORY], request.app[ENGINE])
    )


async def interact(request: web.Request) -> web.Response:
    """GET /interact?uri=: an address to paste into one's own server; it is not opened here."""
    return render(
        request, "about/interact.html", uri=request.query.get("uri", "")[:_MAX_ADDRESS].strip()
    )


def routes() -> list[web.RouteDef]:
    return [
        web.get("/about", show),
        web.get("/about/privacy", show_privacy),
        web.get("/interact", interact),
    ]
