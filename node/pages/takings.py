"""A list that was taken once: what taking it back would do, and taking it back (MOD-5.10)."""

from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import NotFound, Problem
from members.severing import Differs
from moderation.impact import Seen
from moderation.lists import undoing
from node import keeping_away
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.paging import number
from node.pages.render import render, see_other

PATH: Final = "/settings/node/domains/imports/{number}"


def _id(request: web.Request) -> int:
    """Raises NotFound: the address has no number."""
    found = number(request.match_info["number"])
    if found is None:
        raise NotFound
    return found


async def show(request: web.Request) -> web.Response:
    """GET …/imports/{number}: what it would put back, and cut."""
    return await _page(request, Form())


async def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    session.administrator(request)
    async with request.app[READING].connect() as conn:
        taking = await undoing.one(conn, _id(request))
    would, restored = await keeping_away.undoing_taking(
        request.app[ENGINE], request.app[HERE], taking.id
    )
    return render(
        request,
        "domains/taking.html",
        form=form,
        problem=problem,
        taking=taking,
        would=would,
        restored=restored,
    )


async def undo(request: web.Request) -> web.Response:
    """POST …/imports/{number}: the list says again what it said before."""
    session.administrator(request)
    form = await forms.read(request)
    async with request.app[READING].connect() as conn:
        taking = await undoing.one(conn, _id(request))
    seen = Seen(form.text("seen"), form.ticked("looked"))
    try:
        await keeping_away.undo_taking(request.app[ENGINE], request.app[HERE], taking.id, seen=seen)
    except Differs as problem:
        return await _page(request, Form(), problem)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"/settings/node/domains/lists/{taking.list_id}")


def routes() -> list[web.RouteDef]:
    return [web.get(PATH, show), web.post(PATH, undo)]
