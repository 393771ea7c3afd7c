"""Decisions about domains, carried out whole: whatever door they come through (MOD-3.10).

What is cut goes with the decision, in its transaction; what has to be counted or let go because of
it comes after, for a domain may have written in a great many threads.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.here import Here
from kernel.schema.moderation import Level
from members import severing
from members.severing import UNSAID, Restored, Words
from moderation import audit, domains, impact, policy
from moderation.domains import Change
from moderation.impact import UNSEEN, Impact, Seen
from moderation.lists import taking, undoing
from moderation.policy import Policies, Policy
from node import follow_ups


@dataclass(frozen=True, slots=True)
class Settled:
    """What a decision did to the servers that somebody here ever heard of, and to old ties."""

    changes: Sequence[Change]
    restored: Restored


async def decide(
    engine: AsyncEngine,
    here: Here,
    domain: str,
    chosen: Policy,
    *,
    words: Words = UNSAID,
    seen: Seen = UNSEEN,
) -> Change:
    """Decide about a domain, with all that follows. Raises: as `severing.decide`."""
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        decided = await severing.decide(conn, here, domain, chosen, seen=seen, words=words)
        after = await policy.in_force(conn)
        await follow_ups.note(conn, await _changes(conn, before, after))
    await follow_up(engine)
    return Change(decided.domain, before.of_host(decided.domain), after.of_host(decided.domain))


async def forget(
    engine: AsyncEngine, here: Here, domain: str, *, seen: Seen | None = None
) -> Change:
    """Take our own decision about a domain back, with all that follows.

    A list may block it then. Raises Differs: that cuts something, and was not `seen`.
    """
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        change = await domains.forget(conn, here, domain)
        await severing.over(conn, [change.domain])
        await settled(conn, here, before, seen=seen, about=change.domain)
    await follow_up(engine)
    return change


async def forgetting(engine: AsyncEngine, here: Here, domain: str) -> Impact:
    """What `forget` would cut: tried, and taken back. Raises Malformed: as `domains.forget`."""
    async with engine.connect() as conn, conn.begin() as work:
        before = await policy.in_force(conn)
        await domains.forget(conn, here, domain)
        would = await impact_of(conn, here, before)
        await work.rollback()
    return would


async def undo(engine: AsyncEngine, here: Here, decided_id: int) -> Restored:
    """Take one decision back, with all that follows. Raises: as `severing.undo`."""
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        await severing.take_back(conn, here, decided_id)
        done = await settled(conn, here, before)
    await follow_up(engine)
    return done.restored


async def undo_taking(
    engine: AsyncEngine, here: Here, taking_id: int, *, seen: Seen = UNSEEN
) -> Restored:
    """Take back that a list was taken once, with all that follows. Raises NotFound.

    Raises Differs: that cuts something, since a list is harsher without it, and was not `seen`.
    """
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        taking = await undoing.undo(conn, here, taking_id)
        done = await settled(conn, here, before, seen=seen, about=taking.list_id)
    await follow_up(engine)
    return done.restored


async def undoing_taking(
    engine: AsyncEngine, here: Here, taking_id: int
) -> tuple[Impact, Restored]:
    """What `undo_taking` would cut, and would put back: tried, and taken back. Raises NotFound."""
    async with engine.connect() as conn, conn.begin() as work:
        before = await policy.in_force(conn)
        await undoing.undo(conn, here, taking_id)
        would = await impact_of(conn, here, before)
        restored = await severing.put_back(conn, here)
        await work.rollback()
    return would, restored


async def expire(engine: AsyncEngine, here: Here) -> None:
    """Let end what was decided until a day that is over."""
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        await severing.over(conn, await domains.expire(conn, here))
        await settled(conn, here, before)
    await follow_up(engine)


async def settled(
    conn: AsyncConnection,
    here: Here,
    before: Policies,
    *,
    seen: Seen | None = None,
    rows: str = "",
    about: str = "",
) -> Settled:
    """What has changed since `before` for the servers that somebody here ever heard of.

    Relations with those that are blocked now are cut here, and those with others are put back. What
    follows from it is written down; once this commits, call `follow_up`.
    With `seen` that has to be what `impact_of` says, and a line `about` what it cut is written.
    Without, nobody looked: rows of lists that would cut somebody off wait for a person then, and
    cut nothing (MOD-5.10, MOD-H5).
    Raises Differs, Malformed: as `severing.check`.
    """
    if seen is None:
        changes = await _held_back(conn, here, before)
    else:
        changes = await _changes(conn, before, await policy.in_force(conn))
        would = await _impact(conn, here, changes, rows)
        severing.check(would, seen)
        if would.relations.all:
            await audit.note(conn, here, verb="ties cut", about=about, impact=would.as_json())
    await severing.cut(conn, here, [change.domain for change in changes if change.cuts])
    await follow_ups.note(conn, changes)
    if any(change.before.blocks and not change.after.blocks for change in changes):
        return Settled(changes, await severing.put_back(conn, here))
    return Settled(changes, Restored())


async def _held_back(conn: AsyncConnection, here: Here, before: Policies) -> Sequence[Change]:
    """What has changed since `before`, once lists cut nobody off by it.

    A row of one list may count because a milder one of another is gone, or a decision of ours. Each
    round holds what counts, until nothing that counts cuts a tie, or as much as asks for a look.
    """
    while True:
        changes = await _changes(conn, before, await policy.in_force(conn))
        counting = await domains.counting(conn, [each.domain for each in changes if each.cuts])
        listed = {host: rule for host, rule in counting.items() if rule.source != policy.OWN}
        hosts: Collection[str] = await taking.tied(conn, listed)
        if listed and not hosts:
            would = await impact.about(conn, here, [], Level.REJECT, list(listed))
            hosts = listed if would.asks_for_a_look else ()
        if not hosts:
            return changes
        rules = {listed[host].domain: listed[host] for host in hosts}
        await taking.hold(conn, here, rules.values())
        for domain, rule in rules.items():
            off = [host for host, each in listed.items() if each.domain == domain]
            await severing.hold(conn, here, domain, rule.policy, off)


async def impact_of(conn: AsyncConnection, here: Here, before: Policies, rows: str = "") -> Impact:
    """What `settled` is about to cut, of all that was decided since `before`.

    `rows` is the digest of rows of a list that are taken: whoever says yes says it to these.
    """
    changes = await _changes(conn, before, await policy.in_force(conn))
    return await _impact(conn, here, changes, rows)


async def _impact(
    conn: AsyncConnection, here: Here, changes: Sequence[Change], rows: str
) -> Impact:
    hosts = [change.domain for change in changes if change.cuts]
    return replace(await impact.about(conn, here, [], Level.REJECT, hosts), rows=rows)


async def _changes(conn: AsyncConnection, before: Policies, after: Policies) -> list[Change]:
    if before.by_domain == after.by_domain:
        return []
    hosts = await impact.hosts(conn)
    every = (Change(host, before.of_host(host), after.of_host(host)) for host in hosts)
    return [change for change in every if change.before != change.after]


async def follow_up(engine: AsyncEngine) -> None:
    """Once it is decided: what is counted is counted anew, and pictures go that may not stay."""
    await follow_ups.work(engine)
