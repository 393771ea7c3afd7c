"""Drafts: kept for later, found again, gone on with, deleted."""

from dataclasses import dataclass
from typing import Final, Self

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import NotFound
from kernel.said import said
from members import drawers
from members.drawers import Kept, Which
from node.pages import forms, session
from node.pages.forms import Form
from node.pages.paging import number
from node.pages.render import render, see_other

KEEP: Final = "keep"  # the button
FIELD: Final = "draft"  # which draft the form goes on with: its number from 1, and its mark

_LEFT_OUT: Final = frozenset({KEEP, FIELD, "as", "add", "picture", "alt", "without", "undescribed"})
_FIRST_WORDS: Final = 80


@dataclass(frozen=True, slots=True)
class Line:
    """A draft in the list."""

    number: int
    field: str
    title: str
    path: str
    words: list[str]

    @classmethod
    def of(cls, kept: Kept) -> Self:
        form = Form(kept.fields)
        title = form.text("title") or form.text("text")[:_FIRST_WORDS]
        words = [form.text(name) for name in ("note", "text", "options") if form.text(name)]
        title = title or said("A draft without words")
        return cls(kept.number + 1, _field(kept.which), title, kept.path, words)


def _field(which: Which) -> str:
    return f"{which.number + 1}-{which.mark}"


def _which(form: Form) -> Which | None:
    number, _, mark = form.text(FIELD).partition("-")
    first = Form.of(number=number).number("number")
    return Which(first - 1, mark) if first else None


async def keep_if_asked(request: web.Request, form: Form) -> web.Response | None:
    """Keep what was typed, where the form was sent with the button for that. Pictures stay out.

    Raises what `drawers.keep` raises.
    """
    if not form.ticked(KEEP):
        return None
    member = session.of(request).member
    fields = {name: values for name, values in form.values.items() if name not in _LEFT_OUT}
    async with request.app[ENGINE].begin() as conn:
        here, path = request.app[HERE], request.path
        await drawers.keep(conn, here, member, path, fields, before=_which(form))
    return see_other("/waiting?kept#drafts")


async def resumed(request: web.Request) -> Form:
    """The form as a draft has it, where the address names one; otherwise an empty one."""
    asked = number(request.query.get(FIELD))
    if asked is None or session.SESSION not in request:
        return Form()
    kept = await _get(request, asked)
    if kept.path != request.path:
        raise NotFound
    return Form({**kept.fields, FIELD: (_field(kept.which),)})


async def done_with(request: web.Request, form: Form) -> None:
    """What was a draft is sent: it goes, in a transaction of its own."""
    if (which := _which(form)) is not None:
        member = session.of(request).member
        async with request.app[ENGINE].begin() as conn:
            await drawers.drop(conn, request.app[HERE], member, which)


async def _get(request: web.Request, asked: int) -> Kept:
    member = session.of(request).member
    async with request.app[READING].connect() as conn:
        return await drawers.get(conn, request.app[HERE], member, asked - 1)


def _number(request: web.Request) -> int:
    found = number(request.match_info["number"])
    if found is None:
        raise NotFound
    return found


async def show(request: web.Request) -> web.Response:
    """GET /drafts/{number}: the words, which stay readable wherever they were meant for."""
    kept = await _get(request, _number(request))
    return render(request, "waiting/draft.html", draft=Line.of(kept))


async def delete(request: web.Request) -> web.Response:
    """POST /drafts/{number}/delete: the draft that the page showed; a newer one stays."""
    session.of(request)
    await done_with(request, await forms.read(request))
    return see_other("/waiting#drafts")


async def lines(request: web.Request) -> list[Line]:
    """The member's drafts."""
    member = session.of(request).member
    async with request.app[READING].connect() as conn:
        return [Line.of(each) for each in await drawers.mine(conn, request.app[HERE], member)]


def routes() -> list[web.RouteDef]:
    return [
        web.get("/drafts/{number}", show),
        web.post("/drafts/{number}/delete", delete),
    ]
