"""Sessions: a cookie's secret opens the row that holds the member's root key (DESIGN)."""

import secrets
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.here import Here
from kernel.schema.tables import accounts, sessions
from kernel.sealing import Unsealable, derive, digest, seal, unseal
from members.member import Blob, Member, Preferences
from members.order import stir
from members.quiet import Quiet
from members.seen import Seen
from members.vault import session_tag

LASTS: Final = timedelta(weeks=3)

_COOKIE_LETTERS = 43  # 32 bytes in URL-safe base64
_DAY_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody is signed in. `key` seals what a form carries; it is as old as the session."""

    id: bytes
    member: Member
    key: bytes = field(repr=False)
    preferences: Preferences
    quiet: Quiet = field(default_factory=Quiet, repr=False)
    seen: Seen = field(default_factory=Seen, repr=False)


_SEALED: Final = sa.select(sessions.c.id, sessions.c.sealed, sessions.c.ends).where(
    sessions.c.id == sa.bindparam("session_id")
)
BLOB: Final = sa.select(accounts.c.blob).where(accounts.c.id == sa.bindparam("account_id"))


async def open(engine: AsyncEngine, here: Here, member: Member) -> str:
    """Sign a member in: the cookie's value, which is stored nowhere."""
    cookie = secrets.token_urlsafe(32)
    secret = cookie.encode()
    row = {
        "id": digest(secret),
        "sealed": _seal(here, secret, member),
        "tag": session_tag(member.root),
        "ends": _seal_end(here, digest(secret), (here.now() + LASTS).date()),
    }
    async with engine.begin() as conn:
        await conn.execute(sessions.insert().values(row))
        await stir(conn, sessions)
    return cookie


async def read(engine: AsyncEngine, here: Here, cookie: str) -> Session | None:
    """Whose cookie it is; None where the session is over, was ended, or never was."""
    if len(cookie) != _COOKIE_LETTERS or not cookie.isascii():
        return None
    secret = cookie.encode()
    session_id = digest(secret)
    async with engine.connect() as conn:
        row = (await conn.execute(_SEALED, {"session_id": session_id})).first()
        if row is None or _last_day(_ends_key(here), row.id, row.ends) < here.now().date():
            return None
        try:
            account_id, root = _unseal(here, secret, row.sealed)
        except Unsealable:  # the node has another key now: everybody signs in again
            return None
        kept: bytes | None = await conn.scalar(BLOB, {"account_id": account_id})
    if kept is None:
        return None
    blob = Blob.open(here, account_id, root, kept)
    return Session(
        id=session_id,
        member=Member(account_id=account_id, root=root, roles=blob.roles),
        key=derive(secret, "forms"),
        preferences=blob.preferences,
        quiet=blob.quiet,
        seen=blob.seen,
    )


async def end(engine: AsyncEngine, cookie: str) -> None:
    """Sign out this one session."""
    async with engine.begin() as conn:
        await conn.execute(
            sa.delete(sessions).where(
                sessions.c.id == digest(cookie.encode(errors="surrogatepass"))
            )
        )


async def end_all(conn: AsyncConnection, member: Member) -> None:
    """Sign the member out everywhere (SEC-A4)."""
    await conn.execute(sa.delete(sessions).where(sessions.c.tag == session_tag(member.root)))


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """Remove the sessions that are over.

    When a session ends is sealed under the node key: it is as old as a sign-up, or as new, and
    would tell which personas may be that member's (DESIGN-V1).
    """
    rows = await conn.execute(sa.select(sessions.c.id, sessions.c.ends))
    key, today = _ends_key(here), here.now().date()
    over = [row.id for row in rows if _last_day(key, row.id, row.ends) < today]
    if over:
        await conn.execute(sa.delete(sessions).where(sessions.c.id.in_(over)))


def _seal_end(here: Here, session_id: bytes, last: date) -> bytes:
    plain = last.toordinal().to_bytes(_DAY_BYTES, "big")
    return seal(_ends_key(here), plain, f"end of {session_id.hex()}")


def _ends_key(here: Here) -> bytes:
    return here.node_key.derive("session ends")


def _last_day(key: bytes, session_id: bytes, ends: bytes) -> date:
    """Long past where the node has another key now: no session opens then."""
    try:
        return date.fromordinal(int.from_bytes(unseal(key, ends, f"end of {session_id.hex()}")))
    except Unsealable:
        return date.min


def _seal(here: Here, secret: bytes, member: Member) -> bytes:
    context = _context(secret)
    inner = seal(derive(secret, "session"), member.account_id.bytes + member.root, context)
    return seal(here.node_key.derive("sessions"), inner, context)


def _unseal(here: Here, secret: bytes, sealed: bytes) -> tuple[UUID, bytes]:
    context = _context(secret)
    inner = unseal(here.node_key.derive("sessions"), sealed, context)
    plain = unseal(derive(secret, "session"), inner, context)
    return UUID(bytes=plain[:16]), plain[16:]


def _context(secret: bytes) -> str:
    return f"session {digest(secret).hex()} 1"
