"""What a list would change here, and the change itself: a dry run is the same work (MOD-5.9).

Nothing is taken that we decided about ourselves. New and harsher rows wait for a person unless the
list is automatic; milder ones and those that the list has dropped are never waited for.
"""

import asyncio
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.errors import Problem
from kernel.here import Here
from kernel.rows import constant
from kernel.said import noted, said
from kernel.schema.cases import CaseState
from kernel.schema.moderation import Level, ListMode
from kernel.schema.pacts import PactState
from kernel.schema.tables import (
    actors,
    cases,
    conversations,
    domain_lists,
    follows,
    moderators,
    pacts,
    posts,
)
from moderation import audit, domains, names, policy
from moderation.domains import Rule
from moderation.lists import rules, undoing
from moderation.lists.entry import Entry, Listed, Refused
from moderation.lists.sources import Source
from moderation.policy import OWN

NEW_A_DAY: Final = 25  # rows that an automatic list may add by itself
MOST_OF_IT: Final = 0.2  # by which a list may grow or shrink between two looks,
FEW: Final = 5  # or by so many rows, where it is short

_OWN_DECISION: Final = noted("You decided about it yourself.")
_LEFT_OUT: Final = noted("You left it out of this list.")
_EMPTY: Final = noted("It has no row that can be read.")


