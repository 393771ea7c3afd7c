"""A group goes on at another place, or one of another place here (`groups/new_host.py`)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import webfinger
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.state import ENGINE, HERE, READING, REMOTE
from groups import appointing, desk, new_host
from groups.groups import Group
from kernel.errors import Busy, Conflict, Gone, Malformed, NotFound, Problem
from moderation import circles
from node.pages import forms, group_words, session
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.groups import find
from node.pages.render import render, see_other


async def show(request: web.Request) -> web.Response:
    """GET /g/{name}/desk/move: what would happen, with numbers, and how far it is."""
    return await _page(request, Form())


async def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        speaker, *_ = await moderating(conn, request, group)
        plan = await new_host.planned(conn, group)
        reach = await new_host.reach(conn, group)
        peers = await circles.peers(conn)
        founds = await appointing.is_founder(conn, group, speaker.voices)
    return render(
        request,
        "groups/move.html",
        form=form,
        problem=problem,
        group=group,
        path=group_words.path(group),
        plan=plan,
        reach=reach,
        peers=peers,
        founds=founds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What a founder decides: `group` and its `desk`, with what was read of other servers before.

    `other` is the group that the form names, or that is planned; `was` whom it says it also is.
    """

    conn: AsyncConnection
    request: web.Request
    group: Group
    desk: Actor
    other: Actor | None
    was: tuple[str, ...]

    def named(self) -> Actor:
        if self.other is None:
            raise Malformed("Please type the address of the group.")
        return self.other


async def _plan(step: _Step) -> None:
    here = step.request.app[HERE]
    await new_host.plan(step.conn, here, step.group, step.desk, step.named())


async def _send(step: _Step) -> None:
    here = step.request.app[HERE]
    await new_host.send(step.conn, here, step.group, step.desk, step.named(), step.was)


async def _call_off(step: _Step) -> None:
    await new_host.call_off(step.conn, step.request.app[HERE], step.group, step.desk)


async def _take_in(step: _Step) -> None:
    here = step.request.app[HERE]
    await new_host.take_in(step.conn, here, step.group, step.desk, step.named())


async def _not_after_all(step: _Step) -> None:
    await new_host.not_after_all(step.conn, step.request.app[HERE], step.group, step.desk)


_STEPS: Final[Mapping[str, Callable[[_Step], Awaitable[None]]]] = {
    "plan": _plan,
    "send": _send,
    "call-off": _call_off,
    "take-in": _take_in,
    "not-after-all": _not_after_all,
}


async def decide(request: web.Request) -> web.Response:
    """POST /g/{name}/desk/move: one step, by a founder."""
    session.of(request)
    form = await forms.read(request)
    step = _STEPS.get(form.text("step"))
    if step is None:
        raise NotFound
    try:
        async with request.app[READING].connect() as conn:
            group = await find(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            await appointing.require_founder(conn, group, speaker.voices)
            plan = await new_host.planned(conn, group)
        other, was = await _read(request, form, plan if step is _send else None)
        async with request.app[ENGINE].begin() as conn:
            acting = await desk.require(conn, group, speaker)
            await step(
                _Step(conn=conn, request=request, group=group, desk=acting, other=other, was=was)
            )
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"{group_words.path(group)}/desk/move")


async def _read(
    request: web.Request, form: Form, plan: new_host.Plan | None
) -> tuple[Actor | None, tuple[str, ...]]:
    """The group that the form names; or the planned one as its server shows it at this moment.

    Raises Malformed, Busy, Conflict: nobody was found by that address, or not now, or it is not
    the group that was shown.
    """
    remote = request.app[REMOTE]
    address = form.text("move_to") or form.text("move_from")
    try:
        if plan is not None:
            if form.text("target") != str(plan.target.id):
                raise Conflict("Somebody else changed the plan. Please look again.")
            return await remote.actor_now(plan.target.uri)
        if address:
            return await webfinger.find(request.app[HERE], remote, address), ()
    except (NotFound, Gone) as error:
        raise Malformed("Nobody answers to that address.") from error
    except Unreachable as error:
        raise Busy("That place does not answer right now. Try it later.") from error
    return None, ()


def routes() -> list[web.RouteDef]:
    return [
        web.get("/g/{name}/desk/move", show),
        web.post("/g/{name}/desk/move", decide),
    ]
