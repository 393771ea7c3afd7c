"""What other desks were asked, and what they asked here (MOD-5.4, MOD-5.12).

Those who moderate the node read it. What a letter will say is shown before it is sent, as it is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING
from activitypub.vocab import Document
from kernel.errors import Malformed, NotFound, Problem
from kernel.here import Here
from kernel.said import noted
from kernel.schema.directed import AskState, Category, Urgency
from moderation import alerting, cases, forwarding, pacts
from moderation.cases import Case
from moderation.directed import answering, asking, route, sent, terms
from moderation.directed.answering import Received
from moderation.directed.sent import Asked
from moderation.directed.terms import Refused, Result
from node.pages import case_words, forms, paging, session
from node.pages.casework import desk_of, elsewhere, letter_of, shown_of, work_on
from node.pages.forms import REFUSED, Form
from node.pages.render import render, see_other

PATH: Final = "/moderation/asked"
ANSWERS: Final = {
    Result.NO_ACTION: noted("We stand by our advice"),
    Result.REMOVED: noted("We take our advice back"),
    Result.LIMITED: noted("We make our advice milder"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a case's page shows of other desks."""

    out: Sequence[Asked] = ()
    came: Sequence[Received] = ()
    hosts: Sequence[str] = ()  # of pact peers that can be asked
    warns: bool = False  # whoever it is about may read what is sent


async def beside(conn: AsyncConnection, here: Here, case: Case, *, tells: bool) -> Beside:
    """What was asked about a case, both ways, and who can be asked about it."""
    out = await sent.of_case(conn, here, case.id)
    came = await answering.of_case(conn, here, case.id)
    if not tells:
        return Beside(out=out, came=came)
    person, shown = await elsewhere(conn, here, case), await shown_of(conn, case)
    group = shown.group.actor if shown is not None and shown.group.settings is None else None
    hosts = []
    for host in dict.fromkeys(each.host for each in (person, group) if each is not None):
        try:
            await route.route(conn, here, host, Category.REPORT)
            hosts.append(host)
        except Refused:
            continue
    warns = person is not None and await forwarding.looks_after(conn, person, group)
    return Beside(out=out, came=came, hosts=hosts, warns=warns)


async def preview(request: web.Request) -> web.Response:
    """POST …/cases/{case}/ask: exactly what each server would be sent; nothing is."""
    root = session.of(request).member.root
    form = await forms.read(request)
    problem: Problem | None = None
    letters: Sequence[tuple[str, Document | Refused]] = ()
    async with request.app[ENGINE].connect() as conn:
        desk = await desk_of(conn, request)
        case_id = paging.uuid(request.match_info["case"]) or UUID(int=0)
        try:
            work = await work_on(conn, request, desk, case_id, form, root)
            letters = await forwarding.preview(conn, work.here, await letter_of(work))
        except REFUSED as refusal:
            problem = refusal
        await conn.rollback()
    return render(
        request,
        "asked/preview.html",
        problem=problem,
        form=form,
        at=f"{desk.path}/{case_id}",
        letters=[(host, _text(it)) for host, it in letters if not isinstance(it, Refused)],
        left_out=[(host, it.detail) for host, it in letters if isinstance(it, Refused)],
        fields=("letter", "with_post", "sure", "category", "action", "urgency", "rule"),
    )


def _text(document: Document) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


# ---- The lists


async def index(request: web.Request) -> web.Response:
    """GET /moderation/asked: what was asked elsewhere; `way=in`: what others asked here."""
    return await _index(request)


