"""The list for a group's members of who waits for an answer (DOM-A12)."""

from typing import Final

from aiohttp import web

from activitypub.state import HERE, READING
from groups import unanswered
from kernel.errors import NotFound
from node.pages import group_words, lines, session, voices
from node.pages.groups import find
from node.pages.paging import number
from node.pages.render import render

PAGE: Final = unanswered.PAGE


async def show(request: web.Request) -> web.Response:
    """GET /g/{name}/unanswered: for members of a group of ours, those that wait longest first."""
    session.of(request)
    after = number(request.query.get("after")) or 0
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        place = await voices.place(conn, request, group)
        if group.settings is None or not (place.members or place.moderators):
            raise NotFound
        found = await unanswered.waiting(
            conn, request.app[HERE], group, after=after, limit=PAGE + 1
        )
    return render(
        request,
        "groups/unanswered.html",
        group=group,
        path=group_words.path(group),
        waiting=lines.kept_titles(request, group, found[:PAGE]),
        more=found[PAGE - 1].latest_id if len(found) > PAGE else None,
        first=not after,
        hidden=bool(found),
    )


def routes() -> list[web.RouteDef]:
    return [web.get("/g/{name}/unanswered", show)]
