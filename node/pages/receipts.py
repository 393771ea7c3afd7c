"""What came of closing a name: for whoever has the code, since the name is gone (DOM-I4)."""

from typing import Final

from aiohttp import web

from activitypub import actors as actor_store
from activitypub import receipts
from activitypub.state import HERE, READING
from kernel.errors import NotAllowed, Problem
from kernel.schema.actors import ActorKind, ActorState
from members.receipts import fits
from node.pages import forms
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY
from node.pages.render import render

PAGE: Final = 50  # servers

_MAX_HOST: Final = 300


async def show(request: web.Request) -> web.Response:
    """GET /receipt: asks for the name and the code."""
    return _ask(request, Form())


def _ask(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    return render(request, "receipts/ask.html", form=form, problem=problem)


async def read(request: web.Request) -> web.Response:
    """POST /receipt: the code is in no address, so no log and no history keeps it.

    A code that is wrong, and one of a name that never was, get the same answer.
    """
    form = await forms.read(request)
    here = request.app[HERE]
    handle = form.text("handle").strip().lower().removeprefix("@").partition("@")[0]
    after = form.text("after")[:_MAX_HOST]
    try:
        request.app[MEMORY].receipts.check(forms.address_of(request))
        async with request.app[READING].connect() as conn:
            found = await actor_store.by_handle(conn, handle, kind=ActorKind.PERSON)
            if not fits(here, found.id if found else None, form.text("code")) or found is None:
                raise NotAllowed("We know no receipt for this name and code.")
            told = await receipts.summary(conn, found.id)
            servers = await receipts.page(conn, found.id, after=after, limit=PAGE)
    except REFUSED as problem:
        return _ask(request, form, problem)
    return render(
        request,
        "receipts/show.html",
        person=found,
        closed=found.state is ActorState.CLOSED,
        told=told,
        servers=servers,
        more=servers[-1].host if len(servers) == PAGE else "",
        handle=handle,
        code=form.text("code"),
    )


def routes() -> list[web.RouteDef]:
    return [web.get("/receipt", show), web.post("/receipt", read)]
