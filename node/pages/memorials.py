"""Moderators make a thread a memorial, and end that again (DOM-B14)."""

from datetime import date

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from groups import desk, memorials
from kernel.errors import Malformed, Problem
from node.pages import forms, group_words, session, threads
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.render import render, see_other


async def show(request: web.Request) -> web.Response:
    """GET /t/{id}/memorial."""
    return await _page(request, None)


async def _page(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    day = request.app[HERE].now().date() + memorials.LOOK_BACK
    async with request.app[READING].connect() as conn:
        root, group = await threads.whole(conn, request)
        await moderating(conn, request, group)
    return render(
        request,
        "threads/memorial.html",
        form=form or Form.of(look_back=day.isoformat()),
        problem=problem,
        root=root,
        path=group_words.path(group),
    )


async def save(request: web.Request) -> web.Response:
    """POST /t/{id}/memorial: begin it, choose another day, or with `end` end it."""
    session.of(request)
    form = await forms.read(request)
    here = request.app[HERE]
    try:
        async with request.app[ENGINE].begin() as conn:
            root, group = await threads.whole(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            actor = await desk.require(conn, group, speaker)
            if form.ticked("end"):
                await memorials.end(conn, here, group, actor, root)
            else:
                await memorials.begin(conn, here, group, actor, root, _day(form))
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"/t/{root.id}")


def _day(form: Form) -> date:
    try:
        return date.fromisoformat(form.text("look_back").strip())
    except ValueError as error:
        raise Malformed("Please write the day as year, month and day: 2026-05-31.") from error


def routes() -> list[web.RouteDef]:
    return [web.get("/t/{id}/memorial", show), web.post("/t/{id}/memorial", save)]
