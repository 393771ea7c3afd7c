"""Applications that leak as real ones do, on which the whole game must fail.

Each is the same product with one careless habit; nothing about the attacks knows of it.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from unittest.mock import patch

import sqlalchemy as sa

from members import order
from tests.privacy.world import Persona, Town


class LastUsed(Town):
    """Accounts and personas both keep the day on which they were used last, "to find idle ones"."""

    async def found(self) -> None:
        async with self.engine.begin() as conn:
            for table in ("accounts", "actors"):
                await conn.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN last_used date"))
        await super().found()

    async def log_in(self, number: int) -> None:
        await super().log_in(number)
        await self._use("accounts", self.residents[number].member.account_id)

    async def make_persona(self, number: int) -> Persona:
        persona = await super().make_persona(number)
        await self._use("accounts", self.residents[number].member.account_id)
        await self._use("actors", persona.actor.id)
        return persona

    async def _use(self, table: str, row: object) -> None:
        async with self.engine.begin() as conn:
            await conn.execute(
                sa.text(f"UPDATE {table} SET last_used = :today WHERE id = :row"),
                {"today": self.now.date(), "row": row},
            )


class AsTheyCame(Town):
    """Nobody stirs the tables or lays them out: the rows lie as they came."""

    async def lay_out(self, tables: Sequence[sa.Table]) -> None:
        return None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async def let_lie(_: object, __: object) -> None:
            return None

        stir = order.stir
        with ExitStack() as stack:
            for module in list(sys.modules.values()):
                if getattr(module, "stir", None) is stir:
                    stack.enter_context(patch.object(module, "stir", let_lie))
            async with super().listening():
                yield


LEAKY = (LastUsed, AsTheyCame)
