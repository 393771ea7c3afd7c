"""A member's own settings: how pages look, the password, and leaving for good."""

from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from activitypub.state import ENGINE, HERE
from kernel.errors import Malformed, Problem
from kernel.languages import LANGUAGES
from members import accounts
from members.member import Cover, Theme
from members.vault import MIN_PASSWORD
from moderation import labels
from node.pages import forms, look, session
from node.pages.catalogues import LANGUAGES as TONGUES
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY
from node.pages.render import render, see_other
from node.pages.session import PREFERENCES


async def show(request: web.Request) -> web.Response:
    session.of(request)
    return _page(request)


def _page(
    request: web.Request, problem: Problem | None = None, *, saved: bool = False
) -> web.Response:
    return render(
        request,
        "account/settings.html",
        problem=problem,
        preferences=request[PREFERENCES],
        reading=Form({"languages": request[PREFERENCES].languages}),
        languages=LANGUAGES,
        themes=look.THEMES,
        tongues=TONGUES,
        min_password=MIN_PASSWORD,
        saved=saved or "saved" in request.query,
    )


async def save(request: web.Request) -> web.Response:
    member = session.of(request).member
    form = await forms.read(request)
    try:
        wanted = replace(
            request[PREFERENCES],
            theme=theme_of(form),
            languages=tuple(form.all("languages")),
            easier=form.text("easier") == "yes",
            private=form.text("private") == "yes",
            card=form.text("card") == "yes",
            language=_language(form),
        )
        async with request.app[ENGINE].begin() as conn:
            await accounts.save_preferences(conn, request.app[HERE], member, wanted)
    except REFUSED as problem:
        return _page(request, problem)
    answer = see_other("/settings?saved")
    look.saved(request, answer, wanted)
    return answer


def _language(form: Form) -> str:
    """One of ours, or nothing: as the browser says."""
    asked = form.text("language")
    return asked if asked in LANGUAGES else ""


async def save_reading(request: web.Request) -> web.Response:
    """POST /settings/reading: what is shown, in which languages, and whether hints are given."""
    member = session.of(request).member
    form = await forms.read(request)
    try:
        wanted = replace(
            request[PREFERENCES],
            languages=tuple(form.all("languages")),
            covers=_covers(form),
            hints=form.ticked("hints"),
        )
        async with request.app[ENGINE].begin() as conn:
            await accounts.save_preferences(conn, request.app[HERE], member, wanted)
    except REFUSED as problem:
        return _page(request, problem)
    return see_other("/settings?saved")


def _covers(form: Form) -> Mapping[str, Cover]:
    """What was chosen for each label; folding is the usual, and is not kept."""
    found = {label: form.text(f"cover-{label}") for label in labels.FOR_AUTHORS}
    try:
        chosen = {label: Cover(value) for label, value in found.items() if value}
    except ValueError as error:
        raise Malformed("Please choose how posts with a content note should look.") from error
    return {label: cover for label, cover in chosen.items() if cover is not Cover.FOLD}


def theme_of(form: Form) -> Theme:
    """Light or dark. Raises Malformed: neither."""
    try:
        return Theme(form.text("theme"))
    except ValueError as error:
        raise Malformed("Please choose how pages should look.") from error


async def change_password(request: web.Request) -> web.Response:
    """Every session ends, and this browser gets a new one (SEC-A4)."""
    member = session.of(request).member
    form = await forms.read(request)
    try:
        request.app[MEMORY].log_ins_of.check(member.account_id)
        await accounts.change_password(
            request.app[ENGINE],
            request.app[HERE],
            member,
            form.text("old_password"),
            form.text("password"),
        )
    except REFUSED as problem:
        return _page(request, problem)
    answer = see_other("/settings?saved")
    await session.begin(request, answer, member)
    return answer


async def show_close(request: web.Request) -> web.Response:
    session.of(request)
    return render(request, "account/close.html")


async def close(request: web.Request) -> web.Response:
    """The account goes now; its names follow, each on a day of its own."""
    member = session.of(request).member
    form = await forms.read(request)
    try:
        request.app[MEMORY].log_ins_of.check(member.account_id)
        await accounts.close(request.app[ENGINE], request.app[HERE], member, form.text("password"))
    except REFUSED as problem:
        return render(request, "account/close.html", problem=problem)
    del request[session.SESSION]
    answer = render(request, "account/closed.html")
    session.forget(request, answer)
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


def routes() -> list[web.RouteDef]:
    return [
        web.get("/settings", show),
        web.post("/settings", save),
        web.post("/settings/reading", save_reading),
        web.post("/settings/password", change_password),
        web.get("/settings/close", show_close),
        web.post("/settings/close", close),
    ]