@dataclass(slots=True)
class Difference:
    """What would change. `ties`: domains in `new` and `changed` that people here have to do with.

    `covered` are rows that change nothing, and why; `gone` those that the list has no more.
    """

    new: list[Rule] = field(default_factory=list)
    changed: list[tuple[Rule, Rule]] = field(default_factory=list)
    gone: list[Rule] = field(default_factory=list)
    same: int = 0
    covered: list[tuple[str, str]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    canaries: int = 0
    rows: int = 0
    ties: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """What somebody says yes to who takes all of it."""
        return digest((*self.new, *(rule for _, rule in self.changed)), self.gone)


async def compare(conn: AsyncConnection, here: Here, source: Source, listed: Listed) -> Difference:
    """What taking a list would change, held against what was taken of it before."""
    taken, own = await rules.of(conn, source.id), await rules.of(conn, OWN)
    found = await asyncio.to_thread(_compare, here, source, listed, taken, own)
    found.ties = await _ties(conn, [rule.domain for rule in _coming(found)])
    return found


def _compare(
    here: Here, source: Source, listed: Listed, taken: Mapping[str, Rule], own: Mapping[str, Rule]
) -> Difference:
    found = Difference(
        refused=list(listed.refused), canaries=listed.canaries, rows=len(listed.entries)
    )
    staying = set[str]()
    for domain, entry in sorted(listed.entries.items()):
        try:
            names.check_ours(here, domain)
        except Problem as error:
            found.refused.append(Refused(0, domain, error.detail))
            continue
        if why := _why_not(domain, own, source):
            found.covered.append((domain, why))
            continue
        staying.add(domain)
        rule, before = _rule(here, source, entry), taken.get(domain)
        if before is None:
            found.new.append(rule)
        elif _says(before) != _says(rule):
            found.changed.append((before, replace(rule, day=before.day)))
        else:
            found.same += 1
    found.gone = [rule for domain, rule in sorted(taken.items()) if domain not in staying]
    return found


def _coming(found: Difference) -> list[Rule]:
    return [*found.new, *(rule for _, rule in found.changed)]


def _why_not(domain: str, own: Mapping[str, Rule], source: Source) -> str:
    above = names.above(domain)
    if any(name in source.excluded for name in above):
        return _LEFT_OUT
    return _OWN_DECISION if any(name in own for name in above) else ""


def _rule(here: Here, source: Source, entry: Entry) -> Rule:
    return Rule(
        domain=entry.domain,
        policy=entry.policy.at_most(source.max_level),
        public_comment=entry.public_comment,
        private_comment=entry.private_comment,
        obfuscate=entry.obfuscate,
        source=source.id,
        day=here.now().date(),
    )


def _says(rule: Rule) -> tuple[object, ...]:
    return rule.policy, rule.public_comment, rule.private_comment, rule.obfuscate


async def _ties(conn: AsyncConnection, wanted: Sequence[str]) -> frozenset[str]:
    """Those of the domains where somebody lives whom people here have to do with.

    Who follows here or is followed from here, writes messages with somebody here, or moderates; or
    who wrote in a thread with an open report: they may be what keeps somebody safe (MOD-H5). Or
    whose node has a pact with this one.
    """
    if not wanted:
        return frozenset()
    hosts = await conn.scalars(_TIED)
    found = {name for host in hosts for name in names.above(host.partition(":")[0])}
    return frozenset(wanted) & found


async def tied(conn: AsyncConnection, hosts: Collection[str]) -> frozenset[str]:
    """Those of these servers that people here have to do with, in the same sense."""
    return frozenset(hosts).intersection(await conn.scalars(_TIED)) if hosts else frozenset()


def trouble_with(source: Source, listed: Listed) -> str:
    """Why a list that is read again is left aside whole, and the earlier rows stay; or nothing."""
    now, before = len(listed.entries), source.rows
    if not now:
        return _EMPTY
    if before and abs(now - before) > _many(before):
        return said("It had {before} rows, and has {now} now.", before=before, now=now)
    return ""


def _many(rows: int) -> float:
    return max(FEW, rows * MOST_OF_IT)


def takes_back_a_lot(source: Source, found: Difference) -> str:
    """Why a list that would lift or soften much of what it said is left aside whole; or nothing.

    What is otherwise because of what we decided here does not count.
    """
    ours = {domain for domain, _ in found.covered}
    gone = sum(rule.domain not in ours for rule in found.gone)
    milder = sum(
        rule.policy != before.policy.at_most(source.max_level)
        and rule.policy.no_harsher_than(before.policy)
        for before, rule in found.changed
    )
    if gone + milder > _many(source.rows):
        return said(
            "It would take back or soften {count} of its {before} rows.",
            count=gone + milder,
            before=source.rows,
        )
    return ""


async def take(
    conn: AsyncConnection, here: Here, source: Source, found: Difference, *, agreed: bool
) -> int:
    """Take what `compare` found: how many rows wait for a person now.

    `agreed`: a person saw it. Else new and harsher rows wait, of an automatic list those beyond 25
    a day, those that would cut ties, and its first copy.
    """
    now, later = _sort(here, source, found, agreed=agreed)
    added = len({rule.domain for rule in now} & {rule.domain for rule in found.new})
    today = here.now().date()
    spent = added + (source.new_rows if source.new_day == today else 0)
    gone = [rule.domain for rule in found.gone]
    await undoing.note(conn, here, source, [*(rule.domain for rule in now), *gone])
    await rules.drop_held(conn, source.id)
    await rules.drop(conn, source.id, gone)
    await rules.put(conn, now)
    await rules.put(conn, later, held=True)
    for rule in now:
        domains.note_for_restore(conn, rule)
    for domain in gone:
        domains.note_gone(conn, domain, source.id)
    await conn.execute(
        sa.update(domain_lists)
        .where(domain_lists.c.id == source.id)
        .values(
            rows=found.rows,
            canaries=found.canaries,
            trouble="",
            taken=today if agreed else source.taken,
            new_day=today,
            new_rows=0 if agreed else spent,
        )
    )
    if now or gone:
        what = f"{added} new, {len(now) - added} changed, {len(gone)} gone"
        about = source.address
        await audit.note(conn, here, verb="list taken", about=about, reason=what)
        await policy.settle(conn)
    return len(later)


def _sort(
    here: Here, source: Source, found: Difference, *, agreed: bool
) -> tuple[list[Rule], list[Rule]]:
    """What is taken now, and what waits for a person.

    No list drops a server by itself: until a person says yes it is filtered (MOD-5.2, MOD-5.10).
    """
    now, later = list[Rule](), list[Rule]()
    milder = {
        rule.domain for before, rule in found.changed if rule.policy.no_harsher_than(before.policy)
    }
    left = _left(here, source)
    before = {rule.domain: rule for rule, _ in found.changed}
    for rule in _coming(found):
        if agreed or rule.domain in milder:
            now.append(rule)
        elif left <= 0 or (rule.policy.unlists and rule.domain in found.ties):
            later.append(rule)
        elif rule.policy.level is Level.DROP:
            later.append(rule)
            gently = replace(rule, policy=rule.policy.at_most(Level.FILTER))
            was = before.get(rule.domain)
            if was is None or not gently.policy.no_harsher_than(was.policy):
                left -= 1
                now.append(gently)
        else:
            left -= 1
            now.append(rule)
    return now, later


def _left(here: Here, source: Source) -> int:
    """How many rows the list may still add by itself today: none before somebody took its first."""
    if source.mode is not ListMode.AUTOMATIC or source.taken is None:
        return 0
    spent = source.new_rows if source.new_day == here.now().date() else 0
    return NEW_A_DAY - spent


def digest(taken: Iterable[Rule], gone: Iterable[Rule] = ()) -> str:
    """What a person says yes to: of which domains rows are taken, with what they say, or go."""
    rows = [
        [rule.domain, rule.policy.level.value, rule.policy.reject_media, rule.policy.reject_reports]
        for rule in taken
    ]
    named = [sorted(rows), sorted(rule.domain for rule in gone)]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


async def agree(conn: AsyncConnection, here: Here, source: Source) -> Sequence[Rule]:
    """What waits is taken, but for what is protected by now: those rows."""
    held = (await rules.of(conn, source.id, held=True)).values()
    waiting = [rule for rule in held if not names.is_spared(here, rule.domain)]
    await rules.drop_held(conn, source.id)
    if waiting:
        await undoing.note(conn, here, source, [rule.domain for rule in waiting])
        await rules.put(conn, waiting)
        for rule in waiting:
            domains.note_for_restore(conn, rule)
        await conn.execute(
            sa.update(domain_lists)
            .where(domain_lists.c.id == source.id)
            .values(taken=here.now().date())
        )
        about, what = source.address, f"{len(waiting)} rows agreed to"
        await audit.note(conn, here, verb="list taken", about=about, reason=what)
        await policy.settle(conn)
    return waiting


async def hold(conn: AsyncConnection, here: Here, some: Collection[Rule]) -> None:
    """Rows that held by themselves wait for a person instead: they would cut somebody off."""
    await rules.put(conn, some, held=True)
    for source in sorted({rule.source for rule in some}):
        those = [rule.domain for rule in some if rule.source == source]
        await rules.drop(conn, source, those)
        for domain in those:
            domains.note_gone(conn, domain, source)
        what = f"{len(those)} would cut somebody off, and wait for a person"
        await audit.note(conn, here, verb="list rows held", about=source, reason=what)
    await policy.settle(conn)


async def throw_away(conn: AsyncConnection, here: Here, source: Source) -> None:
    """What waits is not taken; an address brings it again once it changes.

    From now on a person looks at new rows of the list, or they would be taken by themselves then.
    """
    await rules.drop_held(conn, source.id)
    await conn.execute(
        sa.update(domain_lists).where(domain_lists.c.id == source.id).values(mode=ListMode.DRAFT)
    )
    await audit.note(conn, here, verb="list rows refused", about=source.address)


_writer, _reported = actors.alias("writer"), posts.alias("reported")
_follower, _followed = actors.alias("follower"), actors.alias("followed")
_moderator, _moderated = actors.alias("moderator"), actors.alias("moderated")
_correspondent = actors.alias("correspondent")
_moderating = moderators.join(_moderator, _moderator.c.id == moderators.c.actor_id).join(
    _moderated, _moderated.c.id == moderators.c.group_id
)
_TIED: Final = sa.union(
    sa.select(_follower.c.host)
    .join(follows, follows.c.follower_id == _follower.c.id)
    .where(~_follower.c.local),
    sa.select(_followed.c.host)
    .join(follows, follows.c.followed_id == _followed.c.id)
    .where(~_followed.c.local),
    sa.select(_moderator.c.host)
    .select_from(_moderating)
    .where(~_moderator.c.local, _moderated.c.local),
    sa.select(_moderated.c.host)
    .select_from(_moderating)
    .where(~_moderated.c.local, _moderator.c.local),
    *(
        sa.select(_correspondent.c.host)
        .join(conversations, _correspondent.c.id == end)
        .where(~_correspondent.c.local)
        for end in (conversations.c.one_id, conversations.c.other_id)
    ),
    sa.select(_writer.c.host)  # in a thread with an open case of a report (MOD-H5)
    .select_from(
        cases.join(_reported, _reported.c.id == cases.c.post_id)
        .join(posts, posts.c.thread_id == _reported.c.thread_id)
        .join(_writer, _writer.c.id == posts.c.author_id)
    )
    .where(~_writer.c.local, cases.c.state != constant(CaseState.CLOSED)),
    sa.select(pacts.c.host).where(pacts.c.state == constant(PactState.MADE)),
)
