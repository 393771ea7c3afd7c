"""Moderators write to somebody of their group, as the desk: nobody sees which of them it was."""

from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.state import ENGINE, HERE, READING
from groups import desk, membership
from groups.groups import Group
from kernel.errors import NotFound, Problem
from kernel.release import AT_ONCE
from members import messages
from moderation.standing import Speaker
from node.pages import forms, group_words, session, voices
from node.pages import groups as group_pages
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.paging import uuid
from node.pages.render import render, see_other
from resources import crisis


async def show(request: web.Request) -> web.Response:
    """GET /g/{name}/desk/write?person=: to somebody of the group who lives here."""
    return await _page(request, Form.of(person=request.query.get("person", "")))


async def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    async with request.app[READING].connect() as conn:
        group, _, person = await _found(conn, request, form)
    return render(
        request,
        "messages/desk.html",
        form=form,
        problem=problem,
        group=group,
        path=group_words.path(group),
        person=person,
        limit=messages.MAX_MESSAGE,
    )


async def _found(
    conn: AsyncConnection, request: web.Request, form: Form
) -> tuple[Group, Actor, Actor]:
    """The group, its desk, and whom it writes to. Raises NotFound, SignedOut."""
    session.of(request)
    group = await group_pages.find(conn, request)
    speaker, *_ = await moderating(conn, request, group)
    voice = await desk.require(conn, group, speaker)
    person = await actor_store.get(conn, uuid(form.text("person")) or UUID(int=0))
    if not person.local or not await membership.of(conn, group, [person.id]):
        raise NotFound
    return group, voice, person


async def send(request: web.Request) -> web.Response:
    """POST /g/{name}/desk/write: at once, as all that moderators do."""
    form, here = await forms.read(request), request.app[HERE]
    try:
        voices.pace(request)
        async with request.app[ENGINE].begin() as conn:
            group, voice, person = await _found(conn, request, form)
            await messages.send(
                conn,
                here,
                Speaker.alone(voice),
                person,
                form.text("text"),
                language="",
                help_lines=crisis.numbers(),
                timing=AT_ONCE,
            )
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"{group_words.path(group)}/desk#members")


def routes() -> list[web.RouteDef]:
    return [web.get("/g/{name}/desk/write", show), web.post("/g/{name}/desk/write", send)]
