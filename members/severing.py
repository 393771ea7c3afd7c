"""Cutting what ties people here to other servers, and putting it back (MOD-5.9, MOD-5.10).

Nothing is cut before somebody saw how much: a decision names what its maker saw, and is refused
with the new numbers where that is no longer so. What is cut lies in a ledger for 90 days, as it
was, and comes back from there once its server is talked with again, whichever decision ended last.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.clock import to_minute
from kernel.errors import Conflict, Malformed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.said import noted, said_many
from kernel.schema.moderation import Level
from kernel.schema.severed import ChangeState
from kernel.schema.tables import (
    domain_changes,
    follows,
    moderators,
    severed_follows,
    severed_moderators,
)
from members import order
from moderation import audit, domains, impact, names
from moderation.impact import TIES, UNSEEN, Impact, Relations, Seen, statement, tally
from moderation.policy import Policy
from moderation.visibility import is_heard

PAGE: Final = 50

_ONE_AT_A_TIME: Final = sa.text("SELECT pg_advisory_xact_lock(hashtext('domain changes'))")


class Differs(Conflict):
    """What would be cut is no longer what somebody saw; `impact` says what it is now."""

    def __init__(self, now: Impact) -> None:
        super().__init__(noted("This has changed since you looked. Here is what it is now."))
        self.impact = now


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """How many ties came back, and how many did not, by why."""

    back: int = 0
    already: int = 0  # somebody tied them anew
    gone: int = 0  # one of the two is there no more
    banned: int = 0  # the group asked one of them to stay away
    blocked: int = 0  # one of the two wants nothing from the other

    @property
    def words(self) -> Sequence[str]:
        """The same as plain sentences."""
        counted = (
            (self.back, "{number} tie is put back.", "{number} ties are put back."),
            (self.already, "{number} is there already.", "{number} are there already."),
            (self.gone, "{number} is not: one of the two is no longer there.",
             "{number} are not: one of the two is no longer there."),
            (self.banned, "{number} is not: the group asked somebody to stay away.",
             "{number} are not: the group asked somebody to stay away."),
            (self.blocked, "{number} is not: one of the two wants to be left alone.",
             "{number} are not: one of the two wants to be left alone."),
        )  # fmt: skip
        lines = [said_many(one, many, number=number) for number, one, many in counted if number]
        return lines or [noted("There is nothing to put back.")]


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

    `seen` is what whoever decides was shown; where nobody loses anything, nothing has to be. Where
    it is much, a person has to say that they looked.
    Raises Differs: it is not what was seen. Raises Malformed, NotAllowed: nobody looked, or as
    `domains.set_policy`.
    """
    domain = domains.read_domain(domain)
    names.check_ours(here, domain)
    await conn.execute(_ONE_AT_A_TIME)
    hosts = await impact.concerned(conn, [domain]) if chosen.blocks else []
    now = await impact.about(conn, here, [domain], chosen.level, hosts)
    decision = _Decision(domain, await _own(conn, domain), _text(chosen), now)
    check(now, seen)
    await domains.set_policy(conn, here, domain, chosen, **asdict(words))
    moved = await cut(conn, here, hosts)
    if moved != now.relations:  # somebody was quicker
        raise Differs(replace(now, relations=moved))
    if not chosen.blocks:
        await put_back(conn, here)
    await _forget_held(conn, domain)
    return await _write(conn, here, decision, ChangeState.MADE)


async def hold(
    conn: AsyncConnection, here: Here, domain: str, asked: Policy, hosts: Sequence[str]
) -> Decided:
    """Write down what a list asks for and nobody decided: it waits, and cuts nothing (MOD-5.10).

    `hosts` are the servers that it would cut off.
    """
    would = await impact.about(conn, here, [domain], asked.level, hosts)
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
    return await put_back(conn, here)


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
        await cut(conn, here, await impact.blocked(conn, changed))
        await put_back(conn, here)


