"""Sessions: a cookie's secret opens the row that holds the member's root key (DESIGN)."""

import random
import secrets
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.clock import end_of_week
from kernel.here import Here
from kernel.schema.tables import accounts, sessions
from kernel.sealing import Unsealable, derive, digest, seal, unseal
from members.member import Blob, Member, Preferences
from members.order import stir
from members.vault import session_tag

LASTS: Final = timedelta(weeks=3)  # at least; it ends with a week
MORE_WEEKS: Final = 4  # drawn from: the end of a session shall not tell the week of a sign-up

_COOKIE_LETTERS = 43  # 32 bytes in URL-safe base64

_dice = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody is signed in. `key` seals what a form carries; it is as old as the session."""

    id: bytes
    member: Member
    key: bytes = field(repr=False)
    preferences: Preferences


_SEALED: Final = sa.select(sessions.c.sealed).where(
    sessions.c.id == sa.bindparam("session_id"), sessions.c.expires >= sa.bindparam("today")
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
        "expires": end_of_week(here.now() + LASTS) + timedelta(weeks=_dice.randrange(MORE_WEEKS)),
    }
    async with engine.begin() as conn:
        await sweep(conn, here.now().date())  # weeks that are over would tell when people came
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
        sealed: bytes | None = await conn.scalar(
            _SEALED, {"session_id": session_id, "today": here.now().date()}
        )
        if sealed is None:
            return None
        try:
            account_id, root = _unseal(here, secret, sealed)
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


async def sweep(conn: AsyncConnection, today: date) -> None:
    """Remove the sessions whose week is over."""
    await conn.execute(sa.delete(sessions).where(sessions.c.expires < today))


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
