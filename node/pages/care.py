"""The care desk: who may need somebody, how soon, and what to read sooner (MOD-5.14, DOM-D11).

It is one page for all desks of a member. Nothing on it does anything to the person it is about but
let them know, kindly, that somebody is there; nothing on it removes, limits or reports.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING, SETTINGS
from groups import looking, reported
from groups.posts import Post
from kernel import text
from kernel.errors import Malformed, NotAllowed, NotFound, Problem
from kernel.here import Here
from kernel.schema.care import Level
from moderation.care import cases, looks, notes, objections, sooner
from moderation.care.cases import Desks, Place
from moderation.care.sooner import Weights
from node.pages import care_words, forms, load, session
from node.pages import posts as post_pages
from node.pages.forms import REFUSED, Form
from node.pages.paging import number, uuid
from node.pages.render import render, see_other

PATH: Final = "/moderation/care"
WEIGHTS_FILE: Final = "look-sooner.json"
WEIGHTS: Final = web.AppKey("look_sooner_weights", dict[str, float])

UNKNOWN: Final = UUID(int=0)


def prepare(app: web.Application) -> None:
    """Read the node's own weights, where it has some. Raises Misconfigured."""
    path: Path = app[SETTINGS].data_dir / WEIGHTS_FILE
    app[WEIGHTS] = dict(sooner.read_weights(path if path.is_file() else None))


async def desks_of(conn: AsyncConnection, request: web.Request) -> Desks:
    """The desks whoever asks sits at.

    Raises SignedOut; NotFound: there are none (SEC-L8); NotAllowed: they are stopped (MOD-H12).
    """
    session.of(request)
    ids = (await session.voices(conn, request)).ids
    found = Desks(
        node=session.is_node_moderator(request), groups=await looking.tended_by(conn, ids)
    )
    if not found.any:
        raise NotFound
    await session.check_going_on(conn, request)
    return found


# ---- The queue


async def show(request: web.Request) -> web.Response:
    """GET /moderation/care."""
    return await _page(request)


async def _page(
    request: web.Request, problem: Problem | None = None, form: Form | None = None
) -> web.Response:
    here, weights = request.app[HERE], request.app[WEIGHTS]
    async with request.app[READING].connect() as conn:
        desks = await desks_of(conn, request)
        mine = (await session.voices(conn, request)).ids
        found = await cases.waiting(conn, here, desks, after=_place(request.query.get("after")))
        order = await _order(conn, here, desks, weights)
        a_day = await looks.a_day(conn)
    shown = found[: cases.PAGE]
    root = session.of(request).member.root
    return render(
        request,
        "care/queue.html",
        problem=problem,
        form=form or Form.of(number=str(a_day)),
        path=PATH,
        found=shown,
        later=_token(cases.place_of(shown[-1])) if len(found) > cases.PAGE else "",
        held={each.id for each in shown if each.is_mine(root)},
        own={each.id for each in shown if each.about and each.about.actor_id in mine},
        order=order,
        of_node=desks.node,
        load=load.enough(request),
        words=care_words,
    )


async def _order(
    conn: AsyncConnection, here: Here, desks: Desks, weights: Weights
) -> looking.Order:
    return await looking.order(conn, here, desks.groups, weights)


def _place(text: str | None) -> Place | None:
    """Where the queue goes on. Raises NotFound: that is no place."""
    if not text:
        return None
    level, _, rest = text.partition("_")
    due, _, last = rest.partition("_")
    try:
        return int(level) % 10, datetime.fromtimestamp(int(due), tz=UTC), uuid(last) or UNKNOWN
    except (ValueError, OverflowError, OSError) as error:
        raise NotFound from error


def _token(place: Place) -> str:
    return f"{place[0]}_{int(place[1].timestamp())}_{place[2]}"


async def set_number(request: web.Request) -> web.Response:
    """POST /moderation/care: how many posts moderators want to look at sooner in a day."""
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            if not (await desks_of(conn, request)).node:
                raise NotAllowed("Only the people who look after this place can do that.")
            typed = form.text("number").strip()
            chosen = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 5 else -1
            await looks.choose(conn, chosen)
    except REFUSED as problem:
        return await _page(request, problem, form)
    return see_other(f"{PATH}#sooner")


