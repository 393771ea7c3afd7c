"""The two queues of cases, a group's and the node's, and what moderators do with a case (MOD-5.2).

What was reported is shown only to whoever said that they look at it, folded, after the reasons;
how many somebody opened today is counted in their own sealed blob alone (DOM-H3).
"""

from collections.abc import Container, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING
from groups import posts as post_store
from groups.posts import Post
from kernel.errors import Malformed, NotFound, Problem
from kernel.said import noted
from kernel.schema.cases import CaseState
from members import accounts
from members.member import Blob
from moderation import alerting, cases, reports
from moderation import casework as casework_store
from moderation.care import cases as care_cases
from moderation.care.cases import Desks
from moderation.cases import Case, Place
from moderation.directed import terms
from node.pages import asked, care, care_words, case_words, forms, load, session, standing
from node.pages.casework import (
    NODE,
    STAYS,
    TASKS,
    Work,
    desk_of,
    elsewhere,
    is_own,
    is_small,
    one_of_many,
    shown_of,
    work_on,
)
from node.pages.forms import REFUSED, Form
from node.pages.paging import uuid
from node.pages.render import render, see_other

BULK: Final = ("nothing", "spam")

_UNKNOWN: Final = UUID(int=0)


# ---- The queue


async def show_queue(request: web.Request) -> web.Response:
    """GET …/cases: what waits, the most pressing first; `state=` shows some of it."""
    return await _queue_page(request)


async def _queue_page(
    request: web.Request,
    problem: Problem | None = None,
    *,
    form: Form | None = None,
    results: Sequence[tuple[str, str]] = (),
) -> web.Response:
    state = request.query.get("state", "")
    if state not in ("", *CaseState):
        raise NotFound
    here = request.app[HERE]
    async with request.app[READING].connect() as conn:
        desk = await desk_of(conn, request)
        if state == CaseState.CLOSED:
            found = await cases.closed(conn, here, desk.id, before=_before(request))
        else:
            wanted = CaseState(state) if state else None
            after = _place(request.query.get("after"))
            found = await cases.waiting(conn, here, desk.id, state=wanted, after=after)
        shown = await _posts_of(conn, found)
        is_open = state != CaseState.CLOSED
        sooner = await care.sooner_of(conn, request, shown) if is_open else {}
        seer = Desks(node=desk.id is None, groups=(desk.id,) if desk.id else ())
        worried = await care_cases.count(conn, seer)
        heard = await cases.ended(conn, session.of(request).handed)
    later = _later(found, state) if len(found) == cases.PAGE else ""
    found = _in_order(found, sooner)
    return render(
        request,
        "cases/queue.html",
        problem=problem,
        form=form or Form(),
        desk=desk,
        found=found,
        posts=shown,
        heard=heard,
        state=state,
        results=results,
        later=later,
        worried=worried,
        sooner=sooner,
        families=care_words.FAMILIES,
        mine={each.id for each in found if each.is_mine(session.of(request).member.root)},
        words=case_words,
        load=load.enough(request),
    )


async def _posts_of(conn: AsyncConnection, found: Sequence[Case]) -> Mapping[int, Post]:
    return await post_store.by_ids(conn, [each.post_id for each in found if each.post_id])


def _in_order(found: Sequence[Case], sooner: Container[int | None]) -> Sequence[Case]:
    """A page as it is shown: of what presses alike, what sounds heavy comes first (DOM-D11)."""
    return sorted(found, key=lambda it: (it.priority, it.post_id not in sooner))


def _place(text: str | None) -> Place:
    """Where a queue goes on. Raises NotFound: that is no place."""
    if not text:
        return cases.START
    priority, _, rest = text.partition("_")
    day, _, last = rest.partition("_")
    try:
        return int(priority) % 10, date.fromisoformat(day), uuid(last) or _UNKNOWN
    except ValueError as error:
        raise NotFound from error


def _token(place: Place) -> str:
    return f"{place[0]}_{place[1].isoformat()}_{place[2]}"


def _before(request: web.Request) -> tuple[date, UUID]:
    text = request.query.get("before")
    if not text:
        return date.max, UUID(int=2**128 - 1)
    _, day, last = _place(f"0_{text}")
    return day, last


def _later(found: Sequence[Case], state: str) -> str:
    last = found[-1]
    if last.closed_on is not None:
        return f"state={state}&before={last.closed_on.isoformat()}_{last.id}"
    return f"state={state}&after={_token(cases.place_of(last))}"


async def many(request: web.Request) -> web.Response:
    """POST …/cases: one decision for several; the page says what happened to each."""
    root = session.of(request).member.root
    form = await forms.read(request)
    task = form.text("task")
    chosen = [each for each in map(_id, form.all("case")[: cases.PAGE]) if each is not None]
    if task not in BULK or not chosen:
        problem = Malformed("Please tick what it is for, and choose what to do.")
        return await _queue_page(request, problem, form=form)
    results = []
    async with request.app[ENGINE].begin() as conn:
        desk = await desk_of(conn, request)
        for case_id in chosen:
            try:
                async with conn.begin_nested():
                    work = await work_on(conn, request, desk, case_id, form, root)
                    results.append((_title(work.case), await one_of_many(request, work, task)))
            except (*REFUSED, NotFound) as refusal:
                results.append((noted("One of them"), refusal.detail or refusal.title))
        await alerting.seen(conn, desk.id)
    return await _queue_page(request, results=results)


