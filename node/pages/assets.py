"""Our own static files, read once and served under their content's hash."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from aiohttp import web

from kernel.errors import NotFound

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@cache
def _assets() -> Mapping[str, tuple[str, bytes]]:
    """Hash and bytes by file name."""
    found = {}
    for entry in files("templates").joinpath("static").iterdir():
        if entry.name.rpartition(".")[2] in _TYPES:
            body = entry.read_bytes()
            found[entry.name] = (hashlib.sha256(body).hexdigest()[:16], body)
    return found


def address(name: str) -> str:
    """Where a page finds the file; it changes with its content, so it may be kept for ever."""
    return f"/static/{_assets()[name][0]}/{name}"


async def show(request: web.Request) -> web.Response:
    """GET /static/{hash}/{name}: only files that were there at the start (SEC-F10)."""
    found = _assets().get(request.match_info["name"])
    if found is None:
        raise NotFound
    current, body = found
    kept = "public, max-age=31536000, immutable"
    if request.match_info["hash"] != current:  # a page from before an upgrade
        kept = "no-cache"
    kind = _TYPES[request.match_info["name"].rpartition(".")[2]]
    return web.Response(
        body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": kept}
    )


def routes() -> list[web.RouteDef]:
    return [web.get("/static/{hash}/{name}", show)]