async def cut(conn: AsyncConnection, here: Here, hosts: Sequence[str]) -> Relations:
    """Move what ties people here to `hosts` into the ledger; how much that was."""
    if not hosts:
        return Relations()
    values = {"hosts": hosts, "day": here.now().date()}
    moved = Relations(**(await conn.execute(_CUT, values)).mappings().one())
    if moved.all:
        await _disturbed(conn)
    if moved.moderators:
        for group_id, uri in (await conn.execute(_OUT_OF_REACH, {"hosts": hosts})).all():
            await audit.note(
                conn, here, verb="moderator out of reach", about=uri, group_id=group_id
            )
    return moved


async def put_back(conn: AsyncConnection, here: Here) -> Restored:
    """Put back all that was cut from servers which are heard by now; what cannot be is let go.

    A follow of ours goes out once more, since its server may have ended it while we heard nothing;
    with a new id, for one that was read before is read by nobody again.
    """
    now = here.now()
    today = {"today": now.date()}
    anew = {**today, "now": to_minute(now), "activities": f"{here.origin}/a/"}
    counted: Counter[str] = Counter()
    for fate, number in await conn.execute(_FOLLOWS_BACK, anew):
        counted[fate] += number
    for fate, group_id, uri in (await conn.execute(_MODERATORS_BACK, today)).all():
        counted[fate] += 1
        if fate == "back" and group_id is not None:
            await audit.note(conn, here, verb="moderator back", about=uri, group_id=group_id)
    if counted:
        await _disturbed(conn)
    return Restored(**counted)


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """What was cut 90 days ago is not put back any more: it goes."""
    last = here.now().date() - keep_times.SEVERED
    for table in (severed_follows, severed_moderators):
        await conn.execute(sa.delete(table).where(table.c.day < last))


async def forget(conn: AsyncConnection, persona_id: UUID) -> None:
    """A persona closes: what was cut of its ties does not come back."""
    cut = severed_follows.c
    either = sa.or_(cut.follower_id == persona_id, cut.followed_id == persona_id)
    await conn.execute(sa.delete(severed_follows).where(either))
    mine = severed_moderators.c.actor_id == persona_id
    await conn.execute(sa.delete(severed_moderators).where(mine))


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


async def _disturbed(conn: AsyncConnection) -> None:
    """Rows went from one table to another: their order must say nothing (DESIGN)."""
    await order.call(conn, follows, moderators, severed_follows, severed_moderators)


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


_CUT: Final = statement(
    f"""
    WITH {TIES}, gone AS (
        DELETE FROM follows USING tied
        WHERE follows.follower_id = tied.follower_id AND follows.followed_id = tied.followed_id
        RETURNING follows.*, tied.outward, tied.grouped, tied.name, tied.place
    ), kept AS (
        INSERT INTO severed_follows
            (follower_id, followed_id, state, uri, guidelines, approved, turn, day)
        SELECT follower_id, followed_id, state, uri, guidelines, approved, turn, :day FROM gone
        ORDER BY follower_id, followed_id
        ON CONFLICT (follower_id, followed_id) DO UPDATE SET
            state = excluded.state, uri = excluded.uri, guidelines = excluded.guidelines,
            approved = excluded.approved, turn = excluded.turn, day = excluded.day
    ), released AS (
        DELETE FROM moderators USING tending
        WHERE moderators.group_id = tending.group_id AND moderators.actor_id = tending.actor_id
        RETURNING moderators.*, tending.outward
    ), kept_too AS (
        INSERT INTO severed_moderators (group_id, actor_id, founder, day)
        SELECT group_id, actor_id, founder, :day FROM released
        ORDER BY group_id, actor_id
        ON CONFLICT (group_id, actor_id) DO UPDATE SET
            founder = excluded.founder, day = excluded.day
    )
    SELECT {tally("gone", "released")}
    """  # noqa: S608  (names of our own)
).bindparams(sa.bindparam("day", type_=sa.Date))


def _heard(actor: str) -> str:
    """SQL: the actor lives here, or its server is talked with."""
    local = sa.literal_column(f"{actor}.local", sa.Boolean)
    heard = is_heard(local, sa.literal_column(f"{actor}.host", sa.Text))
    written = heard.compile(
        dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True},
    )
    return f"({written})"


