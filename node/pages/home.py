"""The first page: the threads of a member's groups, or what this place is."""

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from groups import browsing, directory
from moderation.visibility import VISITOR
from node.pages import covers, duty, lines, notices, pictures, session, voices, waiting
from node.pages.memory import MEMORY, site
from node.pages.paging import number
from node.pages.render import render

THREADS = 20
GROUPS = 6


async def show(request: web.Request) -> web.Response:
    current = request.get(session.SESSION)
    if current is None:
        return await _front(request)
    before = number(request.query.get("before"))
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        found = await browsing.latest(conn, viewer, before=before, limit=THREADS + 1)
        mine = await directory.page(conn, viewer, mine=True, limit=50)
        names = await voices.mine(conn, request)
        news = await notices.fresh(conn, request)
    kept, left_out = covers.in_languages(request, lines.kept(request, found[:THREADS]))
    return render(
        request,
        "home/mine.html",
        duty=duty.now(request),
        threads=kept,
        left_out=left_out,
        here_path=request.path_qs,
        older=found[THREADS - 1].latest_id if len(found) > THREADS else None,
        first=before is None,
        groups=mine,
        has_name=bool(names),
        news=news,
        live=waiting.opened(request, news=news),
    )


async def _front(request: web.Request) -> web.Response:
    node = await site(request.app[MEMORY], request.app[ENGINE])
    async with request.app[READING].connect() as conn:
        open_groups = await directory.page(conn, VISITOR, limit=GROUPS)
    return render(
        request,
        "home/front.html",
        duty=duty.now(request),
        node=node,
        groups=open_groups,
        media=pictures.base(request, public=True),
        alternate=f"{request.app[HERE].origin}/",
    )


def routes() -> list[web.RouteDef]:
    return [web.get("/", show)]
