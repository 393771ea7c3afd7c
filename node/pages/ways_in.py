"""A member's ways in: codes of an app and passkeys beside the password, set up and taken away."""

import base64
import binascii

from aiohttp import web

from activitypub.state import ENGINE, HERE
from kernel.errors import Malformed, Problem
from kernel.sealing import Unsealable, seal, unseal
from members import accounts, factors, passkeys, totp
from members.factors import MAX_PASSKEYS, Factors
from members.sessions import Session
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY, known_site
from node.pages.render import render, see_other

_HERE = "/settings/ways-in"
_NEW_CODES = "new codes"


async def show(request: web.Request) -> web.Response:
    return await _page(request)


async def _page(request: web.Request, problem: Problem | None = None) -> web.Response:
    member = session.of(request).member
    set_up = await factors.read(request.app[ENGINE], request.app[HERE], member)
    return render(
        request,
        "account/ways_in.html",
        problem=problem,
        set_up=set_up,
        most=MAX_PASSKEYS,
        saved="saved" in request.query,
    )


async def change(request: web.Request) -> web.Response:
    """The password, and what to do: set something up on a page of its own, or take it away."""
    current = session.of(request)
    form, engine, here = await forms.read(request), request.app[ENGINE], request.app[HERE]
    try:
        request.app[MEMORY].log_ins_of.check(current.member.account_id)
        await accounts.confirm(engine, here, current.member, form.text("password"))
        match form.text("do"):
            case "codes":
                return _codes_page(request, totp.new_secret())
            case "passkey":
                return await _passkey_page(request)
            case "no-codes":
                async with engine.begin() as conn:
                    await factors.set_totp(conn, here, current.member, None)
            case other:
                at = int(other) - 1 if other.isascii() and other.isdecimal() else -1
                set_up = await factors.read(engine, here, current.member)
                if not 0 <= at < len(set_up.passkeys):
                    raise Malformed("Please choose what to change.")
                async with engine.begin() as conn:
                    await factors.remove_passkey(conn, here, current.member, set_up.passkeys[at].id)
    except REFUSED as problem:
        return await _page(request, problem)
    return see_other(f"{_HERE}?saved")


def _codes_page(
    request: web.Request, secret: bytes, problem: Problem | None = None
) -> web.Response:
    name = known_site(request.app[MEMORY], request.app[HERE]).name
    sealed = seal(session.of(request).key, secret, _NEW_CODES)
    return render(
        request,
        "account/codes.html",
        problem=problem,
        shown=totp.shown(secret),
        link=totp.link(secret, name),
        sealed=base64.urlsafe_b64encode(sealed).decode(),
    )


def _secret_of(current: Session, form: Form) -> bytes:
    """Raises Malformed: the page is not one that this session was given after its password."""
    try:
        return unseal(current.key, base64.urlsafe_b64decode(form.text("sealed")), _NEW_CODES)
    except (Unsealable, binascii.Error, ValueError) as error:
        raise Malformed("This page is old. Please open it again; then it works.") from error


async def set_up_codes(request: web.Request) -> web.Response:
    """The first code of the app shows that it works; from now on it is asked for."""
    current = session.of(request)
    form, engine, here = await forms.read(request), request.app[ENGINE], request.app[HERE]
    try:
        secret = _secret_of(current, form)
    except Malformed as problem:
        return await _page(request, problem)
    try:
        request.app[MEMORY].log_ins_of.check(("second", current.member.account_id))
        async with engine.begin() as conn:
            member = current.member
            await factors.check_code(conn, here, member, Factors(totp=secret), form.text("code"))
            await factors.set_totp(conn, here, member, secret)
    except REFUSED as problem:
        return _codes_page(request, secret, problem)
    return see_other(f"{_HERE}?saved")


async def _passkey_page(request: web.Request) -> web.Response:
    current, here = session.of(request), request.app[HERE]
    async with request.app[ENGINE].begin() as conn:
        handle = await factors.handle(conn, here, current.member)
    set_up = await factors.read(request.app[ENGINE], here, current.member)
    name = known_site(request.app[MEMORY], here).name
    asked = passkeys.challenge(here, _purpose(current))
    return render(
        request,
        "account/new_passkey.html",
        passkey=passkeys.to_make(here, name, asked, handle, set_up.passkeys),
    )


def _purpose(current: Session) -> str:
    return f"add {current.id.hex()}"


async def add_passkey(request: web.Request) -> web.Response:
    """A passkey that this session was asked for; with a secret it comes in alone from now on."""
    current = session.of(request)
    form, here = await forms.read(request), request.app[HERE]
    try:
        answer = passkeys.read(form.text("credential"))
        passkeys.check_challenge(here, _purpose(current), answer.challenge)
        made = passkeys.check_new(here, answer)
        secret = passkeys.read_secret(form.text("secret"))
        async with request.app[ENGINE].begin() as conn:
            await factors.use_up(conn, here, answer)
            await factors.add_passkey(conn, here, current.member, made, secret)
    except REFUSED as problem:
        return await _page(request, problem)
    return see_other(f"{_HERE}?saved")


def routes() -> list[web.RouteDef]:
    return [
        web.get(_HERE, show),
        web.post(_HERE, change),
        web.post(f"{_HERE}/codes", set_up_codes),
        web.post(f"{_HERE}/passkey", add_passkey),
    ]
