"""Drafts that a member keeps for later: sealed rows that say neither whose nor what (DESIGN).

A drawer's id is derived from the root key and a number, as a persona's is. So whoever has the root
key finds all of them with one question, and nobody else sees that two belong together.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import keep_times
from kernel.errors import NotAllowed, NotFound, TooLarge
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.said import said
from kernel.schema.tables import drawers
from kernel.schema.waiting import DRAWER_BYTES
from kernel.sealing import KEY_BYTES, Unsealable, derive, derive_many, digest, seal, unseal
from members import veil
from members.member import Member
from members.order import stir
from members.veil import is_one

MAX_DRAFTS: Final = 20
KEPT: Final = keep_times.DRAFT

_DAY_BYTES: Final = 4
_MARK_BYTES: Final = 8
_STEP: Final = 1_000

Fields = Mapping[str, Sequence[str]]


class Which(NamedTuple):
    """A draft as it was when somebody looked: numbers are given again, a mark never is."""

    number: int
    mark: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft: the form it was typed into, by its address, and what stood there."""

    which: Which
    path: str
    fields: Fields

    @property
    def number(self) -> int:
        return self.which.number


async def keep(
    conn: AsyncConnection,
    here: Here,
    member: Member,
    path: str,
    fields: Fields,
    *,
    before: Which | None = None,
) -> int:
    """Keep a draft; its number. It takes the place of `before`, if that is as it was then.

    Raises NotAllowed: there are twenty already. Raises TooLarge: it is longer than any post.
    """
    await _one_at_a_time(conn, member)
    ids = _ids(member)
    newest = (await veil.epochs(conn, here, held=True))[-1]
    number = await _still_there(conn, here, member, before)
    if number is not None:  # under whichever veil
        await veil.delete(conn, here, _DROP, {drawers.c.id: [ids[number]]})
    else:
        used = {_id(here, row) for row in await veil.gather(conn, here, _USED, {drawers.c.id: ids})}
        number = next((n for n, each in enumerate(ids) if each not in used), None)
    if number is None:
        raise NotAllowed(
            said(
                "You have {limit} drafts already. Your words are still here: you can send them, "
                "or delete another draft first.",
                limit=MAX_DRAFTS,
            )
        )
    row = veil.cover(
        here,
        drawers,
        newest,
        {
            "id": ids[number],
            "sealed": _seal(here, member, ids[number], path, fields),
            "keep_until": _seal_day(here, ids[number], here.now().date() + KEPT),
        },
    )
    changes = {name: row[name] for name in ("sealed", "keep_until")}
    await conn.execute(
        insert(drawers).values(row).on_conflict_do_update(index_elements=["id"], set_=changes)
    )
    await stir(conn, drawers)
    return number


async def mine(conn: AsyncConnection, here: Here, member: Member) -> Sequence[Kept]:
    """The member's drafts; those that another node key sealed are left out."""
    ids = _ids(member)
    rows = await veil.gather(conn, here, _THESE, {drawers.c.id: ids})
    found = []
    for row in rows:
        drawer_id = _id(here, row)
        try:
            sealed = veil.unwrap(here, drawers.c.sealed, drawer_id, row.sealed)
            mark, path, fields = _open(here, member, drawer_id, sealed)
        except Unsealable:
            continue
        found.append(Kept(Which(ids.index(drawer_id), mark), path, fields))
    return sorted(found, key=lambda each: each.number)


async def get(conn: AsyncConnection, here: Here, member: Member, number: int) -> Kept:
    """Raises NotFound: the member has no such draft."""
    for each in await mine(conn, here, member):
        if each.number == number:
            return each
    raise NotFound


async def drop(conn: AsyncConnection, here: Here, member: Member, which: Which) -> None:
    """A draft is gone; one that is none, or says something else by now, stays as it is."""
    await _one_at_a_time(conn, member)
    number = await _still_there(conn, here, member, which)
    if number is not None:
        await veil.delete(conn, here, _DROP, {drawers.c.id: [_ids(member)[number]]})


async def drop_all(conn: AsyncConnection, here: Here, member: Member) -> None:
    """The member leaves, and so do their drafts."""
    await veil.delete(conn, here, _DROP, {drawers.c.id: _ids(member)})


