"""What a member can come in with beside the password: codes of an app, and passkeys (DESIGN).

Either is asked for after the password once it is set up. A passkey that makes secret bytes (PRF)
wraps the root key as well, and lets its member in alone. A stolen database does not say who has
set up what: each account has the same columns, as long as every other's and as random.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.said import noted, said
from kernel.sealing import Unsealable, derive, seal, unseal
from members import account_rows, passkeys, spent, totp
from members.account_rows import Found
from members.member import Member
from members.passkeys import Answer, Passkey
from members.vault import passkey_wrapper

MAX_PASSKEYS: Final = 4

_BYTES: Final = 6 * 1024
_ROOT: Final = 64  # bytes of one wrapped root key
_WRONG_CODE: Final = noted(
    "That code does not fit, or it was used already. "
    "Your app shows a new one every half minute: please type the next one."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """`totp` is the secret shared with an app, `handle` the name passkeys know the member by."""

    totp: bytes | None = field(default=None, repr=False)
    passkeys: tuple[Passkey, ...] = ()
    handle: bytes = b""

    @property
    def wanted(self) -> bool:
        """Whether the password alone is not enough."""
        return self.totp is not None or bool(self.passkeys)

    def seal(self, here: Here, account_id: UUID, root: bytes) -> bytes:
        """Sealed by the root key, then by the node key: always the same number of bytes."""
        plain = {
            "totp": _text(self.totp or b""),
            "handle": _text(self.handle),
            "passkeys": [[_text(p.id), _text(p.public_key), p.root] for p in self.passkeys],
        }
        context = _context(account_id)
        inner = seal(derive(root, "factors"), json.dumps(plain).encode(), context, padded_to=_BYTES)
        return seal(here.node_key.derive("factors"), inner, context)

    @classmethod
    def open(cls, here: Here, account_id: UUID, root: bytes, sealed: bytes) -> Self:
        """None at all where nothing was ever sealed: random bytes, of before there were any."""
        context = _context(account_id)
        try:
            inner = unseal(here.node_key.derive("factors"), sealed, context)
        except Unsealable:
            return cls()
        plain = json.loads(unseal(derive(root, "factors"), inner, context))
        return cls(
            totp=_bytes(plain["totp"]) or None,
            handle=_bytes(plain["handle"]),
            passkeys=tuple(
                Passkey(id=_bytes(id_), public_key=_bytes(key), root=place)
                for id_, key, place in plain["passkeys"]
            ),
        )


def none(here: Here, member: Member) -> Mapping[str, bytes]:
    """The columns of an account that is come into with the password alone."""
    return {
        "factors": Factors().seal(here, member.account_id, member.root),
        "passkey_roots": secrets.token_bytes(MAX_PASSKEYS * _ROOT),
    }


async def read(engine: AsyncEngine, here: Here, member: Member) -> Factors:
    """What the member set up. Raises NotFound: the account was closed meanwhile."""
    async with engine.connect() as conn:
        row = await _row(conn, here, member, lock=False)
    return Factors.open(here, member.account_id, member.root, row["factors"])


async def check_code(
    conn: AsyncConnection, here: Here, member: Member, set_up: Factors, typed: str
) -> None:
    """A code of the app, once. Raises NotAllowed: it does not fit, or was used (SEC-A5)."""
    step = None if set_up.totp is None else totp.find(set_up.totp, typed, here.now())
    if step is None or not await spent.spend(
        conn, here, b"code" + member.account_id.bytes + step.to_bytes(8, "big")
    ):
        raise NotAllowed(_WRONG_CODE)


async def check_passkey(
    conn: AsyncConnection, here: Here, set_up: Factors, answer: Answer, purpose: str
) -> None:
    """An answer of one of the member's passkeys, once. Raises NotAllowed."""
    passkeys.check_challenge(here, purpose, answer.challenge)
    known = next((each for each in set_up.passkeys if each.id == answer.id), None)
    if known is None:
        raise NotAllowed("That passkey is not known here. Please use another one.")
    passkeys.check(here, answer, known)
    await use_up(conn, here, answer)


async def use_up(conn: AsyncConnection, here: Here, answer: Answer) -> None:
    """Raises NotAllowed: the challenge was answered before (SEC-A5)."""
    if not await spent.spend(conn, here, b"challenge" + answer.challenge):
        raise NotAllowed("This page was used already. Please open it again; then it works.")


async def set_totp(conn: AsyncConnection, here: Here, member: Member, secret: bytes | None) -> None:
    """Ask for codes of an app from now on, or not any more."""
    await _change(conn, here, member, lambda factors: replace(factors, totp=secret))


