"""Reporting a post, a message or a person (SEC-L4, SEC-U18)."""

from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.state import ENGINE, HERE, READING
from groups import reported
from kernel.errors import NotFound, Problem
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.messages import Why
from members import conversations
from members.conversations import Message
from moderation import reports
from moderation.reports import Said
from node.pages import card, forms, session, voices
from node.pages import messages as message_pages
from node.pages import posts as post_pages
from node.pages.case_words import WHYS
from node.pages.forms import REFUSED, Form
from node.pages.paging import uuid
from node.pages.render import render

# ---- A post


async def show_post(request: web.Request) -> web.Response:
    """GET /p/{id}/report."""
    return await _post_page(request, Form())


async def _post_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await _post(conn, request)
        desk, _ = await reported.place(conn, found.group, found.post)
    return render(
        request,
        "reports/post.html",
        form=form,
        problem=problem,
        parent=found.shown,
        whys=WHYS,
        limit=reports.MAX_WORDS,
        group=found.group.actor.name if desk is not None else "",
    )


async def _post(conn: AsyncConnection, request: web.Request) -> post_pages.Found:
    """Raises NotFound: as for a post that is not there, where the member cannot see it."""
    found = await post_pages.find(conn, request)
    if found.shown.mine or not found.post.shown:
        raise NotFound
    return found


async def report_post(request: web.Request) -> web.Response:
    """POST /p/{id}/report: to the desk of its group, or to those who run the node."""
    member, here = session.of(request).member, request.app[HERE]
    form = await forms.read(request)
    try:
        voices.pace(request)
        async with request.app[ENGINE].begin() as conn:
            found = await _post(conn, request)
            group_id, about = await reported.place(conn, found.group, found.post)
            await reports.make(
                conn,
                here,
                root=member.root,
                about=about,
                why=form.text("why"),
                soon=form.ticked("soon"),
                said=Said(words=form.text("words").strip()),
                group_id=group_id,
            )
    except REFUSED as problem:
        return await _post_page(request, form, problem)
    return _thanks(request, form, f"/p/{found.post.id}")


# ---- A message


async def show_message(request: web.Request) -> web.Response:
    """GET /messages/{name}/{conversation}/{message}/report."""
    return await _message_page(request, Form())


async def _message_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found, message = await _message(conn, request)
    return render(
        request,
        "reports/message.html",
        form=form,
        problem=problem,
        path=found.path,
        message=message,
        whys=WHYS,
        limit=reports.MAX_WORDS,
    )


async def _message(
    conn: AsyncConnection, request: web.Request
) -> tuple[message_pages.Found, Message]:
    """Raises NotFound: the same for what is not there and for what is another's (SEC-L4)."""
    found = await message_pages.find(conn, request)
    asked = uuid(request.match_info["message"]) or UUID(int=0)
    message = await conversations.one(conn, request.app[HERE], found.mine.id, found.it.id, asked)
    if not message.out:
        raise NotFound
    return found, message


async def report_message(request: web.Request) -> web.Response:
    """POST /messages/{name}/{conversation}/{message}/report: a copy goes along, sealed."""
    member, here = session.of(request).member, request.app[HERE]
    form = await forms.read(request)
    try:
        voices.pace(request)
        async with request.app[ENGINE].begin() as conn:
            found, message = await _message(conn, request)
            author = await actor_store.get(conn, message.author_id)
            await reports.make(
                conn,
                here,
                root=member.root,
                about=reported.message(message.uri, author),
                why=form.text("why"),
                soon=form.ticked("soon"),
                said=Said(
                    words=form.text("words").strip(),
                    author=author.name,
                    address=author.address,
                    content=message.content,
                ),
            )
    except REFUSED as problem:
        return await _message_page(request, form, problem)
    return _thanks(request, form, found.path)


# ---- A person


async def show_person(request: web.Request) -> web.Response:
    """GET /u/{name}/report."""
    return await _person_page(request, Form())


async def _person_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        person = await _person(conn, request)
    return render(
        request,
        "reports/person.html",
        form=form,
        problem=problem,
        person=person,
        whys=WHYS,
        limit=reports.MAX_WORDS,
    )


async def _person(conn: AsyncConnection, request: web.Request) -> Actor:
    """Raises NotFound: nobody of that name is here, or it is the member's own."""
    session.of(request)
    name = request.match_info["name"]
    found = await actor_store.by_handle(conn, name, kind=ActorKind.PERSON)
    mine = (await session.voices(conn, request)).ids
    if found is None or found.state is not ActorState.ACTIVE or found.id in mine:
        raise NotFound
    return found


async def report_person(request: web.Request) -> web.Response:
    """POST /u/{name}/report: to the moderators of the node."""
    member, here = session.of(request).member, request.app[HERE]
    form = await forms.read(request)
    try:
        voices.pace(request)
        async with request.app[ENGINE].begin() as conn:
            person = await _person(conn, request)
            await reports.make(
                conn,
                here,
                root=member.root,
                about=reported.person(person),
                why=form.text("why"),
                soon=form.ticked("soon"),
                said=Said(words=form.text("words").strip()),
            )
    except REFUSED as problem:
        return await _person_page(request, form, problem)
    return _thanks(request, form, f"/u/{person.handle}")


def _thanks(request: web.Request, form: Form, back: str) -> web.Response:
    """Who is worried about somebody sees crisis lines at once, from memory alone (MOD-5.14)."""
    worried = form.text("why") == Why.WORRIED
    lines = card.while_held(request) if worried else None
    return render(request, "reports/thanks.html", back=back, card=lines)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/p/{id}/report", show_post),
        web.post("/p/{id}/report", report_post),
        web.get("/messages/{name}/{conversation}/{message}/report", show_message),
        web.post("/messages/{name}/{conversation}/{message}/report", report_message),
        web.get("/u/{name}/report", show_person),
        web.post("/u/{name}/report", report_person),
    ]
