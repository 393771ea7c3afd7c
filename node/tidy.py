"""What happens on its own: keep-times, and personas that close."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import receipts, rotation
from groups import (
    check_ins,
    closing,
    earlier,
    expiry,
    finding,
    labelling,
    month_numbers,
    polls,
    room,
    stopping,
    unanswered,
)
from groups import waiting as waiting_store
from kernel import keep_times
from kernel.here import Here
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import activities, actor_keys, deliveries, posts, received, tombstones
from members import departures as departure_store
from members import (
    drawers,
    ledger,
    messages,
    nights,
    node,
    notices,
    openness,
    order,
    requests,
    silence,
    spent,
)
from members import sessions as session_store
from moderation import appeals, audit, casework, chain, circles, pacts, reports, standing
from moderation.care import ending as care_ending
from moderation.care import looks
from moderation.directed import answering, sent
from moderation.lists import undoing
from moderation.signals import about_people
from moderation.signals import received as received_signals
from node import keeping_away

SEEN_IDS = keep_times.SEEN_ID
ACTIVITIES = keep_times.ACTIVITY
DELIVERIES = keep_times.DELIVERY
_STEP = 1_000
# Between two persons: once delivered, nobody asks for one again, and its place among the others
# tells when somebody joined or liked (DESIGN-V1).
# A private Create of ours is a message, an answer to somebody's poll, or one that its author is
# asked about.
FLEETING = (
    "Follow", "Like", "Accept", "Reject", "Undo", "Create", "Delete", "LikeRequest", "ReplyRequest",
    "Announce", "Flag", "Offer", "Leave", "Freeze", "KeyChange", "Nudge", "TentativeAccept",
)  # fmt: skip


async def tidy(engine: AsyncEngine, here: Here) -> None:
    """One round; cheap where there is nothing to do, so it may run every minute."""
    today = here.now().date()
    async with engine.begin() as conn:
        await conn.execute(
            sa.delete(received).where(
                received.c.day < today - SEEN_IDS, received.c.state != ReceivedState.NEW
            )
        )
        await conn.execute(sa.delete(tombstones).where(tombstones.c.until < today))
        await receipts.sweep(conn, today)  # before what they are about is dropped
        waiting = sa.select(deliveries.c.activity_uri)
        of_posts = sa.select(posts.c.uri)
        wrapping = activities.alias("wrapping")  # of a circle; it goes first, with the words in it
        await conn.execute(
            sa.delete(activities).where(
                activities.c.month < today - ACTIVITIES,
                activities.c.uri.not_in(waiting),
                activities.c.object_uri.not_in(of_posts),
            )
        )
        await conn.execute(
            sa.delete(activities).where(
                ~activities.c.public,
                sa.or_(activities.c.kind.in_(FLEETING), _of_desk(here)),
                ~sa.exists().where(deliveries.c.activity_uri == activities.c.uri),
                ~sa.exists().where(
                    wrapping.c.object_uri == activities.c.uri, wrapping.c.kind == "Announce"
                ),
            )
        )
    while await drop_old_deliveries(engine, today):
        pass
    async with engine.begin() as conn:
        if await rotation.forget_earlier(conn):
            await order.call(conn, actor_keys)
    async with engine.begin() as conn:
        await earlier.sweep(conn, today)
        await check_ins.sweep(conn, here)
    async with engine.begin() as conn:
        await notices.sweep(conn, here.now())
    async with engine.begin() as conn:
        await circles.sweep(conn, here)
    async with engine.begin() as conn:
        await messages.sweep(conn, here)
        await requests.sweep(conn, here)
    async with engine.begin() as conn:
        await waiting_store.sweep(conn, here)
    async with engine.begin() as conn:
        await received_signals.sweep(conn, here)
    async with engine.begin() as conn:
        before = await node.count_people(conn, today)
    if before is not None:
        await _forget_ended(engine, here, before)
        await _note_decisions(engine, here, before)
        await _count_month(engine, here)
        await keeping_away.expire(engine, here)
        await silence.notice(engine, here)
        await silence.fall_due(engine, here)
        while await stopping.end_one(engine, here):
            pass
    await keeping_away.follow_up(engine)
    await nights.work(engine, here)
    await departure_store.fall_due(engine, here)
    while await openness.sweep(engine, here):
        pass
    while await closing.close_one(engine, here):
        pass
    while await polls.sweep(engine, here):
        pass
    while await expiry.delete_one(engine, here):
        pass
    while await labelling.turn_one(engine, here) or await labelling.hold_one(engine, here):
        pass
    await finding.take_in(engine)
    while await room.let_in(engine, here):
        pass
    while await unanswered.count_one(engine, here):
        pass
    while await check_ins.ask_one(engine, here):
        pass


def _of_desk(here: Here) -> sa.ColumnElement[bool]:
    """SQL: what our desk changed of a request to another one; the words are a moderator's."""
    return sa.and_(
        activities.c.kind == "Update", activities.c.actor_uri == f"{here.origin}/desk/node"
    )


async def _forget_ended(engine: AsyncEngine, here: Here, before: date) -> None:
    """Remove what ends with a day; to see which sealed rows do, each of them is opened.

    `before` is the day on which that was done last.
    """
    async with engine.begin() as conn:
        await standing.forget_ended(conn, here.now().date())
        await casework.sweep(conn, here.now().date(), before)
        await care_ending.sweep(conn, here.now().date())
        await looks.sweep(conn, here.now().date())
        await reports.sweep(conn, here)
        await pacts.forget_offers(conn, here)
        await sent.sweep(conn, here.now().date())
        await answering.sweep(conn, here.now().date())
        await ledger.sweep(conn, here)
        await undoing.sweep(conn, here)
    while await about_people.tell_some(engine, here):
        pass
    async with engine.begin() as conn:
        await session_store.sweep(conn, here)
    async with engine.begin() as conn:
        await spent.sweep(conn, here)
    await drawers.sweep(engine, here)


async def _count_month(engine: AsyncEngine, here: Here) -> None:
    async with engine.begin() as conn:
        await month_numbers.count(conn, here.now().date())


async def _note_decisions(engine: AsyncEngine, here: Here, before: date) -> None:
    """Where the chain of decisions ends today, so that a cut end is missed."""
    async with engine.begin() as conn:
        await audit.sweep(conn, here.now().date())
        await appeals.sweep(conn, here.now().date(), before)
        await chain.note_head(conn)


async def drop_old_deliveries(engine: AsyncEngine, today: date) -> bool:
    """A step along the oldest, which come first in the table's key. False: that was all."""
    oldest = (
        sa.select(deliveries.c.id, deliveries.c.day).order_by(deliveries.c.id).limit(_STEP)
    ).subquery()
    old = sa.select(oldest.c.id).where(oldest.c.day < today - DELIVERIES)
    async with engine.begin() as conn:
        dropped = await conn.execute(sa.delete(deliveries).where(deliveries.c.id.in_(old)))
    return dropped.rowcount > 0
