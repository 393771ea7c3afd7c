"""The printed sheet: a recovery code, and a code for each name that closes it (DESIGN-V4)."""

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import Malformed, Problem
from members import accounts, departures, personas
from members.vault import closing_code
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY
from node.pages.render import render

_AT_ONCE = "now"
_WHEN = (_AT_ONCE, "later")


async def show(request: web.Request) -> web.Response:
    session.of(request)
    return _page(request, Form.of(names="yes"))


def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    return render(request, "account/sheet.html", form=form, problem=problem)


async def make(request: web.Request) -> web.Response:
    """The sheet itself, for the password; no part of it is stored anywhere."""
    member = session.of(request).member
    form, engine, here = await forms.read(request), request.app[ENGINE], request.app[HERE]
    password, code = form.text("password"), ""
    try:
        if not form.ticked("recovery") and not form.ticked("names"):
            raise Malformed("Please choose what to print.")
        request.app[MEMORY].log_ins_of.check(member.account_id)
        if form.ticked("recovery"):
            code = await accounts.renew_code(engine, here, member, password)
        else:
            await accounts.confirm(engine, here, member, password)
    except REFUSED as problem:
        return _page(request, form, problem)
    codes = []
    if form.ticked("names"):
        async with request.app[READING].connect() as conn:
            mine = await personas.mine(conn, member)
        codes = [(each.actor, closing_code(here, each.actor.id)) for each in mine]
    return render(request, "account/printed.html", code=code, codes=codes, origin=here.origin)


async def show_close(request: web.Request) -> web.Response:
    return _close_page(request, Form.of(when="later"))


def _close_page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    return render(request, "personas/by_code.html", form=form, problem=problem)


async def close(request: web.Request) -> web.Response:
    """POST /personas/close: with the code of the sheet, signed in or not."""
    form, here = await forms.read(request), request.app[HERE]
    handle = form.text("handle").strip().lower().removeprefix("@").partition("@")[0]
    at_once = form.text("when") == _AT_ONCE
    try:
        request.app[MEMORY].recoveries.check(forms.address_of(request))
        if form.text("when") not in _WHEN:
            raise Malformed("Please choose when the name should close.")
        async with request.app[ENGINE].begin() as conn:
            await departures.close_by_code(conn, here, handle, form.text("code"), at_once=at_once)
    except REFUSED as problem:
        return _close_page(request, form, problem)
    return render(request, "personas/by_code_done.html", at_once=at_once)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/settings/sheet", show),
        web.post("/settings/sheet", make),
        web.get("/personas/close", show_close),
        web.post("/personas/close", close),
    ]
