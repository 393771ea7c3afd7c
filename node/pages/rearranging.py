"""Moderators make an answer a thread of its own, or put a thread into an earlier one (DOM-A17)."""

import re
from contextlib import suppress
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING
from groups import desk, rearranging
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from kernel.errors import Malformed, NotFound, Problem
from node.pages import forms, group_words, posts, session, threads
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.paging import number
from node.pages.posts import Found
from node.pages.render import render, see_other

_ADDRESS: Final = re.compile(r"(?:https?://[^/\s]+)?/?(?:[tp]/)?(\d{1,19})(?:[?#]\S*)?")


async def _find_answer(conn: AsyncConnection, request: web.Request) -> Found:
    """An answer, for those who moderate its group here. Raises NotFound."""
    found = await posts.find(conn, request)
    await moderating(conn, request, found.group)
    if found.group.settings is None or found.post.is_root or not found.post.shown:
        raise NotFound
    return found


async def show_split(request: web.Request) -> web.Response:
    """GET /p/{id}/split."""
    return await _split_page(request, None)


async def _split_page(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await _find_answer(conn, request)
    return render(
        request,
        "threads/split.html",
        form=form or Form.of(title=rearranging.titled(found.post).title),
        problem=problem,
        parent=found.shown,
        group=found.group,
        limits=threads.LIMITS,
    )


async def split(request: web.Request) -> web.Response:
    """POST /p/{id}/split: the answer and what is below it are a thread from now on."""
    session.of(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            found = await _find_answer(conn, request)
            speaker, *_ = await moderating(conn, request, found.group)
            actor = await desk.require(conn, found.group, speaker)
            root = await rearranging.split(
                conn,
                request.app[HERE],
                found.group,
                actor,
                found.post,
                form.text("title"),
                form.text("reason"),
            )
    except REFUSED as problem:
        return await _split_page(request, form, problem)
    return see_other(f"/t/{root.id}")


async def show_merge(request: web.Request) -> web.Response:
    """GET /t/{id}/merge."""
    return await _merge_page(request, Form())


async def _merge_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        root, group = await threads.whole(conn, request)
        await moderating(conn, request, group)
        earlier = await rearranging.earlier(conn, group, root)
    return render(
        request,
        "threads/merge.html",
        form=form,
        problem=problem,
        root=root,
        group=group,
        path=group_words.path(group),
        earlier={str(each.id): each.title for each in earlier},
    )


async def merge(request: web.Request) -> web.Response:
    """POST /t/{id}/merge: all of this thread goes below the first post of an earlier one."""
    session.of(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            root, group = await threads.whole(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            actor = await desk.require(conn, group, speaker)
            into = await _other(conn, group, form)
            here, reason = request.app[HERE], form.text("reason")
            await rearranging.merge(conn, here, group, actor, root, into, reason)
    except REFUSED as problem:
        return await _merge_page(request, form, problem)
    return see_other(f"/p/{root.id}")


async def _other(conn: AsyncConnection, group: Group, form: Form) -> Post:
    """The first post of the thread that was chosen or named. Raises Malformed: there is none."""
    typed = form.text("address").strip()
    named = _ADDRESS.fullmatch(typed) if typed else None
    chosen = number(named[1] if named else form.text("thread"))
    if chosen is None or (typed and named is None):
        raise Malformed("Please choose a thread, or write the address of one in this group.")
    with suppress(NotFound):
        found = await post_store.get(conn, chosen)
        if found.group_id == group.id:
            return await post_store.get(conn, found.thread_id)
    raise Malformed("There is no such thread in this group.")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/p/{id}/split", show_split),
        web.post("/p/{id}/split", split),
        web.get("/t/{id}/merge", show_merge),
        web.post("/t/{id}/merge", merge),
    ]
