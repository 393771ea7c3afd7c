"""The rota: administrators keep it, and pages say what follows from it (DOM-D13)."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import Malformed, Problem
from members import node as node_store
from moderation.duty import Duty, Rota, Slot, zones
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY, forget_site, known_site, site_soon
from node.pages.render import render, see_other
from node.pages.words import WEEKDAYS

_PATH: Final = "/settings/node/duty"


def now(request: web.Request) -> Duty | None:
    """What a page may say of who is here: from what is in memory, with no question to anybody."""
    here = request.app[HERE]
    return known_site(request.app[MEMORY], here).duty.at(here.now())


async def soon(request: web.Request) -> Duty | None:
    """The same for a page that works with no database: None where that does not answer at once."""
    node = await site_soon(request.app[MEMORY], request.app[ENGINE])
    return node.duty.at(request.app[HERE].now()) if node else None


async def show(request: web.Request) -> web.Response:
    """GET /settings/node/duty."""
    return await _page(request)


async def _page(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.administrator(request)
    here = request.app[HERE]
    async with request.app[READING].connect() as conn:
        rota = (await node_store.read(conn)).duty
    return render(
        request,
        "node/duty.html",
        form=form or Form.of(people="1"),
        problem=problem,
        rota=rota,
        duty=rota.at(here.now()),
        zones=zones(),
        weekdays=WEEKDAYS,
    )


async def _change(request: web.Request, change: Callable[[Form, Rota], Rota]) -> web.Response:
    session.administrator(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            await node_store.change_duty(conn, lambda rota: change(form, rota))
    except REFUSED as problem:
        return await _page(request, form, problem)
    forget_site(request.app[MEMORY])
    return see_other(_PATH)


async def set_zone(request: web.Request) -> web.Response:
    """POST /settings/node/duty/zone: whose clocks the hours are of."""
    return await _change(request, lambda form, rota: rota.within(form.text("zone")))


async def add(request: web.Request) -> web.Response:
    """POST /settings/node/duty: the same hours on one day or several."""
    return await _change(request, lambda form, rota: rota.adding(*_slots(form)))


async def remove(request: web.Request) -> web.Response:
    """POST /settings/node/duty/remove."""
    return await _change(request, lambda form, rota: rota.without(_slot(form.text("slot"))))


def _slots(form: Form) -> list[Slot]:
    days = sorted({int(day) for day in form.all("day") if day in set("0123456")})
    if not days:
        raise Malformed("Please choose at least one day.")
    people = form.number("people")
    return [Slot.read(day, form.text("start"), form.text("end"), people) for day in days]


def _slot(sent: str) -> Slot:
    parts = [int(part) for part in sent.split() if part.isascii() and part.isdecimal()]
    if len(parts) != 4:
        raise Malformed("We could not tell which hours you mean. Please choose them again.")
    return Slot(*parts)


def routes() -> list[web.RouteDef]:
    return [
        web.get(_PATH, show),
        web.post(_PATH, add),
        web.post(_PATH + "/zone", set_zone),
        web.post(_PATH + "/remove", remove),
    ]
