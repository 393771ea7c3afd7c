"""Every refusal becomes one answer: a kind page for people, problem+json for servers (RFC 9457)."""

import logging
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from activitypub import jsontext
from inbox.routes import wants_document
from kernel.db import AWAY, describe, is_full
from kernel.errors import Busy, NoRoom, NotFound, Problem, TooLarge
from node.pages import errors, forms

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MACHINE_PATHS = ("/inbox", "/.well-known/", "/nodeinfo/")


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers what handlers raise; what nobody foresaw is logged by type and answered 500."""
    try:
        return await handler(request)
    except Problem as problem:
        return await _answer(request, problem)
    except web.HTTPNotFound:
        return await _answer(request, NotFound())
    except web.HTTPRequestEntityTooLarge:
        return await _answer(request, TooLarge("That is more than we can take at once."))
    except web.HTTPException as exception:
        if exception.status < 400:
            raise
        return await _answer(request, _plain(exception))
    except ConnectionResetError:
        raise
    except AWAY as error:
        log.error("request %s database away: %s", request.method, describe(error))
        await _read_form(request)
        return await _answer(request, _away(error))
    except Exception as error:
        log.error("request %s %s at %s", request.method, describe(error), _where(error))
        return await _answer(request, Problem("Your words were not lost on the way. Try again."))


def _away(error: BaseException) -> Problem:
    if is_full(error):
        return NoRoom(
            "This place has no room to keep anything new right now. Reading still works. "
            "Please try again later.",
            retry_after=300,
        )
    return Busy("This place cannot reach its memory right now. Try again soon.", retry_after=30)


async def _read_form(request: web.Request) -> None:
    """What somebody typed comes back to them, though the page that reads it was never reached."""
    if request.method == "POST" and not wants_document(request):
        with suppress(Problem, OSError):
            await forms.read(request)


def _where(error: BaseException) -> str:
    """The innermost place in our code: an error's text may quote a row, so it is never printed."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else "?"


def _plain(exception: web.HTTPException) -> Problem:
    """A refusal of aiohttp's own, with its status."""
    problem = Problem()
    # Its class says these of every other refusal; this one has its own.
    problem.status = exception.status  # type: ignore[misc]
    problem.title = "That did not work"  # type: ignore[misc]
    return problem


async def _answer(request: web.Request, problem: Problem) -> web.StreamResponse:
    status = problem.status
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if wants_document(request) or any(part in request.path for part in _MACHINE_PATHS):
        # A refusal depends on who asks, by signature or by cookie: no cache keeps it (SEC-L7)
        headers |= {"Cache-Control": "no-store", "Vary": "Accept, Signature"}
        return web.Response(
            status=status,
            body=jsontext.dump(
                {"title": problem.title, "status": status, "detail": problem.detail}
            ),
            content_type="application/problem+json",
            headers=headers,
        )
    return await errors.page(request, status, problem, headers)
