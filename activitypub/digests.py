"""One short text for the members of a collection: equal where they are (WIRE-G43, FEP-8fcf)."""

from collections.abc import Iterable
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BIT

_BITS = 256


def of(members: Iterable[str]) -> str:
    """The members' SHA-256 digests, all XORed, as lower-case hex; their order does not matter."""
    found = 0
    for member in members:
        found ^= int.from_bytes(sha256(member.encode()).digest())
    return _hex(found)


def sql(member: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """SQL: the same of all rows, as ones and zeros for `read`; PostgreSQL XORs them itself."""
    digest = sa.func.sha256(sa.func.convert_to(member, sa.literal_column("'UTF8'")))
    as_hex = sa.func.concat(
        sa.literal_column("'x'"), sa.func.encode(digest, sa.literal_column("'hex'"))
    )
    return sa.cast(sa.func.bit_xor(sa.cast(as_hex, BIT(_BITS))), sa.Text)


def read(bits: str | None) -> str:
    """What `sql` gave; there is nothing where there are no rows."""
    return _hex(int(bits or "0", 2))


def _hex(number: int) -> str:
    return f"{number:0{_BITS // 4}x}"