def _fate(there: str, one: str, other: str) -> str:
    """SQL: what becomes of a tie in the ledger between the actors `one` and `other`."""
    return f"""CASE
        WHEN EXISTS ({there}) THEN 'already'
        WHEN 'closed' IN ({one}.state, {other}.state)
            OR {one}.closes_on IS NOT NULL OR {other}.closes_on IS NOT NULL THEN 'gone'
        WHEN EXISTS (
            SELECT FROM bans WHERE bans.group_id = {other}.id AND bans.actor_id = {one}.id
                AND (bans.until IS NULL OR bans.until >= :today)
        ) THEN 'banned'
        WHEN EXISTS (
            SELECT FROM blocks
            WHERE (blocks.blocker_id = {one}.id AND blocks.persona_id = {other}.id)
                OR (blocks.blocker_id = {other}.id AND blocks.persona_id = {one}.id)
        ) OR EXISTS (
            SELECT FROM correspondents WHERE correspondents.state = 'blocked' AND (
                (correspondents.owner_id = {one}.id AND correspondents.other_id = {other}.id)
                OR (correspondents.owner_id = {other}.id AND correspondents.other_id = {one}.id))
        ) THEN 'blocked'
        ELSE 'back' END"""  # noqa: S608


def _judged(table: str, one: str, other: str, also: str) -> str:
    """SQL: what of the ledger of `table` is due, its fate, and what is `also` asked; it goes."""
    same = f"{table}.{one} = cut.{one} AND {table}.{other} = cut.{other}"
    return f"""judged AS (
        SELECT cut.*, {also}, {_fate(f"SELECT FROM {table} WHERE {same}", "one", "other")} AS fate
        FROM severed_{table} AS cut
        JOIN actors AS one ON one.id = cut.{one}
        JOIN actors AS other ON other.id = cut.{other}
        WHERE {_heard("one")} AND {_heard("other")}
    ), gone AS (
        DELETE FROM severed_{table} AS cut USING judged
        WHERE cut.{one} = judged.{one} AND cut.{other} = judged.{other}
    )"""  # noqa: S608


_FOLLOWS_BACK: Final = sa.text(
    f"""
    WITH {_judged("follows", "follower_id", "followed_id", "one.local AS outward")}, back AS (
        INSERT INTO follows
            (follower_id, followed_id, state, uri, guidelines, approved, turn, due)
        SELECT follower_id, followed_id, state,
            CASE WHEN outward THEN :activities || gen_random_uuid() ELSE uri END,
            guidelines, approved, turn, CASE WHEN outward THEN :now END
        FROM judged WHERE fate = 'back' AND (outward OR NOT (
            SELECT members_only FROM actors WHERE actors.id = judged.followed_id))
        ORDER BY follower_id, followed_id
    )
    SELECT fate, count(*) FROM judged GROUP BY fate
    """  # noqa: S608
).bindparams(
    sa.bindparam("today", type_=sa.Date),
    sa.bindparam("now", type_=sa.DateTime(timezone=True)),
    sa.bindparam("activities", type_=sa.Text),
)

_MODERATORS_BACK: Final = sa.text(
    f"""
    WITH {_judged("moderators", "actor_id", "group_id", "one.uri, other.local AS ours")}, back AS (
        INSERT INTO moderators (group_id, actor_id, founder)
        SELECT group_id, actor_id, founder FROM judged WHERE fate = 'back'
        ORDER BY group_id, actor_id
    )
    SELECT fate, CASE WHEN ours THEN group_id END, uri FROM judged
    """  # noqa: S608
).bindparams(sa.bindparam("today", type_=sa.Date))

_OUT_OF_REACH: Final = statement(
    """
    SELECT cut.group_id, theirs.uri FROM unnest(:hosts) AS given (host)
    JOIN actors AS theirs ON theirs.host = given.host AND NOT theirs.local
    JOIN severed_moderators AS cut ON cut.actor_id = theirs.id
    JOIN actors AS ours ON ours.id = cut.group_id AND ours.local
    ORDER BY cut.group_id, theirs.uri
    """
)
