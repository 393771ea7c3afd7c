"""How it went with somebody in a group so far, and what its moderators can do (MOD-5.12)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.state import ENGINE, HERE, READING
from groups import desk
from groups.groups import Group
from kernel.errors import Malformed, NotFound, Problem
from kernel.here import Here
from kernel.said import noted
from moderation import counts
from moderation import standing as limits
from moderation.counts import Earlier
from node.pages import decision_words, forms, group_words, session
from node.pages.desk import check_other, moderating
from node.pages.forms import REFUSED, Form
from node.pages.groups import find
from node.pages.paging import uuid
from node.pages.render import render, see_other

DAYS: Final[Mapping[str, str]] = {
    "7": noted("for a week"),
    "14": noted("for two weeks"),
    "30": noted("for 30 days"),
    "90": noted("for 90 days"),
}
FOR_GOOD: Final[Mapping[str, str]] = {**DAYS, "": noted("until somebody changes it")}


def last_day(form: Form, here: Here) -> date | None:
    """As `days` says; None: until somebody changes it. Raises Malformed: no such choice."""
    days = form.text("days")
    if days not in FOR_GOOD:
        raise Malformed("Please choose until when.")
    return here.now().date() + timedelta(days=int(days)) if days else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is done about somebody, and through which desk."""

    conn: AsyncConnection
    here: Here
    group: Group
    desk: Actor
    person: Actor
    form: Form
    voices: Sequence[UUID]

    @property
    def reason(self) -> str:
        return self.form.text("reason")

    @property
    def rule(self) -> str:
        return self.form.text("rule")

    def until(self) -> date | None:
        """The last day that was chosen; None: it has no end. Raises Malformed: no such choice."""
        return last_day(self.form, self.here)


async def _warn(task: Task) -> None:
    await desk.warn(
        task.conn, task.here, task.group, task.desk, task.person, task.reason, task.rule
    )


async def _limit(task: Task) -> None:
    until = task.until()
    if until is None:
        raise Malformed("Please choose until when.")
    await desk.limit(
        task.conn, task.here, task.group, task.desk, task.person, task.reason, until, task.rule
    )


async def _end_limit(task: Task) -> None:
    check_other(task.person.id, task.voices)
    await desk.end_limit(task.conn, task.here, task.group, task.desk, task.person)


async def _ban(task: Task) -> None:
    await desk.ban(
        task.conn,
        task.here,
        task.group,
        task.desk,
        task.person,
        task.reason,
        task.until(),
        task.rule,
    )


_ACTS: Final[Mapping[str, Callable[[Task], Awaitable[None]]]] = {
    "warn": _warn,
    "limit": _limit,
    "end-limit": _end_limit,
    "ban": _ban,
}


async def show(request: web.Request) -> web.Response:
    """GET /g/{name}/desk/person?person=."""
    return await _page(request, Form.of(person=request.query.get("person", "")))


async def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    session.of(request)
    here = request.app[HERE]
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        speaker, *_ = await moderating(conn, request, group)
        person, earlier = await _found(conn, here, group, form)
        limited = await limits.limited_until(conn, here, group.id, person.id)
    return render(
        request,
        "decisions/person.html",
        form=form,
        problem=problem,
        group=group,
        path=group_words.path(group),
        person=person,
        earlier=earlier,
        limited=limited,
        mine=person.id in speaker.voices,
        days=DAYS,
        for_good=FOR_GOOD,
        fades=here.decisions_fade,
        kinds=decision_words.KINDS,
    )


async def _found(
    conn: AsyncConnection, here: Here, group: Group, form: Form
) -> tuple[Actor, Earlier]:
    """Raises NotFound: nobody, or somebody who has nothing to do with the group."""
    person = await actor_store.get(conn, uuid(form.text("person")) or UUID(int=0))
    earlier = await counts.of_person(conn, here, group.id, person.id)
    if not earlier.known:
        raise NotFound
    return person, earlier


async def decide(request: web.Request) -> web.Response:
    """POST /g/{name}/desk/person: one decision about somebody, by the desk."""
    session.of(request)
    form, here = await forms.read(request), session.deciding(request)
    act = _ACTS.get(form.text("act"))
    if act is None:
        raise NotFound
    try:
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            voice = await desk.require(conn, group, speaker)
            person, _ = await _found(conn, here, group, form)
            task = Task(
                conn=conn,
                here=here,
                group=group,
                desk=voice,
                person=person,
                form=form,
                voices=speaker.voices,
            )
            await act(task)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"{group_words.path(group)}/desk/person?person={person.id}")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/g/{name}/desk/person", show),
        web.post("/g/{name}/desk/person", decide),
    ]
