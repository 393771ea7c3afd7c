"""What a member wrote and is not out yet: looked at, taken back, changed, sent again, deleted."""

from dataclasses import replace
from datetime import datetime

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING
from groups import groups as group_store
from groups import posts as post_store
from groups import waiting
from groups.waiting import Waiting
from kernel.errors import NotFound, Problem
from kernel.said import noted, said
from node.pages import (
    card,
    drafts,
    forms,
    hinting,
    outgoing,
    pictures,
    readers,
    repeating,
    session,
    voices,
)
from node.pages.forms import REFUSED, Form
from node.pages.paging import uuid
from node.pages.polls import DAYS, poll_of
from node.pages.render import render, see_other
from node.pages.repeating import Where
from node.pages.threads import agree, compose, draft, named


async def index(request: web.Request) -> web.Response:
    """GET /waiting: what of any name is not out, and the drafts."""
    session.of(request)
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        found = await waiting.mine(conn, request.app[HERE], viewer.voices)
    return render(
        request,
        "waiting/index.html",
        waiting=found,
        soon=soon,
        drafts=await drafts.lines(request),
        kept="kept" in request.query,
    )


def soon(due: datetime, now: datetime) -> str:
    """How long until then, in coarse words."""
    seconds = (due - now).total_seconds()
    if seconds <= 60:
        return noted("within a minute")
    minutes = max(2, round(seconds / 60))
    if minutes <= 90:
        return said("in about {number} minutes", number=minutes)
    return said("in about {number} hours", number=round(minutes / 60))


async def _find(conn: AsyncConnection, request: web.Request) -> Waiting:
    session.of(request)
    waiting_id = uuid(request.match_info["waiting"])
    if waiting_id is None:
        raise NotFound
    viewer = await session.viewer(conn, request)
    return await waiting.get(conn, request.app[HERE], waiting_id, viewer.voices)


async def show(request: web.Request) -> web.Response:
    """GET /waiting/{waiting}; once it is out, on to `then`."""
    try:
        async with request.app[READING].connect() as conn:
            found = await _find(conn, request)
    except NotFound:
        if then := request.query.get("then"):
            return see_other(forms.local_path(then))
        raise
    then = forms.local_path(request.query.get("then", "/waiting"))
    words = found.draft
    return render(
        request,
        "waiting/show.html",
        it=found,
        soon=soon,
        then=then,
        card=card.for_words(request, [(f"{words.title}\n{words.source}", words.language)]),
    )


async def take_back(request: web.Request) -> web.Response:
    """POST /waiting/{waiting}/undo: it does not go out, and its author goes on writing."""
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            found = await _find(conn, request)
            await waiting.take_back(conn, found.id, found.author_id)
    except NotFound:
        session.of(request)
        return see_other(forms.local_path(form.text("then")))
    return see_other(f"/waiting/{found.id}/edit")


async def delete(request: web.Request) -> web.Response:
    """POST /waiting/{waiting}/delete."""
    await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        found = await _find(conn, request)
        await waiting.drop(conn, found.id, found.author_id)
    return see_other("/waiting")


async def show_edit(request: web.Request) -> web.Response:
    return await _edit_page(request, None)


async def _edit_page(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await _find(conn, request)
        if form is None and found.due is not None:  # it may go out any moment
            return see_other(f"/waiting/{found.id}")
        viewer = await session.viewer(conn, request)
        group = await group_store.get(conn, found.group_id, viewer)
        place = await voices.place(conn, request, group)
        parent = None
        if found.parent_id is not None:
            parent = await post_store.get(conn, found.parent_id)
        who_reads = await readers.sentence(conn, request, group, parent=parent)
        if form is None:
            await pictures.bring(conn, request, found.draft.pictures)
    filled = form or _filled(found)
    author = [each for each in place.speakers if each.actor.id == found.author_id]
    choices = voices.choices(request, author, _purpose(found), filled)
    return render(
        request,
        "waiting/edit.html",
        form=filled,
        problem=problem,
        it=found,
        days=DAYS if found.draft.poll else None,
        composer=replace(compose(request, group, place, choices, who_reads), may_be_new=False),
    )


def _purpose(found: Waiting) -> str:
    return f"waiting {found.id}"


def _filled(found: Waiting) -> Form:
    said, poll = found.draft, found.draft.poll
    form = Form(
        {
            "title": (said.title,),
            "text": (said.source,),
            "note": (said.note,),
            "label": said.labels,
            "wish": (said.wish or "",),
            "language": (said.language,),
            "stays": (str(said.days),),
            "contacts_stay": ("yes" if said.contacts_stay else "",),
        }
    )
    if poll is None:
        return form
    asked = Form.of(
        options="\n".join(each.name for each in poll.options),
        several="several" if poll.several else "one",
    )
    return Form({**form.values, **asked.values})


async def _where(conn: AsyncConnection, request: web.Request) -> Where:
    found = await _find(conn, request)
    group = await group_store.get(conn, found.group_id)
    before = hinting.words_of(found.draft)
    return Where(group=group, purpose=_purpose(found), before=before)


async def edit(request: web.Request) -> web.Response:
    """POST /waiting/{waiting}/edit: it is sent again as it is now, and waits anew."""
    form = await pictures.read(request)
    if pictures.only_adding(request, form):
        return await _edit_page(request, form, pictures.of(request).trouble)
    here = request.app[HERE]
    try:
        voices.pace(request)
        said = draft(form, await named(request, form), pictures.chosen(request, form))
        again = await repeating.hints(request, form, said, _where)
        async with request.app[ENGINE].begin() as conn:
            found = await _find(conn, request)
            if found.draft.poll is not None:
                said = replace(said, poll=poll_of(here, form))
            before, answering = hinting.words_of(found.draft), found.parent_id is not None
            hinting.look(request, form, said, answering=answering, before=before, repeats=again)
            speaker = await voices.speaker(conn, request, form, _purpose(found))
            sent = await waiting.send_again(
                conn, here, speaker, found, said, outgoing.timing(request)
            )
            viewer = await session.viewer(conn, request)
            group = await group_store.get(conn, found.group_id, viewer)
            await agree(conn, form, speaker, group)
    except REFUSED as problem:
        return await _edit_page(request, form, problem)
    return outgoing.answer(sent, found.place)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/waiting", index),
        web.get("/waiting/{waiting}", show),
        web.post("/waiting/{waiting}/undo", take_back),
        web.post("/waiting/{waiting}/delete", delete),
        web.get("/waiting/{waiting}/edit", show_edit),
        web.post("/waiting/{waiting}/edit", edit),
    ]
