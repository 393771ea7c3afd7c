"""The blocked domains in memory, for what asks at every step: a second old at most (SEC-S20)."""

import asyncio
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.schema.tables import domain_blocks

FRESH = 1.0  # seconds; a decision holds everywhere within two


@dataclass(slots=True)
class Blocklist:
    """Answers without a question to the database, except once a second."""

    engine: AsyncEngine
    _domains: frozenset[str] = frozenset()
    _read_at: float | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def covers(self, host: str) -> bool:
        """Whether a block covers `host` (`name` or `name:port`), itself or as a suffix."""
        if self._is_old():
            async with self._reading:
                if self._is_old():
                    await self._read()
        if not self._domains:
            return False
        labels = host.partition(":")[0].split(".")
        return any(".".join(labels[first:]) in self._domains for first in range(len(labels)))

    def _is_old(self) -> bool:
        return self._read_at is None or _seconds() - self._read_at >= FRESH

    async def _read(self) -> None:
        asked_at = _seconds()
        async with self.engine.connect() as conn:
            found = await conn.execute(sa.select(domain_blocks.c.domain))
            self._domains = frozenset(domain for (domain,) in found)
        self._read_at = asked_at


def _seconds() -> float:
    return asyncio.get_running_loop().time()
