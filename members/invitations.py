"""Invitations to the node: bearer secrets with uses left, tied to nobody (DESIGN)."""

import secrets
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.errors import Malformed, NotFound
from kernel.said import said
from kernel.schema.tables import invitations
from kernel.sealing import digest

MAX_USES = 1000


async def create(conn: AsyncConnection, *, uses: int, grants: Collection[str] = ()) -> str:
    """A secret for a link that lets `uses` people in, each with the roles `grants`.

    Raises Malformed: less than one use, or more than a thousand.
    """
    if not 1 <= uses <= MAX_USES:
        raise Malformed(said("An invitation can be used by 1 to {limit} people.", limit=MAX_USES))
    secret = secrets.token_urlsafe(24)
    await conn.execute(
        invitations.insert().values(id=_id(secret), uses_left=uses, grants=sorted(grants))
    )
    return secret


async def look(conn: AsyncConnection, secret: str) -> frozenset[str] | None:
    """The roles that the invitation grants; None where it is unknown or used up."""
    grants: list[str] | None = await conn.scalar(
        sa.select(invitations.c.grants).where(invitations.c.id == _id(secret))
    )
    return None if grants is None else frozenset(grants)


async def redeem(conn: AsyncConnection, secret: str) -> frozenset[str]:
    """Use the invitation once, in the transaction that lets somebody in: the roles it grants.

    Raises NotFound: it is unknown or used up, perhaps a moment ago.
    """
    row = (
        await conn.execute(
            sa.update(invitations)
            .where(invitations.c.id == _id(secret), invitations.c.uses_left > 0)
            .values(uses_left=invitations.c.uses_left - 1)
            .returning(invitations.c.uses_left, invitations.c.grants)
        )
    ).first()
    if row is None:
        raise NotFound("This invitation was used already. You can ask for a new one.")
    if row.uses_left == 0:
        await conn.execute(sa.delete(invitations).where(invitations.c.id == _id(secret)))
    return frozenset(row.grants)


def _id(secret: str) -> bytes:
    return digest(secret.encode(errors="surrogatepass"))
