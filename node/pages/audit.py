"""What moderators decided: for themselves line by line, for everybody in rounded numbers."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from activitypub.state import HERE, READING
from groups import desk
from kernel.errors import NotFound
from moderation import audit, counts
from moderation.audit import Entry
from node.pages import decision_words, group_words, session
from node.pages.desk import moderating
from node.pages.groups import find
from node.pages.paging import number
from node.pages.render import render

PAGE: Final = 50


async def of_group(request: web.Request) -> web.Response:
    """GET /g/{name}/desk/log: for the group's moderators."""
    session.of(request)
    verb, before = _asked(request, decision_words.KINDS)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        await moderating(conn, request, group)
        found = await desk.log(conn, group, verb=verb, before=before, limit=PAGE + 1)
    path = group_words.path(group)
    return _log(
        request,
        found,
        verb,
        f"{path}/desk/log",
        f"{path}/desk",
        decision_words.KINDS,
        first=before is None,
    )


async def of_node(request: web.Request) -> web.Response:
    """GET /settings/node/log: what those who look after the node decided."""
    session.administrator(request)
    verb, before = _asked(request, decision_words.OF_NODE)
    async with request.app[READING].connect() as conn:
        verbs = _alike(verb, decision_words.OF_NODE)
        found = await audit.of_node(conn, verbs=verbs, before=before, limit=PAGE + 1)
    return _log(
        request,
        found,
        verb,
        "/settings/node/log",
        "/settings/node",
        decision_words.OF_NODE,
        first=before is None,
    )


def _asked(request: web.Request, kinds: Mapping[str, str]) -> tuple[str, int | None]:
    """The kind asked for, and where the list goes on. Raises NotFound: no such kind."""
    verb = request.query.get("kind", "")
    if verb and verb not in kinds:
        raise NotFound
    return verb, number(request.query.get("before"))


def _alike(verb: str, kinds: Mapping[str, str]) -> Sequence[str]:
    """All that is called the same."""
    return [each for each, words in kinds.items() if verb and words == kinds[verb]]


def _log(
    request: web.Request,
    found: Sequence[Entry],
    verb: str,
    path: str,
    up: str,
    kinds: Mapping[str, str],
    *,
    first: bool,
) -> web.Response:
    older = found[PAGE - 1].seq if len(found) > PAGE else None
    more = {"kind": verb, "before": older} if verb else {"before": older}
    return render(
        request,
        "decisions/log.html",
        log=found[:PAGE],
        verb=verb,
        path=path,
        up=up,
        older=f"{path}?{urlencode(more)}" if older else "",
        home=f"{path}?{urlencode({'kind': verb})}" if verb else path,
        first=first,
        kinds=kinds,
        choices={_alike(each, kinds)[0]: words for each, words in kinds.items()},
    )


async def public_of_group(request: web.Request) -> web.Response:
    """GET /g/{name}/moderation: for whoever may see the group (SEC-L6)."""
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        if group.settings is None:
            raise NotFound
        months = await counts.by_month(conn, request.app[HERE], group.id)
    return render(
        request,
        "decisions/public.html",
        months=months,
        name=group.actor.name,
        up=group_words.path(group),
        kinds=decision_words.KINDS,
    )


async def public(request: web.Request) -> web.Response:
    """GET /about/moderation: of all groups here together."""
    async with request.app[READING].connect() as conn:
        months = await counts.by_month(conn, request.app[HERE], None)
    return render(
        request,
        "decisions/public.html",
        months=months,
        name="",
        up="/about",
        kinds=decision_words.KINDS,
    )


def routes() -> list[web.RouteDef]:
    return [
        web.get("/g/{name}/desk/log", of_group),
        web.get("/settings/node/log", of_node),
        web.get("/g/{name}/moderation", public_of_group),
        web.get("/about/moderation", public),
    ]
