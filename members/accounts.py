"""Accounts: ways to log in. They never speak; personas do (DESIGN, "Sealed personas").

Slow work (argon2id) happens with no connection held. No transaction here names a persona.
"""

import random
import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.said import noted, said
from kernel.schema.accounts import AccountState
from kernel.schema.tables import accounts
from kernel.sealing import KEY_BYTES, digest, mac
from members import (
    account_rows,
    approval,
    departures,
    drawers,
    factors,
    passkeys,
    personas,
    sessions,
    veil,
)
from members.account_rows import Found
from members.member import Blob, Member, Preferences
from members.order import stir
from members.passkeys import Answer
from members.vault import (
    ADVISED,
    SALT_BYTES,
    Cost,
    check_password,
    is_too_long,
    new_code,
    read_code,
    stretch,
)

MAX_LOGIN: Final = 64

_LOGIN = re.compile(r"\S{3,64}")
_WRONG = noted("That name and password do not fit together. Please check both, then try again.")
_WRONG_CODE = noted(
    "That name and recovery code do not fit together. Please check both, then try again."
)
_WRONG_PASSWORD = noted("That is not the password you log in with now. Please try it once more.")
_WAITING = noted(
    "Your request is with the people who run this place. They read every one. "
    "Please look in again tomorrow."
)
_WRONG_PASSKEY = noted(
    "That passkey does not open anything here on its own. "
    "Please log in with your name and password."
)
_MEANWHILE = noted("Something changed at the same moment. Please try again.")

_LOCKS: Final = ("verifier", "recovery_verifier")

