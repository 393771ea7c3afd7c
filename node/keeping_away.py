"""Decisions about domains, carried out whole: whatever door they come through (MOD-3.10).

What is cut goes with the decision, in its transaction; what has to be counted or let go because of
it comes after, for a domain may have written in a great many threads.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.here import Here
from kernel.schema.moderation import Level
from media import copies
from members import ledger, severing
from members.ledger import Restored
from members.severing import UNSAID, Words
from moderation import alerting, audit, domains, impact, names, policy
from moderation.domains import Change, Rule
from moderation.impact import UNSEEN, Concerned, Impact, Seen
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
        await _note_follow_ups(conn, before, after)
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
        restored = await ledger.put_back(conn, here)
        await work.rollback()
    return would, restored


async def expire(engine: AsyncEngine, here: Here) -> None:
    """Let end what was decided until a day that is over.

    Where a wider decision of ours would cut somebody off then, it goes on until a person has looked
    at that, and has no last day any more (MOD-5.10).
    """
    async with engine.begin() as conn:
        before = await policy.in_force(conn)
        while True:
            async with conn.begin_nested() as attempt:
                ended = await domains.expire(conn, here)
                cut = await _cut_by(conn, here, before, ours=True)
                wider = {  # not by what somebody else decided meanwhile
                    host: rule for host, rule in cut.items() if not _names(host).isdisjoint(ended)
                }
                if not wider:
                    break
                await attempt.rollback()
            await _go_on(conn, here, ended, wider)
        await severing.over(conn, ended)
        await settled(conn, here, before)
    await follow_up(engine)


def _names(host: str) -> set[str]:
    return set(names.above(host.partition(":")[0]))


async def _go_on(
    conn: AsyncConnection, here: Here, ended: Sequence[str], wider: Mapping[str, Rule]
) -> None:
    """Decisions whose end would cut off these servers, by that rule of ours, do not end."""
    for domain in ended:
        off = [host for host in wider if domain in _names(host)]
        if off:
            await domains.go_on(conn, here, domain)
            await severing.hold(conn, here, domain, wider[off[0]].policy, off)
    await alerting.call(conn, None)


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
        would = await _impact(conn, here, before, changes, rows)
        severing.check(would, seen)
        if would.relations.all:
            await audit.note(conn, here, verb="ties cut", about=about, impact=would.as_json())
    await ledger.cut(conn, here, [change.domain for change in changes if change.cuts])
    await _note_follow_ups(conn, before, await policy.in_force(conn))
    if any(change.before.blocks and not change.after.blocks for change in changes):
        return Settled(changes, await ledger.put_back(conn, here))
    return Settled(changes, Restored())


async def _held_back(conn: AsyncConnection, here: Here, before: Policies) -> Sequence[Change]:
    """What has changed since `before`, once lists cut nobody off by it.

    A row of one list may count because a milder one of another is gone, or a decision of ours. Each
    round holds what counts, until nothing that counts cuts a tie, or as much as asks for a look.
    """
    while listed := await _cut_by(conn, here, before, ours=False):
        rules = {rule.domain: rule for rule in listed.values()}
        await taking.hold(conn, here, rules.values())
        for domain, rule in rules.items():
            off = [host for host, each in listed.items() if each.domain == domain]
            await severing.hold(conn, here, domain, rule.policy, off)
    return await _changes(conn, before, await policy.in_force(conn))


async def _cut_by(
    conn: AsyncConnection, here: Here, before: Policies, *, ours: bool
) -> Mapping[str, Rule]:
    """Servers that are cut off since `before`, with the rule that does it: one of `ours`, or not.

    None, as long as nobody loses anything, and it is not as much as asks for a look. Of rules that
    cut no tie, none is named beside one that does.
    """
    changes = await _changes(conn, before, await policy.in_force(conn))
    counting = await domains.counting(conn, [each.domain for each in changes if each.cuts])
    rules = {host: each for host, each in counting.items() if (each.source == policy.OWN) is ours}
    if not rules:
        return {}
    if tied := await taking.tied(conn, rules):
        named = {rules[host].domain for host in tied}
        return {host: rule for host, rule in rules.items() if rule.domain in named}
    would = await impact.about(conn, here, [], Level.REJECT, Concerned(list(rules)))
    return rules if would.asks_for_a_look else {}


async def impact_of(conn: AsyncConnection, here: Here, before: Policies, rows: str = "") -> Impact:
    """What `settled` is about to cut, of all that was decided since `before`.

    `rows` is the digest of rows of a list that are taken: whoever says yes says it to these.
    """
    changes = await _changes(conn, before, await policy.in_force(conn))
    return await _impact(conn, here, before, changes, rows)


async def _impact(
    conn: AsyncConnection, here: Here, before: Policies, changes: Sequence[Change], rows: str
) -> Impact:
    every = await _changes(conn, before, await policy.in_force(conn), pictures=True)
    those = Concerned(
        [change.domain for change in changes if change.cuts],
        [change.domain for change in every if change.refuses_media],
    )
    return replace(await impact.about(conn, here, [], Level.REJECT, those), rows=rows)


async def _changes(
    conn: AsyncConnection, before: Policies, after: Policies, *, pictures: bool = False
) -> list[Change]:
    """With `pictures` also about servers where pictures lie and nobody is known."""
    if before.by_domain == after.by_domain:
        return []
    hosts = {*await impact.hosts(conn), *(await copies.hosts(conn) if pictures else ())}
    return await asyncio.to_thread(_between, before, after, sorted(hosts))


def _between(before: Policies, after: Policies, hosts: Iterable[str]) -> list[Change]:
    every = (Change(host, before.of_host(host), after.of_host(host)) for host in hosts)
    return [change for change in every if change.before != change.after]


async def _note_follow_ups(conn: AsyncConnection, before: Policies, after: Policies) -> None:
    """Write down what is to be done."""
    await follow_ups.note(conn, await _changes(conn, before, after, pictures=True))


async def follow_up(engine: AsyncEngine) -> None:
    """Once it is decided: what is counted is counted anew, and pictures go that may not stay."""
    await follow_ups.work(engine)
