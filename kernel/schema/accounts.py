"""The account side: ways to log in, and nothing about who speaks (DESIGN, "Sealed personas").

Rows are equal-sized and carry no date, no name, no address. The length of a
binary column is the length of every value in it. Nothing in them outlives a night: what rows are
looked up by is disguised and all else sealed once more, each night anew (`members.veil`).
"""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.base import Side, table
from kernel.sealing import SEALED_MORE


class AccountState(StrEnum):
    WAITING = "waiting"  # for an administrator's yes
    ACTIVE = "active"


def veiled(name: str, length: int) -> sa.Column[bytes]:
    """A column of `length` bytes that lie sealed once more, under a nonce of each night."""
    return sa.Column(name, sa.LargeBinary(length + SEALED_MORE), nullable=False)


def epoch() -> sa.Column[int]:
    """Of a table that changes every night; equal in all its rows but during one."""
    return sa.Column("epoch", sa.Integer, nullable=False)


veil = table(  # which night it is; `next` while its work is under way
    "veil",
    Side.NEITHER,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("current", sa.Integer, nullable=False),
    sa.Column("next", sa.Integer),
    sa.Column("day", sa.Date),  # when that was done last
    sa.CheckConstraint("one", name="only_one"),
)

accounts = table(
    "accounts",
    Side.ACCOUNT,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("login", sa.LargeBinary(32), nullable=False, unique=True),  # HMAC(node key, name)
    veiled("salt", 16),
    veiled("verifier", 32),
    veiled("wrapped_root", 64),  # by the password
    veiled("recovery_verifier", 32),
    veiled("recovery_root", 64),  # by the recovery code
    # What else one can come in with: 6 KiB, sealed twice; and the root key once for each of four
    # passkeys that open it alone, or as many random bytes.
    veiled("factors", 6204),
    veiled("passkey_roots", 256),
    veiled("blob", 16444),  # 16 KiB, sealed twice
    veiled("request", 2076),  # 2 KiB, by the node key
    veiled("state", 44),  # an AccountState, by the node key
    epoch(),
)

sessions = table(
    "sessions",
    Side.ACCOUNT,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),  # SHA-256 of the cookie's secret
    veiled("sealed", 112),  # account id and root, sealed twice
    sa.Column("tag", sa.LargeBinary(32), nullable=False, index=True),  # HKDF(root, one of 256)
    veiled("ends", 36),  # its last day, by the node key
    epoch(),
)

spent = table(  # what works once: a second look at it, in any process, finds it here (SEC-A5)
    "spent",
    Side.ACCOUNT,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),  # HMAC(node key, code or challenge)
    veiled("ends", 36),  # its last day, by the node key
    epoch(),
)

invitations = table(
    "invitations",
    Side.NEITHER,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),  # SHA-256 of the bearer secret
    sa.Column("uses_left", sa.Integer, nullable=False),
    sa.Column("grants", sa.ARRAY(sa.Text), nullable=False),
)
