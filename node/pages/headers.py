"""Headers that every answer carries, whoever made it (SEC-X9)."""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Final

from aiohttp import web

from activitypub.state import SETTINGS
from node.pages.session import SESSION

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_POLICY: Final = "Content-Security-Policy"
ALWAYS: Final = {
    _POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_OF_PEOPLE: Final = ("/t/", "/p/", "/u/", "/g/", "/media/")  # no search engine keeps these
_FOR_ALL: Final = ("/.well-known/", "/nodeinfo")  # read by programs in any website's pages


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost one: error pages and documents carry the headers too."""
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        _add(request, answer)
        raise
    if not response.prepared:
        _add(request, response)
    return response


@cache
def always(media_origin: str | None) -> Mapping[str, str]:
    """`ALWAYS`, and pictures may also come from where the node shows them."""
    if media_origin is None:
        return ALWAYS
    policy = ALWAYS[_POLICY].replace("img-src 'self'", f"img-src 'self' {media_origin}")
    return {**ALWAYS, _POLICY: policy}


def _add(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in always(request.app[SETTINGS].media_origin).items():
        response.headers.setdefault(name, value)
    if response.status >= 400 or request.path.startswith(_OF_PEOPLE):
        response.headers.setdefault("X-Robots-Tag", "noindex")
    if request.path.startswith(_FOR_ALL):
        response.headers["Access-Control-Allow-Origin"] = "*"  # refusals too (WIRE-D1)
    if response.content_type != "text/html" and not 300 <= response.status < 400:
        return
    signed_in = request.get(SESSION) is not None
    private = signed_in or request.method not in {"GET", "HEAD"} or response.cookies
    response.headers.setdefault("Cache-Control", "no-store" if private else "no-cache")
    response.headers.setdefault("Vary", "Cookie, Accept, Accept-Language")
