"""Alerts: that something waits at a desk, and nothing of what it is (DOM-D13, MOD-H2).

A call is written in the transaction of what waits, so both are there or neither is. A worker takes
calls in, and each place of that desk is told: the first at once, then at most once within its pace,
and not at all where somebody looked in between. What is urgent does not wait for what was not.
Calls are rows of their own: whoever posts never waits for a worker, or for somebody else who posts.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance
from kernel.clock import COARSE, to_five_minutes
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.tables import alert_calls, alert_channels
from moderation.alert_channels import COLUMNS, PACES, Channel, of_desk

RETRIES: Final = tuple(timedelta(minutes=each) for each in (5, 15, 60, 240, 480, 640))
"""After each attempt that failed: a day in all. Then it rests until something new waits."""

_STEP: Final = 1_000  # calls taken in at once


async def call(conn: AsyncConnection, group_id: UUID | None, *, urgent: bool = False) -> None:
    """Something began to wait at a group's desk, or at the node's: it is told once this commits."""
    listens = sa.exists().where(of_desk(group_id), alert_channels.c.confirmed)
    values = (
        sa.literal(chance.new_uuid(), sa.Uuid),
        sa.literal(group_id, sa.Uuid),
        sa.literal(urgent, sa.Boolean),
    )
    await conn.execute(
        sa.insert(alert_calls).from_select(
            ["id", "group_id", "urgent"], sa.select(*values).where(listens)
        )
    )


async def seen(conn: AsyncConnection, group_id: UUID | None, *, urgent: bool = False) -> None:
    """Somebody who looks after the desk did something there: what was not told yet need not be.

    What is urgent is told all the same, unless it is what they did: they may not have seen it.
    """
    whose = alert_calls.c.group_id
    spared = sa.false() if urgent else alert_calls.c.urgent
    await conn.execute(
        sa.delete(alert_calls).where(
            whose.is_(None) if group_id is None else whose == group_id, ~spared
        )
    )
    told = sa.or_(alert_channels.c.waits, alert_channels.c.failures > 0)
    if not urgent:
        told = sa.and_(told, ~alert_channels.c.urgent)
    await conn.execute(
        sa.update(alert_channels)
        .where(alert_channels.c.id.in_(_locked(of_desk(group_id), told)))
        .values(waits=False, urgent=False, failures=0)
    )


def _locked(*where: sa.ColumnElement[bool]) -> sa.Select[UUID]:
    """SQL: such channels, locked in one order, so that nobody waits for each other."""
    return (
        sa.select(alert_channels.c.id).where(*where).order_by(alert_channels.c.id).with_for_update()
    )


async def take_in(conn: AsyncConnection, here: Here) -> None:
    """Let the places of every desk that was called for know that they have something to tell."""
    some = sa.select(alert_calls.c.id).limit(at_most(_STEP)).with_for_update(skip_locked=True)
    rows = await conn.execute(
        sa.delete(alert_calls)
        .where(alert_calls.c.id.in_(some))
        .returning(alert_calls.c.group_id, alert_calls.c.urgent)
    )
    desks: dict[UUID | None, bool] = {}
    for group_id, urgent in rows:
        desks[group_id] = urgent or desks.get(group_id, False)
    for group_id in sorted(desks, key=str):
        values: dict[str, object] = {"waits": True, "next_attempt": _sooner(here, desks[group_id])}
        if desks[group_id]:
            values["urgent"] = True
        where = _locked(of_desk(group_id), alert_channels.c.confirmed)
        await conn.execute(
            sa.update(alert_channels).where(alert_channels.c.id.in_(where)).values(values)
        )


def _sooner(here: Here, urgent: bool) -> sa.ColumnElement[datetime]:
    """SQL: when a place is told of one thing more. None of this waits for the end of a long pause.

    A place that was not reached is tried again soon. What is urgent is told at once, or after what
    was urgent as well with the shortest pace: the shortest clock of a care case does not wait.
    """
    columns = alert_channels.c
    soon = sa.func.least(columns.next_attempt, _later(here.now(), RETRIES[1]))
    cases: list[tuple[sa.ColumnElement[bool], sa.ColumnElement[datetime]]]
    cases = [(columns.failures > 0, soon)]
    if urgent:
        spared = (columns.pace - PACES[0]) * sa.literal_column("interval '1 minute'", sa.Interval)
        first = sa.and_(~columns.urgent, ~columns.told_urgent)
        cases.append((first, sa.func.least(columns.next_attempt, to_five_minutes(here.now()))))
        cases.append((~columns.urgent, columns.next_attempt - spared))
    return sa.case(*cases, else_=columns.next_attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A place whose turn it is, and which attempt this is."""

    channel: Channel
    urgent: bool
    attempt: int