async def looked(request: web.Request) -> web.Response:
    """POST /moderation/care/looked: somebody read a post of the list; was it right to?"""
    form = await forms.read(request)
    here, weights = request.app[HERE], request.app[WEIGHTS]
    fitting = form.text("fitting")
    try:
        if fitting not in ("yes", "no"):
            raise Malformed("Please say whether it was good to look sooner.")
        async with request.app[ENGINE].begin() as conn:
            order = await _order(conn, here, await desks_of(conn, request), weights)
            post_id = number(form.text("post")) or 0
            listed = {each.post_id: each for each in (*order.first, *order.sample)}
            if post_id in listed:
                await looks.note(
                    conn,
                    here,
                    post_id,
                    listed[post_id].language,
                    sampled=not listed[post_id].look.sooner,
                    fitting=fitting == "yes",
                )
    except REFUSED as problem:
        return await _page(request, problem, form)
    return see_other(f"{PATH}#sooner")


async def show_list(request: web.Request) -> web.Response:
    """GET /moderation/care/list: how often the list was right, week by week."""
    async with request.app[READING].connect() as conn:
        await desks_of(conn, request)
        weeks = await looks.weeks(conn)
    return render(
        request,
        "care/list.html",
        path=PATH,
        weeks=weeks,
        version=sooner.reviewed(),
        languages=sooner.languages(),
        weighed=bool(request.app[WEIGHTS]),
        sample=looks.SAMPLE,
    )


async def sooner_of(
    conn: AsyncConnection, request: web.Request, shown: Mapping[int, Post]
) -> Mapping[int, tuple[str, ...]]:
    """Why some of these posts are to be read sooner: as many as moderators want in a day.

    What is by somebody who does not want that is not looked through (DOM 5.5, rule 9).
    """
    weights, a_day = request.app[WEIGHTS], await looks.a_day(conn)
    authors = {each.author_id for each in shown.values()}
    unwilling = await objections.among(conn, request.app[HERE], authors)
    looked = {
        each.id: sooner.look(
            f"{each.title}\n{text.words_of(text.clean(each.content))}",
            each.language,
            answering=not each.is_root,
            weights=weights,
        )
        for each in shown.values()
        if each.shown and each.author_id not in unwilling
    }
    first = sorted(
        (each for each in looked if looked[each].sooner), key=lambda it: -looked[it].points
    )
    return {each: looked[each].reasons for each in first[:a_day]}


# ---- Looking after whoever wrote a post


async def show_post(request: web.Request) -> web.Response:
    """GET /p/{id}/care: a moderator asks the others to look after somebody."""
    return await _post_page(request)


async def _post_page(
    request: web.Request, problem: Problem | None = None, form: Form | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found, _ = await _moderated(conn, request)
    return render(
        request,
        "care/post.html",
        problem=problem,
        form=form or Form.of(level=str(int(Level.MEDIUM))),
        parent=found.shown,
        words=care_words,
        levels_of=Level,
        limit=notes.MAX_WORDS,
    )


async def _moderated(conn: AsyncConnection, request: web.Request) -> tuple[post_pages.Found, Desks]:
    """Raises NotFound: as for a post that is not there, where it is not theirs to look after."""
    desks = await desks_of(conn, request)
    found = await post_pages.find(conn, request)
    theirs = desks.node or found.post.group_id in desks.groups
    if found.shown.mine or not found.post.shown or found.post.by_group or not theirs:
        raise NotFound
    return found, desks


def read_level(form: Form) -> Level:
    chosen = form.text("level")
    if chosen not in {str(int(each)) for each in Level}:
        raise Malformed("Please choose how soon somebody should look.")
    return Level(int(chosen))


async def look_after(request: web.Request) -> web.Response:
    """POST /p/{id}/care."""
    form, here = await forms.read(request), request.app[HERE]
    try:
        async with request.app[ENGINE].begin() as conn:
            found, _ = await _moderated(conn, request)
            group_id, about = await reported.place(conn, found.group, found.post)
            level = read_level(form)
            case_id = await cases.open_case(
                conn,
                here,
                about=about,
                host=found.post.author_host,
                level=level,
                group_id=group_id,
            )
            if words := form.text("note").strip():
                await notes.add_words(conn, here, case_id, None, words)
    except REFUSED as problem:
        return await _post_page(request, problem, form)
    return see_other(f"{PATH}#care-{case_id}")


def routes() -> list[web.RouteDef]:
    return [
        web.get(PATH, show),
        web.post(PATH, set_number),
        web.get(f"{PATH}/list", show_list),
        web.post(f"{PATH}/looked", looked),
        web.get("/p/{id}/care", show_post),
        web.post("/p/{id}/care", look_after),
    ]
