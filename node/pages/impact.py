"""What a decision about a server would cut, shown before it is made, and taken back after."""

from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import Malformed, NotFound, Problem
from kernel.schema.moderation import Level
from members import severing
from members.ledger import Restored
from members.severing import PAGE, Differs, Words
from moderation import domains, impact
from moderation.impact import Seen
from moderation.policy import BLOCKING, Policy
from node import keeping_away
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.paging import number
from node.pages.render import render, see_other

PREVIEW: Final = "/settings/node/impact"
CHANGES: Final = "/settings/node/changes"


def _level(text: str) -> Level:
    """Raises Malformed: it is no level that cuts."""
    for level in BLOCKING:
        if text == level:
            return level
    raise Malformed("Please choose what to do with this server.")


async def show(request: web.Request) -> web.Response:
    """GET /settings/node/impact?domain=: what not talking with it any more would cut and hide."""
    return await _page(request, Form.of(domain=request.query.get("domain", "")))


async def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    session.administrator(request)
    found = None
    try:
        level = _level(form.text("policy") or request.query.get("policy") or "reject")
        if form.text("domain"):
            async with request.app[READING].connect() as conn:
                domain = domains.read_domain(form.text("domain"))
                found = await impact.of(conn, request.app[HERE], [domain], level)
    except REFUSED as refused:
        problem = problem or refused
    return render(request, "impact/show.html", form=form, problem=problem, found=found)


async def decide(request: web.Request) -> web.Response:
    """POST /settings/node/impact: as it was shown, or not at all."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        await keeping_away.decide(
            request.app[ENGINE],
            request.app[HERE],
            form.text("domain"),
            Policy(_level(form.text("policy"))),
            words=Words(private_comment=form.text("reason")),
            seen=Seen(form.text("seen"), form.ticked("looked")),
        )
    except Differs as problem:
        return await _page(request, _unticked(form), problem)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(CHANGES)


def _unticked(form: Form) -> Form:
    """What was looked at is no longer what there is."""
    return Form({name: values for name, values in form.values.items() if name != "looked"})


async def changes(request: web.Request) -> web.Response:
    """GET /settings/node/changes: every decision about a server, newest first."""
    session.administrator(request)
    before = number(request.query.get("before"))
    async with request.app[READING].connect() as conn:
        found = await severing.history(conn, before=before)
    more = f"{CHANGES}?before={found[-1].id}" if len(found) == PAGE else ""
    return render(request, "impact/changes.html", changes=found, more=more, first=before is None)


async def change(request: web.Request) -> web.Response:
    """GET /settings/node/changes/{number}: one of them, and what undoing it would do."""
    return await _one(request)


async def _one(request: web.Request, problem: Problem | None = None) -> web.Response:
    session.administrator(request)
    would: Restored | None = None
    async with request.app[ENGINE].begin() as conn:
        found = await severing.one(conn, _id(request))
        if found.can_be_undone:
            try:
                would = await severing.undo(conn, request.app[HERE], found.id, dry_run=True)
            except REFUSED as refused:
                problem = problem or refused
    return render(request, "impact/change.html", problem=problem, change=found, would=would)


def _id(request: web.Request) -> int:
    """Raises NotFound: the address has no number."""
    found = number(request.match_info["number"])
    if found is None:
        raise NotFound
    return found


async def undo(request: web.Request) -> web.Response:
    """POST …/undo: what was cut is put back, where nothing else stands in the way."""
    session.administrator(request)
    await forms.read(request)
    try:
        await keeping_away.undo(request.app[ENGINE], request.app[HERE], _id(request))
    except REFUSED as problem:
        return await _one(request, problem)
    return see_other(f"{CHANGES}/{_id(request)}")


async def dismiss(request: web.Request) -> web.Response:
    """POST …/dismiss: nothing is done about what was held."""
    session.administrator(request)
    await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        await severing.dismiss(conn, _id(request))
    return see_other(CHANGES)


def routes() -> list[web.RouteDef]:
    return [
        web.get(PREVIEW, show),
        web.post(PREVIEW, decide),
        web.get(CHANGES, changes),
        web.get(CHANGES + "/{number}", change),
        web.post(CHANGES + "/{number}/undo", undo),
        web.post(CHANGES + "/{number}/dismiss", dismiss),
    ]
