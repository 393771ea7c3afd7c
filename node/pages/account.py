"""Joining with a new account, and coming back with the recovery code."""

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import NotAllowed, NotFound, Problem
from kernel.schema.accounts import AccountState
from kernel.schema.node import SignUp
from members import accounts, invitations
from members.accounts import Prepared
from members.vault import MIN_PASSWORD
from moderation.care import handover
from node.pages import forms, resuming, session
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY, site
from node.pages.render import render, see_other


async def show_sign_up(request: web.Request) -> web.Response:
    if session.SESSION in request:
        return see_other("/")
    return await _sign_up_page(request, Form.of(invite=request.query.get("invite", "")))


async def _sign_up_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    node = await site(request.app[MEMORY], request.app[ENGINE])
    secret = form.text("invite")
    invited = False
    if secret:
        async with request.app[READING].connect() as conn:
            invited = await invitations.look(conn, secret) is not None
    return render(
        request,
        "account/sign_up.html",
        form=form,
        problem=problem,
        mode=SignUp.OPEN if invited else node.sign_up,
        invited=invited,
        outdated=bool(secret) and not invited,
        handover_parts=handover.PARTS,
        min_password=MIN_PASSWORD,
    )


async def sign_up(request: web.Request) -> web.Response:
    """A new account and its recovery code, shown this once."""
    form = await forms.read(request)
    try:
        request.app[MEMORY].sign_ups.check(forms.address_of(request))
        if not form.ticked("adult"):
            raise NotAllowed("This place is for adults. If you are 18 or older, please tick that.")
        if not form.ticked("agree"):
            raise NotAllowed("Please tick that you have read how this place works.")
        prepared, state = await _enrol(request, form)
    except (*REFUSED, NotFound) as problem:
        return await _sign_up_page(request, form, problem)
    return await welcome(request, prepared, waiting=state is AccountState.WAITING)


async def _enrol(request: web.Request, form: Form) -> tuple[Prepared, AccountState]:
    engine, here = request.app[ENGINE], request.app[HERE]
    node = await site(request.app[MEMORY], engine)
    secret = form.text("invite")
    grants: frozenset[str] = frozenset()
    state = AccountState.ACTIVE
    if secret:
        async with engine.connect() as conn:
            found = await invitations.look(conn, secret)
        if found is None:
            raise NotFound("This invitation was used already. You can ask for a new one.")
        grants = found
    elif node.sign_up is SignUp.APPROVAL:
        state = AccountState.WAITING
    elif node.sign_up is not SignUp.OPEN:
        raise NotAllowed("You can join this place with an invitation from somebody who runs it.")
    prepared = await accounts.prepare(
        here, login=form.text("login"), password=form.text("password"), roles=grants
    )
    async with engine.begin() as conn:
        if secret:
            await invitations.redeem(conn, secret)
        await accounts.insert(conn, here, prepared, state=state, request=form.text("request"))
    return prepared, state


async def welcome(request: web.Request, prepared: Prepared, *, waiting: bool) -> web.Response:
    """The recovery code, once; whoever does not have to wait is signed in with it."""
    answer = render(
        request,
        "account/code.html",
        code=prepared.recovery_code,
        waiting=waiting,
        recovered=False,
    )
    if not waiting:
        await session.begin(request, answer, prepared.member)
    return answer


async def show_recover(request: web.Request) -> web.Response:
    return _recover_page(request, Form.of(then=request.query.get("then", "/")))


def _recover_page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    return render(
        request,
        "account/recover.html",
        form=form,
        problem=problem,
        min_password=MIN_PASSWORD,
        then=resuming.then(form),
        kept=resuming.kept(form),
    )


async def recover(request: web.Request) -> web.Response:
    """Back in with the recovery code: a new password, a new code, and no other session.

    What comes from another way in, and has no code yet, is shown the page.
    """
    form, memory = await forms.read(request), request.app[MEMORY]
    if resuming.comes_along(form, "code"):
        return _recover_page(request, form)
    try:
        memory.recoveries.check(forms.address_of(request))
        memory.log_ins_of.check(accounts.name_tried(form.text("login")))
        member, code = await accounts.recover(
            request.app[ENGINE],
            request.app[HERE],
            form.text("login"),
            form.text("code"),
            form.text("password"),
        )
    except REFUSED as problem:
        return _recover_page(request, form, problem)
    answer = render(
        request,
        "account/code.html",
        code=code,
        waiting=False,
        recovered=True,
        then=resuming.then(form),
        resumes=bool(resuming.kept(form)),
        sent=resuming.sent(form),
        wrote=resuming.has_words(form),
    )
    await session.begin(request, answer, member)
    return answer


def routes() -> list[web.RouteDef]:
    return [
        web.get("/sign-up", show_sign_up),
        web.post("/sign-up", sign_up),
        web.get("/recover", show_recover),
        web.post("/recover", recover),
    ]
