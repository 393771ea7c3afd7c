"""Crisis lines and the way out: drawn once, with no session and no database (DOM-D1, DOM-D8)."""

import asyncio
import logging
from datetime import date
from functools import lru_cache
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.state import ENGINE, HERE, SETTINGS
from kernel.clock import to_month
from kernel.db import describe
from kernel.errors import NotFound
from kernel.here import Here
from members import sessions
from moderation.duty import Duty
from node.pages import duty, look
from node.pages.catalogues import LANGUAGES, country
from node.pages.look import THEMES, Look
from node.pages.memory import DATABASE_ERRORS, MEMORY
from node.pages.render import draw
from node.pages.session import cookie_name, forget
from resources import crisis
from resources.crisis import Country

log = logging.getLogger(__name__)

LEAVE_SECONDS: Final = 0.05  # the way out is open at once; the session ends meanwhile
_PLACE: Final = b"<!-- who is here -->"  # in a drawn page
KEPT: Final = 512  # drawn pages: every country in the usual look, and others as they are asked for


def prepare(month: date) -> None:
    """Draw every help page as most people see it: one with all countries, one for each.

    They say which lines nobody checked for a year, so each month has its own.
    """
    for code in ("", *crisis.countries()):
        _list(code, Look(), month)
        if code:
            _country(code, Look(), month)


@lru_cache(maxsize=KEPT)
def _list(hint: str, seen: Look, month: date) -> bytes:
    """All countries, and the lines of one of them first."""
    countries = crisis.countries()

    def called(each: Country) -> str:
        return country(seen.language, each.code).casefold()

    return draw(
        "help/index.html",
        seen,
        now=month,
        countries=sorted(countries.values(), key=called),
        first=countries.get(hint),
        chosen=seen.country == hint,
        emergency=crisis.emergency(),
        if_nobody_answers=crisis.IF_NOBODY_ANSWERS,
    ).encode()


@lru_cache(maxsize=KEPT)
def _country(code: str, seen: Look, month: date) -> bytes:
    return draw(
        "help/country.html",
        seen,
        now=month,
        country=crisis.countries()[code],
        if_nobody_answers=crisis.IF_NOBODY_ANSWERS,
    ).encode()


async def show(request: web.Request) -> web.Response:
    """GET /help: the country chosen in this browser, else a hint from its languages (DOM-D2)."""
    seen = look.of(request)
    page = _list(look.country_of(request), seen, to_month(request.app[HERE].now()))
    return _answer(page, seen, await duty.soon(request))


async def show_country(request: web.Request) -> web.Response:
    """GET /help/{country}."""
    code = request.match_info["country"].upper()
    if code not in crisis.countries():
        raise NotFound
    seen = look.of(request)
    page = _country(code, seen, to_month(request.app[HERE].now()))
    return _answer(page, seen, await duty.soon(request))


async def show_look(request: web.Request) -> web.Response:
    """GET /look: light or dark, easier, private, language, country; for anybody."""
    seen, countries = look.of(request), crisis.countries().values()
    page = draw("help/look.html", seen, themes=THEMES, languages=LANGUAGES, countries=countries)
    return _answer(page.encode(), seen)


async def show_leaving(request: web.Request) -> web.Response:
    """GET /leaving: what “Leave” does, and what it cannot do (DOM-D9)."""
    seen = look.of(request)
    return _answer(draw("help/leaving.html", seen).encode(), seen)


@lru_cache(maxsize=KEPT)
def _who_is_here(said: Duty, seen: Look) -> bytes:
    return draw("duty/alone.html", seen, duty=said).encode()


def _answer(page: bytes, seen: Look, said: Duty | None = None) -> web.Response:
    """No word of a member is in it, and a browser asks again each time: who is here changes."""
    return web.Response(
        body=page.replace(_PLACE, _who_is_here(said, seen) if said else b""),
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": "private, no-cache", "Vary": "Cookie, Accept-Language"},
    )


async def leave(request: web.Request) -> web.Response:
    """GET /leave: away at once, to a place that tells nothing; safe to repeat (DOM 5.4).

    Another website can send somebody here, and then nothing is ended or forgotten.
    """
    answer = web.Response(status=303, headers={"Location": request.app[SETTINGS].leave_url})
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return answer
    answer.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    look.forget(request, answer)
    cookie = request.cookies.get(cookie_name(request.app[HERE]))
    if cookie is not None:
        forget(request, answer)
        ending = asyncio.create_task(_end(request.app[ENGINE], request.app[HERE], cookie))
        leaving = request.app[MEMORY].leaving
        leaving.add(ending)
        ending.add_done_callback(leaving.discard)
        await asyncio.wait({ending}, timeout=LEAVE_SECONDS)
    return answer


async def _end(engine: AsyncEngine, here: Here, cookie: str) -> None:
    """With no database the browser still forgets its cookie; the session ends with its week."""
    try:
        await sessions.end(engine, here, cookie)
    except DATABASE_ERRORS as error:
        log.warning("a session was left and not ended: %s", describe(error))


def routes() -> list[web.RouteDef]:
    return [
        web.get("/help", show),
        web.get("/help/{country}", show_country),
        web.get("/leave", leave),
        web.get("/leaving", show_leaving),
        web.get("/look", show_look),
        web.post("/look", look.choose),
    ]
