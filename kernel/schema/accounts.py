"""The account side: ways to log in, and nothing about who speaks (DESIGN, "Sealed personas").

Rows are equal-sized and carry no date, no name, no address. The length of a
binary column is the length of every value in it.
"""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.base import Side, table


class AccountState(StrEnum):
    WAITING = "waiting"  # for an administrator's yes
    ACTIVE = "active"


accounts = table(
    "accounts",
    Side.ACCOUNT,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("login", sa.LargeBinary(32), nullable=False, unique=True),  # HMAC(node key, name)
    sa.Column("salt", sa.LargeBinary(16), nullable=False),
    sa.Column("verifier", sa.LargeBinary(32), nullable=False),
    sa.Column("wrapped_root", sa.LargeBinary(64), nullable=False),  # by the password
    sa.Column("recovery_verifier", sa.LargeBinary(32), nullable=False),
    sa.Column("recovery_root", sa.LargeBinary(64), nullable=False),  # by the recovery code
    # What else one can come in with: 6 KiB, sealed twice; and the root key once for each of four
    # passkeys that open it alone, or as many random bytes.
    sa.Column("factors", sa.LargeBinary(6204), nullable=False),
    sa.Column("passkey_roots", sa.LargeBinary(256), nullable=False),
    sa.Column("blob", sa.LargeBinary(16444), nullable=False),  # 16 KiB, sealed twice
    sa.Column("request", sa.LargeBinary(2076), nullable=False),  # 2 KiB, by the node key
    sa.Column("state", sa.LargeBinary(44), nullable=False),  # an AccountState, by the node key
)

sessions = table(
    "sessions",
    Side.ACCOUNT,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),  # SHA-256 of the cookie's secret
    sa.Column("sealed", sa.LargeBinary(112), nullable=False),  # account id and root, sealed twice
    sa.Column("tag", sa.LargeBinary(32), nullable=False, index=True),  # HKDF(root, "sessions")
    sa.Column("ends", sa.LargeBinary(36), nullable=False),  # its last day, by the node key
)

spent = table(  # what works once: a second look at it, in any process, finds it here (SEC-A5)
    "spent",
    Side.ACCOUNT,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),  # HMAC(node key, code or challenge)
    sa.Column("ends", sa.LargeBinary(36), nullable=False),  # its last day, by the node key
)

invitations = table(
    "invitations",
    Side.NEITHER,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),  # SHA-256 of the bearer secret
    sa.Column("uses_left", sa.Integer, nullable=False),
    sa.Column("grants", sa.ARRAY(sa.Text), nullable=False),
)
