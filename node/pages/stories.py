"""Stories of recovery: the list of a group, and telling one (DOM-B13)."""

from dataclasses import replace
from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from groups import stories, threads
from groups.stories import Parts
from kernel.errors import NotFound, Problem
from node.pages import (
    forms,
    group_words,
    hinting,
    lines,
    readers,
    repeating,
    session,
    voices,
)
from node.pages.forms import REFUSED, Form
from node.pages.groups import find
from node.pages.paging import number
from node.pages.render import render, see_other
from node.pages.threads import agree, compose, draft, named

PAGE: Final = stories.PAGE


async def show(request: web.Request) -> web.Response:
    """GET /g/{name}/stories. Raises NotFound: the group collects none."""
    before = number(request.query.get("before"))
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        if group.settings is None or not group.settings.stories:
            raise NotFound
        place = await voices.place(conn, request, group)
        told = await stories.told(conn, group, before=before, limit=PAGE + 1)
    return render(
        request,
        "groups/stories.html",
        group=group,
        path=group_words.path(group),
        may_tell=bool(place.may_post(group)),
        stories=lines.kept_titles(request, group, told[:PAGE]),
        older=told[PAGE - 1].id if len(told) > PAGE else None,
        first=before is None,
        hidden=bool(told),
        asked="asked" in request.query,
    )


async def show_new(request: web.Request) -> web.Response:
    return await _new_page(request, Form())


async def _new_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        if group.settings is None or not group.settings.stories:
            raise NotFound
        place = await voices.place(conn, request, group)
        who_reads = await readers.sentence(conn, request, group)
    choices = voices.choices(request, place.may_post(group), f"story in {group.id}", form)
    return render(
        request,
        "groups/story.html",
        form=form,
        problem=problem,
        composer=compose(request, group, place, choices, who_reads),
    )


async def tell(request: web.Request) -> web.Response:
    """POST /g/{name}/stories/new: a moderator reads it before anybody else."""
    session.of(request)
    form = await forms.read(request)
    try:
        voices.pace(request)
        parts = Parts(
            like=form.text("like"),
            helped=form.text("helped"),
            now=form.text("today"),
            lines=form.text("lines"),
        )
        said = replace(draft(form, await named(request, form)), source=parts.source)
        again = await repeating.hints(request, form, said, repeating.in_group("story in"))
        hinting.look(request, form, said, answering=False, repeats=again)
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            speaker = await voices.speaker(conn, request, form, f"story in {group.id}")
            await threads.start(conn, request.app[HERE], speaker, group, said, story=True)
            await agree(conn, form, speaker, group)
    except REFUSED as problem:
        return await _new_page(request, form, problem)
    return see_other(f"{group_words.path(group)}/stories?asked")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/g/{name}/stories", show),
        web.get("/g/{name}/stories/new", show_new),
        web.post("/g/{name}/stories/new", tell),
    ]
