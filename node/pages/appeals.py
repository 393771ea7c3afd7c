"""What was decided about a member's names, and asking for a second look (MOD-5.12, DOM-D18)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.state import ENGINE, HERE, READING
from groups import appealing
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from kernel.errors import Malformed, NotFound, Problem
from kernel.schema.moderation import Role
from moderation import alerting, appeals, audit, desks
from moderation.appeals import Appeal
from moderation.audit import Decision
from moderation.directed import sent
from node.pages import decision_words, forms, group_words, own_names, session, voices
from node.pages import groups as group_pages
from node.pages.casework import node_desk
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.paging import number
from node.pages.render import render, see_other

PAGE: Final = 20

_CHANGE: Final = {"change": True, "keep": False}


# ---- Of a member's own names


async def list_own(request: web.Request) -> web.Response:
    """GET /personas/{name}/decisions: about one name, and no other one."""
    session.of(request)
    before = number(request.query.get("before"))
    async with request.app[READING].connect() as conn:
        person = await own_names.own_or_stopped(conn, request)
        found = await audit.of_person(conn, person.id, before=before, limit=PAGE + 1)
    return render(
        request,
        "decisions/mine.html",
        person=person,
        found=found[:PAGE],
        older=found[PAGE - 1].id if len(found) > PAGE else None,
        first=before is None,
        mine=decision_words.MINE,
    )


async def show(request: web.Request) -> web.Response:
    """GET /decisions/{decision}: all that was said about one, for whom it is about."""
    return await _page(request)


async def _page(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    here = request.app[HERE]
    async with request.app[READING].connect() as conn:
        decision = await _own(conn, request)
        appeal = await appeals.of(conn, here, decision.id)
        person = await actor_store.get(conn, decision.person_id)
        alone = decision.group_id is not None and await desks.few_moderators(
            conn, decision.group_id
        )
        post = await post_store.by_uri(conn, decision.about)
        followed = await audit.followed(conn, [decision.id])
    return render(
        request,
        "decisions/show.html",
        form=form or Form(),
        problem=problem,
        decision=decision,
        person=person,
        post=post,
        appeal=appeal,
        late=appeal is not None and appeal.is_late(here.now().date()),
        later=followed.get(decision.id),
        alone=alone,
        may_ask=decision.appealable
        and appeal is None
        and here.now().date() <= decision.appeal_until(),
        mine=decision_words.MINE,
        stays=decision_words.STAYS,
        actions=audit.ACTIONS,
        roles=decision_words.ROLES,
        limit=appeals.MAX_WORDS,
    )


async def _own(conn: AsyncConnection, request: web.Request) -> Decision:
    """Raises NotFound: there is none, or it is about somebody else."""
    decision = await audit.decision(conn, number(request.match_info["decision"]) or 0)
    if decision.person_id not in (await session.voices(conn, request)).ids:
        raise NotFound
    return decision


async def ask(request: web.Request) -> web.Response:
    """POST /decisions/{decision}/appeal."""
    session.of(request)
    form = await forms.read(request)
    try:
        voices.pace(request)
        async with request.app[ENGINE].begin() as conn:
            decision = await _own(conn, request)
            await appeals.ask(conn, request.app[HERE], decision, form.text("words"))
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"/decisions/{decision.id}")


async def take_back(request: web.Request) -> web.Response:
    """POST /decisions/{decision}/withdraw: rather not."""
    session.of(request)
    await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        decision = await _own(conn, request)
        await appeals.take_back(conn, decision.id)
    return see_other(f"/decisions/{decision.id}")


# ---- Of those who answer


async def of_group(request: web.Request) -> web.Response:
    """GET /g/{name}/desk/appeals."""
    return await _of_group(request)


async def _of_group(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    after = number(request.query.get("after")) or 0
    async with request.app[READING].connect() as conn:
        group = await group_pages.find(conn, request)
        await moderating(conn, request, group)
        found = await appeals.of_group(conn, request.app[HERE], group.id, after=after, limit=PAGE)
        lines = await _lines(conn, request, found)
        alone = await desks.few_moderators(conn, group.id)
    path = group_words.path(group)
    return _list(request, lines, f"{path}/desk/appeals", f"{path}/desk", form, problem, alone=alone)


async def of_node(request: web.Request) -> web.Response:
    """GET /settings/node/appeals: where no other moderator of a group can answer."""
    return await _of_node(request)


async def _of_node(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.node_moderator(request)
    after = number(request.query.get("after")) or 0
    async with request.app[READING].connect() as conn:
        await session.check_going_on(conn, request)
        found = await appeals.of_node(conn, request.app[HERE], after=after, limit=PAGE)
        lines = await _lines(conn, request, found)
    return _list(request, lines, "/settings/node/appeals", "/moderation", form, problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An appeal as whoever answers it reads it."""

    appeal: Appeal
    decision: Decision
    post: Post | None  # that it is about, whoever else may see it
    advice: Sequence[sent.Line]  # of pact peers, on which it rests
    own: bool  # the reader decided it, or it is about a name of theirs
    later: bool  # the same was decided again after it


