"""Our own static files, read once, compressed once, and served under their content's hash."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from aiohttp import hdrs, web

from kernel.errors import NotFound

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is, and as most browsers take it."""

    body: bytes
    small: bytes
    hash: str


@cache
def _assets() -> Mapping[str, Asset]:
    """By file name."""
    found = {}
    for entry in files("templates").joinpath("static").iterdir():
        if entry.name.rpartition(".")[2] in _TYPES:
            body = entry.read_bytes()
            small = gzip.compress(body, compresslevel=9, mtime=0)
            found[entry.name] = Asset(body, small, hashlib.sha256(body).hexdigest()[:16])
    return found


def address(name: str) -> str:
    """Where a page finds the file; it changes with its content, so it may be kept for ever."""
    return f"/static/{_assets()[name].hash}/{name}"


async def show(request: web.Request) -> web.Response:
    """GET /static/{hash}/{name}: only files that were there at the start (SEC-F10)."""
    found = _assets().get(request.match_info["name"])
    if found is None:
        raise NotFound
    sent = {hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable"}
    if request.match_info["hash"] != found.hash:  # a page from before an upgrade
        sent[hdrs.CACHE_CONTROL] = "no-cache"
    sent[hdrs.VARY] = hdrs.ACCEPT_ENCODING
    small = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
    if small:  # nothing of a member is in these, so their length tells nothing (BREACH)
        sent[hdrs.CONTENT_ENCODING] = "gzip"
    kind = _TYPES[request.match_info["name"].rpartition(".")[2]]
    body = found.small if small else found.body
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=sent)


def plain(name: str) -> web.Response:
    """The file under an address that stays: a browser asks there whether it changed."""
    kind = _TYPES[name.rpartition(".")[2]]
    return web.Response(body=_assets()[name].body, content_type=kind, charset="utf-8")


def routes() -> list[web.RouteDef]:
    return [web.get("/static/{hash}/{name}", show)]
