"""Reading what people typed, and refusing what another site had them send (SEC-A10)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from activitypub.state import HERE, SETTINGS
from inbox import bodies
from kernel.errors import (
    Busy,
    Conflict,
    Malformed,
    NotAllowed,
    NotFound,
    TooLarge,
    TooMany,
    UnsupportedMedia,
)
from kernel.said import noted
from media.studio import MAX_FILE, NoPicture
from node.pages import multipart
from node.pages.multipart import Posted
from node.pages.session import cookie_name

MAX_BYTES: Final = 256 * 1024
MAX_FIELDS: Final = 200
REFUSED: Final = (Busy, Conflict, Malformed, NoPicture, NotAllowed, TooLarge, TooMany)
"""What a form can be refused with: it is shown again, with what was typed and the reason."""

_TOO_LARGE: Final = noted("That is more than one form can carry. Please send it in parts.")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SECRET: Final = ("password", "old_password", "code", "as", "half", "credential", "secret")
"""Never put back into a page."""

WRITTEN: Final = frozenset(
    {
        "about", "alt", "care", "crisis_policy", "excluded", "guidelines", "handover_if",
        "handover_to", "helped", "letter",
        "like", "lines", "name", "note", "options", "public_comment", "reason", "request",
        "retention", "rows", "rule", "source", "sources", "text", "title", "today", "told",
        "welcome",
        "why_others", "word", "words",
    }
)  # fmt: skip
"""Fields in which people write; others hold what was chosen, or tokens of ours."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody typed, as it came; a field that is not there is empty."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, **values: str) -> Self:
        """A form filled in by us."""
        return cls({name: (value,) for name, value in values.items()})

    def text(self, name: str) -> str:
        """The field's first value, its line ends as `\\n`."""
        return next(iter(self.values.get(name, ())), "")

    def all(self, name: str) -> Sequence[str]:
        """Every value of the field."""
        return self.values.get(name, ())

    def ticked(self, name: str) -> bool:
        """Whether a box was ticked."""
        return bool(self.text(name))

    def number(self, name: str) -> int:
        """A whole number, 0 where there is none; capped at a million."""
        digits = self.text(name).strip()
        return min(int(digits), 1_000_000) if digits.isascii() and digits.isdecimal() else 0

    def kept(self) -> list[tuple[str, str]]:
        """Fields to carry through another page; passwords and codes are not among them."""
        return [
            (name, value)
            for name, values in self.values.items()
            if name not in _SECRET
            for value in values
        ]

    def written(self) -> list[str]:
        """What somebody wrote, as much or as little as it is.

        A number alone is none of it: `guidelines` is also the version that was read.
        """
        return [
            value
            for name, value in self.kept()
            if name in WRITTEN and value.strip() and not value.isdecimal()
        ]


FORM = web.RequestKey("form", Form)


async def read(request: web.Request) -> Form:
    """The posted form; an error page of this request can give it back. Its files are left out.

    Raises UnsupportedMedia: not a plain form. Raises TooLarge: over 256 KiB without its files.
    Raises Malformed: it has more than 200 fields.
    """
    if FORM not in request:
        (await read_with_files(request, 0)).close()
    return request[FORM]


async def read_with_files(request: web.Request, files: int) -> Posted:
    """As `read`, with up to so many files, which the caller closes; `request[FORM]` is the form."""
    if request.headers.get(hdrs.CONTENT_ENCODING):
        raise UnsupportedMedia("Please send the form as it is, not compressed.")  # SEC-D1
    if request.content_type == "multipart/form-data":
        posted = await multipart.read(request, files=files, max_file=MAX_FILE)
    elif request.content_type == "application/x-www-form-urlencoded":
        posted = Posted(pairs=await _plain_pairs(request))
    else:
        raise UnsupportedMedia("Please send this from the form on the page.")
    values: dict[str, list[str]] = {}
    for name, value in posted.pairs:
        plain = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
        values.setdefault(name, []).append(plain)
    request[FORM] = Form(values)
    return posted


async def _plain_pairs(request: web.Request) -> list[tuple[str, str]]:
    body = await bodies.read(request, MAX_BYTES, _TOO_LARGE)
    try:
        return parse_qsl(
            body.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as error:
        raise Malformed("That form has too many fields.") from error


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Only our own pages change anything; other servers, which bring no cookie, may knock.

    Browsers say where a request comes from in `Sec-Fetch-Site`; older ones, and all of them on
    plain http, in `Origin` alone.
    """
    if request.method not in _SAFE_METHODS and not _comes_from_us(request):
        raise NotAllowed(
            "This came from another website, so nothing was changed. "
            "Please open the page here and send it again."
        )
    if "%00" in request.raw_path:  # PostgreSQL has no such character, so nothing is called so
        raise NotFound
    return await handler(request)


def _comes_from_us(request: web.Request) -> bool:
    here = request.app[HERE]
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin not in ("null", here.origin):
        return False
    if site is not None:
        return site == "same-origin" or (site == "none" and origin != "null")
    if origin is not None:
        return origin == here.origin
    return cookie_name(here) not in request.cookies


def local_path(text: str) -> str:
    """A path on this node to go to next, or `/`: nothing that leads elsewhere (SEC-X4)."""
    sound = (
        text.startswith("/")
        and not text.startswith("//")
        and len(text) <= 2000
        and text.isascii()
        and text.isprintable()
        and not any(sign in text for sign in "\\ ")
    )
    return text if sound else "/"


def address_of(request: web.Request) -> str:
    """Who is counted by a throttle: the client's address (an IPv6 network), never kept.

    `X-Forwarded-For` counts only from a proxy we trust, and only its last hop (SEC-D13).
    """
    remote = request.remote or ""
    try:
        address = ip_address(remote)
        if any(address in network for network in request.app[SETTINGS].trusted_proxies):
            forwarded = request.headers.getall("X-Forwarded-For", [""])[-1]
            address = ip_address(forwarded.rpartition(",")[2].strip())
    except ValueError:
        return remote
    return str(address) if address.version == 4 else address.exploded[:19]
