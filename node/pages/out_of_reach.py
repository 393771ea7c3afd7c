"""Whom a member cannot reach for now, since this node talks with their servers no more (MOD-5.9).

Worked out for each request out of what the member's names were tied to: no address, title or file
name says whose it is, and nobody else can open it.
"""

import csv
import io
from typing import Final
from uuid import UUID

from aiohttp import web

from activitypub.state import ENGINE, READING
from kernel.errors import NotFound
from members import out_of_reach
from members.out_of_reach import MAX_SAVED, PAGE, Tie
from node.pages import forms, session
from node.pages.render import render, see_other

PATH: Final = "/out-of-reach"


async def show(request: web.Request) -> web.Response:
    """GET /out-of-reach."""
    session.of(request)
    after = _place(request.query.get("after"))
    async with request.app[READING].connect() as conn:
        voices = (await session.viewer(conn, request)).voices
        found = await out_of_reach.listed(conn, voices, after=after)
    more = f"{PATH}?after={_text(found[-1])}" if len(found) == PAGE else ""
    return render(
        request, "impact/out_of_reach.html", ties=found, more=more, first=after is None, place=_text
    )


def _text(tie: Tie) -> str:
    return "_".join(str(each) for each in tie.place)


def _place(text: str | None) -> tuple[UUID, UUID] | None:
    """Raises NotFound: it names no two."""
    if not text:
        return None
    try:
        one, other = (UUID(each) for each in text.split("_"))
    except ValueError as error:
        raise NotFound from error
    return one, other


async def save(request: web.Request) -> web.Response:
    """POST /out-of-reach/file: whom the member's names followed, to follow them elsewhere."""
    session.of(request)
    await forms.read(request)
    async with request.app[READING].connect() as conn:
        voices = (await session.viewer(conn, request)).voices
        found = await out_of_reach.listed(conn, voices, limit=MAX_SAVED)
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(["Account address"])
    lines.writerows([tie.address.removeprefix("@")] for tie in found if tie.outward)
    return web.Response(
        text=text.getvalue(),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": 'attachment; filename="follows.csv"'},
    )


async def let_go(request: web.Request) -> web.Response:
    """POST /out-of-reach: one of them is not to come back."""
    session.of(request)
    form = await forms.read(request)
    place = _place(form.text("tie"))
    if place is None:
        raise NotFound
    async with request.app[READING].connect() as conn:
        voices = (await session.viewer(conn, request)).voices
    async with request.app[ENGINE].begin() as conn:
        await out_of_reach.let_go(conn, voices, *place)
    return see_other(PATH)


def routes() -> list[web.RouteDef]:
    return [
        web.get(PATH, show),
        web.post(PATH, let_go),
        web.post(PATH + "/file", save),
    ]
