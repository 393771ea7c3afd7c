"""GET /p/{id}/labels: moderators say of a post what helps its readers (DOM-C14, MOD-5.18)."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, READING
from groups import labelling as labels_of_groups
from groups.groups import Group
from kernel.errors import NotFound, Problem
from kernel.said import noted
from kernel.schema.labels import Effect, Giver
from kernel.schema.posts import PostState
from moderation import labelling
from moderation.labels import may_give
from moderation.saying import MAX_SOURCES, MAX_WHY, Saying
from node.pages import forms, session
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.posts import find
from node.pages.render import render, see_other
from node.pages.threads import identity

EFFECTS: Final[Mapping[str, str]] = {
    Effect.NONE: noted("It stands beside the words"),
    Effect.WARN: noted("A line stands above the words"),
    Effect.FOLD: noted("The words open with a click"),
    Effect.HOLD: noted("A moderator reads the post first"),
}


async def show(request: web.Request) -> web.Response:
    return await _page(request, Form())


async def giver(conn: AsyncConnection, request: web.Request, group: Group) -> Giver:
    """As what whoever asks may label posts in a group.

    Raises NotFound: as nothing. Raises NotAllowed: a name of theirs is stopped (MOD-H12).
    """
    try:
        await moderating(conn, request, group)
    except NotFound:
        if not session.is_node_moderator(request):
            raise
        await session.check_going_on(conn, request)
        return Giver.NODE
    return Giver.GROUP


async def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
        by = await giver(conn, request, found.group)
        if found.post.state not in (PostState.SHOWN, PostState.HELD):
            raise NotFound
        said = await labelling.of_posts(conn, [found.post.id])
    return render(
        request,
        "threads/labels.html",
        form=form,
        problem=problem,
        parent=found.shown,
        group=found.group,
        said=said,
        by=by,
        choices=may_give(by).values(),
        effects=EFFECTS,
        limit=MAX_WHY,
        sources=MAX_SOURCES,
    )


async def give(request: web.Request) -> web.Response:
    """POST /p/{id}/labels: the post has this label from now on, and its author hears of it."""
    session.of(request)
    form, here = await forms.read(request), session.deciding(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            found = await find(conn, request)
            by = await giver(conn, request, found.group)
            label = form.text("label")
            saying = Saying.here(
                label,
                by,
                today=here.now().date(),
                effect=form.text("effect") or found.group.effects.get(label, ""),
                why=form.text("reason"),
                sources=form.text("sources").split(),
                days=form.number("days") or None,
            )
            await labels_of_groups.give(conn, here, found.group, found.post, saying)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"/p/{identity(request)}")


async def take_off(request: web.Request) -> web.Response:
    """POST /p/{id}/labels/off: moderators do not say so any more."""
    session.of(request)
    form, here = await forms.read(request), session.deciding(request)
    async with request.app[ENGINE].begin() as conn:
        found = await find(conn, request)
        by = await giver(conn, request, found.group)
        label = form.text("label")
        await labels_of_groups.take_off(conn, here, found.group, found.post, label, by)
    return see_other(f"/p/{identity(request)}/labels")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/p/{id}/labels", show),
        web.post("/p/{id}/labels", give),
        web.post("/p/{id}/labels/off", take_off),
    ]
