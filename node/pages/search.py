"""Opening a group of another node by its name or address."""

from typing import Final

from aiohttp import web

from activitypub import webfinger
from activitypub.client import Unreachable
from activitypub.state import HERE, READING, REMOTE
from groups import groups as group_store
from kernel.errors import Busy, Gone, Malformed, NotFound, Problem
from kernel.schema.actors import ActorKind
from node.pages import group_words, session
from node.pages.forms import Form
from node.pages.render import render, see_other

MAX_QUERY: Final = 2048


async def show(request: web.Request) -> web.Response:
    """GET /search?q=: on to the group, or the form again with what was typed."""
    session.of(request)
    query = request.query.get("q", "").strip()[:MAX_QUERY]
    if not query:
        return _page(request, query)
    try:
        return see_other(await _find(request, query))
    except (NotFound, Gone):
        return _page(request, query, NotFound("No group answers to that name or address."))
    except Malformed as problem:
        return _page(request, query, problem)
    except Unreachable:
        return _page(request, query, Busy("That place does not answer right now. Try it later."))


async def _find(request: web.Request, query: str) -> str:
    """The page of the group that is meant. Raises NotFound, Gone, Malformed, Unreachable."""
    actor = await webfinger.find(request.app[HERE], request.app[REMOTE], query)
    if actor.kind is not ActorKind.GROUP:
        raise NotFound
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        return group_words.path(await group_store.get(conn, actor.id, viewer))


def _page(request: web.Request, query: str, problem: Problem | None = None) -> web.Response:
    return render(request, "search.html", form=Form.of(q=query), problem=problem)


def routes() -> list[web.RouteDef]:
    return [web.get("/search", show)]
