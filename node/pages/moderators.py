"""Becoming a moderator of the node, by a link from somebody who runs it, and stepping back.

The role lies in the member's own sealed blob, so that nobody else can read who has it.
"""

from dataclasses import replace
from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import NotFound
from members import accounts, invitations
from members.member import Blob
from node.pages import forms, session
from node.pages.render import render, see_other
from node.pages.session import ADMINISTRATOR, MODERATOR

PATH: Final = "/moderation/join"


async def show_join(request: web.Request) -> web.Response:
    """GET /moderation/join?invite=: what it is about. Without an account: on to make one."""
    secret = request.query.get("invite", "")
    async with request.app[READING].connect() as conn:
        grants = await invitations.look(conn, secret)
    if grants is None or MODERATOR not in grants:
        raise NotFound("This link was used already. You can ask for a new one.")
    signed_in = request.get(session.SESSION) is not None
    return render(request, "cases/join.html", secret=secret, signed_in_now=signed_in)


async def join(request: web.Request) -> web.Response:
    """POST /moderation/join: the member takes the task."""
    member = session.of(request).member
    form = await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        grants = await invitations.redeem(conn, form.text("invite"))
        if MODERATOR not in grants:
            raise NotFound
        await accounts.change(
            conn, request.app[HERE], member, lambda blob: replace(blob, roles=blob.roles | grants)
        )
    return see_other("/moderation")


async def leave(request: web.Request) -> web.Response:
    """POST /moderation/leave: somebody gives the task back; an administrator stays one."""
    member = session.node_moderator(request).member
    await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        await accounts.change(conn, request.app[HERE], member, _without)
    return see_other("/moderation" if ADMINISTRATOR in member.roles else "/")


def _without(blob: Blob) -> Blob:
    return replace(blob, roles=blob.roles - {MODERATOR})


def routes() -> list[web.RouteDef]:
    return [
        web.get(PATH, show_join),
        web.post(PATH, join),
        web.post("/moderation/leave", leave),
    ]
