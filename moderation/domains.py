"""Blocks of a whole domain: applied at the edge, before a body is read (SEC-S20)."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.audience import blocks_host
from kernel import tombstone_log
from kernel.errors import Malformed, NotAllowed
from kernel.here import Here
from kernel.schema.tables import domain_blocks
from kernel.tombstone_log import Act
from kernel.urls import host_of


@dataclass(frozen=True, slots=True)
class DomainBlock:
    """A domain this node neither hears nor tells, with everything below it."""

    domain: str
    reason: str


def read_domain(text: str) -> str:
    """A bare, lower-case domain. Raises Malformed: it is not one."""
    domain = text.strip().lower().removeprefix("*.")
    name = host_of(f"https://{domain}/")
    if name != domain or ":" in name or "." not in name:
        raise Malformed("Please write a domain such as example.org.")
    return domain


async def block(conn: AsyncConnection, here: Here, domain: str, reason: str) -> None:
    """Stop hearing and telling `domain`; what waits for it stays where it is (WIRE-M23).

    Raises Malformed: not a domain. Raises NotAllowed: it is our own.
    """
    domain = read_domain(domain)
    own = here.host.partition(":")[0]
    if own == domain or own.endswith("." + domain):
        raise NotAllowed("That is this node's own domain.")
    await conn.execute(
        insert(domain_blocks)
        .values(domain=domain, reason=reason[:500])
        .on_conflict_do_update(index_elements=["domain"], set_={"reason": reason[:500]})
    )
    tombstone_log.note(conn, Act.BLOCKED, domain)


async def unblock(conn: AsyncConnection, domain: str) -> None:
    """Hear and tell `domain` again: what still waits for it, deletes first, then what is new."""
    await conn.execute(sa.delete(domain_blocks).where(domain_blocks.c.domain == domain))
    tombstone_log.note(conn, Act.UNBLOCKED, domain)


async def is_blocked(conn: AsyncConnection, host: str) -> bool:
    """Whether a block covers `host` (`name` or `name:port`)."""
    found = await conn.scalar(
        sa.select(domain_blocks.c.domain).where(blocks_host(sa.literal(host))).limit(1)
    )
    return found is not None


async def blocked(
    conn: AsyncConnection, *, after: str = "", limit: int = 100
) -> Sequence[DomainBlock]:
    """The blocks in alphabetical order, a page at a time."""
    rows = await conn.execute(
        sa.select(domain_blocks.c.domain, domain_blocks.c.reason)
        .where(domain_blocks.c.domain > after)
        .order_by(domain_blocks.c.domain)
        .limit(limit)
    )
    return [DomainBlock(*row) for row in rows]
