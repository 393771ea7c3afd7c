"""The log: one line per event, `key=value`, with ids and types and no words people wrote.

What other libraries log is shown as its format string without its values, and an exception as its
type and place: both may quote a row, an address or a post (SEC-I10, DESIGN decision 2).
"""

import asyncio
import logging
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from traceback import walk_tb
from typing import Any, Final, TextIO

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from kernel.db import describe
from node.quiet import Storm

_OURS = frozenset(
    {
        "activitypub",
        "groups",
        "inbox",
        "kernel",
        "media",
        "members",
        "moderation",
        "node",
        "resources",
    }
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_NUMBER: Final = ContextVar("number of the request under way", default="")
_KEPT: Final = web.RequestKey("number", str)

log = logging.getLogger("node.logs")


def escaped(value: object) -> str:
    """`value` on one line: control, format and line characters spelled out (SEC-X8)."""
    text = str(value)
    if text and all(c.isalnum() or c in "-_.:/@+,{}*#" for c in text) and text.isascii():
        return text
    shown = (
        f"\\{c}" if c in '"\\' else c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in text
    )
    return f'"{"".join(shown)}"'


class LineFormatter(logging.Formatter):
    """`time level from event`, then what `extra` carries, then an error's type and place."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={escaped(value)}" for key, value in _pairs(record))


def _pairs(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    yield "time", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
    yield "level", record.levelname.lower()
    yield "from", record.name
    ours = record.name.partition(".")[0] in _OURS
    yield "event", record.getMessage() if ours else record.msg
    if ours:
        yield from ((k, v) for k, v in vars(record).items() if k not in _STANDARD)
        if "request" not in vars(record) and (number := _NUMBER.get()):
            yield "request", number
    elif hasattr(record, "left_out"):
        yield "left_out", record.left_out
    if record.exc_info and record.exc_info[1] is not None:
        yield from _error(record.exc_info[1])


def _error(error: BaseException) -> Iterator[tuple[str, object]]:
    yield "error", describe(error)
    yield "at", place_of(error)
    if error.__cause__ is not None:
        yield "cause", describe(error.__cause__)


def place_of(error: BaseException) -> str:
    """Module and line where `error` arose, in our own code where it passed through that."""
    found, ours = "", False
    for frame, line in walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", "?"))
        here = module.partition(".")[0] in _OURS
        if here or not ours:
            found, ours = f"{module}:{line}", here
    return found


def set_up(level: str, stream: TextIO | None = None) -> None:
    """Send every log line to `stream` (standard error unless told) in our form, from `level` up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter())
    handler.addFilter(Storm(ours=_may_repeat))
    logging.raiseExceptions = False  # what cannot be formatted is dropped, not printed raw
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())


def _may_repeat(name: str) -> bool:
    """Whether an event of this logger names a row or a peer; what a stranger sent is said once."""
    return name.partition(".")[0] in _OURS and name != "node.door"


def on_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report what no task caught, without the values asyncio would print."""
    error = context.get("exception")
    log.error(
        str(context["message"]).partition(":")[0],
        exc_info=error if isinstance(error, BaseException) else None,
    )


@web.middleware
async def middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give a request a random number, which stands in every line about it and nowhere else."""
    number = secrets.token_hex(6)
    request[_KEPT] = number
    _NUMBER.set(number)
    return await handler(request)


def route_of(request: web.BaseRequest) -> str:
    """The template of the address that was asked for, `/u/{name}`; `-` where there is none."""
    match = getattr(request, "_match_info", None)  # None where the request could not be read
    resource = match.route.resource if match is not None else None
    return resource.canonical if resource is not None else "-"


UNSAID = frozenset({"/live", "/live/now"})  # open pages: a line would say how long one was read


class RequestLog(AbstractAccessLogger):
    """A line per answer: method, route, status, milliseconds. No path, no address, no agent."""

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if route_of(request) in UNSAID:
            return
        self.logger.info(
            "answered",
            extra={
                "method": request.method if request.method in _METHODS else "other",
                "route": route_of(request),
                "status": response.status,
                "ms": round(time * 1000),
                "request": request.get(_KEPT, "-"),
            },
        )
