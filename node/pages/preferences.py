"""A member's own settings: how pages look, the password, and leaving for good."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import Malformed, Problem
from kernel.languages import LANGUAGES
from kernel.release import MAX_UNDO, Timing
from members import accounts, personas
from members.member import Cover, Preferences, Theme
from members.receipts import code_of
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
    session.of(request)
    form = await forms.read(request)
    try:
        theme = theme_of(form)
        wanted = await _keep(
            request,
            lambda liked: replace(
                liked,
                theme=theme,
                languages=tuple(form.all("languages")),
                easier=form.text("easier") == "yes",
                private=form.text("private") == "yes",
                card=form.text("card") == "yes",
                language=_language(form),
            ),
        )
    except REFUSED as problem:
        return _page(request, problem)
    answer = see_other("/settings?saved")
    look.saved(request, answer, wanted)
    return answer


async def _keep(request: web.Request, edit: Callable[[Preferences], Preferences]) -> Preferences:
    """Change some of what the member likes; what another page changes meanwhile stays."""
    member = session.of(request).member
    async with request.app[ENGINE].begin() as conn:
        return await accounts.save_preferences(conn, request.app[HERE], member, edit)


def _language(form: Form) -> str:
    """One of ours, or nothing: as the browser says."""
    asked = form.text("language")
    return asked if asked in TONGUES else ""


async def save_reading(request: web.Request) -> web.Response:
    """POST /settings/reading: what is shown, in which languages, and whether hints are given."""
    session.of(request)
    form = await forms.read(request)
    try:
        languages, covers = tuple(form.all("languages")), _covers(form)
        await _keep(
            request,
            lambda liked: replace(
                liked,
                languages=languages,
                covers=covers,
                hints=form.ticked("hints"),
                stories=form.ticked("stories"),
            ),
        )
    except REFUSED as problem:
        return _page(request, problem)
    return see_other("/settings?saved")


def _covers(form: Form) -> Mapping[str, Cover]:
    """What was chosen for each label; where it is as usual, the group of a post has its say."""
    found = {label: form.text(f"cover-{label}") for label in labels.FOR_READERS}
    try:
        return {label: Cover(value) for label, value in found.items() if value}
    except ValueError as error:
        raise Malformed("Please choose how posts with a content note should look.") from error


async def show_timing(request: web.Request) -> web.Response:
    session.of(request)
    chosen = request[PREFERENCES].timing
    form = Form.of(
        undo=str(chosen.undo),
        clock=str(chosen.night or 0),
        hold="" if chosen.night is None else "yes",
    )
    return _timing_page(request, form, saved="saved" in request.query)


def _timing_page(
    request: web.Request, form: Form, problem: Problem | None = None, *, saved: bool = False
) -> web.Response:
    now = request.app[HERE].now()
    return render(
        request,
        "waiting/timing.html",
        form=form,
        problem=problem,
        saved=saved,
        most=MAX_UNDO,
        clocks={offset: _clock(now, offset) for offset in _CLOCKS},
    )


def _clock(now: datetime, offset: int) -> str:
    """What a clock shows that is so many minutes before UTC's: `14:05 (UTC+2)`."""
    there, (hours, minutes) = now + timedelta(minutes=offset), divmod(abs(offset), 60)
    ahead = f"{'-' if offset < 0 else '+'}{hours}" + (f":{minutes:02}" if minutes else "")
    return f"{there.hour:02}:{there.minute:02} (UTC{ahead if offset else ''})"


_CLOCKS: Final = sorted({*range(-12 * 60, 14 * 60 + 1, 30), 5 * 60 + 45, 8 * 60 + 45, 12 * 60 + 45})


async def save_timing(request: web.Request) -> web.Response:
    """POST /settings/timing: when what this member posts goes out."""
    session.of(request)
    form = await forms.read(request)
    try:
        night = _offset(form) if form.ticked("hold") else None
        chosen = Timing(undo=form.number("undo"), night=night)
        await _keep(request, lambda liked: replace(liked, timing=chosen))
    except REFUSED as problem:
        return _timing_page(request, form, problem)
    return see_other("/settings/timing?saved")


def _offset(form: Form) -> int:
    try:
        return int(form.text("clock"))
    except ValueError as error:
        raise Malformed("Please choose your time from the list.") from error


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
    """The account goes now; its names follow, each on a random day, and each has a receipt."""
    member, here = session.of(request).member, request.app[HERE]
    form = await forms.read(request)
    try:
        request.app[MEMORY].log_ins_of.check(member.account_id)
        async with request.app[READING].connect() as conn:
            mine = await personas.mine(conn, member)
        await accounts.close(request.app[ENGINE], here, member, form.text("password"))
    except REFUSED as problem:
        return render(request, "account/close.html", problem=problem)
    del request[session.SESSION]
    codes = [(each.actor.address, code_of(here, each.actor.id)) for each in mine]
    answer = render(request, "account/closed.html", codes=codes)
    session.forget(request, answer)
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


def routes() -> list[web.RouteDef]:
    return [
        web.get("/settings", show),
        web.post("/settings", save),
        web.post("/settings/reading", save_reading),
        web.get("/settings/timing", show_timing),
        web.post("/settings/timing", save_timing),
        web.post("/settings/password", change_password),
        web.get("/settings/close", show_close),
        web.post("/settings/close", close),
    ]