async def add_passkey(
    conn: AsyncConnection, here: Here, member: Member, made: Passkey, secret: bytes | None
) -> None:
    """Let a passkey in; with the `secret` it makes it wraps the root key and comes in alone.

    Raises NotAllowed: there are four already, or it is one of them.
    """
    row = await _row(conn, here, member, lock=True)
    factors = Factors.open(here, member.account_id, member.root, row["factors"])
    if len(factors.passkeys) >= MAX_PASSKEYS:
        raise NotAllowed(
            said(
                "There are {limit} passkeys already. You can remove one first.", limit=MAX_PASSKEYS
            )
        )
    if any(each.id == made.id for each in factors.passkeys):
        raise NotAllowed("That passkey is here already.")
    roots = row["passkey_roots"]
    if secret is not None:
        used = {each.root for each in factors.passkeys}
        place = next(at for at in range(MAX_PASSKEYS) if at not in used)
        wrapped = passkey_wrapper(here, secret).wrap(member.root, member.account_id)
        roots = _with_root(roots, place, wrapped)
        made = replace(made, root=place)
    await _store(
        conn, here, row, member.root, replace(factors, passkeys=(*factors.passkeys, made)), roots
    )


async def remove_passkey(conn: AsyncConnection, here: Here, member: Member, id_: bytes) -> None:
    """It opens nothing any more. One that is not there is no news."""
    row = await _row(conn, here, member, lock=True)
    factors = Factors.open(here, member.account_id, member.root, row["factors"])
    roots = row["passkey_roots"]
    for each in factors.passkeys:
        if each.id == id_ and each.root is not None:
            roots = _with_root(roots, each.root, secrets.token_bytes(_ROOT))
    kept = tuple(each for each in factors.passkeys if each.id != id_)
    await _store(conn, here, row, member.root, replace(factors, passkeys=kept), roots)


async def handle(conn: AsyncConnection, here: Here, member: Member) -> bytes:
    """The name that the member's passkeys know them by: the same for all of them.

    It is the account's id, sealed under the node key. It lies on the member's devices, and would
    otherwise tie them to a row of a stolen database.
    """
    row = await _row(conn, here, member, lock=True)
    factors = Factors.open(here, member.account_id, member.root, row["factors"])
    if not factors.handle:
        sealed = seal(here.node_key.derive("passkey handles"), member.account_id.bytes, _HANDLE)
        factors = replace(factors, handle=sealed)
        await _store(conn, here, row, member.root, factors, row["passkey_roots"])
    return factors.handle


def read_handle(here: Here, sealed: bytes) -> UUID | None:
    """The account that `handle` was made for; None: no name of ours."""
    try:
        return UUID(bytes=unseal(here.node_key.derive("passkey handles"), sealed, _HANDLE))
    except Unsealable:
        return None


def unwrap(here: Here, account_id: UUID, roots: bytes, secret: bytes) -> bytes | None:
    """The root key that a passkey's secret opens, from any of the places; None: from no one."""
    wrapper, found = passkey_wrapper(here, secret), None
    for place in range(MAX_PASSKEYS):
        try:
            found = wrapper.unwrap(roots[place * _ROOT : (place + 1) * _ROOT], account_id)
        except Unsealable:
            continue
    return found


async def _change(
    conn: AsyncConnection, here: Here, member: Member, edit: Callable[[Factors], Factors]
) -> None:
    row = await _row(conn, here, member, lock=True)
    factors = Factors.open(here, member.account_id, member.root, row["factors"])
    await _store(conn, here, row, member.root, edit(factors), row["passkey_roots"])


async def _row(conn: AsyncConnection, here: Here, member: Member, *, lock: bool) -> Found:
    row = await account_rows.get(
        conn, here, member.account_id, "factors", "passkey_roots", lock=lock
    )
    if row is None:
        raise NotFound("This account was closed.")
    return row


async def _store(
    conn: AsyncConnection, here: Here, row: Found, root: bytes, factors: Factors, roots: bytes
) -> None:
    sealed = factors.seal(here, row.id, root)
    await account_rows.put(conn, here, row, factors=sealed, passkey_roots=roots)


def _with_root(roots: bytes, place: int, wrapped: bytes) -> bytes:
    return roots[: place * _ROOT] + wrapped + roots[(place + 1) * _ROOT :]


_HANDLE: Final = "passkey handle 1"


def _context(account_id: UUID) -> str:
    return f"account {account_id} factors 1"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
