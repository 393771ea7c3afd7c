"""Decisions that cut what ties people here to other servers (MOD-5.9, MOD-5.10).

Nothing is cut before somebody saw how much: a decision names what its maker saw, and is refused
with the new numbers where that is no longer so.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.errors import Conflict, Malformed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.said import noted
from kernel.schema.moderation import Level
from kernel.schema.severed import ChangeState
from kernel.schema.tables import (
    domain_changes,
)
from members import ledger
from members.ledger import Restored
from moderation import domains, impact, names
from moderation.impact import UNSEEN, Concerned, Impact, Seen
from moderation.policy import Policy

PAGE: Final = 50

_ONE_AT_A_TIME: Final = sa.text("SELECT pg_advisory_xact_lock(hashtext('domain changes'))")


class Differs(Conflict):
    """What would be cut is no longer what somebody saw; `impact` says what it is now."""

    def __init__(self, now: Impact) -> None:
        super().__init__(noted("This has changed since you looked. Here is what it is now."))
        self.impact = now


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision about a domain, with what its maker saw."""

    id: int
    domain: str
    before: str  # what we had decided about it; nothing where that was nothing
    after: str
    impact: Impact
    by_person: bool
    state: ChangeState
    day: date

    @property
    def is_held(self) -> bool:
        """Nobody decided it yet: it would cut too much for that."""
        return self.state is ChangeState.HELD

    @property
    def is_end(self) -> bool:
        """A decision of ours was to end, and that would cut too much: it goes on."""
        return self.is_held and bool(self.before)

    @property
    def stands(self) -> bool:
        return self.state is ChangeState.MADE

    @property
    def grade(self) -> str:
        """How the domain is treated by it, in plain words."""
        return domains.GRADES[_policy(self.after).level]

    @property
    def can_be_undone(self) -> bool:
        """Whether it stands, and cut something: taking others back may cut, so it is decided."""
        return self.stands and self.impact.cuts

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        values = dict(row._mapping)
        stored, state = values.pop("impact"), ChangeState(values.pop("state"))
        return cls(**values, impact=Impact.of_json(stored), state=state)

    def as_json(self) -> dict[str, Any]:
        """For tools."""
        return {
            "id": self.id,
            "domain": self.domain,
            "before": self.before,
            "after": self.after,
            "impact": self.impact.as_json(),
            "by_person": self.by_person,
            "state": self.state.value,
            "day": self.day.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is written beside a decision, and how long it holds."""

    public_comment: str = ""
    private_comment: str = field(default="", repr=False)
    obfuscate: bool = False
    until: date | None = None


UNSAID: Final = Words()


async def decide(
    conn: AsyncConnection,
    here: Here,
    domain: str,
    chosen: Policy,
    *,
    seen: Seen = UNSEEN,
    words: Words = UNSAID,
) -> Decided:
    """Decide about a domain, and cut what that cuts.

    `seen` is what whoever decides was shown; where nothing is lost, nothing has to be. Where
    it is much, a person has to say that they looked.
    Raises Differs: it is not what was seen. Raises Malformed, NotAllowed: nobody looked, or as
    `domains.set_policy`.
    """
    domain = domains.read_domain(domain)
    names.check_ours(here, domain)
    await conn.execute(_ONE_AT_A_TIME)
    those = Concerned() if chosen.takes_media else await impact.concerned(conn, [domain])
    hosts = those.hosts if chosen.blocks else []
    now = await impact.about(
        conn, here, [domain], chosen.level, those, reject_media=chosen.reject_media
    )
    decision = _Decision(domain, await _own(conn, domain), _text(chosen), now)
    check(now, seen)
    await domains.set_policy(conn, here, domain, chosen, **asdict(words))
    moved = await ledger.cut(conn, here, hosts)
    if moved != now.relations:  # somebody was quicker
        raise Differs(replace(now, relations=moved))
    if not chosen.blocks:
        await ledger.put_back(conn, here)
    await _forget_held(conn, domain)
    return await _write(conn, here, decision, ChangeState.MADE)


async def hold(
    conn: AsyncConnection, here: Here, domain: str, asked: Policy, hosts: Sequence[str]
) -> Decided:
    """Write down what nobody decided in person: it waits, and cuts nothing (MOD-5.10).

    A list asks for it, or it is what follows where our own decision about the domain ends.
    `hosts` are the servers that it would cut off.
    """
    would = await impact.about(conn, here, [domain], asked.level, Concerned(hosts, hosts))
    decision = _Decision(domain, await _own(conn, domain), asked.level.value, would)
    await _forget_held(conn, domain)
    return await _write(conn, here, decision, ChangeState.HELD)


def check(now: Impact, seen: Seen) -> None:
    """Raises Differs: it is not what was `seen`. Raises Malformed: nobody looked where it is much.

    Where nobody loses anything, nobody has to look.
    """
    if now.binds and now.digest != seen.digest:
        raise Differs(now)
    if now.asks_for_a_look and not seen.looked:
        raise Malformed(noted("This cuts a lot. Please tick that you have looked at it."))


async def undo(
    conn: AsyncConnection, here: Here, decided_id: int, *, dry_run: bool = False
) -> Restored:
    """Take a decision back; what it cut is put back where nothing else stands in the way.

    Decisions about one domain, or about one and what is below it, may be taken back in any order.
    With `dry_run` it only says what it would do, exactly. Raises NotFound: there is none that can
    be. Raises Conflict: the domain is at another level than this and later ones put it.
    """
    if dry_run:
        async with conn.begin_nested() as attempt:
            would = await undo(conn, here, decided_id)
            await attempt.rollback()
        return would
    await take_back(conn, here, decided_id)
    return await ledger.put_back(conn, here)


async def take_back(conn: AsyncConnection, here: Here, decided_id: int) -> None:
    """The same but for the ties, which whoever calls it puts back. Raises: as `undo`."""
    await conn.execute(_ONE_AT_A_TIME)
    decided = await one(conn, decided_id)
    if not decided.can_be_undone:
        raise NotFound
    later = await conn.scalar(
        sa.select(sa.func.min(domain_changes.c.id)).where(
            domain_changes.c.domain == decided.domain,
            domain_changes.c.id > decided_id,
            domain_changes.c.state == ChangeState.MADE,
        )
    )
    if later is None and await _own(conn, decided.domain) != decided.after:
        raise Conflict(noted("This server is treated in another way by now."))
    await _end(conn, domain_changes.c.id == decided_id)
    if later is not None:  # that one stands; once it is undone, it is as before this one
        await conn.execute(
            sa.update(domain_changes)
            .where(domain_changes.c.id == later)
            .values(before=decided.before)
        )
        return
    if decided.before:
        rule = await domains.own(conn, decided.domain)
        words = Words(
            public_comment=rule.public_comment,
            private_comment=rule.private_comment,
            obfuscate=rule.obfuscate,
            until=rule.until,
        )
        earlier = _policy(decided.before)
        await domains.set_policy(conn, here, decided.domain, earlier, **asdict(words))
    else:
        await domains.forget(conn, here, decided.domain)


async def over(conn: AsyncConnection, ended: Sequence[str]) -> None:
    """What we had decided about these domains does not hold any more: there is no undoing it."""
    await _end(
        conn,
        sa.and_(domain_changes.c.domain.in_(ended), domain_changes.c.state == ChangeState.MADE),
    )


async def again(conn: AsyncConnection, here: Here, changed: Sequence[str]) -> None:
    """After a restore: cut what is blocked of these domains, put back what is not."""
    if changed:
        await ledger.cut(conn, here, await impact.blocked(conn, changed))
        await ledger.put_back(conn, here)


async def one(conn: AsyncConnection, decided_id: int) -> Decided:
    """A decision. Raises NotFound."""
    query = sa.select(domain_changes).where(domain_changes.c.id == decided_id)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise NotFound
    return Decided.of(row)


async def history(conn: AsyncConnection, *, before: int | None = None) -> Sequence[Decided]:
    """A page of decisions, newest first."""
    query = sa.select(domain_changes).order_by(domain_changes.c.id.desc()).limit(at_most(PAGE))
    if before is not None:
        query = query.where(domain_changes.c.id < before)
    return [Decided.of(row) for row in await conn.execute(query)]


async def dismiss(conn: AsyncConnection, decided_id: int) -> None:
    """Somebody looked at what was held, and nothing is to be done. Raises NotFound."""
    decided = await one(conn, decided_id)
    if not decided.is_held:
        raise NotFound
    await conn.execute(sa.delete(domain_changes).where(domain_changes.c.id == decided_id))


async def _own(conn: AsyncConnection, domain: str) -> str:
    """What we decided about exactly this domain; nothing where that is nothing."""
    try:
        return _text((await domains.own(conn, domain)).policy)
    except NotFound:
        return ""


def _text(policy: Policy) -> str:
    flags = "m" * policy.reject_media + "r" * policy.reject_reports
    return f"{policy.level.value} {flags}".rstrip()


def _policy(text: str) -> Policy:
    level, _, flags = text.partition(" ")
    return Policy(Level(level), "m" in flags, "r" in flags)


@dataclass(frozen=True, slots=True)
class _Decision:
    domain: str
    before: str
    after: str
    impact: Impact


async def _write(
    conn: AsyncConnection, here: Here, decision: _Decision, state: ChangeState
) -> Decided:
    made = (
        sa.insert(domain_changes)
        .values(
            domain=decision.domain,
            before=decision.before,
            after=decision.after,
            impact=json.dumps(decision.impact.as_json()),
            by_person=state is ChangeState.MADE,
            state=state,
            day=here.now().date(),
        )
        .returning(domain_changes)
    )
    return Decided.of((await conn.execute(made)).one())


async def _forget_held(conn: AsyncConnection, domain: str) -> None:
    await conn.execute(
        sa.delete(domain_changes).where(
            domain_changes.c.domain == domain, domain_changes.c.state == ChangeState.HELD
        )
    )


async def _end(conn: AsyncConnection, which: sa.ColumnElement[bool]) -> None:
    await conn.execute(sa.update(domain_changes).where(which).values(state=ChangeState.UNDONE))
