"""Pages for those who look after others: what they carry, and how what they gave away ended.

Nothing that they write here is kept: the page shows it once, to be printed or copied (DOM-H3).
"""

from typing import Final
from uuid import UUID

from aiohttp import web

from activitypub.state import ENGINE, HERE
from kernel.said import noted
from members import accounts
from members.member import MAX_HANDED
from node.pages import forms, session
from node.pages.forms import Form
from node.pages.paging import uuid
from node.pages.render import render, see_other

MAX_WORDS: Final = 2_000  # letters of one answer
QUESTIONS: Final = {
    "happened": noted("What was it about, in a few words and without names?"),
    "feels": noted("How is it in you now: in your body, in your thoughts?"),
    "helped": noted("What did you do that was good for somebody?"),
    "lets_go": noted("What was not yours to carry, and can stay there?"),
    "next": noted("What is good for you in the next hour, and whom can you talk to?"),
}


async def show(request: web.Request) -> web.Response:
    """GET /moderation/debrief: some questions after a hard case, for whoever is signed in."""
    return _page(request, Form())


async def write(request: web.Request) -> web.Response:
    """POST /moderation/debrief: the answers as a page to print; they are stored nowhere."""
    session.of(request)
    form = await forms.read(request)
    return _page(request, form, written=any(form.text(each).strip() for each in QUESTIONS))


def _page(request: web.Request, form: Form, *, written: bool = False) -> web.Response:
    session.of(request)
    return render(
        request,
        "cases/debrief.html",
        form=form,
        written=written,
        questions=QUESTIONS,
        limit=MAX_WORDS,
        headers={"Cache-Control": "no-store"},
    )


async def heard(request: web.Request) -> web.Response:
    """POST /moderation/heard: they have read what came of what they gave to others."""
    member, here = session.of(request).member, request.app[HERE]
    form = await forms.read(request)
    read = {each for each in map(uuid, form.all("case")[:MAX_HANDED]) if isinstance(each, UUID)}
    async with request.app[ENGINE].begin() as conn:
        await accounts.change(conn, here, member, lambda blob: blob.without_handed(read))
    return see_other(forms.local_path(form.text("back") or "/"))


def routes() -> list[web.RouteDef]:
    return [
        web.get("/moderation/debrief", show),
        web.post("/moderation/debrief", write),
        web.post("/moderation/heard", heard),
    ]
