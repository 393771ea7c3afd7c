"""What people let the author of a post know, for that author alone (DOM-A13)."""

from aiohttp import web

from activitypub.state import READING
from groups import reactions
from kernel.errors import NotFound
from node.pages import posts
from node.pages.render import render


async def show(request: web.Request) -> web.Response:
    """GET /p/{id}/signs: names and what they said, in no order that ranks anybody."""
    async with request.app[READING].connect() as conn:
        found = await posts.find(conn, request)
        if not (found.shown.mine and found.post.shown):
            raise NotFound
        signs = await reactions.signs_for(conn, found.post)
    return render(
        request, "threads/signs.html", parent=found.shown, signs=signs, words=posts.FEELINGS
    )


def routes() -> list[web.RouteDef]:
    return [web.get("/p/{id}/signs", show)]
