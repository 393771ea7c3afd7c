"""Open pages hear that something changed, by server-sent events, and ask what (DESIGN decision 8).

An event has no content. What a page is told comes from `now`, which asks like any page what its
reader may see, so a moderator's decision counts here as everywhere. Nothing of it is logged.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import HERE, READING, SETTINGS
from groups import browsing
from groups import posts as post_store
from groups.browsing import Change
from kernel import live
from kernel.errors import NotFound
from kernel.said import noted, noted_pair
from kernel.schema.posts import PostState
from members import sessions
from moderation.visibility import Viewer
from node.live import HUB, Ear
from node.pages import headers, look, notices, session, waiting
from node.pages.paging import number

_ANSWERS: Final = noted_pair("{} new answer.", "{} new answers.")
PULSE: Final = 20.0  # seconds between two signs of life
GAP: Final = 1.0  # seconds from one event of a stream to its next
LASTS: Final = 900.0  # seconds; then the browser opens a new one
TAKING: Final = 20.0  # seconds a browser may take for a few bytes
MOST: Final = 100  # posts of a thread that are compared with an open page


async def stream(request: web.Request) -> web.StreamResponse:
    """GET /live: `look`, at the start and whenever something changed.

    A stream that was interrupted, with or without `Last-Event-ID`, begins with it anew, so nothing
    is missed. It ends with the session, or when its reader is stopped.

    Raises SignedOut, Malformed, TooMany, Busy.
    """
    current, hub = session.of(request), request.app[HUB]
    thread_id = waiting.thread_of(current, request.query.get("of", ""))
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
    about = [live.of_session(current.id), *map(live.of_persona, viewer.voices)]
    if thread_id:
        about.append(live.of_thread(thread_id))
    if request.method == "HEAD":
        return web.Response(headers=_headers(request), content_type="text/event-stream")
    with hub.waiting(current.id, about) as ear:
        await hub.listening(GAP)
        answer = web.StreamResponse(headers=_headers(request))
        answer.content_type = "text/event-stream"
        await answer.prepare(request)
        with suppress(ConnectionError, TimeoutError):
            await _go_on(request, answer, ear, thread_id)
    return answer


def _headers(request: web.Request) -> dict[str, str]:
    always = headers.always(request.app[SETTINGS].media_origin)
    return {**always, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def _go_on(
    request: web.Request, answer: web.StreamResponse, ear: Ear, thread_id: int | None
) -> None:
    """Until the session is over, the node stops, the time is up or the browser is gone.

    Or its reader may not read it any more (MOD-H12).
    """
    hub, loop = request.app[HUB], asyncio.get_running_loop()
    ends, number = loop.time() + LASTS, 1
    await _write(answer, f"retry: 3000\nid: {number}\nevent: look\ndata:\n\n")
    while not hub.closed and loop.time() < ends:
        came = await ear.wait(PULSE)
        if hub.closed or not await _may_go_on(request, thread_id):
            return
        if came:
            number += 1
            await _write(answer, f"id: {number}\nevent: look\ndata:\n\n")
            await asyncio.sleep(GAP)
        else:
            await _write(answer, ":\n\n")


async def _write(answer: web.StreamResponse, text: str) -> None:
    await asyncio.wait_for(answer.write(text.encode()), TAKING)


async def _may_go_on(request: web.Request, thread_id: int | None) -> bool:
    """Whether the session is there, no name of it is stopped, and the thread is to be seen."""
    request.pop(session.VOICES, None)  # as they were when the page was opened
    async with request.app[READING].connect() as conn:
        if not await sessions.is_there(conn, request.app[HERE], session.of(request).id):
            return False
        viewer = await session.viewer(conn, request)
        if viewer.stopped:
            return False
        try:
            if thread_id:
                await post_store.get(conn, thread_id, viewer)
        except NotFound:
            return False
        return True


async def now(request: web.Request) -> web.Response:
    """GET /live/now: what an open page says to its reader, and which of its posts are gone.

    `first` and `to` are the posts it shows, and `given` a digest of what labels these had; without
    a `last`, the newest that it knows of, it does not wait for more of them.
    Raises NotFound: its reader may not see the thread any more.
    """
    current = session.of(request)
    thread_id = waiting.thread_of(current, request.query.get("of", ""))
    first, last = number(request.query.get("first")), number(request.query.get("last"))
    known = number(request.query.get("notices")) or 0
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        told = await notices.fresh(conn, request)
        found: Sequence[Change] = ()
        if thread_id:
            found = await _changes(conn, viewer, thread_id, first or 0)
    more = _more(request, viewer, found, last) if last is not None else []
    say, href, spoken = "", "", look.words(request)
    if more:
        say, href = spoken.counted(len(more), *_ANSWERS), f"/p/{more[0].id}"
    elif thread_id and _has_other_labels(request, found):
        say = spoken.told(noted("What moderators say of a post here has changed."))
        href = f"/t/{thread_id}"
    elif not thread_id and told > known:
        say, href = spoken.told(noted("There is something new for you.")), "/notices"
    return web.json_response(
        {
            "say": say,
            "href": href,
            "show": spoken.told(noted("Show them") if len(more) > 1 else noted("Show it"))
            if say
            else "",
            "gone": [str(each.id) for each in found if not each.readable],
            "instead": spoken.told(noted("This post is no longer shown.")),
            "menu": spoken.news(told),
        },
        headers={"Cache-Control": "no-store"},
    )


async def _changes(
    conn: AsyncConnection, viewer: Viewer, thread_id: int, first: int
) -> Sequence[Change]:
    found = await browsing.changes(conn, thread_id, viewer, first=first, limit=MOST)
    if not found:
        raise NotFound
    return found


def _has_other_labels(request: web.Request, found: Sequence[Change]) -> bool:
    """Whether the posts that a page shows have other labels than when it was drawn."""
    to = number(request.query.get("to"))
    if to is None:
        return False
    given = waiting.digest_of(request, (each.given for each in found if each.id <= to))
    return given != request.query.get("given", "")


def _more(
    request: web.Request, viewer: Viewer, found: Sequence[Change], last: int
) -> Sequence[Change]:
    """What others said since, and the reader wants to see."""
    sieve = session.sieve(request)
    return [
        each
        for each in found
        if each.id > last
        and each.state is PostState.SHOWN
        and each.author_id not in viewer.voices
        and sieve.author(each.author_id, each.author_host) is None
    ]


def routes() -> list[web.RouteDef]:
    return [web.get("/live", stream), web.get("/live/now", now)]
