"""What lies on the account side looks different after every night (DESIGN-V1).

Somebody with a dump of today and one of tomorrow would tie rows by what stays, and find what is new
or changed. So what rows are looked up by is disguised under a key of the night (its *epoch*), and
everything else sealed once more by the node key; `members.nights` does both anew every night.

Here a row's own id, tag or log-in name is what it always was. A question asks for them under every
epoch that rows can lie in: one, and two while a night's work is under way. Which these are a
process remembers from its last look (`Here.veils`), so that no page asks one more question; where
nothing is found it looks, and asks again if they are others now. Rows from before there were veils
lie in epoch 0, as they are.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.here import Here
from kernel.rows import AnyRow, AnySelect
from kernel.schema.tables import accounts, drawers, sessions, spent, veil
from kernel.sealing import SEALED_MORE, NodeKey, disguise, seal, undisguise, unseal

TABLES: Final = (accounts, sessions, drawers, spent)

_ALSO_LOOKED_UP: Final = frozenset({accounts.c.login, sessions.c.tag})  # beside the ids
_LOOKS: Final = 3  # a row moves once a night: whoever waited for it finds it at the next look

Keys = Mapping[sa.Column[Any], Sequence[UUID] | Sequence[bytes]]
"""What to look for, by column; in the statement: `any_of(accounts.c.id, "ids")`, and so on."""

_EPOCHS: Final = sa.select(veil.c.current, veil.c.next)
_HELD: Final = _EPOCHS.with_for_update(read=True)


def hide(here: Here, epoch: int, column: sa.Column[Any], key: Any) -> Any:
    """A UUID or bytes, as they are stored in that epoch."""
    if epoch == 0:
        return key
    cipher = _key(here.node_key, f"veil/{epoch}/{column}")
    if isinstance(key, UUID):
        return UUID(bytes=disguise(cipher, key.bytes))
    return disguise(cipher, key)


def show(here: Here, epoch: int, column: sa.Column[Any], hidden: Any) -> Any:
    """What `hide` was given."""
    if epoch == 0:
        return hidden
    cipher = _key(here.node_key, f"veil/{epoch}/{column}")
    if isinstance(hidden, UUID):
        return UUID(bytes=undisguise(cipher, hidden.bytes))
    return undisguise(cipher, hidden)


def wrap(here: Here, column: sa.Column[Any], row_id: UUID | bytes, value: bytes) -> bytes:
    """A value as it is stored, different each time."""
    return seal(_key(here.node_key, "veiled"), value, _context(column, row_id))


def unwrap(here: Here, column: sa.Column[Any], row_id: UUID | bytes, value: bytes) -> bytes:
    """What `wrap` was given; a value from before there were veils is shorter, and as it is.

    Raises Unsealable: another row's, or another node's.
    """
    assert isinstance(column.type, sa.LargeBinary)
    if len(value) + SEALED_MORE == column.type.length:
        return value
    return unseal(_key(here.node_key, "veiled"), value, _context(column, row_id))


def cover(here: Here, table: sa.Table, epoch: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it is stored in that epoch."""
    covered: dict[str, Any] = {"epoch": epoch}
    for name, value in row.items():
        column = table.c[name]
        looked_up = _is_looked_up(column)
        covered[name] = (
            hide(here, epoch, column, value) if looked_up else wrap(here, column, row["id"], value)
        )
    return covered


def uncover(here: Here, table: sa.Table, row: AnyRow) -> dict[str, Any]:
    """What stands in a stored row, or in those of its columns that were asked for.

    Its id and its epoch are among them. Raises Unsealable: it is another node's.
    """
    stored = {name: value for name, value in row._mapping.items() if name in table.c}
    epoch = stored.pop("epoch")
    row_id = show(here, epoch, table.c.id, stored["id"])
    return {
        name: show(here, epoch, table.c[name], value)
        if _is_looked_up(table.c[name])
        else unwrap(here, table.c[name], row_id, value)
        for name, value in stored.items()
    }


