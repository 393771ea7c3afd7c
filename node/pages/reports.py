"""Reporting a post or a message, and the lists of those who look at it (SEC-L4, SEC-U18)."""

from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.state import ENGINE, HERE, READING
from groups.groups import Group
from kernel.errors import NotFound, Problem
from kernel.said import noted
from kernel.schema.messages import Why
from members import conversations
from members.conversations import Message
from moderation import reports
from moderation.reports import Said
from node.pages import forms, group_words, session, voices
from node.pages import groups as group_pages
from node.pages import messages as message_pages
from node.pages import posts as post_pages
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.paging import uuid
from node.pages.render import render, see_other

WHYS: Final = {
    Why.PRESSURE: noted("They want secrets, pictures or money, or put somebody under pressure"),
    Why.CONTACT: noted("They want to meet, or to talk somewhere else"),
    Why.ENCOURAGING: noted("It makes hurting oneself sound good, even gently"),
    Why.UNKIND: noted("It is unkind, or about who somebody is"),
    Why.WORRIED: noted("I am worried about whoever wrote it"),
    Why.ELSE: noted("Something else"),
}


# ---- A post


async def show_post(request: web.Request) -> web.Response:
    """GET /p/{id}/report."""
    return await _post_page(request, Form())


async def _post_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await _post(conn, request)
    return render(
        request,
        "reports/post.html",
        form=form,
        problem=problem,
        parent=found.shown,
        whys=WHYS,
        limit=reports.MAX_WORDS,
        group=found.group.actor.name if found.group.settings is not None else "",
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
            await reports.make(
                conn,
                here,
                root=member.root,
                about=found.post.uri,
                why=form.text("why"),
                said=Said(words=form.text("words").strip()),
                group_id=found.group.id if found.group.settings is not None else None,
                post_id=found.post.id,
            )
    except REFUSED as problem:
        return await _post_page(request, form, problem)
    return render(request, "reports/thanks.html", back=f"/p/{found.post.id}")


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
                about=message.uri,
                why=form.text("why"),
                said=Said(
                    words=form.text("words").strip(),
                    author=author.name,
                    address=author.address,
                    content=message.content,
                ),
            )
    except REFUSED as problem:
        return await _message_page(request, form, problem)
    return render(request, "reports/thanks.html", back=found.path)


# ---- Those who look at it


async def show_of_group(request: web.Request) -> web.Response:
    """GET /g/{name}/desk/reports."""
    async with request.app[READING].connect() as conn:
        group = await _desk(conn, request)
        path = group_words.path(group)
        return await _list(conn, request, group.id, f"{path}/desk/reports", f"{path}/desk")


async def _desk(conn: AsyncConnection, request: web.Request) -> Group:
    """Raises NotFound: the member does not look after that group."""
    session.of(request)
    group = await group_pages.find(conn, request)
    await moderating(conn, request, group)
    return group


async def _list(
    conn: AsyncConnection, request: web.Request, group_id: UUID | None, path: str, up: str
) -> web.Response:
    after = uuid(request.query.get("after"))
    found = await reports.waiting(conn, request.app[HERE], group_id, after=after)
    return render(
        request, "reports/list.html", found=found, whys=WHYS, path=path, up=up, page=reports.PAGE
    )


async def done_in_group(request: web.Request) -> web.Response:
    """POST /g/{name}/desk/reports: somebody has looked at one."""
    form = await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        group = await _desk(conn, request)
        await reports.done(conn, group.id, uuid(form.text("report")) or UUID(int=0))
    return see_other(f"{group_words.path(group)}/desk/reports")


async def show_of_node(request: web.Request) -> web.Response:
    """GET /settings/node/reports."""
    session.administrator(request)
    async with request.app[READING].connect() as conn:
        return await _list(conn, request, None, "/settings/node/reports", "/settings/node")


async def done_in_node(request: web.Request) -> web.Response:
    """POST /settings/node/reports."""
    session.administrator(request)
    form = await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        await reports.done(conn, None, uuid(form.text("report")) or UUID(int=0))
    return see_other("/settings/node/reports")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/p/{id}/report", show_post),
        web.post("/p/{id}/report", report_post),
        web.get("/messages/{name}/{conversation}/{message}/report", show_message),
        web.post("/messages/{name}/{conversation}/{message}/report", report_message),
        web.get("/g/{name}/desk/reports", show_of_group),
        web.post("/g/{name}/desk/reports", done_in_group),
        web.get("/settings/node/reports", show_of_node),
        web.post("/settings/node/reports", done_in_node),
    ]
