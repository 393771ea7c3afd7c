"""Applications that leak as real ones do, on which the whole game must fail.

Each is the same product with one careless habit; nothing about the attacks knows of it.
"""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import date
from unittest.mock import patch
from uuid import UUID

import sqlalchemy as sa

from kernel.schema.tables import accounts
from members import order, veil
from tests.privacy.world import Persona, Town


class LastUsed(Town):
    """Accounts and personas both keep the day on which they were used last, "to find idle ones"."""

    async def found(self) -> None:
        self._used: dict[UUID, date] = {}
        self._carried = date.min
        async with self.engine.begin() as conn:
            for table in ("accounts", "actors"):
                await conn.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN last_used date"))
        await super().found()

    async def log_in(self, number: int) -> None:
        await super().log_in(number)
        await self._use_account(number)

    async def make_persona(self, number: int) -> Persona:
        persona = await super().make_persona(number)
        await self._use_account(number)
        await self._use("actors", {persona.actor.id: self.now.date()})
        return persona

    async def round(self) -> None:
        """Each night every row is written anew, with what the product knows of; so is this."""
        await super().round()
        if self._used and self.now.date() != self._carried:
            self._carried = self.now.date()
            await self._use_accounts()

    async def _use_account(self, number: int) -> None:
        self._used[self.residents[number].member.account_id] = self.now.date()
        await self._use_accounts()

    async def _use_accounts(self) -> None:
        async with self.engine.connect() as conn:
            newest = (await veil.epochs(conn, self.here))[-1]
        hidden = {
            veil.hide(self.here, newest, accounts.c.id, account_id): day
            for account_id, day in self._used.items()
        }
        await self._use("accounts", hidden)

    async def _use(self, table: str, days: Mapping[UUID, date]) -> None:
        async with self.engine.begin() as conn:
            await conn.execute(
                sa.text(f"UPDATE {table} SET last_used = :day WHERE id = :row"),
                [{"row": row, "day": day} for row, day in days.items()],
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