async def sweep(engine: AsyncEngine, here: Here) -> None:
    """Remove what was kept long enough, a thousand rows at a time."""
    after, today = b"", here.now().date()
    while True:
        async with engine.begin() as conn:
            rows = (await conn.execute(_DAYS, {"after": after})).all()
            over = [row.id for row in rows if _last_day(here, row) < today]
            if over:
                await conn.execute(_DROP, {"ids": over})
        if len(rows) < _STEP:
            return
        after = rows[-1].id


def ids(root: bytes) -> list[bytes]:
    """The ids that a member's drafts can have."""
    return derive_many(root, [f"drawer/drafts/{n}" for n in range(MAX_DRAFTS)], KEY_BYTES)


def _ids(member: Member) -> list[bytes]:
    return ids(member.root)


async def _one_at_a_time(conn: AsyncConnection, member: Member) -> None:
    """Until the transaction ends, no other one of the member keeps or drops a draft."""
    lock = int.from_bytes(derive(member.root, "drafts lock")[:8], "big", signed=True)
    await conn.execute(_LOCK, {"lock": lock})


async def _still_there(
    conn: AsyncConnection, here: Here, member: Member, which: Which | None
) -> int | None:
    """The number of a draft that says what it said when somebody looked."""
    found = await mine(conn, here, member) if which else ()
    return next((each.number for each in found if each.which == which), None)


_LOCK: Final = sa.select(sa.func.pg_advisory_xact_lock(sa.bindparam("lock", type_=sa.BigInteger)))
_USED: Final = veil.beside(drawers, is_one(drawers.c.id))
_THESE: Final = veil.beside(drawers, is_one(drawers.c.id), drawers.c.sealed)
_DROP: Final = sa.delete(drawers).where(is_one(drawers.c.id))
_DAYS: Final = (
    sa.select(drawers.c.id, drawers.c.epoch, drawers.c.keep_until)
    .where(drawers.c.id > sa.bindparam("after", type_=sa.LargeBinary))
    .order_by(drawers.c.id)
    .limit(at_most(_STEP))
)


def _seal(here: Here, member: Member, drawer_id: bytes, path: str, fields: Fields) -> bytes:
    plain = {"path": path, "fields": {name: list(values) for name, values in fields.items()}}
    try:
        inner = seal(
            derive(member.root, "drawers"),
            json.dumps(plain, ensure_ascii=False).encode(errors="replace"),
            _context(drawer_id),
            padded_to=DRAWER_BYTES,
        )
    except ValueError:
        raise TooLarge(
            "That is too long to be kept as a draft. Your words are still here: you can make them "
            "shorter, or keep a copy yourself."
        ) from None
    return seal(here.node_key.derive("drawers"), inner, _context(drawer_id))


def _open(here: Here, member: Member, drawer_id: bytes, sealed: bytes) -> tuple[str, str, Fields]:
    inner = unseal(here.node_key.derive("drawers"), sealed, _context(drawer_id))
    plain = json.loads(unseal(derive(member.root, "drawers"), inner, _context(drawer_id)))
    return digest(inner)[:_MARK_BYTES].hex(), plain["path"], plain["fields"]


def _seal_day(here: Here, drawer_id: bytes, last: date) -> bytes:
    plain = last.toordinal().to_bytes(_DAY_BYTES, "big")
    return seal(here.node_key.derive("drawer days"), plain, _context(drawer_id))


def _id(here: Here, row: AnyRow) -> bytes:
    shown: bytes = veil.show(here, row.epoch, drawers.c.id, row.id)
    return shown


def _last_day(here: Here, row: AnyRow) -> date:
    """Of a row that another node key sealed: long past, since nobody can open it any more."""
    drawer_id = _id(here, row)
    try:
        stored = veil.unwrap(here, drawers.c.keep_until, drawer_id, row.keep_until)
        plain = unseal(here.node_key.derive("drawer days"), stored, _context(drawer_id))
    except Unsealable:
        return date.min
    return date.fromordinal(int.from_bytes(plain, "big"))


def _context(drawer_id: bytes) -> str:
    return f"drawer {drawer_id.hex()} 1"
