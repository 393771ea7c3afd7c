"""Applications that leak as real ones do, on which the whole game must fail.

Each is the same product with one careless habit; nothing about the attacks knows of it.
"""

from datetime import date

import sqlalchemy as sa

from tests.privacy.stage import Stage
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
        today: date = self.now.date()
        async with self.engine.begin() as conn:
            await conn.execute(
                sa.text(f"UPDATE {table} SET last_used = :today WHERE id = :row"),
                {"today": today, "row": row},
            )


class NoKeeper(Town):
    """Nobody lays the tables out: the rows lie as they came."""

    async def work(self) -> None:
        self.called_for.clear()
        await super().work()


LEAKY = (LastUsed, NoKeeper)
__all__ = ["LEAKY", "LastUsed", "NoKeeper", "Stage"]
