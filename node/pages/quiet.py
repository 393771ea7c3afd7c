"""What a member would rather not read: choosing it at a post, and one page that undoes it all.

Only the member's sealed blob changes. No count, page or document of anybody else's does (SEC-U8).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from aiohttp import web

from activitypub import actors as actor_store
from activitypub.state import ENGINE, HERE, READING
from groups import browsing
from kernel.errors import Malformed, Problem
from kernel.said import noted, said
from members import accounts
from members.quiet import (
    MAX_SERVER,
    MAX_WORD,
    Person,
    Quiet,
    Thread,
)
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.posts import Found, find
from node.pages.render import render, see_other

_LONG: Final[Mapping[str, timedelta | None]] = {
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
    "ever": None,
}
_LONG_WORDS: Final = {
    "day": noted("A day"),
    "week": noted("A week"),
    "month": noted("A month"),
    "ever": noted("Until I change it"),
}


async def show(request: web.Request) -> web.Response:
    """GET /p/{id}/quiet."""
    return await _page(request, Form())


async def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
    return render(
        request,
        "quiet/post.html",
        form=form,
        problem=problem,
        parent=found.shown,
        options=_options(found),
        long=_LONG_WORDS,
    )


def _options(found: Found) -> Mapping[str, str]:
    """What can be chosen at a post, by how much of it goes."""
    post, who = found.post, found.post.author_name
    options: dict[str, str] = {}
    if not found.shown.mine and not post.by_group:
        options["mute"] = said(
            "Fold what {who} writes, and tell me nothing of it. I can still open it.", who=who
        )
        options["block"] = said(
            "Hide everything that {who} writes, and tell me nothing of it.", who=who
        )
    options["thread"] = noted("Tell me nothing more of this thread, and leave it out of my lists.")
    if not post.author_local:
        options["server"] = said("Hide everything from the server {host}.", host=post.author_host)
    return options


async def choose(request: web.Request) -> web.Response:
    """POST /p/{id}/quiet."""
    member, here = session.of(request).member, request.app[HERE]
    form = await forms.read(request)
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
    try:
        change = _chosen(found, form, here.now().date())
        async with request.app[ENGINE].begin() as conn:
            await accounts.change(
                conn, here, member, lambda blob: replace(blob, quiet=change(blob.quiet))
            )
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other("/settings/quiet?saved")


def _chosen(found: Found, form: Form, today: date) -> Callable[[Quiet], Quiet]:
    """Raises Malformed: nothing was chosen, or not one of what is offered."""
    what, length = form.text("what"), form.text("long")
    if what not in _options(found) or length not in _LONG:
        raise Malformed("Please choose what you would like less of, and for how long.")
    span, post = _LONG[length], found.post
    until = None if span is None else today + span
    if what == "thread":
        return lambda quiet: quiet.with_thread(Thread(id=post.thread_id, until=until))
    if what == "server":
        return lambda quiet: quiet.with_server(post.author_host.partition(":")[0])
    person = Person(id=post.author_id, blocked=what == "block", until=until)
    return lambda quiet: quiet.with_person(person)


async def show_all(request: web.Request) -> web.Response:
    """GET /settings/quiet."""
    return await _list(request, Form())


async def _list(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    quiet = session.of(request).quiet.on(request.app[HERE].now().date())
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        people = await actor_store.several(conn, [each.id for each in quiet.people])
        titles = await browsing.titles(conn, viewer, [each.id for each in quiet.threads])
    return render(
        request,
        "quiet/index.html",
        form=form,
        problem=problem,
        quiet=quiet,
        people=people,
        titles=titles,
        limits={"word": MAX_WORD, "server": MAX_SERVER},
        saved="saved" in request.query,
    )


async def add(request: web.Request) -> web.Response:
    """POST /settings/quiet: a word or a server."""
    form = await forms.read(request)
    if form.text("kind") == "server":
        return await _change(request, form, lambda quiet: quiet.with_server(form.text("server")))
    return await _change(request, form, lambda quiet: quiet.with_word(form.text("word")))


async def undo(request: web.Request) -> web.Response:
    """POST /settings/quiet/undo."""
    form = await forms.read(request)
    kind, key = form.text("kind"), form.text("key")
    return await _change(request, form, lambda quiet: quiet.without(kind, key))


async def _change(
    request: web.Request, form: Form, change: Callable[[Quiet], Quiet]
) -> web.Response:
    member, here = session.of(request).member, request.app[HERE]
    try:
        async with request.app[ENGINE].begin() as conn:
            await accounts.change(
                conn, here, member, lambda blob: replace(blob, quiet=change(blob.quiet))
            )
    except REFUSED as problem:
        return await _list(request, form, problem)
    return see_other("/settings/quiet?saved")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/p/{id}/quiet", show),
        web.post("/p/{id}/quiet", choose),
        web.get("/settings/quiet", show_all),
        web.post("/settings/quiet", add),
        web.post("/settings/quiet/undo", undo),
    ]
