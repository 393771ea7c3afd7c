"""The first minutes: four short pages after joining, each of which can be skipped (DOM-B4).

They ask nothing about a person. The country goes into a cookie, the look of pages into the sealed
preferences, and nothing else is kept.
"""

from dataclasses import replace
from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from groups import directory
from kernel.errors import Malformed, Problem
from members import accounts
from node.pages import forms, look, pictures, preferences, session
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY, known_site
from node.pages.render import render, see_other
from node.pages.session import PREFERENCES
from resources import crisis

STEPS: Final = ("country", "comfort", "expect", "groups")
GROUPS: Final = 6


def _path(step: str) -> str:
    return f"/arrival/{step}"


def _page(
    request: web.Request, step: str, problem: Problem | None = None, **parts: object
) -> web.Response:
    session.of(request)
    at = STEPS.index(step)
    return render(
        request,
        f"arrival/{step}.html",
        problem=problem,
        form=Form(),
        parts=parts,
        number=at + 1,
        count=len(STEPS),
        back=_path(STEPS[at - 1]) if at else "",
        following=_path(STEPS[at + 1]) if at + 1 < len(STEPS) else "/",
    )


async def show_country(request: web.Request) -> web.Response:
    return _country_page(request)


def _country_page(request: web.Request, problem: Problem | None = None) -> web.Response:
    chosen = look.of(request).country
    guess = look.country_of(request)
    return _page(
        request,
        "country",
        problem,
        countries=crisis.countries().values(),
        chosen=chosen or guess,
        guessed=bool(guess) and not chosen,
    )


async def save_country(request: web.Request) -> web.Response:
    """The country of help for this device: a cookie, and no row of ours (DOM-D2)."""
    session.of(request)
    code = (await forms.read(request)).text("country")
    if code and code not in crisis.countries():
        return _country_page(request, Malformed("Please choose a country of the list."))
    answer = see_other(_path("comfort"))
    look.remember(request, answer, replace(look.chosen_in(request), country=code or None))
    return answer


async def show_comfort(request: web.Request) -> web.Response:
    session.of(request)
    return _page(request, "comfort", preferences=request[PREFERENCES])


async def save_comfort(request: web.Request) -> web.Response:
    member = session.of(request).member
    form = await forms.read(request)
    try:
        theme, easier = preferences.theme_of(form), form.text("easier") == "yes"
        async with request.app[ENGINE].begin() as conn:
            wanted = await accounts.save_preferences(
                conn,
                request.app[HERE],
                member,
                lambda liked: replace(liked, theme=theme, easier=easier),
            )
    except REFUSED as problem:
        return _page(request, "comfort", problem, preferences=request[PREFERENCES])
    answer = see_other(_path("expect"))
    look.saved(request, answer, wanted)
    return answer


async def show_expect(request: web.Request) -> web.Response:
    return _page(request, "expect", node=known_site(request.app[MEMORY], request.app[HERE]))


async def show_groups(request: web.Request) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        found = await directory.page(conn, viewer, limit=GROUPS)
    return _page(request, "groups", groups=found, media=pictures.base(request, public=True))


def routes() -> list[web.RouteDef]:
    return [
        web.get(_path("country"), show_country),
        web.post(_path("country"), save_country),
        web.get(_path("comfort"), show_comfort),
        web.post(_path("comfort"), save_comfort),
        web.get(_path("expect"), show_expect),
        web.get(_path("groups"), show_groups),
    ]
