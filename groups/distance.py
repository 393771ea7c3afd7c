"""Servers that a group keeps at a distance from itself (MOD-5.7).

What the node decided holds before; a group can only add to it. Of what the group says itself the
longest suffix wins, as with the node's rules. Whom a rule cuts off lies in the same ledger as what
the node cuts, and comes back from there within 90 days once the rule ends (`members.severing`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from groups.groups import Group
from kernel.errors import Conflict, Malformed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.said import noted, said, said_many
from kernel.schema.groups import Distance
from kernel.schema.tables import follows, group_domains, groups, severed_follows
from members import ledger, order
from members.ledger import Restored, kept_out
from moderation import audit, names

MAX_RULES: Final = 200  # of one group
MAX_REASON: Final = 500  # letters
PAGE: Final = 50

WORDS: Final = {
    Distance.NOTE: noted("only a note"),
    Distance.FILTER: noted("a moderator reads first what comes from there"),
    Distance.REJECT: noted("nobody from there takes part"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a group decided about a domain and everything below it, and why: for its moderators."""

    domain: str
    level: Distance
    reason: str
    day: date

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls(domain=row.domain, level=Distance(row.level), reason=row.reason, day=row.day)

    @property
    def words(self) -> str:
        """How the server is treated, in plain words."""
        return WORDS[self.level]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a rule does in a group now: who loses a place, and what they are part of (MOD-5.9)."""

    members: int = 0
    waiting: int = 0  # for a yes, or for room
    threads: int = 0  # open ones in which somebody there wrote
    cases: int = 0  # open reports about these threads

    @property
    def digest(self) -> str:
        """What somebody who says yes says yes to; threads come and go and bind nobody."""
        return f"{self.members}-{self.waiting}-{self.cases}"

    @property
    def binds(self) -> bool:
        """Whether it has to be seen first: somebody loses something, or may be needed."""
        return bool(self.members or self.waiting or self.cases)

    @property
    def words(self) -> Sequence[str]:
        """The same as plain sentences, the heaviest first."""
        counted = (
            (
                self.cases,
                said_many(
                    "{number} open report has to do with it.",
                    "{number} open reports have to do with it.",
                    number=self.cases,
                ),
            ),
            (
                self.members,
                said_many(
                    "{number} member of this group would lose their place.",
                    "{number} members of this group would lose their places.",
                    number=self.members,
                ),
            ),
            (
                self.waiting,
                said_many(
                    "{number} person who waits to join would not get in.",
                    "{number} people who wait to join would not get in.",
                    number=self.waiting,
                ),
            ),
            (
                self.threads,
                said_many(
                    "{number} open conversation has words from there. They stay.",
                    "{number} open conversations have words from there. They stay.",
                    number=self.threads,
                ),
            ),
        )
        lines: list[str] = [words for number, words in counted if number]
        return lines or [noted("Nobody from there is part of this group now.")]


class Unseen(Conflict):
    """Somebody would lose their place, and whoever decides was not shown that; `reach` says it."""

    def __init__(self, reach: Reach) -> None:
        super().__init__(noted("Please look at what this would do. Then decide again."))
        self.reach = reach


async def decide(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    desk: Actor,
    domain: str,
    level: Distance,
    *,
    reason: str = "",
    seen: str = "",
) -> Rule:
    """Let a group keep a server, and all below it, so far from itself; who has to go is out.

    `seen` is the digest of the `Reach` that whoever decides was shown. Nobody elsewhere is told:
    so both halves of each membership are there when the rule ends.
    Raises Unseen: it is not what would happen. Raises Malformed, NotAllowed: not a domain, our
    own or a protected one, or too many words. Raises Conflict: somebody who moderates the group
    lives there, or there are too many rules.
    """
    domain = names.read_domain(domain)
    names.check_ours(here, domain)
    reason = " ".join(reason.split())
    if len(reason) > MAX_REASON:
        raise Malformed(said("That can have up to {limit} letters.", limit=MAX_REASON))
    await _one_at_a_time(conn, group)
    before = await _own(conn, group, domain)
    rule = Rule(domain=domain, level=level, reason=reason, day=here.now().date())
    await _write(conn, group, rule)
    if level is Distance.REJECT and await conn.scalar(_MODERATES, {"group_id": group.id}):
        raise Conflict(noted("Somebody who looks after this group lives there."))
    reach = await _reach(conn, group)
    if reach.binds and reach.digest != seen:
        raise Unseen(reach)
    await _cut(conn, here, group)
    if level is not Distance.REJECT:
        await ledger.put_back(conn, here)
    await audit.note(
        conn,
        here,
        verb=f"group server {level.value}",
        about=domain,
        reason=reason,
        group_id=group.id,
        actor_id=desk.id,
        impact=asdict(reach),
        before={"level": before.level.value} if before is not None else None,
        after={"level": level.value},
    )
    return rule


async def forget(
    conn: AsyncConnection, here: Here, group: Group, desk: Actor, domain: str
) -> Restored:
    """Take a rule back; who was out because of it is in again. Raises NotFound: there is none.

    Raises Conflict: a rule about a domain above it would then send somebody away.
    """
    await _one_at_a_time(conn, group)
    rule = await _own(conn, group, domain)
    if rule is None:
        raise NotFound
    await conn.execute(sa.delete(group_domains).where(_is(group, domain)))
    if (await _reach(conn, group)).binds:
        raise Conflict(noted("A wider rule would then send somebody away. Change that one first."))
    restored = await ledger.put_back(conn, here)
    await audit.note(
        conn,
        here,
        verb="group server as any other",
        about=domain,
        group_id=group.id,
        actor_id=desk.id,
        before={"level": rule.level.value},
    )
    return restored


async def rules(conn: AsyncConnection, group: Group, *, after: str = "") -> Sequence[Rule]:
    """A page of a group's rules, by domain."""
    query = (
        sa.select(group_domains)
        .where(group_domains.c.group_id == group.id, group_domains.c.domain > after)
        .order_by(group_domains.c.domain)
        .limit(at_most(PAGE))
    )
    return [Rule.of(row) for row in await conn.execute(query)]


