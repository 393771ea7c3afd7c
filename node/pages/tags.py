"""GET /tags/{tag}: what was said under a hashtag, newest first."""

from typing import Final
from urllib.parse import quote

from aiohttp import web

from activitypub.state import READING
from groups import hashtags
from kernel.errors import NotFound
from kernel.hashtags import fold
from node.pages import session
from node.pages.lines import kept_posts
from node.pages.paging import number
from node.pages.render import render, see_other

PAGE: Final = 20


async def show(request: web.Request) -> web.Response:
    """Raises NotFound: those letters make no hashtag."""
    written = request.match_info["tag"]
    if not (tag := fold(written)):
        raise NotFound
    if tag != written:
        return see_other(f"/tags/{quote(tag, safe='')}")
    before = number(request.query.get("before"))
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        found = await hashtags.tagged(conn, tag, viewer, before=before, limit=PAGE + 1)
    lines = found[:PAGE]
    return render(
        request,
        "threads/tag.html",
        tag=tag,
        path=f"/tags/{quote(tag, safe='')}",
        lines=kept_posts(request, lines),
        older=lines[-1].id if len(found) > PAGE else None,
        first=before is None,
    )


def routes() -> list[web.RouteDef]:
    return [web.get("/tags/{tag}", show)]
