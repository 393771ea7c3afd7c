"""Polls: asking one in a thread, and answering one."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import UUID

from aiohttp import web

from activitypub.parts import MAX_OPTIONS_SHOWN, Poll
from activitypub.state import ENGINE, HERE, READING
from groups import browsing, polls, waiting
from kernel.errors import NotAllowed, NotFound, Problem
from kernel.here import Here
from kernel.said import noted
from members import accounts
from node.pages import drafts, forms, hinting, outgoing, readers, repeating, session, voices
from node.pages.forms import REFUSED, Form
from node.pages.posts import find
from node.pages.render import render, see_other
from node.pages.threads import NOBODY, agree, compose, draft, identity, named, title_instead

DAYS: Final = {"1": noted("One day"), "3": noted("Three days"), "7": noted("A week")}


async def show_ask(request: web.Request) -> web.Response:
    return await _ask_page(request, await drafts.resumed(request))


async def _ask_page(
    request: web.Request,
    form: Form,
    problem: Problem | None = None,
    people: Mapping[str, str] = NOBODY,
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
        page = await browsing.show(conn, found.post.thread_id, found.viewer)
        who_reads = await readers.sentence(
            conn, request, found.group, parent=found.post, named=people.values()
        )
    used = {each.author_id for each in page.posts if each.author_id in found.viewer.voices}
    speakers = found.place.may_post(found.group, used)
    choices = voices.choices(request, speakers, f"ask {found.post.id}", form)
    return render(
        request,
        "threads/poll.html",
        form=form,
        problem=problem,
        root=page.root,
        instead=title_instead(request, page.root, found.viewer, found.place),
        parent=found.shown,
        days=DAYS,
        composer=compose(request, found.group, found.place, choices, who_reads),
    )


async def ask(request: web.Request) -> web.Response:
    """POST /p/{id}/poll: an answer to a post that is a poll.

    A thread never begins with one: Lemmy reads no polls, and would miss the thread (WIRE 8.2).
    """
    session.of(request)
    form = await forms.read(request)
    here, people = request.app[HERE], NOBODY
    try:
        voices.pace(request)
        if (kept := await drafts.keep_if_asked(request, form)) is not None:
            return kept
        keys = await voices.keys_if_new(request, form)
        poll = poll_of(here, form)
        people = await named(request, form)
        asked = replace(draft(form, people), poll=poll)
        again = await repeating.hints(request, form, asked, repeating.under_post("ask"))
        hinting.look(request, form, asked, answering=True, repeats=again)
        async with request.app[ENGINE].begin() as conn:
            found = await find(conn, request)
            purpose = f"ask {found.post.id}"
            speaker = await voices.speaker_or_new(conn, request, form, purpose, found.group, keys)
            when = outgoing.timing(request)
            sent = await waiting.send(conn, here, speaker, found.group, found.post, asked, when)
            await agree(conn, form, speaker, found.group)
    except REFUSED as problem:
        return await _ask_page(request, form, problem, people)
    await drafts.done_with(request, form)
    return outgoing.answer(sent, f"/p/{identity(request)}")


def poll_of(here: Here, form: Form) -> Poll:
    """The poll that was typed. Raises Malformed: see `polls.draft`."""
    return polls.draft(
        here,
        form.text("options").splitlines(),
        several=form.text("several") == "several",
        days=form.number("days"),
    )


async def show_vote(request: web.Request) -> web.Response:
    return await _vote_page(request, Form())


async def _vote_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
        poll = found.shown.poll
        if not found.post.shown or poll is None:
            raise NotFound
        others = [each for each in found.place.members if each.actor.id != found.post.author_id]
        uris = [each.actor.uri for each in others]
        answered = await polls.voted(conn, found.post.id, uris)
    left = [each for each in others if each.actor.uri not in answered]
    return render(
        request,
        "threads/vote.html",
        form=form,
        problem=problem,
        parent=found.shown,
        poll=poll,
        open=polls.is_open(poll, request.app[HERE].now()),
        answered=bool(answered),
        choices=voices.choices(request, left, f"vote {found.post.id}", form),
    )


async def vote(request: web.Request) -> web.Response:
    """POST /p/{id}/vote."""
    session.of(request)
    form = await forms.read(request)
    chosen = [int(each) for each in form.all("option") if each in _POSITIONS]
    try:
        voices.pace(request)
        async with request.app[ENGINE].begin() as conn:
            found = await find(conn, request)
            speaker = await voices.speaker(conn, request, form, f"vote {found.post.id}")
            await polls.vote(conn, request.app[HERE], speaker, found.post, chosen)
    except REFUSED as problem:
        return await _vote_page(request, form, problem)
    await _remember(request, speaker.id, found.post.id)
    return see_other(f"/p/{identity(request)}")


async def _remember(request: web.Request, persona_id: UUID, post_id: int) -> None:
    """So that the member hears of the poll's end: on their side alone, who voted is forgotten."""
    member, here = session.of(request).member, request.app[HERE]
    with suppress(NotAllowed, NotFound):
        async with request.app[ENGINE].begin() as conn:
            await accounts.change(conn, here, member, lambda blob: blob.voted(persona_id, post_id))


_POSITIONS: Final = frozenset(map(str, range(MAX_OPTIONS_SHOWN)))


def routes() -> list[web.RouteDef]:
    return [
        web.get("/p/{id}/poll", show_ask),
        web.post("/p/{id}/poll", ask),
        web.get("/p/{id}/vote", show_vote),
        web.post("/p/{id}/vote", vote),
    ]
