"""Where a member is logged in: how many places, and the end of each (SEC-A4).

Nothing stored says when or from where somebody came, so each place is called by two random words.
"""

import base64
import binascii
from dataclasses import dataclass

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import Malformed, Problem
from kernel.sealing import Unsealable, seal, unseal
from members import sessions
from members.handles import words_of
from members.sessions import Session
from node.pages import forms, session
from node.pages.forms import REFUSED
from node.pages.render import render, see_other

_HERE = "/settings/sessions"
_ONE = "a session to end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One session of the member; `token` names it in a form of this session alone."""

    words: str
    token: str
    here: bool


async def show(request: web.Request) -> web.Response:
    return await _page(request)


async def _page(request: web.Request, problem: Problem | None = None) -> web.Response:
    current = session.of(request)
    async with request.app[READING].connect() as conn:
        found = await sessions.of_member(conn, request.app[HERE], current.member)
    places = [
        Place(words=words_of(each), token=_sealed(current, each), here=each == current.id)
        for each in found
    ]
    return render(
        request,
        "account/sessions.html",
        problem=problem,
        places=sorted(places, key=lambda place: not place.here),
        weeks=sessions.LASTS.days // 7,
    )


async def end(request: web.Request) -> web.Response:
    """One place, or every other one."""
    current, here = session.of(request), request.app[HERE]
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            if form.ticked("others"):
                await sessions.end_others(conn, here, current)
            else:
                one = _opened(current, form.text("one"))
                await sessions.end_one(conn, here, current.member, one)
    except REFUSED as problem:
        return await _page(request, problem)
    return see_other(_HERE)


def _sealed(current: Session, session_id: bytes) -> str:
    return base64.urlsafe_b64encode(seal(current.key, session_id, _ONE)).decode()


def _opened(current: Session, token: str) -> bytes:
    """Raises Malformed: not from a page of this session."""
    try:
        return unseal(current.key, base64.urlsafe_b64decode(token), _ONE)
    except (Unsealable, binascii.Error, ValueError) as error:
        raise Malformed("This page is old. Please open it again; then it works.") from error


def routes() -> list[web.RouteDef]:
    return [web.get(_HERE, show), web.post(_HERE, end)]
