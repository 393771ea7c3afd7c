"""The picture of a group, on a page of its own behind its settings."""

from collections.abc import Sequence

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from groups import desk, icons
from groups.pictures import MAX_ALT, Chosen
from kernel.errors import Problem
from node.pages import group_words, pictures, session
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.groups import find
from node.pages.pictures import Held
from node.pages.render import render, see_other


async def show(request: web.Request) -> web.Response:
    """GET /g/{name}/picture."""
    return await _page(request, None)


async def _page(
    request: web.Request,
    form: Form | None,
    problem: Problem | None = None,
    held: Sequence[Held] = (),
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        await moderating(conn, request, group)
    return render(
        request,
        "groups/picture.html",
        form=form or Form.of(alt=group.icon.alt if group.icon else ""),
        problem=problem,
        group=group,
        path=group_words.path(group),
        media=pictures.public_base(request, group),
        held=held[0] if held else None,
        limit=MAX_ALT,
    )


async def save(request: web.Request) -> web.Response:
    """A new picture, other words for the one there is, or none any more."""
    session.of(request)
    form = await pictures.read(request, most=1, side=icons.SIDE)
    brought = pictures.of(request)
    if form.text("without"):
        return see_other(request.path)
    alt = " ".join(form.text("alt").split())
    try:
        if brought.trouble is not None:
            raise brought.trouble
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            await desk.require(conn, group, speaker)
            here = request.app[HERE]
            if brought.held:
                await icons.choose(conn, here, group, Chosen(brought.held[0].kept.id, alt))
            elif form.ticked("remove"):
                await icons.remove(conn, here, group)
            elif group.icon is not None:
                await icons.describe(conn, here, group, alt)
    except REFUSED as problem:
        return await _page(request, form, problem, brought.held)
    return see_other(group_words.path(group))


def routes() -> list[web.RouteDef]:
    return [
        web.get("/g/{name}/picture", show),
        web.post("/g/{name}/picture", save),
    ]
