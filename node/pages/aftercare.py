"""After somebody was hurt: what moderators do step by step, for a thread (DOM-D17)."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from groups import aftercare, desk
from kernel.errors import Malformed, Problem
from kernel.said import noted
from kernel.schema.aftercare import Owner
from node.pages import forms, group_words, session, threads
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.render import render, see_other

OWNERS: Final[Mapping[Owner, str]] = {
    Owner.NOW: noted("Whoever is on duty now"),
    Owner.NEXT: noted("Whoever is on duty next"),
    Owner.GROUP: noted("The moderators of the group together"),
    Owner.NODE: noted("The people who run this place"),
}


async def show(request: web.Request) -> web.Response:
    """GET /t/{id}/after."""
    return await _page(request)


async def _page(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    here = request.app[HERE]
    async with request.app[READING].connect() as conn:
        root, group = await threads.whole(conn, request)
        await moderating(conn, request, group)
        steps = await aftercare.steps(conn, here, root)
        ended = await aftercare.ended(conn, group.id, here.now().date())
    return render(
        request,
        "threads/after.html",
        form=form or Form(),
        problem=problem,
        root=root,
        group=group,
        path=group_words.path(group),
        steps=steps,
        plans=aftercare.STEPS,
        owners=OWNERS,
        ended=ended,
    )


async def save(request: web.Request) -> web.Response:
    """POST /t/{id}/after: begin, see to a step, or end it."""
    session.of(request)
    form, here = await forms.read(request), request.app[HERE]
    act = form.text("act")
    try:
        async with request.app[ENGINE].begin() as conn:
            root, group = await threads.whole(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            actor = await desk.require(conn, group, speaker)
            if act == "begin":
                await aftercare.begin(conn, here, group, actor, root)
            elif act == "end":
                await aftercare.end(conn, here, group, actor, root)
            elif act in ("done", "owner"):
                await aftercare.change(
                    conn,
                    here,
                    group,
                    actor,
                    root,
                    form.text("step"),
                    owner=form.text("owner"),
                    done=act == "done",
                )
            else:
                raise Malformed("Please choose what to do.")
    except REFUSED as problem:
        return await _page(request, form, problem)
    if act == "end":
        return see_other(f"{group_words.path(group)}/desk")
    step = form.text("step")
    return see_other(f"/t/{root.id}/after{f'#step-{step}' if step in aftercare.STEPS else ''}")


def routes() -> list[web.RouteDef]:
    return [web.get("/t/{id}/after", show), web.post("/t/{id}/after", save)]
