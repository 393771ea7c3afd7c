"""Who may read documents: everybody, or, where the node says so, servers that sign (WIRE-S25).

A page for people is not a document. The node's own actor is never asked for a signature, and of
all others everybody may read the key, or two such nodes would wait for each other for ever
(WIRE-A21, WIRE-S24).
"""

from collections.abc import Awaitable, Callable
from functools import wraps

from aiohttp import web

from activitypub import signatures
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.state import ENGINE, HERE, REMOTE, SETTINGS
from groups.groups import Group
from inbox.receive import Request, prove
from kernel.errors import Busy, Gone, Malformed, NotAllowed, NotFound, TooMany, Unproven
from kernel.schema.actors import ActorState
from kernel.schema.moderation import Level
from kernel.urls import host_of
from moderation import circles, domains, standing

Handler = Callable[[web.Request], Awaitable[web.Response]]


def headers_of(request: web.Request) -> list[tuple[str, str]]:
    """The headers as they came, for a signature that covers them."""
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers
    ]


def claims_a_signature(request: web.Request) -> bool:
    """Whether the request says that somebody signed it; nothing is looked up for that."""
    return "Signature" in request.headers


def signed_only(handler: Handler) -> Handler:
    """Before it is known what there is to read: who asks (SEC-I4)."""

    @wraps(handler)
    async def guarded(request: web.Request) -> web.Response:
        if not request.app[SETTINGS].signed_fetch:
            return await handler(request)
        await asking(request)
        return _unshared(await handler(request))

    return guarded


async def may_read_all(request: web.Request) -> bool:
    """Whether who asks may read more of an actor than its key. Raises NotAllowed: a blocked one."""
    if not request.app[SETTINGS].signed_fetch:
        return True
    try:
        await asking(request)
    except (Unproven, Busy, TooMany):
        return False
    return True


def response_to(request: web.Request, response: web.Response) -> web.Response:
    """What is told of an actor: to be kept by nobody where it depends on who asks."""
    return _unshared(response) if request.app[SETTINGS].signed_fetch else response


def _unshared(response: web.Response) -> web.Response:
    response.headers["Cache-Control"] = "private, no-store"
    return response


async def who_asks(request: web.Request) -> Actor | None:
    """Whose key signed the request; None where it was nobody who may read, or is not known now."""
    try:
        return await asking(request)
    except (Busy, NotAllowed, TooMany, Unproven):
        return None


async def asking(request: web.Request) -> Actor:
    """Whose key signed the request.

    Raises Unproven (401): nobody's whom we can name. Raises NotAllowed (403): one who is blocked or
    suspended. Raises Busy, TooMany: the key cannot be had now.
    """
    remote, here = request.app[REMOTE], request.app[HERE]
    headers = headers_of(request)
    claim = signatures.parse(headers)
    try:
        host = host_of(claim.key_id)
    except Malformed as error:
        raise Unproven("The signature names no key we can look up.") from error
    async with request.app[ENGINE].connect() as conn:
        how = await domains.how_blocked(conn, host)
    if how is Level.REJECT:
        raise NotAllowed("This node does not talk with yours.")
    if how is Level.DROP:  # told no more than a key that nobody can find (MOD-3.10)
        raise Unproven("The signature names no key we can look up.")
    asked = Request(method=request.method, path=request.raw_path, headers=headers, body=b"")
    try:
        reader = await prove(here, remote, claim, asked)
    except Gone:
        raise Unproven("The owner of that key is gone.") from None
    except Unreachable as error:
        raise Busy("Your key's server did not answer. Try again later.", retry_after=60) from error
    if reader.state is not ActorState.ACTIVE:
        async with request.app[ENGINE].connect() as conn:
            if await standing.stopped_among(conn, [reader.id]):
                raise NotAllowed("This node does not listen to that actor.")
    return reader


async def check_circle(request: web.Request, group: Group, *, member: bool = False) -> None:
    """That whoever asks is the other server of a circle, whose pact stands (MOD-5.6).

    Raises NotFound: it is not; or no `member` of a group of ours is there.
    """
    if not group.shared_with:
        raise NotFound
    asker = await who_asks(request)
    if asker is None or asker.host != group.shared_with:
        raise NotFound
    async with request.app[ENGINE].connect() as conn:
        if not await circles.stands(conn, asker.host):
            raise NotFound
        ours = member and group.settings is not None
        if ours and not await circles.reads(conn, group.id, asker.host):
            raise NotFound


def for_one(response: web.Response) -> web.Response:
    """No cache keeps what is for one server."""
    return _unshared(response)
