"""Decisions about domains, carried out whole: whatever door they come through (MOD-3.10).

What is cut goes with the decision, in its transaction; what has to be counted or let go because of
it comes after, for a domain may have written in a great many threads.
"""

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.here import Here
from kernel.schema.tables import actors
from media import copies
from moderation import domains, policy
from moderation.domains import Change
from moderation.policy import Policies, Policy
from moderation.recounting import recount_hosts


async def decide(
    engine: AsyncEngine,
    here: Here,
    domain: str,
    chosen: Policy,
    *,
    public_comment: str = "",
    private_comment: str = "",
    obfuscate: bool = False,
    until: date | None = None,
) -> Change:
    """Decide about a domain, with all that follows. Raises: as `domains.set_policy`."""
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        change = await domains.set_policy(
            conn,
            here,
            domain,
            chosen,
            public_comment=public_comment,
            private_comment=private_comment,
            obfuscate=obfuscate,
            until=until,
        )
        changes = await settled(conn, here, before)
    await follow_up(engine, changes)
    return change


async def forget(engine: AsyncEngine, here: Here, domain: str) -> Change:
    """Take our own decision about a domain back, with all that follows."""
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        change = await domains.forget(conn, here, domain)
        changes = await settled(conn, here, before)
    await follow_up(engine, changes)
    return change


async def expire(engine: AsyncEngine, here: Here) -> None:
    """Let end what was decided until a day that is over."""
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        await domains.expire(conn, here)
        changes = await settled(conn, here, before)
    await follow_up(engine, changes)


async def settled(conn: AsyncConnection, here: Here, before: Policies) -> Sequence[Change]:
    """What has changed since `before` for the servers that somebody here ever heard of.

    Relations with those that are blocked now are cut here, and nowhere else.
    """
    changes = await _changes(conn, before, await policy.in_force(conn))
    await _cut(conn, here, [change for change in changes if change.cuts])
    return changes


async def _changes(conn: AsyncConnection, before: Policies, after: Policies) -> list[Change]:
    if before.by_domain == after.by_domain:
        return []
    hosts = await conn.scalars(sa.select(actors.c.host).distinct().where(~actors.c.local))
    every = (Change(host, before.of_host(host), after.of_host(host)) for host in hosts)
    return [change for change in every if change.before != change.after]


async def _cut(conn: AsyncConnection, here: Here, changes: Sequence[Change]) -> None:
    """What ends with a block, in its transaction: nothing yet. Follows rest until it ends."""


async def follow_up(engine: AsyncEngine, changes: Sequence[Change]) -> None:
    """Once it is decided: what is counted is counted anew, and pictures go that may not stay."""
    turned = [change.domain for change in changes if change.before.blocks != change.after.blocks]
    if turned:
        await recount_hosts(engine, turned)
    for change in changes:
        if change.before.takes_media and not change.after.takes_media:
            await copies.forget_of(engine, change.domain)
