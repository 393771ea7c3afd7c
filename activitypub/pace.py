"""How much a server that nobody here has to do with may bring in an hour (SECURITY 12).

Counted in memory, and only by what a server signed itself: nobody uses up another's share by
writing under its name. A server that somebody here follows, or that follows or moderates here, has
no such limit. To find that out the database is asked only about a server that is beyond it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import ceil
from typing import Final, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.clock import Clock
from kernel.errors import TooMany
from kernel.rows import at_most, has_one
from kernel.schema.actors import FollowState
from kernel.schema.tables import actors, follows, moderators, peers
from kernel.throttle import Allowance

HOUR: Final = 3600
MAX_HOSTS: Final = 10_000
MAX_UNPROVEN: Final = 10_000
KNOWN: Final = timedelta(minutes=10)  # how long somebody's follow is believed to go on,
UNKNOWN: Final = timedelta(minutes=1)  # and how late a new one may count

_Value = TypeVar("_Value")


@dataclass(slots=True, kw_only=True)
class Pace:
    """What each server has brought. Servers are named by their hosts, with the port if any."""

    engine: AsyncEngine
    clock: Clock
    new: Allowance | None  # None: no limit
    actors: Allowance | None
    _unproven: dict[str, None] = field(default_factory=dict)  # actors by their ids
    _known: dict[str, tuple[datetime, bool]] = field(default_factory=dict)  # until when
    _asking: dict[str, asyncio.Task[bool]] = field(default_factory=dict)
    _noted: dict[str, date] = field(default_factory=dict)

    @classmethod
    def of(cls, engine: AsyncEngine, clock: Clock, *, new: int, actors: int) -> Self:
        """So many new things and so many new actors an hour; 0: as many as come."""
        return cls(
            engine=engine,
            clock=clock,
            new=Allowance(new, HOUR, clock, capacity=MAX_HOSTS) if new else None,
            actors=Allowance(actors, HOUR, clock, capacity=MAX_HOSTS) if actors else None,
        )

    def bringing(self, host: str) -> AbstractAsyncContextManager[None]:
        """Something new comes from a server; it counts unless it fails inside. Raises TooMany."""
        return self._spending(self.new, host)

    def introducing(self, host: str) -> AbstractAsyncContextManager[None]:
        """Somebody new is met because of a server; likewise. Raises TooMany."""
        return self._spending(self.actors, host)

    async def check_introducing(self, host: str) -> None:
        """Raises TooMany: the server has introduced as many as it may. Nothing is counted."""
        if self.actors is not None and (seconds := self.actors.wait(host)):
            await self._refuse_stranger(host, seconds)

    def await_proof(self, uri: str) -> None:
        """An actor is new whose key was read and who has proven nothing: anybody could name it."""
        _remember(self._unproven, uri, None, MAX_UNPROVEN)

    def awaits_proof(self, uri: str) -> bool:
        """Whether that is still so."""
        return uri in self._unproven

    async def has_signed(self, uri: str, host: str) -> None:
        """An actor's signature holds, so if it is new, its own server introduces it by that.

        Raises TooMany: its server has introduced as many as it may.
        """
        if uri in self._unproven:
            async with self.introducing(host):
                self._unproven.pop(uri, None)

    @asynccontextmanager
    async def _spending(self, allowance: Allowance | None, host: str) -> AsyncIterator[None]:
        if allowance is None:
            yield
            return
        if seconds := allowance.take(host):
            await self._refuse_stranger(host, seconds)
            yield
            return
        try:
            yield
        except BaseException:
            allowance.give_back(host)
            raise

    async def _refuse_stranger(self, host: str, seconds: float) -> None:
        if await self._is_known(host):
            return
        await self._note(host)
        raise TooMany(
            "That is a lot from a server that nobody here follows. Please bring the rest later.",
            retry_after=ceil(seconds),
        )

    async def _is_known(self, host: str) -> bool:
        """Whether somebody here follows somebody there, or the other way round; asked once."""
        until, known = self._known.get(host, (self.clock(), False))
        if self.clock() < until:
            return known
        task = self._asking.get(host)
        if task is None:
            task = asyncio.ensure_future(self._ask(host))
            self._asking[host] = task
            task.add_done_callback(lambda _: self._asking.pop(host, None))
        return await asyncio.shield(task)

    async def _ask(self, host: str) -> bool:
        async with self.engine.connect() as conn:
            known = bool(await conn.scalar(_KNOWN, {"host": host}))
        _remember(self._known, host, (self.clock() + (KNOWN if known else UNKNOWN), known))
        return known

    async def _note(self, host: str) -> None:
        """For administrators: the last day on which it was made to wait."""
        today = self.clock().date()
        if self._noted.get(host) == today:
            return
        async with self.engine.begin() as conn:
            await conn.execute(
                sa.update(peers)
                .where(peers.c.host == host, peers.c.slowed.is_distinct_from(today))
                .values(slowed=today)
            )
        _remember(self._noted, host, today)


def _remember(
    memory: dict[str, _Value], key: str, value: _Value, capacity: int = MAX_HOSTS
) -> None:
    """The newest, up to a number."""
    memory.pop(key, None)
    while len(memory) >= capacity:
        del memory[next(iter(memory))]
    memory[key] = value


def _known() -> sa.Executable:
    """SQL: whether a follow that was accepted, or a moderator's task, ties a server to us."""
    accepted = follows.c.state == FollowState.ACCEPTED
    ties = sa.or_(
        has_one(actors, follows, follows.c.follower_id == actors.c.id, accepted),
        has_one(actors, follows, follows.c.followed_id == actors.c.id, accepted),
        has_one(actors, moderators, moderators.c.actor_id == actors.c.id),
    )
    there = actors.c.host == sa.bindparam("host", type_=sa.Text)
    return sa.select(sa.literal(True)).select_from(actors).where(there, ties).limit(at_most(1))


_KNOWN = _known()
