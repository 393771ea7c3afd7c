"""The people who run the node: its first set-up, its settings, who waits, invitations."""

from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING
from groups import tending
from kernel.errors import Malformed, NotFound, Problem
from kernel.languages import LANGUAGES
from kernel.said import noted
from kernel.schema.node import Handover, SignUp
from members import accounts, approval, invitations
from members import node as node_store
from members.node import Node
from members.vault import MIN_PASSWORD
from moderation import load, safety
from moderation.care import handover
from node.pages import account, forms, moderators, session
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY, forget_site
from node.pages.paging import uuid
from node.pages.render import render, see_other
from node.pages.session import ADMINISTRATOR, MODERATOR
from resources.countries import NAMES

PAGE = 50  # lines of each list

_GONE = noted(
    "This link was used already, or it is an old one. Starting the node again shows a new one."
)


async def show_welcome(request: web.Request) -> web.Response:
    """GET /welcome?token=: the first administrator's way in, once."""
    secret = request.query.get("token", "")
    async with request.app[READING].connect() as conn:
        await _check_token(conn, secret)
        node = await node_store.read(conn)
    return _welcome_page(request, _filled(node, token=secret))


async def _check_token(conn: AsyncConnection, secret: str) -> frozenset[str]:
    grants = await invitations.look(conn, secret)
    if grants is None or ADMINISTRATOR not in grants:
        raise NotFound(_GONE)
    return grants


def _filled(node: Node, **more: str) -> Form:
    words = {
        "name": node.name if node.settled else "",
        "about": node.about,
        "contact": node.contact,
        "country": node.country,
        "sign_up": node.sign_up if node.settled else SignUp.APPROVAL,
        "crisis_policy": node.crisis_policy,
        "handover": node.handover.choice or Handover.CANNOT,
        "handover_to": node.handover.to,
        "handover_if": node.handover.when,
        **more,
    }
    return Form(
        {
            **{key: [value] for key, value in words.items()},
            "languages": list(node.languages or ("en",)),
            "handover_parts": list(node.handover.parts),
        }
    )


def _welcome_page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    return render(
        request,
        "node/welcome.html",
        form=form,
        problem=problem,
        languages=LANGUAGES,
        countries=NAMES,
        handover_parts=handover.PARTS,
        min_password=MIN_PASSWORD,
    )


async def welcome(request: web.Request) -> web.Response:
    """The node gets its words and its first administrator in one transaction."""
    form = await forms.read(request)
    engine, here = request.app[ENGINE], request.app[HERE]
    try:
        request.app[MEMORY].sign_ups.check(forms.address_of(request))
        async with engine.connect() as conn:
            roles = await _check_token(conn, form.text("token"))
        prepared = await accounts.prepare(
            here, login=form.text("login"), password=form.text("password"), roles=roles
        )
        async with engine.begin() as conn:
            await invitations.redeem(conn, form.text("token"))
            await _settle(conn, form)
            await accounts.insert(conn, here, prepared)
    except REFUSED as problem:
        return _welcome_page(request, form, problem)
    forget_site(request.app[MEMORY])
    return await account.welcome(request, prepared, waiting=False)


async def _settle(conn: AsyncConnection, form: Form) -> None:
    try:
        sign_up = SignUp(form.text("sign_up"))
    except ValueError as error:
        raise Malformed("Please choose how people can join.") from error
    await node_store.settle(
        conn,
        name=form.text("name"),
        about=form.text("about"),
        contact=form.text("contact"),
        country=form.text("country"),
        languages=tuple(tag for tag in form.all("languages") if tag in LANGUAGES) or ("en",),
        sign_up=sign_up,
        crisis_policy=form.text("crisis_policy"),
    )
    await handover.choose(
        conn,
        choice=form.text("handover"),
        to=form.text("handover_to"),
        when=form.text("handover_if"),
        parts=form.all("handover_parts"),
    )


async def show(request: web.Request) -> web.Response:
    return await _page(request, None)


async def _page(
    request: web.Request,
    form: Form | None,
    problem: Problem | None = None,
    *,
    invitation: str = "",
) -> web.Response:
    session.administrator(request)
    after = uuid(request.query.get("waiting"))
    async with request.app[READING].connect() as conn:
        node = await node_store.read(conn)
        heavy = await load.heavy(conn, request.app[HERE])
        resting = await tending.resting(conn, request.app[HERE])
        records = await safety.newest(conn)
    async with request.app[READING].connect() as conn:
        waiting = await approval.waiting(conn, request.app[HERE], after=after, limit=PAGE)
    return render(
        request,
        "node/settings.html",
        form=form or _filled(node),
        problem=problem,
        languages=LANGUAGES,
        countries=NAMES,
        handover_parts=handover.PARTS,
        waiting=waiting,
        resting=resting,
        heavy=heavy,
        safety_due=len(safety.due(records, request.app[HERE].now().date())),
        page=PAGE,
        invitation=invitation,
    )


async def save(request: web.Request) -> web.Response:
    session.administrator(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            await _settle(conn, form)
    except REFUSED as problem:
        return await _page(request, form, problem)
    forget_site(request.app[MEMORY])
    return see_other("/settings/node")


async def decide(request: web.Request) -> web.Response:
    """POST /settings/node/waiting: let somebody in, or not."""
    session.administrator(request)
    form = await forms.read(request)
    here = request.app[HERE]
    try:
        account_id = UUID(form.text("account"))
    except ValueError as error:
        raise NotFound from error
    async with request.app[ENGINE].begin() as conn:
        if form.text("answer") == "yes":
            await approval.approve(conn, here, account_id)
        else:
            await approval.decline(conn, here, account_id)
    return see_other("/settings/node#waiting")


async def invite(request: web.Request) -> web.Response:
    """POST /settings/node/invitations: a link, shown this once."""
    session.administrator(request)
    form = await forms.read(request)
    grants = [role for role in (ADMINISTRATOR, MODERATOR) if form.ticked(role)]
    try:
        async with request.app[ENGINE].begin() as conn:
            secret = await invitations.create(conn, uses=form.number("uses"), grants=grants)
    except REFUSED as problem:
        return await _page(request, None, problem)
    to = moderators.PATH if form.ticked(MODERATOR) else "/sign-up"
    link = f"{request.app[HERE].origin}{to}?invite={secret}"
    return await _page(request, None, invitation=link)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/welcome", show_welcome),
        web.post("/welcome", welcome),
        web.get("/settings/node", show),
        web.post("/settings/node", save),
        web.post("/settings/node/waiting", decide),
        web.post("/settings/node/invitations", invite),
    ]