async def _lines(
    conn: AsyncConnection, request: web.Request, found: Sequence[Appeal]
) -> list[Line]:
    """With what was decided, and whether the reader decided it themselves."""
    decisions = await audit.decisions(conn, [each.decision_id for each in found])
    own = await audit.decided_among(conn, session.deciding(request), list(decisions))
    mine = (await session.voices(conn, request)).ids
    about = await appealing.posts_about(conn, decisions.values())
    followed = await audit.followed(conn, list(decisions))
    return [
        Line(
            appeal=each,
            decision=decision,
            post=about.get(decision.about),
            advice=await sent.advice_of(conn, decision.basis) if decision.basis else (),
            own=decision.id in own or decision.person_id in mine,
            later=decision.id in followed,
        )
        for each in found
        if (decision := decisions.get(each.decision_id)) is not None
    ]


def _list(
    request: web.Request,
    lines: Sequence[Line],
    path: str,
    up: str,
    form: Form | None,
    problem: Problem | None,
    *,
    alone: bool = False,
) -> web.Response:
    return render(
        request,
        "decisions/appeals.html",
        form=form or Form(),
        problem=problem,
        lines=lines,
        path=path,
        up=up,
        alone=alone,
        of_node=path == "/settings/node/appeals",
        page=PAGE,
        kinds=decision_words.KINDS,
    )


async def answer_in_group(request: web.Request) -> web.Response:
    """POST /g/{name}/desk/appeals: by another moderator than who decided."""
    session.of(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            group = await group_pages.find(conn, request)
            await moderating(conn, request, group)
            decision = await audit.decision(conn, _chosen(form))
            await _answer(conn, request, group, decision, form, Role.GROUP)
            await alerting.seen(conn, group.id)
    except REFUSED as problem:
        return await _of_group(request, form, problem)
    return see_other(f"{group_words.path(group)}/desk/appeals")


async def answer_for_node(request: web.Request) -> web.Response:
    """POST /settings/node/appeals."""
    session.node_moderator(request)
    form, here = await forms.read(request), request.app[HERE]
    try:
        async with request.app[ENGINE].begin() as conn:
            await session.check_going_on(conn, request)
            decision = await audit.decision(conn, _chosen(form))
            appeal = await appeals.of(conn, here, decision.id)
            if appeal is None or not await appeals.is_for_node(conn, here, appeal):
                raise NotFound
            group = await group_store.get(conn, decision.group_id) if decision.group_id else None
            await _answer(conn, request, group, decision, form, Role.NODE)
            await alerting.seen(conn, None)
    except REFUSED as problem:
        return await _of_node(request, form, problem)
    return see_other("/settings/node/appeals")


def _chosen(form: Form) -> int:
    return number(form.text("decision")) or 0


async def _answer(
    conn: AsyncConnection,
    request: web.Request,
    group: Group | None,
    decision: Decision,
    form: Form,
    role: Role,
) -> None:
    """Raises Malformed: nothing was chosen. Raises as `appealing.answer`."""
    change = _CHANGE.get(form.text("outcome"))
    if change is None:
        raise Malformed("Please choose whether it stays or is changed.")
    if group is None:
        actor = await node_desk(conn, request.app[HERE])
    elif group.desk_id is not None:
        actor = await actor_store.get(conn, group.desk_id)
    else:
        raise NotFound
    await appealing.answer(
        conn,
        session.deciding(request),
        group,
        actor,
        decision,
        form.text("words"),
        change=change,
        voices=(await session.voices(conn, request)).ids,
        role=role,
    )


def routes() -> list[web.RouteDef]:
    return [
        web.get("/personas/{name}/decisions", list_own),
        web.get("/decisions/{decision}", show),
        web.post("/decisions/{decision}/appeal", ask),
        web.post("/decisions/{decision}/withdraw", take_back),
        web.get("/g/{name}/desk/appeals", of_group),
        web.post("/g/{name}/desk/appeals", answer_in_group),
        web.get("/settings/node/appeals", of_node),
        web.post("/settings/node/appeals", answer_for_node),
    ]