def _title(case: Case) -> str:
    return case.about.name if case.about is not None else case_words.SUBJECTS[case.subject]


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# ---- One case


async def show_case(request: web.Request) -> web.Response:
    """GET …/cases/{case}."""
    return await _case_page(request, Form())


async def _case_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    here, root = request.app[HERE], session.of(request).member.root
    async with request.app[READING].connect() as conn:
        desk = await desk_of(conn, request)
        case = await cases.get(conn, here, desk.id, _case_id(request))
        own = await is_own(conn, request, case)
        mine = case.is_mine(root) and not own
        after = uuid(request.query.get("after"))
        said = await reports.of_case(conn, here, case.id, after=after) if mine else []
        notes = [] if own else await casework_store.notes(conn, here, case.id)
        earlier = await cases.earlier(conn, here, case) if case.group_id == desk.id else []
        shown = await shown_of(conn, case)
        tells = await elsewhere(conn, here, case) is not None and mine
        small = tells and await is_small(conn, shown, case)
        beside = await asked.beside(conn, here, case, tells=tells and not case.told)
    return render(
        request,
        "cases/case.html",
        problem=problem,
        form=form,
        desk=desk,
        case=case,
        mine=mine,
        own=own,
        taken=case.is_taken(root, here.now().date()),
        said=said,
        more=said[-1].id if len(said) == reports.PAGE else "",
        notes=notes,
        earlier=earlier,
        shown=shown,
        tells=tells and not case.told,
        small=small,
        host=here.host,
        beside=beside,
        terms=terms,
        words=case_words,
        days=standing.FOR_GOOD,
        limit=casework_store.MAX_NOTE,
        load=load.enough(request),
    )


def _case_id(request: web.Request) -> UUID:
    return _id(request.match_info["case"]) or _UNKNOWN


async def decide(request: web.Request) -> web.Response:
    """POST …/cases/{case}/{task}. 409: somebody else was faster; the page says how it stands."""
    root = session.of(request).member.root
    form = await forms.read(request)
    task = TASKS.get(request.match_info["task"])
    if task is None:
        raise NotFound
    stays, onward = STAYS.get(request.match_info["task"]), ""
    try:
        if not stays:
            async with request.app[READING].connect() as conn:
                onward = await _next(conn, request)
        async with request.app[ENGINE].begin() as conn:
            desk = await desk_of(conn, request)
            work = await work_on(conn, request, desk, _case_id(request), form, root)
            await task(work)
            await alerting.seen(conn, desk.id)
    except REFUSED as problem:
        return await _case_page(request, form, problem)
    await _remember(request, work)
    return see_other(f"{desk.path}/{work.case.id}{stays}" if stays else onward)


async def _remember(request: web.Request, work: Work) -> None:
    """What was opened, and what they want to hear the end of: on the account's side alone.

    In a transaction of its own (DESIGN-V1).
    """
    here, task = request.app[HERE], request.match_info["task"]
    if task == "claim":
        await load.one_more(request)
    elif task == "hand" and work.form.ticked("hear"):
        async with request.app[ENGINE].begin() as conn:
            member = session.of(request).member
            await accounts.change(conn, here, member, partial(_handed, work.case.id))


def _handed(case_id: UUID, blob: Blob) -> Blob:
    return blob.with_handed(case_id)


async def _next(conn: AsyncConnection, request: web.Request) -> str:
    """Back to the queue, at what is shown after this case before it is decided.

    Raises NotFound, NotAllowed: as `desk_of`, or there is no such case.
    """
    here, desk = request.app[HERE], await desk_of(conn, request)
    case = await cases.get(conn, here, desk.id, _case_id(request))
    place = cases.place_of(case)
    first = await cases.waiting(conn, here, desk.id)
    ids = [each.id for each in await _shown(conn, request, first)]
    if case.id in ids:
        if after := ids[ids.index(case.id) + 1 :]:
            return f"{desk.path}#case-{after[0]}"
        place = cases.place_of(first[-1])
    later = await cases.waiting(conn, here, desk.id, after=place)
    if later:
        following = (await _shown(conn, request, later))[0].id
        return f"{desk.path}?after={_token(place)}#case-{following}"
    others = [each for each in ids if each != case.id]
    return f"{desk.path}#case-{others[0]}" if others else desk.path


async def _shown(
    conn: AsyncConnection, request: web.Request, found: Sequence[Case]
) -> Sequence[Case]:
    return _in_order(found, await care.sooner_of(conn, request, await _posts_of(conn, found)))


def routes() -> list[web.RouteDef]:
    return [
        route
        for path in ("/g/{name}/desk/cases", NODE)
        for route in (
            web.get(path, show_queue),
            web.post(path, many),
            web.get(f"{path}/{{case}}", show_case),
            web.post(f"{path}/{{case}}/{{task}}", decide),
        )
    ]
