"""A member's names, and what others see of a name."""

import asyncio
from dataclasses import replace

from aiohttp import web

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.state import ENGINE, HERE, KEYS, READING
from kernel.errors import Gone, NotAllowed, NotFound, Problem
from kernel.schema.actors import ActorKind, ActorState
from members import accounts, faces
from members import personas as persona_store
from members.handles import suggest_handle
from members.member import MAX_LABEL
from node.pages import forms, session, voices
from node.pages.forms import REFUSED, Form
from node.pages.render import render, see_other


async def show_mine(request: web.Request) -> web.Response:
    return await _mine_page(request)


async def _mine_page(request: web.Request, problem: Problem | None = None) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        voiced = await session.voices(conn, request)
        found = voiced.mine
    here = request.app[HERE]
    return render(
        request,
        "personas/mine.html",
        problem=problem,
        personas=[each for each in found if not each.one_time],
        stopped=voiced.stopped,
        one_time=[each for each in found if each.one_time],
        limit=persona_store.MAX_PERSONAS,
        faces={each.actor.id: voices.face(here, each.actor.id) for each in found},
        labels=request[session.PREFERENCES].labels,
        longest=MAX_LABEL,
        saved="saved" in request.query,
    )


async def save_labels(request: web.Request) -> web.Response:
    """What a member calls their names for themselves; nobody else ever sees it."""
    current = session.of(request)
    form = await forms.read(request)
    async with request.app[READING].connect() as conn:
        mine = await persona_store.mine(conn, current.member)
    typed = {
        each.actor.id: " ".join(form.text(f"label-{each.actor.handle}").split())
        for each in mine
        if not each.one_time
    }
    labels = {persona_id: words for persona_id, words in typed.items() if words}
    try:
        async with request.app[ENGINE].begin() as conn:
            await accounts.save_preferences(
                conn,
                request.app[HERE],
                current.member,
                lambda liked: replace(liked, labels=labels),
            )
    except REFUSED as problem:
        return await _mine_page(request, problem)
    return see_other("/personas?saved")


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
    found = await _find(request)
    face = voices.face(request.app[HERE], found.id)
    listed = {"X-Robots-Tag": "all"} if found.open else None
    return render(
        request,
        "personas/show.html",
        person=found,
        face=face,
        alternate=found.uri,
        headers=listed,
    )


async def _find(request: web.Request) -> Actor:
    """Raises NotFound, Gone."""
    async with request.app[READING].connect() as conn:
        found = await actor_store.by_handle(conn, request.match_info["name"], kind=ActorKind.PERSON)
    if found is None or found.state is ActorState.SUSPENDED:
        raise NotFound
    if found.state is ActorState.CLOSED:
        raise Gone
    return found


async def show_icon(request: web.Request) -> web.Response:
    """GET /u/{name}/icon.png: the picture that other servers show beside the name."""
    found = await _find(request)
    face = faces.of(request.app[HERE].node_key, found.id)
    return web.Response(
        body=await asyncio.to_thread(faces.png_of, face),
        content_type=faces.MEDIA_TYPE,
        headers={"Cache-Control": "public, max-age=86400"},
    )


def routes() -> list[web.RouteDef]:
    return [
        web.get("/personas", show_mine),
        web.get("/personas/new", show_new),
        web.post("/personas/new", create),
        web.post("/personas/labels", save_labels),
        web.get("/u/{name}", show),
        web.get("/u/{name}/icon.png", show_icon),
    ]
