"""What is in force about domains, in memory, for what asks at every step (SEC-S20).

It is a second old at most, and read anew only when something was decided: once a second one number
is looked at. A question then takes a few look-ups, however much there is.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.schema.moderation import Level
from moderation import policy
from moderation.policy import Policies, Policy

FRESH: Final = 1.0  # seconds; a decision holds everywhere within two


@dataclass(slots=True)
class Blocklist:
    """Answers without a question to the database, except once a second."""

    engine: AsyncEngine
    _policies: Policies = field(default_factory=Policies)
    _version: int | None = None
    _read_at: float | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def covers(self, host: str) -> bool:
        """Whether `host` (`name` or `name:port`) is blocked, itself or by a domain above it.

        Before a yes it is looked once more: what is sent right after a block ends is not put off.
        """
        if not (await self.policy_of(host)).blocks:
            return False
        self._read_at = None
        return (await self.policy_of(host)).blocks

    async def drops(self, host: str) -> bool:
        """Whether what comes from `host` is forgotten unread."""
        return (await self.policy_of(host)).level is Level.DROP

    async def drops_anybody(self) -> bool:
        """Whether there is anybody at all of whom that is so."""
        await self._keep_fresh()
        return self._policies.drop_somebody

    async def policy_of(self, host: str) -> Policy:
        """What is in force about `host`; the longest suffix wins."""
        await self._keep_fresh()
        return self._policies.of_host(host)

    async def _keep_fresh(self) -> None:
        if self._is_old():
            async with self._reading:
                if self._is_old():
                    await self._read()

    def _is_old(self) -> bool:
        return self._read_at is None or _seconds() - self._read_at >= FRESH

    async def _read(self) -> None:
        asked_at = _seconds()
        async with self.engine.connect() as conn:
            version = await policy.version(conn)
            if version != self._version:
                self._policies = await policy.in_force(conn)
                self._version = version
        self._read_at = asked_at


def _seconds() -> float:
    return asyncio.get_running_loop().time()
