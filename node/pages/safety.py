"""Safety records: administrators write them, and everybody reads what is for everybody (DOM-I8)."""

from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import NotFound, Problem
from kernel.schema.node import Record
from moderation import safety
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.render import render, see_other
from node.pages.safety_words import STARTERS, TITLES

_PATH: Final = "/settings/node/safety"


async def show_public(request: web.Request) -> web.Response:
    """GET /about/safety: how to complain, and where to write to; each with its version and day."""
    async with request.app[READING].connect() as conn:
        known = await safety.newest(conn)
    return render(
        request,
        "about/safety.html",
        records=[known[kind] for kind in safety.PUBLIC if kind in known],
        titles=TITLES,
    )


async def show_all(request: web.Request) -> web.Response:
    """GET /settings/node/safety: what is written down, and what is to be looked at again."""
    session.administrator(request)
    today = request.app[HERE].now().date()
    async with request.app[READING].connect() as conn:
        known = await safety.newest(conn)
    return render(
        request,
        "node/safety.html",
        known=known,
        due=safety.due(known, today),
        kinds=list(Record),
        titles=TITLES,
    )


def _kind(request: web.Request) -> Record:
    try:
        return Record(request.match_info["record"])
    except ValueError as error:
        raise NotFound from error


async def show(request: web.Request) -> web.Response:
    """GET /settings/node/safety/{record}: the words in force, to be changed, and earlier ones."""
    return await _page(request)


async def _page(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.administrator(request)
    kind = _kind(request)
    async with request.app[READING].connect() as conn:
        versions = await safety.versions(conn, kind)
    source = versions[0].source if versions else STARTERS[kind]
    return render(
        request,
        "node/safety_record.html",
        form=form or Form.of(source=source),
        problem=problem,
        kind=kind,
        title=TITLES[kind],
        versions=versions,
        public=kind in safety.PUBLIC,
    )


async def write(request: web.Request) -> web.Response:
    """POST /settings/node/safety/{record}: a new version, from today."""
    session.administrator(request)
    kind = _kind(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            await safety.write(conn, kind, form.text("source"), request.app[HERE].now().date())
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(_PATH)


async def show_version(request: web.Request) -> web.Response:
    """GET /settings/node/safety/{record}/{version}: what was in force before."""
    session.administrator(request)
    digits = request.match_info["version"]
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 6:
        raise NotFound
    kind = _kind(request)
    async with request.app[READING].connect() as conn:
        found = await safety.one(conn, kind, int(digits))
    return render(request, "node/safety_version.html", record=found, title=TITLES[kind])


def routes() -> list[web.RouteDef]:
    return [
        web.get("/about/safety", show_public),
        web.get(_PATH, show_all),
        web.get(_PATH + "/{record}", show),
        web.post(_PATH + "/{record}", write),
        web.get(_PATH + "/{record}/{version}", show_version),
    ]