async def epochs(conn: AsyncConnection, here: Here, *, held: bool = False) -> Sequence[int]:
    """Those in which rows can lie just now, the newest last.

    With `held` it stays the newest until this transaction ends. Whoever writes a new row needs
    that, and whoever must miss none: no night begins meanwhile, so a row moves once at most.
    """
    row = (await conn.execute(_HELD if held else _EPOCHS)).one()
    return _remember(here, row.current, row.next)


async def find(
    conn: AsyncConnection, here: Here, query: AnySelect, keys: Keys, *, locks: bool = False
) -> AnyRow | None:
    """The one row that a fixed statement finds for `keys`, if there is one.

    Where it `locks`, a row that moves while we wait for it is asked for again.
    """
    asked: Sequence[int] = tuple(here.veils)
    for _ in range(_LOOKS):
        row = (await conn.execute(query, _parameters(here, asked, keys))).first()
        if row is not None:
            return row
        now = await epochs(conn, here)
        if now == asked and not (locks and len(now) > 1):
            return None
        asked = now
    return None


async def gather(
    conn: AsyncConnection, here: Here, query: AnySelect, keys: Keys
) -> Sequence[AnyRow]:
    """All rows that a fixed statement, made with `beside`, finds for `keys`.

    Each answer says in which epochs it should have been asked; so none is missed.
    """
    asked: Sequence[int] = tuple(here.veils)
    rows: Sequence[AnyRow] = ()
    for _ in range(_LOOKS):
        rows = (await conn.execute(query, _parameters(here, asked, keys))).all()
        now = _remember(here, rows[0].current, rows[0].next)
        if now == asked:
            break
        asked = now
    return [row for row in rows if row.id is not None]


def beside(table: sa.Table, wanted: sa.ColumnElement[bool], *columns: sa.Column[Any]) -> AnySelect:
    """A statement for `gather`: what is `wanted` of a table, beside the epochs of now."""
    return sa.select(veil.c.current, veil.c.next, table.c.id, table.c.epoch, *columns).select_from(
        veil.outerjoin(table, wanted)
    )


async def insert(
    conn: AsyncConnection, here: Here, table: sa.Table, row: Mapping[str, Any]
) -> bool:
    """Store a new row. False: there is one of that id, or of that log-in name."""
    *earlier, newest = await epochs(conn, here, held=True)
    if earlier:
        unique = [table.c.id, *([table.c.login] if "login" in table.c else [])]
        keys = {column: [row[column.name]] for column in unique}
        there = sa.select(sa.literal(1)).where(sa.or_(*(is_one(column) for column in unique)))
        if (await conn.execute(there, _parameters(here, earlier, keys))).first() is not None:
            return False
    made = await conn.execute(
        pg_insert(table)
        .values(cover(here, table, newest, row))
        .on_conflict_do_nothing()
        .returning(table.c.id)
    )
    return made.first() is not None


async def delete(conn: AsyncConnection, here: Here, statement: sa.Delete, keys: Keys) -> int:
    """Run a fixed statement that deletes what it finds for `keys`; how many rows that were.

    While rows move it runs twice: one that moved away under the first is there for the second.
    """
    now, gone = await epochs(conn, here, held=True), 0
    for _ in now:
        gone += (await conn.execute(statement, _parameters(here, now, keys))).rowcount
    return gone


def is_one(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """SQL: what stands there is what is looked for."""
    return any_of(column, f"{column.name}s")


def _parameters(here: Here, asked: Sequence[int], keys: Keys) -> dict[str, list[Any]]:
    return {
        f"{column.name}s": [hide(here, epoch, column, key) for epoch in asked for key in wanted]
        for column, wanted in keys.items()
    }


def _remember(here: Here, current: int, following: int | None) -> Sequence[int]:
    now = (current,) if following is None else (current, following)
    here.veils[:] = now
    return now


def _is_looked_up(column: sa.Column[Any]) -> bool:
    return column.primary_key or column in _ALSO_LOOKED_UP


@lru_cache(maxsize=256)
def _key(node_key: NodeKey, label: str) -> bytes:
    return node_key.derive(label)


def _context(column: sa.Column[Any], row_id: UUID | bytes) -> str:
    return f"{column} of {row_id.hex() if isinstance(row_id, bytes) else row_id} 1"
