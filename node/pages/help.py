"""Crisis lines and the way out: drawn once, with no session and no database (DOM-D1, DOM-D8)."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.state import ENGINE, HERE, SETTINGS
from kernel.db import describe
from kernel.errors import NotFound
from members import sessions
from node.pages.memory import DATABASE_ERRORS, MEMORY
from node.pages.render import environment
from node.pages.session import cookie_name, forget
from resources import crisis

log = logging.getLogger(__name__)

PAGES: Final = web.AppKey("help pages", Mapping[str, bytes])
COUNTRY: Final = "country"  # of help, in a cookie: chosen on this device, and kept nowhere else
_YEAR: Final = 365 * 24 * 60 * 60
LEAVE_SECONDS: Final = 0.05  # the way out is open at once; the session ends meanwhile


def draw(app: web.Application) -> None:
    """Draw every help page at the start: one with all countries, one for each."""
    countries = crisis.countries()
    shown = {"": _draw("help/index.html", countries=countries.values(), guessed=None)}
    for code, country in countries.items():
        shown[f"!{code}"] = _draw(
            "help/index.html", countries=countries.values(), guessed=country, chosen=True
        )
        shown[code] = _draw("help/country.html", country=country)
        shown[f"?{code}"] = _draw("help/index.html", countries=countries.values(), guessed=country)
    app[PAGES] = shown


def _draw(template: str, *, chosen: bool = False, **context: object) -> bytes:
    return (
        environment()
        .get_template(template)
        .render(
            chosen=chosen,
            emergency=crisis.emergency(),
            if_nobody_answers=crisis.IF_NOBODY_ANSWERS,
            theme="auto",
            **context,
        )
        .encode()
    )


async def show(request: web.Request) -> web.Response:
    """GET /help: the country chosen on this device; else the languages hint at one (DOM-D2)."""
    pages = request.app[PAGES]
    if chosen := pages.get(f"!{request.cookies.get(COUNTRY, '')}"):
        return _answer(chosen, kept="private, max-age=300")
    hint = crisis.guess(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
    return _answer(pages[f"?{hint}" if hint else ""])


def remember(request: web.Request, response: web.StreamResponse, code: str) -> None:
    """Let the device know its country for help; with no `code` it forgets. We keep nothing."""
    response.set_cookie(
        COUNTRY,
        code,
        max_age=_YEAR if code else 0,
        path="/",
        secure=request.app[HERE].origin.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )


async def show_country(request: web.Request) -> web.Response:
    """GET /help/{country}."""
    page = request.app[PAGES].get(request.match_info["country"].upper())
    if page is None or not request.match_info["country"].isalpha():
        raise NotFound
    return _answer(page)


def _answer(page: bytes, *, kept: str = "public, max-age=300") -> web.Response:
    return web.Response(
        body=page,
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": kept, "Vary": "Accept-Language, Cookie"},
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
    cookie = request.cookies.get(cookie_name(request.app[HERE]))
    if cookie is not None:
        forget(request, answer)
        ending = asyncio.create_task(_end(request.app[ENGINE], cookie))
        leaving = request.app[MEMORY].leaving
        leaving.add(ending)
        ending.add_done_callback(leaving.discard)
        await asyncio.wait({ending}, timeout=LEAVE_SECONDS)
    return answer


async def _end(engine: AsyncEngine, cookie: str) -> None:
    """With no database the browser still forgets its cookie; the session ends with its week."""
    try:
        await sessions.end(engine, cookie)
    except DATABASE_ERRORS as error:
        log.warning("a session was left and not ended: %s", describe(error))


def routes() -> list[web.RouteDef]:
    return [
        web.get("/help", show),
        web.get("/help/{country}", show_country),
        web.get("/leave", leave),
    ]
