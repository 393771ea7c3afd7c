"""Drafts that a member keeps for later: sealed rows that say neither whose nor what (DESIGN).

A drawer's id is derived from the root key and a number, as a persona's is. So whoever has the root
key finds all of them with one question, and nobody else sees that two belong together.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import keep_times
from kernel.arrays import any_of
from kernel.errors import NotAllowed, NotFound, TooLarge
from kernel.here import Here
from kernel.rows import at_most
from kernel.said import said
from kernel.schema.tables import drawers
from kernel.schema.waiting import DRAWER_BYTES
from kernel.sealing import KEY_BYTES, Unsealable, derive, derive_many, seal, unseal
from members.member import Member
from members.order import stir

MAX_DRAFTS: Final = 20
KEPT: Final = keep_times.DRAFT

_DAY_BYTES: Final = 4
_STEP: Final = 1_000

Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A draft: the form it was typed into, by its address, and what stood there."""

    number: int
    path: str
    fields: Fields


async def keep(
    conn: AsyncConnection,
    here: Here,
    member: Member,
    path: str,
    fields: Fields,
    *,
    number: int | None = None,
) -> int:
    """Keep a draft, in place of draft `number` if there is that one; its number.

    Raises NotAllowed: there are twenty already. Raises TooLarge: it is longer than any post.
    """
    ids = _ids(member)
    used = set(await conn.scalars(_USED, {"ids": ids}))
    if number is None or not 0 <= number < MAX_DRAFTS:
        number = next((n for n, each in enumerate(ids) if each not in used), None)
    if number is None:
        raise NotAllowed(
            said(
                "You have {limit} drafts already. Your words are still here: you can send them, "
                "or delete another draft first.",
                limit=MAX_DRAFTS,
            )
        )
    row = {
        "id": ids[number],
        "sealed": _seal(here, member, ids[number], path, fields),
        "keep_until": _seal_day(here, ids[number], here.now().date() + KEPT),
    }
    changes = {name: row[name] for name in ("sealed", "keep_until")}
    await conn.execute(
        insert(drawers).values(row).on_conflict_do_update(index_elements=["id"], set_=changes)
    )
    await stir(conn, drawers)
    return number


async def mine(conn: AsyncConnection, here: Here, member: Member) -> Sequence[Kept]:
    """The member's drafts; those that another node key sealed are left out."""
    ids = _ids(member)
    rows = await conn.execute(_THESE, {"ids": ids})
    found = []
    for row in rows:
        try:
            path, fields = _open(here, member, row.id, row.sealed)
        except Unsealable:
            continue
        found.append(Kept(number=ids.index(row.id), path=path, fields=fields))
    return sorted(found, key=lambda each: each.number)


async def get(conn: AsyncConnection, here: Here, member: Member, number: int) -> Kept:
    """Raises NotFound: the member has no such draft."""
    for each in await mine(conn, here, member):
        if each.number == number:
            return each
    raise NotFound


async def drop(conn: AsyncConnection, member: Member, number: int) -> None:
    """A draft is gone; one that is none changes nothing."""
    if 0 <= number < MAX_DRAFTS:
        await conn.execute(sa.delete(drawers).where(drawers.c.id == _ids(member)[number]))


async def drop_all(conn: AsyncConnection, member: Member) -> None:
    """The member leaves, and so do their drafts."""
    await conn.execute(_DROP, {"ids": _ids(member)})


async def sweep(engine: AsyncEngine, here: Here) -> None:
    """Remove what was kept long enough, a thousand rows at a time."""
    after, today = b"", here.now().date()
    while True:
        async with engine.begin() as conn:
            rows = (await conn.execute(_DAYS, {"after": after})).all()
            over = [row.id for row in rows if _last_day(here, row.id, row.keep_until) < today]
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


_IS_ONE: Final = any_of(drawers.c.id, "ids")
_USED: Final = sa.select(drawers.c.id).where(_IS_ONE)
_THESE: Final = sa.select(drawers.c.id, drawers.c.sealed).where(_IS_ONE)
_DROP: Final = sa.delete(drawers).where(_IS_ONE)
_DAYS: Final = (
    sa.select(drawers.c.id, drawers.c.keep_until)
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


def _open(here: Here, member: Member, drawer_id: bytes, sealed: bytes) -> tuple[str, Fields]:
    inner = unseal(here.node_key.derive("drawers"), sealed, _context(drawer_id))
    plain = json.loads(unseal(derive(member.root, "drawers"), inner, _context(drawer_id)))
    return plain["path"], plain["fields"]


def _seal_day(here: Here, drawer_id: bytes, last: date) -> bytes:
    plain = last.toordinal().to_bytes(_DAY_BYTES, "big")
    return seal(here.node_key.derive("drawer days"), plain, _context(drawer_id))


def _last_day(here: Here, drawer_id: bytes, sealed: bytes) -> date:
    """Of a row that another node key sealed: long past, since nobody can open it any more."""
    try:
        plain = unseal(here.node_key.derive("drawer days"), sealed, _context(drawer_id))
    except Unsealable:
        return date.min
    return date.fromordinal(int.from_bytes(plain, "big"))


def _context(drawer_id: bytes) -> str:
    return f"drawer {drawer_id.hex()} 1"