async def _index(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.node_moderator(request)
    here, way = request.app[HERE], request.query.get("way", "out")
    if way not in ("out", "in"):
        raise NotFound
    before = _before(request)
    found: Sequence[Asked] | Sequence[Received]
    async with request.app[READING].connect() as conn:
        await session.check_going_on(conn, request)
        read = sent.listed if way == "out" else answering.listed
        found = await read(conn, here, before=before)
        to_call = await contacts(conn, here, found)
        ours = await cases.of_node(conn, [each.case_id for each in found if each.case_id])
    more = f"?way={way}&before={found[-1].day}_{found[-1].id}" if len(found) == sent.PAGE else ""
    return render(
        request,
        "asked/index.html",
        form=form or Form(),
        problem=problem,
        way=way,
        found=found,
        contacts=to_call,
        ours=ours,
        more=more,
        first=before is None,
        path=PATH,
        terms=terms,
        words=case_words,
        answers={each.value: ANSWERS[each] for each in ANSWERS},
    )


def _before(request: web.Request) -> tuple[date, UUID] | None:
    day, _, last = request.query.get("before", "").partition("_")
    try:
        return (date.fromisoformat(day), UUID(last)) if day else None
    except ValueError as error:
        raise NotFound from error


async def contacts(
    conn: AsyncConnection, here: Here, found: Sequence[Asked] | Sequence[Received]
) -> dict[str, str]:
    """Whom to call where a request for care was not seen: their second contact (MOD-5.14)."""
    hosts = {
        each.host
        for each in found
        if each.category is Category.CARE and each.state in (AskState.UNSEEN, AskState.REFUSED)
    }
    to_call = {}
    for host in hosts:
        pact = await pacts.with_host(conn, host)
        if pact is not None and pact.paper is not None:
            to_call[host] = pact.paper.other(f"{here.origin}/desk/node").care
    return to_call


async def act(request: web.Request) -> web.Response:
    """POST …/asked/{ask}: take it back, say it in other words, or answer an appeal."""
    session.node_moderator(request)
    form, here = await forms.read(request), session.deciding(request)
    ask_id = paging.uuid(request.match_info["ask"]) or UUID(int=0)
    task = form.text("task")
    try:
        async with request.app[ENGINE].begin() as conn:
            await session.check_going_on(conn, request)
            if task == "back":
                await asking.take_back(conn, here, ask_id)
            elif task == "change":
                urgency = _one_of(Urgency, form.text("urgency"))
                await asking.revise(conn, here, ask_id, words=form.text("words"), urgency=urgency)
            elif task == "answer":
                await _answer(conn, here, ask_id, form)
            else:
                raise NotFound
            await alerting.seen(conn, None)
    except REFUSED as problem:
        return await _index(request, form, problem)
    return see_other(f"{PATH}?way={'in' if task == 'answer' else 'out'}")


async def _answer(conn: AsyncConnection, here: Here, ask_id: UUID, form: Form) -> None:
    words = form.text("words").strip()
    if not words or form.text("outcome") not in {*ANSWERS}:
        raise Malformed("Please choose an answer, and say why in a few words.")
    if len(words) > terms.MAX_WORDS:
        raise Malformed("That is too long. Please say it in fewer words.")
    outcome = Result(form.text("outcome"))
    await answering.decide_appeal(conn, here, ask_id, outcome=outcome, words=words)


def _one_of(kind: type[Urgency], text: str) -> Urgency:
    try:
        return kind(text)
    except ValueError as error:
        raise Malformed("Please choose how soon it has to be.") from error


# ---- An appeal to whoever advised something


async def show_appeal(request: web.Request) -> web.Response:
    """GET …/asked/advice/{signal}: ask a peer to look at its advice again."""
    return await _appeal_page(request, Form())


async def _appeal_page(
    request: web.Request, form: Form, problem: Problem | None = None, shown: str = ""
) -> web.Response:
    session.node_moderator(request)
    async with request.app[READING].connect() as conn:
        await session.check_going_on(conn, request)
        line = await _line(conn, request)
        asked = (await sent.about_signals(conn, request.app[HERE], [line.id])).get(line.id)
    return render(
        request,
        "asked/appeal.html",
        form=form,
        problem=problem,
        line=line,
        asked=asked,
        shown=shown,
        terms=terms,
        path=f"{PATH}/advice/{line.id}",
    )


async def _line(conn: AsyncConnection, request: web.Request) -> sent.Line:
    return await sent.advice(conn, paging.number(request.match_info["signal"]) or 0)


async def appeal(request: web.Request) -> web.Response:
    """POST …/asked/advice/{signal}: with `look` it is shown first, as it would be sent."""
    session.node_moderator(request)
    form, here = await forms.read(request), session.deciding(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            await session.check_going_on(conn, request)
            line = await _line(conn, request)
            if form.text("look"):
                shown = await _look(conn, here, line.host, line.uri, form.text("words"))
                return await _appeal_page(request, form, shown=shown)
            await asking.send(
                conn,
                here,
                line.host,
                category=Category.APPEAL,
                object_uri=line.uri,
                words=form.text("words"),
            )
    except REFUSED as problem:
        return await _appeal_page(request, form, problem)
    return see_other(PATH)


async def _look(conn: AsyncConnection, here: Here, host: str, uri: str, words: str) -> str:
    pact = await route.route(conn, here, host, Category.APPEAL)
    asked = terms.Request(category=Category.APPEAL, objects=(uri,), words=words)
    request = await asking.prepare(conn, here, host, asked)
    flag = sent.flag_uri(here, UUID(int=0))
    return _text(request.document(flag, f"{here.origin}/desk/node", pact.desk_uri))


def routes() -> list[web.RouteDef]:
    return [
        web.get(PATH, index),
        web.get(PATH + "/advice/{signal}", show_appeal),
        web.post(PATH + "/advice/{signal}", appeal),
        web.post(PATH + "/{ask}", act),
        web.post("/g/{name}/desk/cases/{case}/ask", preview),
        web.post("/moderation/{case}/ask", preview),
    ]
