"""Words that something changed, from PostgreSQL to the open pages of one process.

One connection listens for all of them, from the first page on that waits. A word that nobody waits
for is dropped; one that somebody cannot take yet is there once, however often it comes. So nothing
is kept beyond the few words that each page waits for.
"""

import asyncio
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import asyncpg
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.db import AWAY, describe
from kernel.errors import Busy, TooMany
from kernel.live import CHANNEL
from node.door import places

MAX_STREAMS: Final = 1_000  # open pages of one process that wait; never more than a quarter
MAX_OF_SESSION: Final = 4
_LOOK: Final = 5.0  # seconds between two looks whether the connection still lives

log = logging.getLogger(__name__)


class Ear:
    """One open page: what it waits for, and whether some of it came."""

    def __init__(self) -> None:
        self._came = asyncio.Event()

    def call(self) -> None:
        """Something came, or may have been missed."""
        self._came.set()

    async def wait(self, seconds: float) -> bool:
        """Until something came. False: nothing did for so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), seconds)
        came = self._came.is_set()
        self._came.clear()
        return came


class Hub:
    """The open pages of one process."""

    def __init__(self, engine: AsyncEngine, *, most: int | None = None) -> None:
        self._engine = engine
        self._most = most if most is not None else min(MAX_STREAMS, places() // 4)
        self._ears: dict[str, set[Ear]] = {}
        self._of_session: dict[bytes, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._hears = asyncio.Event()
        self._stop = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether the node stops."""
        return self._stop.is_set()

    @property
    def open(self) -> int:
        """How many pages wait."""
        return sum(self._of_session.values())

    @contextmanager
    def waiting(self, session: bytes, words: Collection[str]) -> Iterator[Ear]:
        """A page of `session` that waits for `words`.

        Raises TooMany: the session has that many open. Raises Busy: the process has.
        """
        if self._of_session.get(session, 0) >= MAX_OF_SESSION:
            raise TooMany("Too many pages are open at once.", retry_after=60)
        if self.closed or self.open >= self._most:
            raise Busy("Too many pages are open at once.", retry_after=60)
        ear = Ear()
        self._of_session[session] = self._of_session.get(session, 0) + 1
        for word in words:
            self._ears.setdefault(word, set()).add(ear)
        try:
            yield ear
        finally:
            for word in words:
                self._leave(word, ear)
            self._of_session[session] -= 1
            if not self._of_session[session]:
                del self._of_session[session]

    def _leave(self, word: str, ear: Ear) -> None:
        ears = self._ears[word]
        ears.discard(ear)
        if not ears:
            del self._ears[word]

    async def listening(self, seconds: float) -> None:
        """Until words are heard, which begins with the first call; at most so long."""
        if self._task is None and not self.closed:
            self._task = asyncio.create_task(self._listen())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hears.wait(), seconds)

    def hear(self, word: str) -> None:
        """Call the pages that wait for a word."""
        for ear in self._ears.get(word, ()):
            ear.call()

    def _call_all(self) -> None:
        for ears in self._ears.values():
            for ear in ears:
                ear.call()

    async def close(self) -> None:
        """Every page is let go."""
        self._stop.set()
        self._call_all()
        if self._task is not None:
            await self._task

    async def _listen(self) -> None:
        """Hear words on a connection of our own, opened again when it breaks.

        What was said while it was broken is not known: then every page looks.
        """
        while not self.closed:
            try:
                await self._hear_until_broken()
            except AWAY as error:
                log.warning("live: database away (%s)", describe(error))
            self._hears.clear()
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _LOOK)

    async def _hear_until_broken(self) -> None:
        def heard(_connection: object, _pid: int, _channel: str, word: str) -> None:
            self.hear(word)

        async with self._engine.connect() as conn:
            raw = (await conn.get_raw_connection()).driver_connection
            if not isinstance(raw, asyncpg.Connection):
                raise TypeError("words are heard through asyncpg alone")
            await raw.add_listener(CHANNEL, heard)
            try:
                self._hears.set()
                self._call_all()
                while not (self.closed or raw.is_closed()):
                    await self._pause()
            finally:
                if not raw.is_closed():
                    await raw.remove_listener(CHANNEL, heard)


HUB = web.AppKey("live", Hub)


def prepare(app: web.Application, engine: AsyncEngine) -> None:
    """Give a node's application its hub, which lets the pages go when the node stops."""
    hub = app[HUB] = Hub(engine)

    async def let_go(_: web.Application) -> None:
        await hub.close()

    app.on_shutdown.append(let_go)
