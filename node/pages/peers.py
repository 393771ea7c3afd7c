"""The servers this node talks with: how each is doing, and what can be done about it."""

import re
from typing import Final
from urllib.parse import quote, urlencode

from aiohttp import web

from activitypub import refusals
from activitypub.state import ENGINE, HERE, READING
from kernel.errors import NotFound, Problem
from moderation import domains, peers
from moderation.peers import MAX_HOST, PAGE, Peer
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.render import render, see_other

_KEY: Final = re.compile(r"(\d{1,10})_([^\s/_][^\s/]*)")


async def index(request: web.Request) -> web.Response:
    """GET /admin/peers: those in trouble first."""
    session.administrator(request)
    search = request.query.get("q", "")[:MAX_HOST]
    after = request.query.get("after")
    async with request.app[READING].connect() as conn:
        found = await peers.listed(conn, search=search, after=_key(after), limit=PAGE)
    more = ""
    if len(found) == PAGE:
        last = found[-1]
        more = "?" + urlencode({"q": search, "after": f"{last.trouble}_{last.host}"})
    return render(
        request,
        "peers/index.html",
        form=Form.of(q=search),
        peers=found,
        more=more,
        first=after is None,
        today=request.app[HERE].now().date(),
    )


def _key(text: str | None) -> tuple[int, str] | None:
    """Where the list goes on. Raises NotFound: nowhere."""
    if text is None:
        return None
    found = _KEY.fullmatch(text)
    if found is None or int(found[1]) >= 2**31 or len(text) > MAX_HOST:
        raise NotFound
    return int(found[1]), found[2]


async def show(request: web.Request) -> web.Response:
    """GET /admin/peers/{host}: one server, and what it refused lately."""
    return await _page(request, None)


async def _page(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    session.administrator(request)
    async with request.app[READING].connect() as conn:
        peer = await peers.one(conn, request.match_info["host"])
        refused = await refusals.of(conn, peer.host)
        said = await domains.by_lists(conn, peer.host)
    return render(
        request,
        "peers/show.html",
        form=form,
        problem=problem,
        peer=peer,
        path=_path(peer),
        refused=refused,
        said=said,
        today=request.app[HERE].now().date(),
    )


def _path(peer: Peer) -> str:
    return f"/admin/peers/{quote(peer.host, safe=':')}"


async def pause(request: web.Request) -> web.Response:
    """POST …/pause: send nothing there for now."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            await peers.pause(
                conn, request.app[HERE], request.match_info["host"], form.text("reason")
            )
    except REFUSED as problem:
        return await _page(request, form, problem)
    return _back(request)


async def resume(request: web.Request) -> web.Response:
    """POST …/resume: send there again."""
    session.administrator(request)
    async with request.app[ENGINE].begin() as conn:
        await peers.resume(conn, request.app[HERE], request.match_info["host"])
    return _back(request)


async def try_now(request: web.Request) -> web.Response:
    """POST …/try: do not wait any longer."""
    session.administrator(request)
    async with request.app[ENGINE].begin() as conn:
        await peers.try_now(conn, request.app[HERE], request.match_info["host"])
    return _back(request)


def _back(request: web.Request) -> web.Response:
    return see_other(f"/admin/peers/{quote(request.match_info['host'], safe=':')}")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/admin/peers", index),
        web.get("/admin/peers/{host}", show),
        web.post("/admin/peers/{host}/pause", pause),
        web.post("/admin/peers/{host}/resume", resume),
        web.post("/admin/peers/{host}/try", try_now),
    ]
