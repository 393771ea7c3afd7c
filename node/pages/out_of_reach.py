"""Whom a member cannot reach for now, since this node talks with their servers no more (MOD-5.9).

Worked out for each request out of what the member's names were tied to: no address, title or file
name says whose it is, and nobody else can open it.
"""

import base64
import binascii
import csv
import io
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from activitypub.state import ENGINE, READING
from kernel.errors import NotFound
from kernel.sealing import Unsealable, seal, unseal
from members import out_of_reach
from members.out_of_reach import MAX_SAVED, PAGE, Tie
from node.pages import forms, session
from node.pages.render import render, see_other

PATH: Final = "/out-of-reach"
_ID_BYTES: Final = 16
_CONTEXT: Final = "out of reach 1"


async def show(request: web.Request) -> web.Response:
    """GET /out-of-reach."""
    key = session.of(request).key
    text = request.query.get("after", "")
    after = _place(key, text) if text else None
    async with request.app[READING].connect() as conn:
        voices = (await session.viewer(conn, request)).voices
        found = await out_of_reach.listed(conn, voices, after=after)

    def place(tie: Tie) -> str:
        return _text(key, tie)

    more = f"{PATH}?{urlencode({'after': place(found[-1])})}" if len(found) == PAGE else ""
    return render(
        request, "impact/out_of_reach.html", ties=found, more=more, first=not text, place=place
    )


def _text(key: bytes, tie: Tie) -> str:
    """Where a tie stands, for this session alone: it names a persona (DESIGN-V1)."""
    sealed = seal(key, b"".join(each.bytes for each in tie.place), _CONTEXT)
    return base64.urlsafe_b64encode(sealed).decode()


def _place(key: bytes, text: str) -> tuple[UUID, UUID]:
    """Raises NotFound: another session's, or none."""
    try:
        found = unseal(key, base64.urlsafe_b64decode(text.encode("ascii")), _CONTEXT)
    except (UnicodeEncodeError, binascii.Error, Unsealable) as error:
        raise NotFound from error
    return UUID(bytes=found[:_ID_BYTES]), UUID(bytes=found[_ID_BYTES:])


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
    key = session.of(request).key
    form = await forms.read(request)
    place = _place(key, form.text("tie"))
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