async def claim(conn: AsyncConnection, here: Here) -> Turn | None:
    """The next place to tell; nobody else tells it until this attempt failed. None: none is due.

    The attempt is counted before it is made, so one that ends with the process is made again.
    """
    now, columns = here.now(), alert_channels.c
    rows = await conn.execute(
        sa.select(*COLUMNS, columns.urgent, columns.failures)
        .where(
            sa.or_(columns.waits, columns.failures > 0),
            sa.or_(columns.next_attempt.is_(None), columns.next_attempt <= now),
        )
        .order_by(columns.next_attempt.nulls_first(), columns.id)
        .limit(at_most(1))
        .with_for_update(skip_locked=True)
    )
    if (row := rows.first()) is None:
        return None
    wait = RETRIES[min(row.failures, len(RETRIES) - 1)]
    await conn.execute(
        sa.update(alert_channels)
        .where(columns.id == row.id)
        .values(waits=False, failures=columns.failures + 1, next_attempt=_later(now, wait))
    )
    channel = Channel.of(here, row)
    return Turn(channel=channel, urgent=row.urgent, attempt=row.failures + 1)


def _later(now: datetime, wait: timedelta) -> datetime:
    """Rounded up: what is stored tells five minutes, and nothing goes out too early."""
    return to_five_minutes(now + wait) + COARSE


async def went_out(conn: AsyncConnection, here: Here, turn: Turn) -> None:
    """It arrived: the next one goes after the place's pace at the earliest."""
    columns = alert_channels.c
    await conn.execute(
        sa.update(alert_channels)
        .where(columns.id == turn.channel.id)
        .values(
            failures=0,
            failing=None,
            urgent=sa.and_(columns.waits, columns.urgent),
            told_urgent=turn.urgent,
            next_attempt=_later(here.now(), timedelta(minutes=turn.channel.pace)),
        )
    )


async def failed(conn: AsyncConnection, here: Here, turn: Turn) -> None:
    """It did not arrive: pages say so from today on, and after a day of trying it rests."""
    columns = alert_channels.c
    values: dict[str, object] = {"failing": sa.func.coalesce(columns.failing, here.now().date())}
    if turn.attempt > len(RETRIES):
        values |= {
            "failures": 0,
            "urgent": sa.and_(columns.waits, columns.urgent),
            "next_attempt": _later(here.now(), RETRIES[1]),
        }
    await conn.execute(
        sa.update(alert_channels).where(columns.id == turn.channel.id).values(values)
    )


async def works(conn: AsyncConnection, channel_id: UUID) -> None:
    """A test arrived."""
    await conn.execute(
        sa.update(alert_channels).where(alert_channels.c.id == channel_id).values(failing=None)
    )


async def forget_times(conn: AsyncConnection, here: Here) -> None:
    """A time that is over says when something began to wait, so it goes (SEC-U18)."""
    columns = alert_channels.c
    await conn.execute(
        sa.update(alert_channels)
        .where(columns.next_attempt <= here.now(), ~columns.waits, columns.failures == 0)
        .values(next_attempt=None, told_urgent=False)
    )


async def failing(conn: AsyncConnection, today: date) -> int:
    """How many places nothing has reached since yesterday or longer."""
    count = await conn.scalar(
        sa.select(sa.func.count())
        .select_from(alert_channels)
        .where(alert_channels.c.failing < today)
    )
    return count or 0
