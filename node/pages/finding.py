"""Finding posts by their words. What somebody looks for is sent in a form, so no address, no
history and no log of a proxy holds it, and it is kept nowhere here.
"""

from typing import Final

from aiohttp import web

from activitypub.state import READING
from groups import finding
from kernel.errors import Problem
from kernel.sealing import derive
from node.pages import forms, session
from node.pages.forms import Form
from node.pages.lines import kept_posts
from node.pages.memory import MEMORY
from node.pages.paging import number
from node.pages.render import render
from node.pages.session import PREFERENCES

PAGE: Final = 20


async def show(request: web.Request) -> web.Response:
    session.of(request)
    return _page(request, Form.of(words=""))


async def find(request: web.Request) -> web.Response:
    """A page of what was found, newest first; it changes nothing."""
    member = session.of(request).member
    form = await forms.read(request)
    words = " ".join(form.text("words").split())[: finding.MAX_WORDS]
    if not words:
        return _page(request, form)
    try:
        request.app[MEMORY].findings.check(derive(member.root, "finding throttle"))
    except Problem as problem:
        return _page(request, form, problem)
    before = number(form.text("before"))
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        found = await finding.find(
            conn,
            words,
            request[PREFERENCES].languages,
            viewer,
            before=before,
            limit=PAGE + 1,
        )
    lines = found[:PAGE]
    return render(
        request,
        "threads/find.html",
        form=Form.of(words=words),
        lines=kept_posts(request, lines),
        older=lines[-1].id if len(found) > PAGE else None,
        first=before is None,
        problem=None,
    )


def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    """The form, before anything was looked for."""
    return render(request, "threads/find.html", form=form, problem=problem, lines=None)


def routes() -> list[web.RouteDef]:
    return [web.get("/find", show), web.post("/find", find)]
