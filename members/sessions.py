"""Sessions: a cookie's secret opens the row that holds the member's root key (DESIGN)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import keep_times, live
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.tables import accounts, sessions
from kernel.sealing import Unsealable, derive, digest, seal, unseal
from members import ends, veil
from members.member import Blob, Member, Preferences
from members.order import stir
from members.quiet import Quiet
from members.seen import Seen
from members.vault import session_tags
from members.veil import is_one

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
    opened: int = 0  # reports and care cases, today
    handed: tuple[UUID, ...] = field(default=(), repr=False)  # cases that they gave to others


_SEALED: Final = sa.select(
    sessions.c.id, sessions.c.epoch, sessions.c.sealed, sessions.c.ends
).where(is_one(sessions.c.id))
_BLOB: Final = sa.select(accounts.c.blob).where(is_one(accounts.c.id))
_IS_THERE: Final = sa.select(sessions.c.epoch).where(is_one(sessions.c.id))
_OF_TAG: Final = (
    veil.beside(sessions, is_one(sessions.c.tag), sessions.c.ends)
    .order_by(sessions.c.id)
    .limit(at_most(_SHOWN))
)
_END: Final = sa.delete(sessions).where(is_one(sessions.c.id))
_END_ALL: Final = sa.delete(sessions).where(is_one(sessions.c.tag))
_END_ONE: Final = sa.delete(sessions).where(is_one(sessions.c.id), is_one(sessions.c.tag))
_END_OTHERS: Final = sa.delete(sessions).where(is_one(sessions.c.tag), ~is_one(sessions.c.id))


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
        "tag": secrets.choice(session_tags(member.root, half=half)[1:]),
        "ends": ends.seal_end(here, sessions, digest(secret), (here.now() + LASTS).date()),
    }
    async with engine.begin() as conn:
        await veil.insert(conn, here, sessions, row)
        await stir(conn, sessions)


async def read(engine: AsyncEngine, here: Here, cookie: str) -> Session | None:
    """Whose cookie it is; None where the session is over, was ended, or never was."""
    if len(cookie) != _COOKIE_LETTERS or not cookie.isascii():
        return None
    secret = cookie.encode()
    session_id = digest(secret)
    async with engine.connect() as conn:
        row = await veil.find(conn, here, _SEALED, {sessions.c.id: [session_id]})
        if row is None or ends.is_over(here, sessions, row):
            return None
        try:
            account_id, root = _unseal(here, secret, row.sealed, _context(secret))
        except Unsealable:  # the node has another key now: everybody signs in again
            return None
        blob = await _blob(conn, here, account_id, root)
    if blob is None:
        return None
    return Session(
        id=session_id,
        member=Member(account_id=account_id, root=root, roles=blob.roles),
        key=derive(secret, "forms"),
        preferences=blob.preferences,
        quiet=blob.quiet,
        seen=blob.seen,
        opened=blob.opened(here.now().date()),
        handed=blob.handed,
    )


async def is_there(conn: AsyncConnection, here: Here, session_id: bytes) -> bool:
    """Whether nobody ended the session yet."""
    return await veil.find(conn, here, _IS_THERE, {sessions.c.id: [session_id]}) is not None


async def end(engine: AsyncEngine, here: Here, cookie: str) -> None:
    """Sign out this one session."""
    session_id = digest(cookie.encode(errors="surrogatepass"))
    async with engine.begin() as conn:
        await veil.delete(conn, here, _END, {sessions.c.id: [session_id]})
        await live.sessions_ended(conn, [session_id])


async def end_all(conn: AsyncConnection, here: Here, member: Member) -> None:
    """Sign the member out everywhere (SEC-A4)."""
    ended = await of_member(conn, here, member)
    await veil.delete(conn, here, _END_ALL, {sessions.c.tag: _tags(member)})
    await live.sessions_ended(conn, ended)


async def end_others(conn: AsyncConnection, here: Here, session: Session) -> None:
    """Sign the member out everywhere but here."""
    keys = {sessions.c.tag: _tags(session.member), sessions.c.id: [session.id]}
    ended = set(await of_member(conn, here, session.member)) - {session.id}
    await veil.delete(conn, here, _END_OTHERS, keys)
    await live.sessions_ended(conn, ended)


async def end_one(conn: AsyncConnection, here: Here, member: Member, session_id: bytes) -> None:
    """Sign out one session of the member; another's, or one that is over, is left alone."""
    keys = {sessions.c.id: [session_id], sessions.c.tag: session_tags(member.root)}
    if await veil.delete(conn, here, _END_ONE, keys):
        await live.sessions_ended(conn, [session_id])


def _tags(member: Member) -> list[bytes]:
    return [*session_tags(member.root), *session_tags(member.root, half=True)]


async def of_member(conn: AsyncConnection, here: Here, member: Member) -> Sequence[bytes]:
    """The ids of a member's sessions, in an order that says nothing; a hundred at most."""
    rows = await veil.gather(conn, here, _OF_TAG, {sessions.c.tag: session_tags(member.root)})
    shown = [row for row in rows if not ends.is_over(here, sessions, row)]
    return [veil.show(here, row.epoch, sessions.c.id, row.id) for row in shown]


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
        row = await veil.find(conn, here, _SEALED, {sessions.c.id: [digest(secret)]})
        if row is None:
            return None
        try:
            context = _half_context(secret, int(digits))
            account_id, root = _unseal(here, secret, row.sealed, context)
        except Unsealable:
            return None
        blob = await _blob(conn, here, account_id, root)
    if blob is None:
        return None
    member = Member(account_id=account_id, root=root, roles=blob.roles)
    return Half(id=digest(secret), member=member)


async def end_half(conn: AsyncConnection, here: Here, half: Half) -> bool:
    """Use it up. False: somebody did so meanwhile (SEC-A5)."""
    return await veil.delete(conn, here, _END, {sessions.c.id: [half.id]}) == 1


async def _blob(conn: AsyncConnection, here: Here, account_id: UUID, root: bytes) -> Blob | None:
    row = await veil.find(conn, here, _BLOB, {accounts.c.id: [account_id]})
    if row is None:
        return None
    return Blob.open(
        here, account_id, root, veil.unwrap(here, accounts.c.blob, account_id, row.blob)
    )


def _seal(here: Here, secret: bytes, member: Member, context: str) -> bytes:
    inner = seal(derive(secret, "session"), member.account_id.bytes + member.root, context)
    return seal(here.node_key.derive("sessions"), inner, context)


def _unseal(here: Here, secret: bytes, sealed: bytes, context: str) -> tuple[UUID, bytes]:
    stored = veil.unwrap(here, sessions.c.sealed, digest(secret), sealed)
    inner = unseal(here.node_key.derive("sessions"), stored, context)
    plain = unseal(derive(secret, "session"), inner, context)
    return UUID(bytes=plain[:16]), plain[16:]


def _context(secret: bytes) -> str:
    return f"session {digest(secret).hex()} 1"


def _half_context(secret: bytes, minute: int) -> str:
    return f"half session {digest(secret).hex()} until {minute}"
