"""What belongs to one name: taking it along, speaking openly under it, closing it."""

import asyncio
import tempfile
from typing import IO, Final

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import receipts
from activitypub.actors import Actor
from activitypub.state import ENGINE, HERE, READING, SETTINGS
from groups import closing
from kernel.errors import Busy, NotAllowed, NotFound, Problem
from kernel.schema.tables import care_objections
from members import accounts, openness, order
from members import personas as persona_store
from members.receipts import code_of
from moderation.care import objections
from moderation.standing import Speaker
from node import export
from node.pages import forms, headers, session
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY
from node.pages.receipts import PAGE
from node.pages.render import render, see_other
from node.pictures import STORE

AT_ONCE: Final = 2  # archives that one process writes side by side

_PIECE: Final = 64 * 1024
_PATIENCE: Final = 60.0  # seconds in which a browser takes a piece
WRITERS = web.AppKey("archive writers", asyncio.Semaphore)


async def own(conn: AsyncConnection, request: web.Request) -> Speaker:
    """The name in the address, which is the member's own and open. Raises SignedOut, NotFound."""
    member = session.of(request).member
    voices = await session.voices(conn, request)
    for each in voices.mine:
        if each.actor.handle == request.match_info["name"]:
            return await persona_store.speaker(conn, member, each.actor.id)
    raise NotFound


async def own_or_stopped(conn: AsyncConnection, request: web.Request) -> Actor:
    """As `own`, and of a name that is stopped too: its member reads what was decided about it."""
    for each in (await session.voices(conn, request)).stopped:
        if each.handle == request.match_info["name"]:
            return each
    return (await own(conn, request)).actor


async def show(request: web.Request) -> web.Response:
    """GET /personas/{name}/settings: what can be done with one name."""
    return await _page(request)


async def _page(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    today = request.app[HERE].now().date()
    async with request.app[READING].connect() as conn:
        mine = await own(conn, request)
        told = await receipts.summary(conn, mine.id)
        servers = await receipts.page(conn, mine.id, after="", limit=PAGE)
        objects = await objections.among(conn, request.app[HERE], [mine.id])
    opens_on = mine.actor.opens_on
    return render(
        request,
        "personas/own.html",
        form=form,
        problem=problem,
        person=mine.actor,
        one_time=mine.one_time,
        waits=opens_on is not None and not mine.actor.open,
        ends_on=openness.ends_on(opens_on) if opens_on else None,
        again=opens_on is not None and mine.actor.open and opens_on < today,
        told=told,
        servers=servers,
        objects=bool(objects),
        code=code_of(request.app[HERE], mine.id),
    )


async def _confirmed(request: web.Request) -> Speaker:
    """The name, once the password was right. Raises NotAllowed, TooMany, NotFound, SignedOut."""
    member = session.of(request).member
    form = await forms.read(request)
    async with request.app[READING].connect() as conn:
        mine = await own(conn, request)
    request.app[MEMORY].log_ins_of.check(member.account_id)
    await accounts.confirm(request.app[ENGINE], request.app[HERE], member, form.text("password"))
    return mine


async def take_along(request: web.Request) -> web.StreamResponse:
    """POST /personas/{name}/archive: everything of this name, and of no other one."""
    try:
        mine = await _confirmed(request)
        request.app[MEMORY].exports.check(session.of(request).member.account_id)
        writers = request.app[WRITERS]
        if writers.locked():
            raise Busy("Other archives are being written. Please try again.", retry_after=30)
    except REFUSED as problem:
        return await _page(request, await forms.read(request), problem)
    folder = request.app[SETTINGS].data_dir
    with tempfile.TemporaryFile(dir=folder) as file:
        async with writers:
            await export.write(
                file,
                request.app[ENGINE],
                request.app[HERE],
                request.app[STORE],
                mine.actor,
                folder=folder,
            )
        return await _send(request, file)


async def _send(request: web.Request, file: IO[bytes]) -> web.StreamResponse:
    """The file, piece by piece; a browser that takes none for a minute gets no more."""
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "application/zip",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{export.NAME}"',
            hdrs.CONTENT_LENGTH: str(file.seek(0, 2)),
            hdrs.CACHE_CONTROL: "no-store",
            **headers.ALWAYS,
        }
    )
    file.seek(0)
    await response.prepare(request)
    while piece := await asyncio.to_thread(file.read, _PIECE):
        async with asyncio.timeout(_PATIENCE):
            await response.write(piece)
    await response.write_eof()
    return response


async def show_close(request: web.Request) -> web.Response:
    """GET /personas/{name}/close: what closing means."""
    return await _close_page(request)


async def _close_page(request: web.Request, problem: Problem | None = None) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        mine = await own(conn, request)
    return render(request, "personas/close.html", problem=problem, person=mine.actor)


async def close(request: web.Request) -> web.Response:
    """POST /personas/{name}/close: the name speaks no more from now on; the receipt's code."""
    here = request.app[HERE]
    try:
        mine = await _confirmed(request)
    except REFUSED as problem:
        return await _close_page(request, problem)
    async with request.app[ENGINE].begin() as conn:
        await closing.begin(conn, here, mine.actor)
    request.pop(session.VOICES, None)
    return render(request, "personas/closed.html", person=mine.actor, code=code_of(here, mine.id))


async def show_open(request: web.Request) -> web.Response:
    """GET /personas/{name}/open: what speaking openly risks, before anybody says yes."""
    return await _open_page(request)


async def _open_page(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        mine = await own(conn, request)
    return render(request, "personas/open.html", form=form, problem=problem, person=mine.actor)


async def open_up(request: web.Request) -> web.Response:
    """POST /personas/{name}/open: yes, from the second midnight on and for a year."""
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            mine = await own(conn, request)
            if not form.ticked("understood"):
                raise NotAllowed("Please tick that you have read what can happen.")
            await openness.consent(conn, request.app[HERE], mine)
    except REFUSED as problem:
        return await _open_page(request, form, problem)
    return see_other(f"/personas/{mine.actor.handle}/settings")


async def take_back(request: web.Request) -> web.Response:
    """POST /personas/{name}/withdraw: not any more, at once; no password, no question."""
    async with request.app[ENGINE].begin() as conn:
        mine = await own(conn, request)
        await openness.withdraw(conn, request.app[HERE], mine.actor)
    return see_other(f"/personas/{mine.actor.handle}/settings")


async def read_sooner(request: web.Request) -> web.Response:
    """POST /personas/{name}/read-sooner: whether a list of phrases may look through its posts."""
    form, here = await forms.read(request), request.app[HERE]
    async with request.app[ENGINE].begin() as conn:
        mine = await own(conn, request)
        await objections.choose(conn, here, mine.id, objects=form.text("may") == "no")
        await order.call(conn, care_objections)
    return see_other(f"/personas/{mine.actor.handle}/settings")


def prepare(app: web.Application) -> None:
    """Give a node's application the places where archives are written."""
    app[WRITERS] = asyncio.Semaphore(AT_ONCE)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/personas/{name}/settings", show),
        web.post("/personas/{name}/archive", take_along),
        web.get("/personas/{name}/close", show_close),
        web.post("/personas/{name}/close", close),
        web.get("/personas/{name}/open", show_open),
        web.post("/personas/{name}/open", open_up),
        web.post("/personas/{name}/withdraw", take_back),
        web.post("/personas/{name}/read-sooner", read_sooner),
    ]
