"""What the pages of one node remember between requests: in memory, bounded, gone at its end."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Final, Self
from uuid import UUID

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.state import ENGINE
from kernel.clock import Clock
from kernel.here import Here
from kernel.schema.node import Handover, SignUp
from kernel.throttle import Throttle
from members import node as node_store
from members import personas
from members.node import Node
from moderation.care.handover import Policy
from moderation.duty import Rota

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FORGET_SECONDS: Final = 60.0
FRESH_SECONDS: Final = 5.0  # how long another process may still show the node's old name
ASK_SECONDS: Final = 0.1  # help pages wait no longer for who is here


@dataclass(slots=True, kw_only=True)
class Memory:
    """How often who did what, and the node's own row."""

    log_ins: Throttle  # by address
    log_ins_of: Throttle  # by log-in name
    sign_ups: Throttle
    recoveries: Throttle
    receipts: Throttle
    exports: Throttle
    posts: Throttle
    founding: Throttle
    one_time: Throttle
    searches: Throttle
    findings: Throttle  # of posts by their words
    opened: Throttle  # threads of other nodes that somebody reads, by thread
    pictures: Throttle
    cards: Throttle  # crisis lines after posting, by account: in memory, told to nobody
    alerts: Throttle  # tests and codes, by account
    leaving: set[asyncio.Task[None]] = field(default_factory=set)  # sessions that are ending
    asking: asyncio.Task[Node | None] | None = None  # for pages that wait for no database
    readers: dict[tuple[UUID, int], tuple[float, str]] = field(default_factory=dict)
    blocks: tuple[int, bytes] | None = None  # what others read of whom we keep away, by its count
    site: Node | None = None
    read_at: float = 0.0

    @classmethod
    def of(cls, clock: Clock) -> Self:
        minute, hour, day = 60, 3600, 86_400
        return cls(
            log_ins=Throttle(60, 10 * minute, clock),
            log_ins_of=Throttle(10, 10 * minute, clock),
            sign_ups=Throttle(20, hour, clock),
            recoveries=Throttle(20, hour, clock),
            receipts=Throttle(60, hour, clock),
            exports=Throttle(10, day, clock),
            posts=Throttle(60, 10 * minute, clock),
            founding=Throttle(5, day, clock),
            one_time=personas.one_time_throttle(clock),
            searches=Throttle(30, 10 * minute, clock),
            findings=Throttle(120, 10 * minute, clock),
            opened=Throttle(1, 15 * minute, clock),
            pictures=Throttle(100, day, clock),
            cards=Throttle(1, day, clock),
            alerts=Throttle(20, hour, clock),
        )

    def forget_ended(self) -> None:
        """Drop the counts whose time is over: addresses are among them."""
        for each in fields(self):
            if isinstance(counted := getattr(self, each.name), Throttle):
                counted.forget_ended()


MEMORY = web.AppKey("pages", Memory)


async def forgetting(app: web.Application) -> AsyncIterator[None]:
    """While the node runs, counts whose time is over are forgotten within a minute."""
    rounds = asyncio.create_task(_forget(app[MEMORY]))
    yield
    rounds.cancel()
    with suppress(asyncio.CancelledError):
        await rounds


async def _forget(memory: Memory) -> None:
    while True:
        await asyncio.sleep(FORGET_SECONDS)
        memory.forget_ended()


NO_DATABASE: Final = (
    "/help", "/leave", "/look", "/static/", "/.well-known/", "/nodeinfo", "/inbox", "/healthz",
    "/readyz",
)  # fmt: skip
"""Addresses that ask the database nothing for a page's sake: no session, no name of the node."""


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every page can say the node's name; a database that does not answer is a refusal."""
    if not request.path.startswith(NO_DATABASE):
        await site(request.app[MEMORY], request.app[ENGINE])
    return await handler(request)


async def site(memory: Memory, engine: AsyncEngine) -> Node:
    """The node as its administrators describe it, at most five seconds old.

    Where the database does not answer, what was known last: error pages need a name too.
    """
    if memory.site is not None and time.monotonic() - memory.read_at < FRESH_SECONDS:
        return memory.site
    async with engine.connect() as conn:
        memory.site = await node_store.read(conn)
    memory.read_at = time.monotonic()
    return memory.site


async def site_soon(memory: Memory, engine: AsyncEngine) -> Node | None:
    """The same for a page that waits for no database; None: it does not answer at once."""
    if memory.asking is None or memory.asking.done():
        memory.asking = asyncio.create_task(_site_or_none(memory, engine))
    done, _ = await asyncio.wait({memory.asking}, timeout=ASK_SECONDS)
    return next((each.result() for each in done if not each.cancelled()), None)


async def _site_or_none(memory: Memory, engine: AsyncEngine) -> Node | None:
    try:
        return await site(memory, engine)
    except DATABASE_ERRORS:
        return None


def known_site(memory: Memory, here: Here) -> Node:
    """The node as last read, with no question to the database."""
    return memory.site or Node(
        origin=here.origin, settled=False, name=here.host, about="", contact="", country="",
        languages=(), sign_up=SignUp.CLOSED, crisis_policy="", people=0,
        duty=Rota(), handover=Policy(choice=Handover.UNSAID),
    )  # fmt: skip


def forget_site(memory: Memory) -> None:
    """The next page reads the node's row again."""
    memory.read_at = 0.0


DATABASE_ERRORS: Final = (SQLAlchemyError, OSError, TimeoutError)
