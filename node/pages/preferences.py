"""A member's own settings: how pages look, the password, and leaving for good."""

from dataclasses import replace

from aiohttp import web

from activitypub.state import ENGINE, HERE
from kernel.errors import Malformed, Problem
from members import accounts
from members.member import Theme
from members.vault import MIN_PASSWORD
from node.pages import forms, session
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
        min_password=MIN_PASSWORD,
        saved=saved or "saved" in request.query,
    )


async def save(request: web.Request) -> web.Response:
    member = session.of(request).member
    form = await forms.read(request)
    try:
        languages = tuple(form.all("languages"))
        wanted = replace(request[PREFERENCES], theme=theme_of(form), languages=languages)
        async with request.app[ENGINE].begin() as conn:
            await accounts.save_preferences(conn, request.app[HERE], member, wanted)
    except REFUSED as problem:
        return _page(request, problem)
    return see_other("/settings?saved")


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
        web.post("/settings/password", change_password),
        web.get("/settings/close", show_close),
        web.post("/settings/close", close),
    ]
