"""A member's names, and what others see of a name."""

from aiohttp import web

from activitypub import actors as actor_store
from activitypub.state import ENGINE, HERE, KEYS, READING
from kernel.errors import Gone, NotAllowed, NotFound, Problem
from kernel.schema.actors import ActorKind, ActorState
from members import accounts
from members import personas as persona_store
from members.handles import suggest_handle
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.render import render, see_other


async def show_mine(request: web.Request) -> web.Response:
    member = session.of(request).member
    async with request.app[READING].connect() as conn:
        found = await persona_store.mine(conn, member)
    return render(
        request,
        "personas/mine.html",
        personas=[each for each in found if not each.one_time],
        one_time=[each for each in found if each.one_time],
        limit=persona_store.MAX_PERSONAS,
    )


async def show_new(request: web.Request) -> web.Response:
    session.of(request)
    return _new_page(request, Form.of(handle=suggest_handle(), then=request.query.get("then", "")))


def _new_page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    return render(
        request,
        "personas/new.html",
        form=form,
        problem=problem,
        host=request.app[HERE].host,
        idea=suggest_handle(),
    )


async def create(request: web.Request) -> web.Response:
    """A new name. Whether it is the log-in name is asked before, on the account's side alone."""
    member = session.of(request).member
    form = await forms.read(request)
    engine, here = request.app[ENGINE], request.app[HERE]
    handle = form.text("handle").strip().lower().removeprefix("@")
    try:
        if await accounts.handle_is_login(engine, here, member, handle):
            raise NotAllowed(
                "You log in with that name. Nobody should know it, so please choose another one."
            )
        keys = await request.app[KEYS].take()
        async with engine.begin() as conn:
            await persona_store.create(
                conn, here, member, handle=handle, name=form.text("name"), keys=keys
            )
    except REFUSED as problem:
        return _new_page(request, form, problem)
    then = form.text("then")
    return see_other(forms.local_path(then) if then else "/personas")


async def show(request: web.Request) -> web.Response:
    """GET /u/{name}: what anybody may know of a name that lives here."""
    async with request.app[READING].connect() as conn:
        found = await actor_store.by_handle(conn, request.match_info["name"], kind=ActorKind.PERSON)
    if found is None or found.state is ActorState.SUSPENDED:
        raise NotFound
    if found.state is ActorState.CLOSED:
        raise Gone
    listed = {"X-Robots-Tag": "all"} if found.open else None
    return render(request, "personas/show.html", person=found, alternate=found.uri, headers=listed)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/personas", show_mine),
        web.get("/personas/new", show_new),
        web.post("/personas/new", create),
        web.get("/u/{name}", show),
    ]
