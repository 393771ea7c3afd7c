"""Opening a group of another node, or a thread in one, by its name or address."""

import asyncio
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import lookup, webfinger
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.notes import Note
from activitypub.remote import Remote
from activitypub.state import ENGINE, HERE, READING, REMOTE
from activitypub.vocab import ActorDocument
from groups import groups as group_store
from groups import posts as post_store
from groups.posts import Post
from inbox import backfill
from kernel import urls
from kernel.errors import Busy, Malformed, NotFound, Problem, TooMany
from kernel.here import Here
from kernel.said import noted
from kernel.schema.actors import ActorKind
from kernel.sealing import derive
from moderation import domains
from moderation.visibility import Viewer
from node.pages import forms, group_words, session
from node.pages.forms import Form
from node.pages.memory import MEMORY
from node.pages.render import render, see_other

MAX_QUERY: Final = 2048
SECONDS: Final = 20  # for everything that one search asks other servers

_NOT_FOUND: Final = noted(
    "No group or thread answers to that name or address. "
    "It may have a small mistake, or its server shows it to nobody else."
)
_A_PERSON: Final = noted(
    "That is the address of a person. Here you can open groups, and threads in groups."
)


class Nothing(NotFound):
    """What was searched for is not there, or not for this reader."""

    title = noted("We could not find that")

    def __init__(self, detail: str = _NOT_FOUND) -> None:
        super().__init__(detail)


async def show(request: web.Request) -> web.Response:
    """GET /search?q=: on to what is meant, or the form again with what was typed.

    What does not exist and what may not be seen have the same words (SEC-L2). Where another website
    led here, nothing is asked before a button of ours is pressed (SEC-A10).
    """
    session.of(request)
    query = request.query.get("q", "").strip()[:MAX_QUERY]
    if not query or request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return _page(request, query)
    try:
        return see_other(await _find(request, query))
    except (Busy, Malformed, TooMany) as problem:
        return _page(request, query, problem)
    except (NotFound, Unreachable) as refusal:
        return _page(request, query, refusal if isinstance(refusal, NotFound) else _away(refusal))


def _away(error: Unreachable) -> Problem:
    if error.reason == "blocked":
        return Nothing()
    return Busy("That place does not answer right now. You could try it later.", retry_after=300)


async def _find(request: web.Request, query: str) -> str:
    """The page of what is meant. Raises NotFound, Malformed, TooMany, Unreachable."""
    here = request.app[HERE]
    address = _read(here, query)
    if address is not None and here.is_local(address):
        return forms.local_path(address.removeprefix(here.origin) or "/")
    member = session.of(request).member
    request.app[MEMORY].searches.check(derive(member.root, "search throttle"))
    found = await _ask(request, address, query)
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        try:
            return await _page_of(conn, found, viewer)
        except Nothing:
            raise
        except NotFound as error:
            raise Nothing from error


async def _page_of(conn: AsyncConnection, found: Actor | Post, viewer: Viewer) -> str:
    """Where it is shown. Raises NotFound: not to this reader."""
    if isinstance(found, Post):
        return f"/p/{(await post_store.get(conn, found.id, viewer)).id}"
    if await domains.is_blocked(conn, found.host):
        raise Nothing
    if found.kind is not ActorKind.GROUP:
        raise Nothing(_A_PERSON)
    try:
        return group_words.path(await group_store.get(conn, found.id, viewer))
    except NotFound:
        if not found.members_only or found.local:
            raise
        group = await group_store.get(conn, found.id)
        return f"{group_words.path(group)}/join"  # only its members see it, and one may ask


def _read(here: Here, query: str) -> str | None:
    """The web address that was typed; None: it is a name. Raises Malformed: it is neither."""
    plain = here.origin.startswith("http://")
    if query.startswith(("https://", "http://")):
        return str(urls.parse(query, allow_http=plain, allow_fragment=True))
    urls.parse_handle(query, allow_port=plain)
    return None


async def _ask(request: web.Request, address: str | None, query: str) -> Actor | Post:
    """What other servers say it is. Raises NotFound, TooMany, Unreachable."""
    here, remote = request.app[HERE], request.app[REMOTE].for_activity()
    try:
        async with asyncio.timeout(SECONDS):
            if address is None:
                return await webfinger.find(here, remote, query)
            return await _open(request, remote, address)
    except TimeoutError as error:
        raise Unreachable("too slow") from error
    except TooMany:
        raise
    except Problem as error:
        raise Nothing() from error


async def _open(request: web.Request, remote: Remote, address: str) -> Actor | Post:
    engine, here = request.app[ENGINE], request.app[HERE]
    async with request.app[READING].connect() as conn:
        known = await actor_store.by_uri(conn, address) or await post_store.by_uri(conn, address)
    if known is not None:
        return known
    document = await lookup.look_up(remote, address)
    if lookup.is_actor(document):
        return await remote.keep(ActorDocument.parse(document))
    note = Note.parse(document)
    async with request.app[READING].connect() as conn:
        kept = await post_store.by_uri(conn, note.id)
    return kept or await backfill.open_thread(engine, here, remote, note)


def _page(request: web.Request, query: str, problem: Problem | None = None) -> web.Response:
    return render(request, "search.html", form=Form.of(q=query), problem=problem)


def routes() -> list[web.RouteDef]:
    return [web.get("/search", show)]
