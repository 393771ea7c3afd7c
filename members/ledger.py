"""What was cut between people here and other servers, and putting it back (MOD-5.10).

It lies in a ledger for 90 days, as it was, and comes back from there once its server is talked with
again, whichever decision ended last.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.clock import to_minute
from kernel.here import Here
from kernel.said import noted, noted_pair, said_many
from kernel.schema.groups import Distance
from kernel.schema.tables import follows, moderators, severed_follows, severed_moderators
from members import order
from moderation import audit
from moderation.impact import TIES, Relations, statement, tally
from moderation.visibility import is_heard


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
            (self.back, *noted_pair(
                "{number} tie is put back.",
                "{number} ties are put back.")),
            (self.already, *noted_pair(
                "{number} is there already.",
                "{number} are there already.")),
            (self.gone, *noted_pair(
                "{number} is not: one of the two is no longer there.",
                "{number} are not: one of the two is no longer there.")),
            (self.banned, *noted_pair(
                "{number} is not: the group asked somebody to stay away.",
                "{number} are not: the group asked somebody to stay away.")),
            (self.blocked, *noted_pair(
                "{number} is not: one of the two wants to be left alone.",
                "{number} are not: one of the two wants to be left alone.")),
        )  # fmt: skip
        lines = [said_many(one, many, number=number) for number, one, many in counted if number]
        return lines or [noted("There is nothing to put back.")]


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


async def _disturbed(conn: AsyncConnection) -> None:
    """Rows went from one table to another: their order must say nothing (DESIGN)."""
    await order.call(conn, follows, moderators, severed_follows, severed_moderators)


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


def kept_out(actor: str, group: str) -> str:
    """SQL: the group takes nothing from the actor's server: the longest suffix wins (MOD-5.7)."""
    return _is_kept(actor, group, Distance.REJECT)


def asks_first(actor: str, group: str) -> str:
    """SQL: by the group's rule whoever joins from the actor's server waits for a yes (MOD-5.7)."""
    return _is_kept(actor, group, Distance.FILTER)


def _is_kept(actor: str, group: str, level: Distance) -> str:
    return f"""(NOT {actor}.local AND coalesce((
        SELECT rule.level = '{level.value}'
        FROM string_to_array(split_part({actor}.host, ':', 1), '.') AS labels,
            generate_series(1, cardinality(labels)) AS first, group_domains AS rule
        WHERE rule.group_id = {group}.id AND rule.domain = array_to_string(labels[first:], '.')
        ORDER BY first LIMIT 1
    ), false))"""  # noqa: S608


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
        WHERE {_heard("one")} AND {_heard("other")} AND NOT {kept_out("one", "other")}
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