_dice = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A new account before it is stored; the recovery code is shown once and kept by nobody."""

    member: Member
    recovery_code: str = field(repr=False)
    row: Mapping[str, object] = field(repr=False)


async def prepare(
    here: Here,
    *,
    login: str,
    password: str,
    roles: frozenset[str] = frozenset(),
    cost: Cost = ADVISED,
) -> Prepared:
    """All the slow work of a sign-up, before any transaction.

    Raises Malformed: the name or the password cannot be used, and what to do. Raises Busy.
    """
    name = _normalise(login)
    if not _LOGIN.fullmatch(name) or not name.isprintable():
        raise Malformed(
            said(
                "A log-in name has 3 to {limit} letters or digits, and no spaces.", limit=MAX_LOGIN
            )
        )
    check_password(password, name)
    member = Member(account_id=random_uuid(), root=secrets.token_bytes(KEY_BYTES), roles=roles)
    code = new_code()
    row = {
        "id": member.account_id,
        "login": _login_mac(here, name),
        "blob": Blob(roles=roles).seal(here, member.account_id, member.root),
        **await _locked_by_password(here, member, password, cost),
        **_locked_by_code(here, member, code),
        **factors.none(here, member),
    }
    return Prepared(member=member, recovery_code=code, row=row)


async def insert(
    conn: AsyncConnection,
    here: Here,
    prepared: Prepared,
    *,
    state: AccountState = AccountState.ACTIVE,
    request: str = "",
) -> None:
    """Store a new account, with the words it asks to be let in with.

    Raises Conflict: somebody logs in with that name. Raises Malformed: too many words.
    """
    account_id = prepared.member.account_id
    row = {
        **prepared.row,
        "request": approval.seal_request(here, account_id, request),
        "state": approval.seal_state(here, account_id, state),
    }
    if not await veil.insert(conn, here, accounts, row):
        raise Conflict("Somebody logs in with that name already. Please try another one.")
    await stir(conn, accounts)


async def log_in(
    engine: AsyncEngine, here: Here, login: str, password: str, *, cost: Cost = ADVISED
) -> Member:
    """The member who logs in.

    Raises NotAllowed: wrong, in the same words and time whether the name exists or not (SEC-A11),
    or right while the account still waits for a yes. Raises Busy: too many at once.
    """
    if is_too_long(password):
        raise NotAllowed(_WRONG)
    row = await _by_login(engine, here, login)
    wrapper = await stretch(here, password, row["salt"] if row else bytes(SALT_BYTES), cost)
    if not wrapper.fits(row["verifier"] if row else bytes(KEY_BYTES)) or row is None:
        raise NotAllowed(_WRONG)
    return _admit(here, row, wrapper.unwrap(row["wrapped_root"], row.id))


async def log_in_by_passkey(
    engine: AsyncEngine, here: Here, answer: Answer, secret: bytes | None, purpose: str
) -> Member:
    """The member whose passkey holds the root key: no name, no password (DESIGN).

    Raises NotAllowed: it opens nothing here, its challenge was not for this or is used, or the
    account waits.
    """
    passkeys.check_challenge(here, purpose, answer.challenge)
    account_id = factors.read_handle(here, answer.handle)
    row = await _by_id(engine, here, account_id) if account_id else None
    root = factors.unwrap(here, row.id, row["passkey_roots"], secret) if row and secret else None
    if row is None or root is None:
        raise NotAllowed(_WRONG_PASSKEY)
    set_up = factors.Factors.open(here, row.id, root, row["factors"])
    async with engine.begin() as conn:
        await factors.check_passkey(conn, here, set_up, answer, purpose)
    return _admit(here, row, root)


async def change_password(
    engine: AsyncEngine,
    here: Here,
    member: Member,
    old: str,
    new: str,
    *,
    cost: Cost = ADVISED,
) -> None:
    """Wrap the root key anew; every session of the member ends (DESIGN-V4, SEC-A4).

    Raises Malformed: the new password cannot be used. Raises NotAllowed: the old one is not right.
    """
    check_password(new)
    row = await _verify(engine, here, member, old, cost)
    await _relock(engine, here, member, row, await _locked_by_password(here, member, new, cost))


async def renew_code(
    engine: AsyncEngine, here: Here, member: Member, password: str, *, cost: Cost = ADVISED
) -> str:
    """Another recovery code to show once; the one before opens nothing any more.

    Raises NotAllowed: the password is not right.
    """
    row = await _verify(engine, here, member, password, cost)
    code = new_code()
    await _relock(engine, here, member, row, _locked_by_code(here, member, code), everywhere=False)
    return code


async def recover(
    engine: AsyncEngine,
    here: Here,
    login: str,
    code: str,
    new_password: str,
    *,
    cost: Cost = ADVISED,
) -> tuple[Member, str]:
    """Come back with the recovery code: the member, and the next code to show once.

    A code works once, in parallel too (SEC-A5); every session ends, and no second step is asked
    for any more, since what it needs may be lost as well. Raises Malformed: the new
    password cannot be used. Raises NotAllowed: the code is not right, or the account waits.
    """
    check_password(new_password, _normalise(login))
    row = await _by_login(engine, here, login)
    wrapper = read_code(here, code)
    if not wrapper.fits(row["recovery_verifier"] if row else bytes(KEY_BYTES)) or row is None:
        raise NotAllowed(_WRONG_CODE)
    member = _admit(here, row, wrapper.unwrap(row["recovery_root"], row.id))
    next_code = new_code()
    changes = await _locked_by_password(here, member, new_password, cost)
    changes |= {**_locked_by_code(here, member, next_code), **factors.none(here, member)}
    await _relock(engine, here, member, row, changes)
    return member, next_code


async def close(
    engine: AsyncEngine, here: Here, member: Member, password: str, *, cost: Cost = ADVISED
) -> None:
    """The account and its sessions go at once; each persona closes 1 to 14 days later, alone.

    The personas' leaving is noted first, each by itself and in random order, so that a stop
    half-way leaves nobody behind without an owner: asking again ends it. Raises NotAllowed: the
    password is not right.
    """
    await _verify(engine, here, member, password, cost)
    async with engine.connect() as conn:
        leaving = list(await personas.open_ids(conn, member))
    _dice.shuffle(leaving)
    for persona_id in leaving:
        async with engine.begin() as conn:
            await departures.schedule(conn, here, persona_id)
    async with engine.begin() as conn:
        await sessions.end_all(conn, here, member)
        await drawers.drop_all(conn, here, member)
        await account_rows.remove(conn, here, member.account_id)
        await stir(conn, accounts)
        departures.note(conn, here, member.account_id, leaving)


async def confirm(
    engine: AsyncEngine, here: Here, member: Member, password: str, *, cost: Cost = ADVISED
) -> None:
    """Before something that cannot be taken back: is it the member? Raises NotAllowed: no."""
    await _verify(engine, here, member, password, cost)


async def preferences(conn: AsyncConnection, here: Here, member: Member) -> Preferences:
    """What the member likes. Raises NotFound: the account was closed meanwhile."""
    row = await _with_blob(conn, here, member)
    return Blob.open(here, row.id, member.root, row["blob"]).preferences


async def save_preferences(
    conn: AsyncConnection,
    here: Here,
    member: Member,
    edit: Callable[[Preferences], Preferences],
) -> Preferences:
    """Change something of what the member likes, as it stands now; what it is then.

    Raises Malformed: a preference that is none. Raises NotFound: the account was closed.
    """

    def change_it(blob: Blob) -> Blob:
        wanted = edit(blob.preferences)
        wanted.check()
        return replace(blob, preferences=wanted)

    return (await change(conn, here, member, change_it)).preferences


async def change(
    conn: AsyncConnection, here: Here, member: Member, change_it: Callable[[Blob], Blob]
) -> Blob:
    """Change something of what the account keeps, while nobody else does; what it keeps then.

    Raises NotAllowed: there is no room for it. Raises NotFound: the account was closed.
    """
    row = await _with_blob(conn, here, member, lock=True)
    blob = change_it(Blob.open(here, row.id, member.root, row["blob"]))
    await account_rows.put(conn, here, row, blob=blob.seal(here, row.id, member.root))
    return blob


async def handle_is_login(engine: AsyncEngine, here: Here, member: Member, handle: str) -> bool:
    """Whether the member logs in with `handle`: a persona needs another one (DESIGN).

    Ask before the transaction that makes the persona, so that none touches both sides.
    """
    row = await _by_id(engine, here, member.account_id, "login")
    return row is not None and bool(row["login"] == _login_mac(here, _normalise(handle)))


def name_tried(login: str) -> bytes:
    """The same for every way to type a log-in name: to count how often it is tried (SEC-D12)."""
    return digest(_normalise(login).encode(errors="surrogatepass"))


def _normalise(login: str) -> str:
    return unicodedata.normalize("NFKC", login[: 4 * MAX_LOGIN].strip()).lower()


def _login_mac(here: Here, name: str) -> bytes:
    return mac(here.node_key.derive("logins"), "login", name.encode(errors="surrogatepass"))


async def _locked_by_password(
    here: Here, member: Member, password: str, cost: Cost
) -> dict[str, bytes]:
    salt = secrets.token_bytes(SALT_BYTES)
    wrapper = await stretch(here, password, salt, cost)
    return {
        "salt": salt,
        "verifier": wrapper.verifier,
        "wrapped_root": wrapper.wrap(member.root, member.account_id),
    }


def _locked_by_code(here: Here, member: Member, code: str) -> dict[str, bytes]:
    wrapper = read_code(here, code)
    return {
        "recovery_verifier": wrapper.verifier,
        "recovery_root": wrapper.wrap(member.root, member.account_id),
    }


async def _by_login(engine: AsyncEngine, here: Here, login: str) -> Found | None:
    async with engine.connect() as conn:
        return await account_rows.by_login(conn, here, _login_mac(here, _normalise(login)))


async def _by_id(engine: AsyncEngine, here: Here, account_id: UUID, *names: str) -> Found | None:
    async with engine.connect() as conn:
        return await account_rows.get(conn, here, account_id, *names)


def _admit(here: Here, row: Found, root: bytes) -> Member:
    if approval.read_state(here, row.id, row["state"]) is AccountState.WAITING:
        raise NotAllowed(_WAITING)
    roles = Blob.open(here, row.id, root, row["blob"]).roles
    return Member(account_id=row.id, root=root, roles=roles)


async def _verify(
    engine: AsyncEngine, here: Here, member: Member, password: str, cost: Cost
) -> Found:
    row = await _by_id(engine, here, member.account_id)
    if row is None:
        raise NotFound("This account was closed.")
    if is_too_long(password) or not (await stretch(here, password, row["salt"], cost)).fits(
        row["verifier"]
    ):
        raise NotAllowed(_WRONG_PASSWORD)
    return row


async def _relock(
    engine: AsyncEngine,
    here: Here,
    member: Member,
    opened: Found,
    changes: Mapping[str, bytes],
    *,
    everywhere: bool = True,
) -> None:
    """Write new locks over exactly those that were opened, and end every session `everywhere`."""
    async with engine.begin() as conn:
        row = await account_rows.get(conn, here, opened.id, *_LOCKS, lock=True)
        if row is None or any(row[name] != opened[name] for name in _LOCKS):
            raise Conflict(_MEANWHILE)
        if everywhere:
            await sessions.end_all(conn, here, member)
        await account_rows.put(conn, here, row, **changes)


async def _with_blob(
    conn: AsyncConnection, here: Here, member: Member, *, lock: bool = False
) -> Found:
    row = await account_rows.get(conn, here, member.account_id, "blob", lock=lock)
    if row is None:
        raise NotFound("This account was closed.")
    return row
