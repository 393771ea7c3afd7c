"""Accounts that wait for an administrator's yes.

Whether an account waits is sealed under the node key, as are the words it asks with: every row
looks alike, before and after.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.errors import Malformed, NotFound
from kernel.here import Here
from kernel.schema.accounts import AccountState
from kernel.schema.tables import accounts
from kernel.sealing import seal, unseal
from members import account_rows
from members.account_rows import Found

REQUEST_BYTES: Final = 2048

_MAX_REQUEST = REQUEST_BYTES - 4
_STATE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Somebody who asks to be let in. `request` is plain text in their own words.

    `place` is where a list goes on after them, until tonight.
    """

    id: UUID
    place: UUID
    request: str = field(repr=False)


def seal_request(here: Here, account_id: UUID, words: str) -> bytes:
    """Always the same number of bytes. Raises Malformed: more words than fit."""
    plain = words.encode(errors="replace")
    if len(plain) > _MAX_REQUEST:
        raise Malformed("Your request is long. Please say it in about 1,000 letters.")
    key = here.node_key.derive("requests")
    return seal(key, plain, f"account {account_id} request", padded_to=REQUEST_BYTES)


def seal_state(here: Here, account_id: UUID, state: AccountState) -> bytes:
    """Always the same number of bytes."""
    key = here.node_key.derive("states")
    return seal(key, state.encode(), f"account {account_id} state", padded_to=_STATE_BYTES)


def read_state(here: Here, account_id: UUID, sealed: bytes) -> AccountState:
    """Raises Unsealable: another account's, or another node's."""
    key = here.node_key.derive("states")
    return AccountState(unseal(key, sealed, f"account {account_id} state").decode())


_BATCH: Final = 500
_STATES: Final = (
    sa.select(accounts.c.id, accounts.c.epoch, accounts.c.state)
    .where(accounts.c.id > sa.bindparam("after", type_=sa.Uuid))
    .order_by(accounts.c.id)
    .limit(_BATCH)
)
_REQUESTS: Final = (
    sa.select(accounts.c.id, accounts.c.epoch, accounts.c.request)
    .where(any_of(accounts.c.id, "places"))
    .order_by(accounts.c.id)
)


async def waiting(
    conn: AsyncConnection, here: Here, *, after: UUID | None = None, limit: int = 50
) -> Sequence[Waiting]:
    """People who wait, beginning `after` a place, in no order that says who came first.

    Who waits is sealed, so accounts are opened some at a time until there are enough.
    """
    places: list[UUID] = []
    last = after or UUID(int=0)
    while len(places) < limit:
        rows = (await conn.execute(_STATES, {"after": last})).all()
        places += [row.id for row in rows if _waits(here, account_rows.found(here, row))]
        if len(rows) < _BATCH:
            break
        last = rows[-1].id
    asked = await conn.execute(_REQUESTS, {"places": places[:limit]})
    key = here.node_key.derive("requests")
    return [_waiting(key, account_rows.found(here, row)) for row in asked]


def _waiting(key: bytes, row: Found) -> Waiting:
    words = unseal(key, row["request"], f"account {row.id} request").decode()
    return Waiting(id=row.id, place=row.place, request=words)


async def approve(conn: AsyncConnection, here: Here, account_id: UUID) -> None:
    """Let somebody in; their words are gone. Raises NotFound: nobody waits under that id."""
    await account_rows.put(
        conn,
        here,
        await _who_waits(conn, here, account_id),
        state=seal_state(here, account_id, AccountState.ACTIVE),
        request=seal_request(here, account_id, ""),
    )


async def decline(conn: AsyncConnection, here: Here, account_id: UUID) -> None:
    """Forget the account, which never was let in. Raises NotFound: nobody waits under that id."""
    await _who_waits(conn, here, account_id)
    await account_rows.remove(conn, here, account_id)


async def _who_waits(conn: AsyncConnection, here: Here, account_id: UUID) -> Found:
    row = await account_rows.get(conn, here, account_id, "state", lock=True)
    if row is None or not _waits(here, row):
        raise NotFound("Nobody waits here under that number. Perhaps somebody answered already.")
    return row


def _waits(here: Here, row: Found) -> bool:
    return read_state(here, row.id, row["state"]) is AccountState.WAITING
