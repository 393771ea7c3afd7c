"""Who is asking: the session's cookie, read on the account side alone (DESIGN, SEC-A8)."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import NotAllowed, Problem
from kernel.here import Here
from kernel.said import noted
from kernel.sealing import derive
from members import personas, sessions
from members.member import Member, Preferences
from members.personas import NOBODY, Voices
from members.quiet import OPEN, Sieve
from members.sessions import Session
from moderation import standing
from moderation.visibility import Viewer
from node.pages.memory import NO_DATABASE

SESSION = web.RequestKey("session", Session)
PREFERENCES = web.RequestKey("preferences", Preferences)
VOICES = web.RequestKey("voices", Voices)
SIEVE = web.RequestKey("sieve", Sieve)
OVER = web.RequestKey("session is over", bool)

ADMINISTRATOR: Final = "administrator"
MODERATOR: Final = "moderator"  # of the node: reads what was reported to it

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SignedOut(Problem):
    """Nobody is signed in, or not any more: the log-in page keeps what was typed."""

    status, title = 403, noted("Please log in")


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reads the cookie in a connection of its own, before any page opens a transaction."""
    cookie = request.cookies.get(cookie_name(request.app[HERE]))
    if cookie is None or request.path.startswith(NO_DATABASE):
        return await handler(request)
    session = await sessions.read(request.app[READING], request.app[HERE], cookie)
    if session is not None:
        request[SESSION], request[PREFERENCES] = session, session.preferences
    request[OVER] = session is None
    response = await handler(request)
    forget_if_over(request, response)
    return response


def forget_if_over(request: web.Request, response: web.StreamResponse) -> None:
    """Take a cookie back that means nothing any more; one that was just given stays."""
    if request.get(OVER) and not response.prepared and not response.cookies:
        forget(request, response)


def cookie_name(here: Here) -> str:
    """`__Host-` binds the cookie to this host and to https; plain http has only itself."""
    return "__Host-hearthold" if here.origin.startswith("https:") else "hearthold"


def remember(request: web.Request, response: web.StreamResponse, cookie: str) -> None:
    """Let the browser keep the session for about as long as the node does."""
    here = request.app[HERE]
    response.set_cookie(
        cookie_name(here),
        cookie,
        max_age=int(sessions.LASTS.total_seconds()),
        path="/",
        secure=here.origin.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )


def forget(request: web.Request, response: web.StreamResponse) -> None:
    """Take the cookie back."""
    here = request.app[HERE]
    response.del_cookie(
        cookie_name(here),
        path="/",
        secure=here.origin.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )


async def begin(request: web.Request, response: web.StreamResponse, member: Member) -> None:
    """Sign a member in with a new session; one that the browser still had ends (SEC-A8)."""
    engine, here = request.app[ENGINE], request.app[HERE]
    await end(request)
    remember(request, response, await sessions.open(engine, here, member))


async def end(request: web.Request) -> None:
    """End the session that the browser shows, if it shows one."""
    if cookie := request.cookies.get(cookie_name(request.app[HERE])):
        await sessions.end(request.app[ENGINE], request.app[HERE], cookie)


def of(request: web.Request) -> Session:
    """The session. Raises SignedOut: there is none."""
    session: Session | None = request.get(SESSION)
    if session is None:
        raise SignedOut(noted("Please log in to go on. What you typed is kept."))
    return session


def is_administrator(request: web.Request) -> bool:
    """Whether an administrator of this node is asking."""
    session = request.get(SESSION)
    return session is not None and ADMINISTRATOR in session.member.roles


def administrator(request: web.Request) -> Session:
    """The session of an administrator. Raises SignedOut, NotAllowed."""
    session = of(request)
    if not is_administrator(request):
        raise NotAllowed("Only the people who run this place can do that.")
    return session


def deciding(request: web.Request) -> Here:
    """This node, for a decision of whoever is signed in: they may not judge it again later.

    Raises SignedOut. What marks the decision as theirs comes from their own key (DESIGN-V3).
    """
    return request.app[HERE].deciding(derive(of(request).member.root, "decisions"))


def is_node_moderator(request: web.Request) -> bool:
    """Whether a moderator of this node is asking, or an administrator."""
    session = request.get(SESSION)
    return session is not None and not session.member.roles.isdisjoint({ADMINISTRATOR, MODERATOR})


def node_moderator(request: web.Request) -> Session:
    """The session of a moderator of the node, or an administrator. Raises SignedOut, NotAllowed."""
    session = of(request)
    if not is_node_moderator(request):
        raise NotAllowed("Only the people who look after this place can do that.")
    return session


def sieve(request: web.Request) -> Sieve:
    """What whoever is signed in would rather not read; of visitors everything passes."""
    current = request.get(SESSION)
    if current is None:
        return OPEN
    if SIEVE not in request:
        request[SIEVE] = Sieve(current.quiet, request.app[HERE].now().date())
    return request[SIEVE]


async def voices(conn: AsyncConnection, request: web.Request) -> Voices:
    """Every name of whoever is signed in, looked for once in a request; nobody has none."""
    session = request.get(SESSION)
    if session is None:
        return NOBODY
    if VOICES not in request:
        request[VOICES] = await personas.voices(conn, session.member)
    return request[VOICES]


async def viewer(conn: AsyncConnection, request: web.Request) -> Viewer:
    """Who reads: every name of the member, in memory only."""
    found = await voices(conn, request)
    return Viewer(found.ids, signed_in=SESSION in request, stopped=bool(found.stopped))


async def check_going_on(conn: AsyncConnection, request: web.Request) -> None:
    """Raises NotAllowed: a name of whoever is signed in is stopped, so none of them decides."""
    standing.refuse(suspended=bool((await voices(conn, request)).stopped), ban=None)
