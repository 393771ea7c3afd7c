"""GET /g/{name}/desk/servers: servers that a group keeps at a distance from itself (MOD-5.7)."""

from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from activitypub.state import ENGINE, READING
from groups import desk, distance, tending
from groups.distance import Reach, Unseen
from kernel.errors import Malformed, Problem
from kernel.said import noted
from kernel.schema.groups import Distance
from node.pages import forms, group_words, session
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.groups import find
from node.pages.render import render, see_other

LEVELS: Final = {
    Distance.NOTE: noted("Only write something down"),
    Distance.FILTER: noted("A moderator reads posts first, and who joins asks first"),
    Distance.REJECT: noted("Nobody from there joins, posts or reacts"),
}


async def show(request: web.Request) -> web.Response:
    """A page of them; `change` fills in the form."""
    return await _page(request)


async def _page(
    request: web.Request,
    form: Form | None = None,
    problem: Problem | None = None,
    would: Reach | None = None,
) -> web.Response:
    session.of(request)
    after = request.query.get("after", "")[:300]
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        await moderating(conn, request, group)
        found = await distance.rules(conn, group, after=after)
        if form is None and (domain := request.query.get("change", "")):
            rule = await distance.one(conn, group, domain[:300])
            form = Form.of(domain=rule.domain, level=rule.level, reason=rule.reason)
    path = group_words.path(group)
    full = len(found) == distance.PAGE
    return render(
        request,
        "groups/servers.html",
        form=form or Form(),
        problem=problem,
        would=would,
        group=group,
        path=path,
        rules=found,
        levels=LEVELS,
        limit=distance.MAX_REASON,
        more="?" + urlencode({"after": found[-1].domain}) if full else "",
        first=not after,
    )


def _level(form: Form) -> Distance:
    try:
        return Distance(form.text("level"))
    except ValueError as error:
        raise Malformed("Please choose how the server is to be treated.") from error


async def decide(request: web.Request) -> web.Response:
    """POST: one rule, new or changed; who would lose their place is named first."""
    session.of(request)
    form, here = await forms.read(request), session.deciding(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            actor = await desk.require(conn, group, speaker)
            await distance.decide(
                conn,
                here,
                group,
                actor,
                form.text("domain"),
                _level(form),
                reason=form.text("reason"),
                seen=form.text("seen"),
            )
            await tending.note(conn, here, group)
    except Unseen as problem:
        return await _page(request, form, problem, problem.reach)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"{group_words.path(group)}/desk/servers")


async def forget(request: web.Request) -> web.Response:
    """POST …/forget: a rule is taken back, and who was out because of it is in again."""
    session.of(request)
    form, here = await forms.read(request), session.deciding(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            actor = await desk.require(conn, group, speaker)
            await distance.forget(conn, here, group, actor, form.text("domain"))
            await tending.note(conn, here, group)
    except REFUSED as problem:
        return await _page(request, None, problem)
    return see_other(f"{group_words.path(group)}/desk/servers")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/g/{name}/desk/servers", show),
        web.post("/g/{name}/desk/servers", decide),
        web.post("/g/{name}/desk/servers/forget", forget),
    ]