async def one(conn: AsyncConnection, group: Group, domain: str) -> Rule:
    """Raises NotFound: the group decided nothing about exactly this domain."""
    found = await _own(conn, group, domain)
    if found is None:
        raise NotFound
    return found


async def _own(conn: AsyncConnection, group: Group, domain: str) -> Rule | None:
    row = (await conn.execute(sa.select(group_domains).where(_is(group, domain)))).first()
    return Rule.of(row) if row is not None else None


def _is(group: Group, domain: str) -> sa.ColumnElement[bool]:
    return sa.and_(group_domains.c.group_id == group.id, group_domains.c.domain == domain)


async def _one_at_a_time(conn: AsyncConnection, group: Group) -> None:
    await conn.execute(
        sa.select(groups.c.actor_id).where(groups.c.actor_id == group.id).with_for_update()
    )


async def hold_still(conn: AsyncConnection, group_id: UUID) -> None:
    """The group decides nothing about servers until this transaction ends; others may join, too.

    So what is read of it afterwards holds, or whoever joined is seen by whoever decides next.
    """
    await conn.execute(
        sa.select(groups.c.actor_id)
        .where(groups.c.actor_id == group_id)
        .with_for_update(read=True, key_share=True)
    )


async def _write(conn: AsyncConnection, group: Group, rule: Rule) -> None:
    values = {"level": rule.level.value, "reason": rule.reason, "day": rule.day}
    await conn.execute(
        insert(group_domains)
        .values(group_id=group.id, domain=rule.domain, **values)
        .on_conflict_do_update(index_elements=["group_id", "domain"], set_=values)
    )
    count = await conn.scalar(
        sa.select(sa.func.count())
        .select_from(group_domains)
        .where(group_domains.c.group_id == group.id)
    )
    if (count or 0) > MAX_RULES:
        raise Conflict(said("A group can have rules about {limit} servers.", limit=MAX_RULES))


async def _reach(conn: AsyncConnection, group: Group) -> Reach:
    """What the rules of a group, as they stand now, would cut of what is still there."""
    row = (await conn.execute(_REACH, {"group_id": group.id})).mappings().one()
    return Reach(**row) if row["members"] or row["waiting"] else Reach()


async def _cut(conn: AsyncConnection, here: Here, group: Group) -> None:
    """Move places of people whose servers the group takes nothing from into the ledger."""
    values = {"group_id": group.id, "day": here.now().date()}
    moved = await conn.execute(_CUT, values)
    if moved.rowcount:
        await order.call(conn, follows, severed_follows)


_OUT: Final = f"""
    SELECT theirs.id, follows.state FROM follows
    JOIN actors AS theirs ON theirs.id = follows.follower_id
    JOIN actors AS ours ON ours.id = follows.followed_id
    WHERE follows.followed_id = :group_id AND {kept_out("theirs", "ours")}"""  # noqa: S608
_GROUP: Final = sa.bindparam("group_id", type_=sa.Uuid)
_REACH: Final = sa.text(
    f"""
    WITH gone AS ({_OUT}), spoken AS (
        SELECT DISTINCT threads.id FROM gone
        JOIN posts ON posts.author_id = gone.id AND posts.group_id = :group_id
        JOIN threads ON threads.id = posts.thread_id AND threads.shown AND NOT threads.locked
        WHERE posts.state = 'shown'
    )
    SELECT (SELECT count(*) FROM gone WHERE state = 'accepted') AS members,
        (SELECT count(*) FROM gone WHERE state <> 'accepted') AS waiting,
        (SELECT count(*) FROM spoken) AS threads,
        (SELECT count(DISTINCT cases.id) FROM spoken
            JOIN posts ON posts.thread_id = spoken.id
            JOIN cases ON cases.post_id = posts.id AND cases.state <> 'closed') AS cases
    """  # noqa: S608  (names of our own)
).bindparams(_GROUP)
_CUT: Final = sa.text(
    f"""
    WITH gone AS ({_OUT}), cut AS (
        DELETE FROM follows USING gone
        WHERE follows.follower_id = gone.id AND follows.followed_id = :group_id
        RETURNING follows.*
    )
    INSERT INTO severed_follows
        (follower_id, followed_id, state, uri, guidelines, approved, turn, day)
    SELECT follower_id, followed_id, state, uri, guidelines, approved, turn, :day FROM cut
    ORDER BY follower_id
    ON CONFLICT (follower_id, followed_id) DO UPDATE SET
        state = excluded.state, uri = excluded.uri, guidelines = excluded.guidelines,
        approved = excluded.approved, turn = excluded.turn, day = excluded.day
    """  # noqa: S608
).bindparams(_GROUP, sa.bindparam("day", type_=sa.Date))
_MODERATES: Final = sa.text(
    f"""
    SELECT true FROM moderators
    JOIN actors AS theirs ON theirs.id = moderators.actor_id
    JOIN actors AS ours ON ours.id = moderators.group_id
    WHERE moderators.group_id = :group_id AND {kept_out("theirs", "ours")} LIMIT 1
    """  # noqa: S608
).bindparams(_GROUP)
