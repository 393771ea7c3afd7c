"""Names that rest for now on the whole node, for those who look after it (MOD-5.12)."""

from uuid import UUID

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from groups import stopping
from kernel.errors import NotAllowed, Problem
from node.pages import forms, session
from node.pages.casework import node_desk
from node.pages.forms import REFUSED
from node.pages.paging import uuid
from node.pages.render import render, see_other

PATH = "/settings/node/stopped"


async def show(request: web.Request) -> web.Response:
    """GET /settings/node/stopped."""
    return await _page(request)


async def _page(request: web.Request, problem: Problem | None = None) -> web.Response:
    session.node_moderator(request)
    after = uuid(request.query.get("after")) or UUID(int=0)
    async with request.app[READING].connect() as conn:
        await session.check_going_on(conn, request)
        found = await stopping.stopped(conn, after=after)
        mine = (await session.voices(conn, request)).ids
    return render(
        request,
        "cases/stopped.html",
        problem=problem,
        found=found,
        mine=mine,
        path=PATH,
        page=stopping.PAGE,
    )


async def end(request: web.Request) -> web.Response:
    """POST /settings/node/stopped: somebody may go on."""
    session.node_moderator(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            await session.check_going_on(conn, request)
            person = await stopping.get(conn, uuid(form.text("person")) or UUID(int=0))
            if person.id in (await session.voices(conn, request)).ids:
                raise NotAllowed("This is about one of your names. Somebody else decides.")
            here = session.deciding(request)
            await stopping.go_on(conn, here, await node_desk(conn, request.app[HERE]), person)
    except REFUSED as problem:
        return await _page(request, problem)
    return see_other(PATH)


def routes() -> list[web.RouteDef]:
    return [web.get(PATH, show), web.post(PATH, end)]
