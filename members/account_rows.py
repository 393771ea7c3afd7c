"""One account's row in the database, as what stands in it (`members.veil`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.rows import AnyRow, AnySelect
from kernel.schema.tables import accounts
from members import veil
from members.order import stir
from members.veil import is_one

_GONE: Final = sa.delete(accounts).where(is_one(accounts.c.id))
_BY_LOGIN: Final = veil.beside(
    accounts,
    is_one(accounts.c.login),
    *(column for column in accounts.columns if column.name not in ("id", "epoch")),
)


@dataclass(frozen=True, slots=True)
class Found:
    """`id` is the account's for ever; `place` is where it lies until tonight."""

    id: UUID
    place: UUID
    columns: dict[str, Any] = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]


async def get(
    conn: AsyncConnection, here: Here, account_id: UUID, *names: str, lock: bool = False
) -> Found | None:
    """Those columns of an account, all where none is named; with `lock` until the end."""
    keys = {accounts.c.id: [account_id]}
    row = await veil.find(conn, here, _query(names, lock), keys, locks=lock)
    return None if row is None else found(here, row)


async def by_login(conn: AsyncConnection, here: Here, login: bytes) -> Found | None:
    """The account of a log-in name's HMAC; asked in as many statements if there is none."""
    rows = await veil.gather(conn, here, _BY_LOGIN, {accounts.c.login: [login]})
    return found(here, rows[0]) if rows else None


async def put(conn: AsyncConnection, here: Here, found: Found, **changes: bytes) -> None:
    """Change columns of an account that this transaction locked."""
    wrapped = {
        name: veil.wrap(here, accounts.c[name], found.id, value) for name, value in changes.items()
    }
    await conn.execute(sa.update(accounts).where(accounts.c.id == found.place).values(**wrapped))
    await stir(conn, accounts)


async def remove(conn: AsyncConnection, here: Here, account_id: UUID) -> bool:
    """Forget an account. False: there is none."""
    return await veil.delete(conn, here, _GONE, {accounts.c.id: [account_id]}) > 0


def found(here: Here, row: AnyRow) -> Found:
    """From a stored row with `id` and `epoch`. Raises Unsealable: another node's."""
    columns = veil.uncover(here, accounts, row)
    return Found(columns["id"], row.id, columns)


@lru_cache
def _query(names: Sequence[str], lock: bool) -> AnySelect:
    columns = [accounts.c[name] for name in ("id", "epoch", *names)] if names else [accounts]
    query: AnySelect = sa.select(*columns).where(is_one(accounts.c.id))
    return query.with_for_update() if lock else query
