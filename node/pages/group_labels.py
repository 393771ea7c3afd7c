"""GET /g/{name}/desk/labels: what labels do in a group where a reader chose nothing (MOD-5.18)."""

from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, READING
from groups import desk, tending
from groups import labelling as labels_of_groups
from kernel.errors import Problem
from kernel.said import noted
from kernel.schema.labels import Effect
from moderation import labels
from node.pages import forms, group_words, session
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.groups import find
from node.pages.render import render, see_other

EFFECTS: Final = {
    Effect.WARN: noted("A line above the words"),
    Effect.FOLD: noted("The words open with a click"),
}


async def show(request: web.Request) -> web.Response:
    """A choice for each label that a group may choose about."""
    return await _page(request)


async def _page(
    request: web.Request, form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        await moderating(conn, request, group)
    return render(
        request,
        "groups/labels.html",
        form=form or Form.of(**{f"effect-{label}": each for label, each in group.effects.items()}),
        problem=problem,
        path=group_words.path(group),
        labels=labels.FOR_READERS.values(),
        effects=EFFECTS,
        saved="saved" in request.query,
    )


async def save(request: web.Request) -> web.Response:
    """POST: all choices at once; what is as usual is not kept."""
    session.of(request)
    form, here = await forms.read(request), session.deciding(request)
    try:
        effects = labels.chosen_effects(
            {label: form.text(f"effect-{label}") for label in labels.FOR_READERS}
        )
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            actor = await desk.require(conn, group, speaker)
            await labels_of_groups.set_effects(conn, here, group, actor, effects)
            await tending.note(conn, here, group)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"{group_words.path(group)}/desk/labels?saved")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/g/{name}/desk/labels", show),
        web.post("/g/{name}/desk/labels", save),
    ]
