"""Logging in, with one step or two, and logging out."""

from typing import Final
from urllib.parse import quote

from aiohttp import web

from activitypub.state import ENGINE, HERE
from kernel.errors import NotAllowed, Problem
from kernel.said import noted
from members import accounts, factors, passkeys, sessions
from members.member import Member
from node.pages import forms, resuming, session
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY
from node.pages.render import render, see_other

_BY_PASSKEY: Final = "log in"
_SLOW: Final = noted("That took a while, so please start once more. What you wrote is kept.")


def log_in_address(then: str) -> str:
    """The log-in page, which goes on to `then`."""
    return "/log-in" if then == "/" else f"/log-in?then={quote(then, safe='/')}"


async def show_log_in(request: web.Request) -> web.Response:
    if session.SESSION in request:
        return see_other(forms.local_path(request.query.get("then", "/")))
    return _log_in_page(request, Form.of(then=request.query.get("then", "/")))


def _log_in_page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    return render(
        request,
        "account/log_in.html",
        form=form,
        problem=problem,
        then=resuming.then(form),
        kept=resuming.kept(form),
        wrote=resuming.has_words(form),
    )


async def ask_again(request: web.Request, problem: Problem) -> web.Response:
    """The session was over when a form came: its words wait in the log-in page's hidden fields."""
    typed = await forms.read(request)
    return _log_in_page(request, resuming.waiting(typed, request.path_qs), problem)


async def log_in(request: web.Request) -> web.Response:
    """A new session, or the second step to it; a wrong password says no more than that.

    What comes from another way in, and has no password yet, is shown the page.
    """
    form, memory = await forms.read(request), request.app[MEMORY]
    if resuming.comes_along(form, "password"):
        return _log_in_page(request, form)
    engine, here = request.app[ENGINE], request.app[HERE]
    try:
        memory.log_ins.check(forms.address_of(request))
        memory.log_ins_of.check(accounts.name_tried(form.text("login")))
        member = await accounts.log_in(engine, here, form.text("login"), form.text("password"))
    except REFUSED as problem:
        return _log_in_page(request, form, problem)
    if not (await factors.read(engine, here, member)).wanted:
        return await _let_in(request, form, member)
    half = await sessions.open_half(engine, here, member)
    return await _second_page(request, form, half)


async def _let_in(request: web.Request, form: Form, member: Member) -> web.Response:
    answer = resuming.answer(request, form)
    await session.begin(request, answer, member)
    return answer


async def _second_page(
    request: web.Request, form: Form, token: str, problem: Problem | None = None
) -> web.Response:
    engine, here = request.app[ENGINE], request.app[HERE]
    half = await sessions.read_half(engine, here, token)
    if half is None:
        return _log_in_page(request, form, NotAllowed(_SLOW))
    set_up = await factors.read(engine, here, half.member)
    asked = passkeys.challenge(here, _second_purpose(half))
    return render(
        request,
        "account/second.html",
        form=form,
        problem=problem,
        then=resuming.then(form),
        kept=resuming.kept(form),
        half=token,
        codes=set_up.totp is not None,
        passkey=passkeys.to_use(here, asked, set_up.passkeys) if set_up.passkeys else "",
    )


def _second_purpose(half: sessions.Half) -> str:
    return f"second {half.id.hex()}"


async def second(request: web.Request) -> web.Response:
    """A code of the app, or a passkey, after the right password."""
    form, memory = await forms.read(request), request.app[MEMORY]
    engine, here = request.app[ENGINE], request.app[HERE]
    token = form.text("half")
    half = await sessions.read_half(engine, here, token)
    if half is None:
        return _log_in_page(request, form, NotAllowed(_SLOW))
    try:
        memory.log_ins.check(forms.address_of(request))
        memory.log_ins_of.check(("second", half.member.account_id))
        set_up = await factors.read(engine, here, half.member)
        async with engine.begin() as conn:
            if form.text("credential"):
                answer = passkeys.read(form.text("credential"))
                await factors.check_passkey(conn, here, set_up, answer, _second_purpose(half))
            else:
                await factors.check_code(conn, here, half.member, set_up, form.text("code"))
            if not await sessions.end_half(conn, request.app[HERE], half):
                raise NotAllowed(_SLOW)
    except REFUSED as problem:
        return await _second_page(request, form, token, problem)
    return await _let_in(request, form, half.member)


async def show_by_passkey(request: web.Request) -> web.Response:
    if session.SESSION in request:
        return see_other(forms.local_path(request.query.get("then", "/")))
    return _passkey_page(request, Form.of(then=request.query.get("then", "/")))


def _passkey_page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    here = request.app[HERE]
    asked = passkeys.to_use(here, passkeys.challenge(here, _BY_PASSKEY), root=True)
    return render(
        request,
        "account/passkey.html",
        form=form,
        problem=problem,
        then=resuming.then(form),
        kept=resuming.kept(form),
        passkey=asked,
    )


async def by_passkey(request: web.Request) -> web.Response:
    """A passkey that holds the root key: no name and no password.

    What comes from another way in, and has no answer of a passkey yet, is shown the page.
    """
    form = await forms.read(request)
    if resuming.comes_along(form, "credential"):
        return _passkey_page(request, form)
    try:
        request.app[MEMORY].log_ins.check(forms.address_of(request))
        member = await accounts.log_in_by_passkey(
            request.app[ENGINE],
            request.app[HERE],
            passkeys.read(form.text("credential")),
            passkeys.read_secret(form.text("secret")),
            _BY_PASSKEY,
        )
    except REFUSED as problem:
        return _passkey_page(request, form, problem)
    return await _let_in(request, form, member)


async def log_out(request: web.Request) -> web.Response:
    await session.end(request)
    answer = see_other("/")
    session.forget(request, answer)
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def routes() -> list[web.RouteDef]:
    return [
        web.get("/log-in", show_log_in),
        web.post("/log-in", log_in),
        web.post("/log-in/second", second),
        web.get("/log-in/passkey", show_by_passkey),
        web.post("/log-in/passkey", by_passkey),
        web.post("/log-out", log_out),
    ]
