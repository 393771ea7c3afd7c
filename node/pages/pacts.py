"""Pacts with other nodes, as the people who run this one make and end them (MOD-5.6)."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING, REMOTE
from groups import new_host
from kernel.errors import Malformed, Problem
from kernel.here import Here
from kernel.schema.pacts import Afterwards
from kernel.urls import origin_of
from moderation import outcomes, pact_making, pacts
from moderation.outcomes import Outcome
from moderation.pact_terms import FLOW_WORDS, Flow, Wishes
from moderation.pacts import Pact
from node import acting, desks
from node.pages import forms, paging, session
from node.pages.advice_words import VERBS
from node.pages.forms import REFUSED, Form
from node.pages.pact_words import AFTERWARDS
from node.pages.render import render, see_other

_PATH = "/settings/node/pacts"
_SHOWN: Final = 20


async def index(request: web.Request) -> web.Response:
    """GET /settings/node/pacts: every pact, and what is offered."""
    return await _index(request, None)


async def _index(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    session.administrator(request)
    async with request.app[READING].connect() as conn:
        found = await pacts.listed(conn)
    return render(
        request,
        "pacts/index.html",
        form=form or _asked(),
        problem=problem,
        pacts=found,
        flows=FLOW_WORDS,
        address=_address,
    )


def _asked() -> Form:
    """What a new pact is mostly about: advice, both ways."""
    return Form({"sends": [Flow.ADVICE], "takes": [Flow.ADVICE]})


def _address(host: str) -> str:
    return f"{_PATH}/{quote(host, safe=':')}"


async def offer(request: web.Request) -> web.Response:
    """POST /settings/node/pacts: offer one to a server."""
    session.administrator(request)
    form = await forms.read(request)
    engine, here = request.app[ENGINE], request.app[HERE]
    try:
        host = desks.read_host(here, form.text("host"))
        desk = await desks.find(engine, here, request.app[REMOTE], host)
        async with engine.begin() as conn:
            await pact_making.offer(conn, here, desk, _wishes(form))
    except REFUSED as problem:
        return await _index(request, form, problem)
    return see_other(_address(desk.host))


def _wishes(form: Form) -> Wishes:
    return Wishes(
        sends=frozenset(flow for flow in Flow if flow in form.all("sends")),
        takes=frozenset(flow for flow in Flow if flow in form.all("takes")),
        care=form.text("care"),
        retention=form.text("retention"),
    )


async def show(request: web.Request) -> web.Response:
    """GET …/pacts/{host}: the terms of both, the words to compare, and what can be done."""
    return await _page(request, None)


async def _page(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    session.administrator(request)
    here = request.app[HERE]
    async with request.app[READING].connect() as conn:
        pact = await pacts.one(conn, request.match_info["host"])
        going = await new_host.going_to(conn, pact.host)
        became = await _became(conn, here, pact) if pact.made else None
        guidelines = await pact_making.guidelines_hash(conn)
    paper = pact.theirs or pact.paper or pact.ours
    desk = f"{here.origin}/desk/node"
    return render(
        request,
        "pacts/show.html",
        form=form or _asked(),
        problem=problem,
        pact=pact,
        going=going,
        became=became,
        ours_changed=_changed_ours(pact, desk, guidelines),
        theirs_changed=_changed_theirs(pact, desk),
        verbs=VERBS,
        paper=paper,
        ours=paper.of(desk) if paper else None,
        theirs=paper.other(desk) if paper else None,
        path=_address(pact.host),
        flows=FLOW_WORDS,
        afterwards=AFTERWARDS,
    )


def _changed_ours(pact: Pact, desk: str, now: str) -> bool:
    return pact.made and pact.paper is not None and pact.paper.of(desk).guidelines_hash != now


def _changed_theirs(pact: Pact, desk: str) -> bool:
    """Whether what they offer anew rests on other guidelines of theirs than the pact does."""
    if pact.paper is None or pact.theirs is None:
        return False
    then, now = (each.other(desk).guidelines_hash for each in (pact.paper, pact.theirs))
    return then != now


async def _became(conn: AsyncConnection, here: Here, pact: Pact) -> Sequence[Outcome]:
    """The newest of what their desk can read of its own advice (MOD-5.12)."""
    origin, today = origin_of(pact.desk_uri), here.now().date()
    found, _ = await outcomes.of_origin(conn, origin, today=today, limit=_SHOWN)
    return found


async def accept(request: web.Request) -> web.Response:
    """POST …/accept: say yes to the offer whose words were shown, with our own terms."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            here, host = request.app[HERE], _host(request)
            await pact_making.accept(conn, here, host, _wishes(form), form.text("offer"))
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(_address(_host(request)))


def _host(request: web.Request) -> str:
    return request.match_info["host"]


async def refuse(request: web.Request) -> web.Response:
    """POST …/refuse: say no."""
    session.administrator(request)
    await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        await pact_making.refuse(conn, request.app[HERE], _host(request))
    return see_other(_PATH)


async def end(request: web.Request) -> web.Response:
    """POST …/end: end it now, or take the offer back; or say what follows once they ended it."""
    session.administrator(request)
    form = await forms.read(request)
    here = request.app[HERE]
    try:
        afterwards = _afterwards(form)
        async with request.app[ENGINE].begin() as conn:
            if form.ticked("ended"):
                await pacts.decide_afterwards(conn, here, _host(request), afterwards)
            else:
                await pact_making.end(conn, here, _host(request), afterwards)
    except REFUSED as problem:
        return await _page(request, form, problem)
    await acting.take_stock(request.app[ENGINE], here)
    return see_other(_PATH)


def _afterwards(form: Form) -> Afterwards:
    try:
        return Afterwards(form.text("afterwards") or Afterwards.KEEP)
    except ValueError as error:
        raise Malformed("Please choose what follows from it.") from error


async def let_go(request: web.Request) -> web.Response:
    """POST …/groups: agree that a group of ours goes on there, as the group that was shown."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            group = await new_host.going(conn, form.text("group"), _host(request))
            target_id = paging.uuid(form.text("target")) or UUID(int=0)
            await new_host.agree(conn, session.deciding(request), group, target_id)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(_address(_host(request)))


async def remove(request: web.Request) -> web.Response:
    """POST …/remove: a line with nothing in it goes."""
    session.administrator(request)
    await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        await pacts.remove(conn, request.app[HERE], _host(request))
    return see_other(_PATH)


async def freeze(request: web.Request) -> web.Response:
    """POST …/freeze: stop listening to them, or listen again."""
    session.administrator(request)
    form = await forms.read(request)
    frozen = form.text("frozen") != "no"
    await acting.listen(request.app[ENGINE], request.app[HERE], _host(request), frozen=frozen)
    return see_other(_address(_host(request)))


async def freeze_ourselves(request: web.Request) -> web.Response:
    """POST /settings/node/pacts/freeze: ask every peer not to trust this node for now."""
    session.administrator(request)
    await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        await pacts.freeze_ourselves(conn, request.app[HERE])
    return see_other(_PATH)


def routes() -> list[web.RouteDef]:
    return [
        web.get(_PATH, index),
        web.post(_PATH, offer),
        web.post(_PATH + "/freeze", freeze_ourselves),
        web.get(_PATH + "/{host}", show),
        web.post(_PATH + "/{host}/accept", accept),
        web.post(_PATH + "/{host}/refuse", refuse),
        web.post(_PATH + "/{host}/end", end),
        web.post(_PATH + "/{host}/freeze", freeze),
        web.post(_PATH + "/{host}/groups", let_go),
        web.post(_PATH + "/{host}/remove", remove),
    ]
