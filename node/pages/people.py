"""Advice about people elsewhere: what we tell peers, and what theirs does here (MOD-5.2)."""

from datetime import date
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.state import ENGINE, HERE, READING
from kernel.errors import Malformed, NotFound, Problem
from kernel.said import noted
from moderation import cases, labels
from moderation.signals import about_people, people
from moderation.signals.about_people import Words
from moderation.signals.scoring import HARSH
from moderation.signals.vocabulary import POLICY_WORDS, Policy
from moderation.why import basis_of
from node.pages import forms, paging, session
from node.pages.advice_words import ENDS, STATES
from node.pages.casework import Desk, desk_of, elsewhere, work_on
from node.pages.forms import REFUSED, Form
from node.pages.render import render, see_other

PATH: Final = "/settings/node/people"
TOLD: Final = "/moderation/people"
_POLICIES: Final = {str(policy): words for policy, words in POLICY_WORDS.items() if policy}


# ---- What peers' advice does here


async def index(request: web.Request) -> web.Response:
    """GET /settings/node/people: whom peers advise about who was met here, and what it does."""
    return await _index(request)


async def _index(request: web.Request, problem: Problem | None = None) -> web.Response:
    session.administrator(request)
    after = paging.uuid(request.query.get("after"))
    async with request.app[READING].connect() as conn:
        found = await people.listed(conn, after=after)
        basis = {it.actor_id: await basis_of(conn, it.basis) for it in found if it.asks}
    return render(
        request,
        "pacts/people.html",
        problem=problem,
        people=found,
        basis=basis,
        more=f"?after={found[-1].actor_id}" if len(found) == people.PAGE else "",
        first=after is None,
        path=PATH,
        states=STATES,
        ends=ENDS,
        policies=POLICY_WORDS,
    )


async def answer(request: web.Request) -> web.Response:
    """POST …/people/{person}: a person says yes, or no."""
    session.administrator(request)
    form, actor_id = await forms.read(request), _person(request)
    said = {"agree": people.agree, "refuse": people.refuse}.get(form.text("answer"))
    if said is None:
        raise NotFound
    try:
        async with request.app[ENGINE].begin() as conn:
            await said(conn, session.deciding(request), actor_id)
    except REFUSED as problem:
        return await _index(request, problem)
    return see_other(PATH)


def _person(request: web.Request) -> UUID:
    return paging.uuid(request.match_info["person"]) or UUID(int=0)


# ---- What we tell them


async def told(request: web.Request) -> web.Response:
    """GET /moderation/people: about whom this place advises its peers, and what waits."""
    return await _told(request)


async def _told(request: web.Request, problem: Problem | None = None) -> web.Response:
    session.node_moderator(request)
    after = paging.uuid(request.query.get("after"))
    async with request.app[READING].connect() as conn:
        await session.check_going_on(conn, request)
        found = await about_people.listed(conn, after=after)
        hosts = [pact.host for pact in await about_people.peers(conn, request.app[HERE])]
    return render(
        request,
        "pacts/told.html",
        problem=problem,
        people=found,
        hosts=hosts,
        more=f"?after={found[-1].actor_id}" if len(found) == about_people.PAGE else "",
        first=after is None,
        path=TOLD,
        policies=POLICY_WORDS,
    )


async def change(request: web.Request) -> web.Response:
    """POST …/people/{person}: take it back; or the second person says yes to what is harsh."""
    session.node_moderator(request)
    form, actor_id, here = await forms.read(request), _person(request), session.deciding(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            await session.check_going_on(conn, request)
            if form.text("answer") == "back":
                await about_people.take_back(conn, here, actor_id)
            elif form.text("answer") == "agree":
                about = await about_people.one(conn, actor_id)
                if about is None or about.told:
                    raise NotFound
                actor = await actor_store.get(conn, actor_id)
                await about_people.advise(conn, here, actor, about.words, about.case_id)
            else:
                raise NotFound
    except REFUSED as problem:
        return await _told(request, problem)
    return see_other(TOLD)


async def show(request: web.Request) -> web.Response:
    """GET /moderation/{case}/advise: tell trusted places about the person of a case."""
    return await _page(request, Form.of(policy=Policy.FILTER, confidence="0.8"))


async def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    here = request.app[HERE]
    async with request.app[READING].connect() as conn:
        desk = await desk_of(conn, request)
        person, case_id = await _about(conn, request, desk)
        about = await about_people.one(conn, person.id)
        hosts = [pact.host for pact in await about_people.peers(conn, here)]
    return render(
        request,
        "pacts/advise.html",
        form=form,
        problem=problem,
        person=person,
        about=about,
        hosts=hosts,
        at=f"{desk.path}/{case_id}",
        choices=_POLICIES,
        policies=POLICY_WORDS,
        harsh=[each.value for each in HARSH],
        labels=labels.VOCABULARY,
    )


async def _about(conn: AsyncConnection, request: web.Request, desk: Desk) -> tuple[Actor, UUID]:
    """Whom a case of the node's desk is about. Raises NotFound: nobody elsewhere."""
    case_id = paging.uuid(request.match_info["case"]) or UUID(int=0)
    case = await cases.get(conn, request.app[HERE], desk.id, case_id)
    person = await elsewhere(conn, request.app[HERE], case)
    if person is None:
        raise NotFound
    return person, case.id


async def advise(request: web.Request) -> web.Response:
    """POST …/advise: so they are told; what is harsh waits for one more person."""
    root = session.of(request).member.root
    form = await forms.read(request)
    try:
        words = _words(form)
        async with request.app[ENGINE].begin() as conn:
            desk = await desk_of(conn, request)
            person, case_id = await _about(conn, request, desk)
            work = await work_on(conn, request, desk, case_id, form, root)
            await about_people.advise(conn, work.here, person, words, case_id)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(TOLD)


def _words(form: Form) -> Words:
    """Raises Malformed."""
    try:
        policy = Policy(form.text("policy"))
    except ValueError as error:
        raise Malformed(noted("Please choose what you advise.")) from error
    try:
        until = date.fromisoformat(form.text("until").strip())
    except ValueError as error:
        raise Malformed(noted("Please write the last day like 2027-01-31.")) from error
    try:
        confidence = float(form.text("confidence").strip().replace(",", ".") or 0.8)
    except ValueError as error:
        raise Malformed(noted("How sure you are is a number from 0 to 1.")) from error
    return Words(
        policy=policy,
        until=until,
        labels=tuple(form.all("label")),
        summary=form.text("reason"),
        confidence=confidence,
    )


def routes() -> list[web.RouteDef]:
    return [
        web.get(PATH, index),
        web.post(PATH + "/{person}", answer),
        web.get(TOLD, told),
        web.post(TOLD + "/{person}", change),
        web.get("/moderation/{case}/advise", show),
        web.post("/moderation/{case}/advise", advise),
    ]
