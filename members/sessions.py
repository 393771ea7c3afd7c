"""Sessions: a cookie's secret opens the row that holds the member's root key (DESIGN)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import keep_times
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.schema.tables import accounts, sessions
from kernel.sealing import Unsealable, derive, digest, seal, unseal
from members import ends
from members.member import Blob, Member, Preferences
from members.order import stir
from members.quiet import Quiet
from members.seen import Seen
from members.vault import half_session_tag, session_tag

LASTS: Final = keep_times.SESSION

HALF_LASTS: Final = timedelta(minutes=10)  # from the password to the second step

_SHOWN = 100
_MINUTE_DIGITS = 12
_COOKIE_LETTERS = 43  # 32 bytes in URL-safe base64


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
    await _store(engine, here, secret, _seal(here, secret, member, _context(secret)), member)
    return cookie


async def _store(
    engine: AsyncEngine,
    here: Here,
    secret: bytes,
    sealed: bytes,
    member: Member,
    *,
    half: bool = False,
) -> None:
    row = {
        "id": digest(secret),
        "sealed": sealed,
        "tag": (half_session_tag if half else session_tag)(member.root),
        "ends": ends.seal_end(here, sessions, digest(secret), (here.now() + LASTS).date()),
    }
    async with engine.begin() as conn:
        await conn.execute(sessions.insert().values(row))
        await stir(conn, sessions)


async def read(engine: AsyncEngine, here: Here, cookie: str) -> Session | None:
    """Whose cookie it is; None where the session is over, was ended, or never was."""
    if len(cookie) != _COOKIE_LETTERS or not cookie.isascii():
        return None
    secret = cookie.encode()
    session_id = digest(secret)
    async with engine.connect() as conn:
        row = (await conn.execute(_SEALED, {"session_id": session_id})).first()
        if row is None or _is_over(here, row):
            return None
        try:
            account_id, root = _unseal(here, secret, row.sealed, _context(secret))
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
    tags = [session_tag(member.root), half_session_tag(member.root)]
    await conn.execute(sa.delete(sessions).where(sessions.c.tag.in_(tags)))


async def end_others(conn: AsyncConnection, session: Session) -> None:
    """Sign the member out everywhere but here."""
    tags = [session_tag(session.member.root), half_session_tag(session.member.root)]
    await conn.execute(
        sa.delete(sessions).where(sessions.c.tag.in_(tags), sessions.c.id != session.id)
    )


async def end_one(conn: AsyncConnection, member: Member, session_id: bytes) -> None:
    """Sign out one session of the member; another's, or one that is over, is left alone."""
    await conn.execute(
        sa.delete(sessions).where(
            sessions.c.id == session_id, sessions.c.tag == session_tag(member.root)
        )
    )


async def of_member(conn: AsyncConnection, here: Here, member: Member) -> Sequence[bytes]:
    """The ids of a member's sessions, in an order that says nothing; a hundred at most."""
    rows = await conn.execute(
        sa.select(sessions.c.id, sessions.c.ends)
        .where(sessions.c.tag == session_tag(member.root))
        .order_by(sessions.c.id)
        .limit(_SHOWN)
    )
    return [row.id for row in rows if not _is_over(here, row)]


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """Remove the sessions that are over."""
    await ends.sweep(conn, here, sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Somebody who gave the right password, and has one more step to go."""

    id: bytes
    member: Member


async def open_half(engine: AsyncEngine, here: Here, member: Member) -> str:
    """What a form carries from the password to the second step, for ten minutes.

    It opens no page, and it is stored as a session is, so that both end alike.
    """
    word = secrets.token_urlsafe(32)
    minute = int((here.now() + HALF_LASTS).timestamp()) // 60
    secret = word.encode()
    sealed = _seal(here, secret, member, _half_context(secret, minute))
    await _store(engine, here, secret, sealed, member, half=True)
    return f"{word}.{minute}"


async def read_half(engine: AsyncEngine, here: Here, token: str) -> Half | None:
    """Who is half-way in; None: it took too long, is used, or never was."""
    word, _, digits = token.partition(".")
    if len(word) != _COOKIE_LETTERS or not token.isascii() or not digits.isdecimal():
        return None
    if len(digits) > _MINUTE_DIGITS or int(digits) * 60 < here.now().timestamp():
        return None
    secret = word.encode()
    async with engine.connect() as conn:
        row = (await conn.execute(_SEALED, {"session_id": digest(secret)})).first()
        if row is None:
            return None
        try:
            context = _half_context(secret, int(digits))
            account_id, root = _unseal(here, secret, row.sealed, context)
        except Unsealable:
            return None
        kept: bytes | None = await conn.scalar(BLOB, {"account_id": account_id})
    if kept is None:
        return None
    roles = Blob.open(here, account_id, root, kept).roles
    return Half(id=row.id, member=Member(account_id=account_id, root=root, roles=roles))


async def end_half(conn: AsyncConnection, half: Half) -> bool:
    """Use it up. False: somebody did so meanwhile (SEC-A5)."""
    gone = await conn.execute(sa.delete(sessions).where(sessions.c.id == half.id))
    return gone.rowcount == 1


def _is_over(here: Here, row: AnyRow) -> bool:
    return ends.last_day(ends.key(here, sessions), row.id, row.ends) < here.now().date()


def _seal(here: Here, secret: bytes, member: Member, context: str) -> bytes:
    inner = seal(derive(secret, "session"), member.account_id.bytes + member.root, context)
    return seal(here.node_key.derive("sessions"), inner, context)


def _unseal(here: Here, secret: bytes, sealed: bytes, context: str) -> tuple[UUID, bytes]:
    inner = unseal(here.node_key.derive("sessions"), sealed, context)
    plain = unseal(derive(secret, "session"), inner, context)
    return UUID(bytes=plain[:16]), plain[16:]


def _context(secret: bytes) -> str:
    return f"session {digest(secret).hex()} 1"


def _half_context(secret: bytes, minute: int) -> str:
    return f"half session {digest(secret).hex()} until {minute}"
