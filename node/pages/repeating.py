"""A hint for whoever writes nearly the same under two of their names (SEC-U22).

It is looked for when they send: what their other names wrote is read, compared in memory and
forgotten. No transaction that writes knows of it, and nothing of it is stored or logged.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import HERE, READING
from groups import groups as group_store
from groups import posts as post_store
from groups import repeats, waiting
from groups.admission import Draft
from groups.groups import Group
from groups.hints import Family, Hint
from kernel.errors import NotFound
from kernel.said import said
from node.pages import hinting, session, voices
from node.pages.forms import Form
from node.pages.groups import find
from node.pages.paging import number


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where something is said. `purpose` is that of its form; `before`: what stood there."""

    group: Group
    purpose: str
    before: str = ""


Find = Callable[[AsyncConnection, web.Request], Awaitable[Where]]


def in_group(purpose: str) -> Find:
    """A new thread in the group of the address, for `hints`."""

    async def where(conn: AsyncConnection, request: web.Request) -> Where:
        group = await find(conn, request)
        return Where(group=group, purpose=f"{purpose} {group.id}")

    return where


def under_post(purpose: str, *, changes: bool = False) -> Find:
    """An answer to the post of the address, or a change of it, for `hints`."""

    async def where(conn: AsyncConnection, request: web.Request) -> Where:
        post_id = number(request.match_info["id"])
        if post_id is None:
            raise NotFound
        viewer = await session.viewer(conn, request)
        post = await post_store.get(conn, post_id, viewer)
        group = await group_store.get(conn, post.group_id, viewer)
        before = f"{post.title}\n\n{post.source}" if changes else ""
        return Where(group=group, purpose=f"{purpose} {post.id}", before=before)

    return where


async def hints(request: web.Request, form: Form, draft: Draft, where: Find) -> Sequence[Hint]:
    """One for each other name that wrote nearly the same, where the member likes hints.

    Raises what `where` raises: the place is not there for them.
    """
    if not hinting.wanted(request, form):
        return ()
    async with request.app[READING].connect() as conn:
        names = (await session.voices(conn, request)).mine
        if len(names) < 2 and form.text(voices.FIELD) != voices.NEW_NAME:
            return ()
        place = await where(conn, request)
        author = voices.chosen(request, form, place.purpose)
        others = {each.actor.id: each.actor.name for each in names if each.actor.id != author}
        earlier = await repeats.latest(conn, others)
        for each in await waiting.mine(conn, request.app[HERE], others):
            if each.due is not None:
                earlier.setdefault(each.author_id, []).append(hinting.words_of(each.draft))
        but = [place.before, *await repeats.of_group(conn, place.group)] if earlier else []
    found = await asyncio.to_thread(
        repeats.find, hinting.words_of(draft), earlier, but=but, help_lines=draft.help_lines
    )
    return [Hint(Family.NAMES, words, _say(others[name])) for name, words in found.items()]


def _say(name: str) -> str:
    return said(
        "You wrote nearly the same as {name}. Somebody who reads both may guess that both are you.",
        name=name,
    )
