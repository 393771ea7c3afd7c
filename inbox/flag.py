"""Flag: moderators of another server ask ours to look at something (WIRE-M4, MOD-3.8).

Some servers name whoever reported as its actor. Nobody here learns that: what is kept has the
server's name alone, also in the list of what was received.
"""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.flags import Flagged
from activitypub.vocab import Activity, ActivityKind
from inbox import directed, flagged
from inbox.arrival import Arrival
from kernel.here import Here
from kernel.schema.tables import received
from kernel.sealing import mac
from kernel.urls import host_of, origin_of
from moderation import domains, reports


async def receive(arrival: Arrival) -> None:
    """Take in what it says of posts and people here; of anything else nothing, and no word of it.

    What only some may see here nobody elsewhere can report (SEC-L3).
    """
    if await directed.receive_flag(arrival):
        return
    if await _was_here(arrival):
        return
    if not await domains.takes_reports(arrival.conn, host_of(arrival.activity.id)):
        return
    if not await reports.spend(arrival.conn, arrival.here, host_of(arrival.activity.id)):
        return
    said = Flagged.parse(arrival.activity.document, arrival.here)
    for group_id, about in await flagged.about(arrival, said.uris):
        await reports.take_in(
            arrival.conn,
            arrival.here,
            flag=arrival.activity.id,
            about=about,
            words=said.words,
            group_id=group_id,
        )


async def _was_here(arrival: Arrival) -> bool:
    """Whether the same Flag came before: of what was received only a mark is left."""
    row = sa.select(received.c.id).where(_seen(arrival.here, arrival.activity))
    return await arrival.conn.scalar(row) is not None


def _seen(here: Here, activity: Activity) -> sa.ColumnElement[bool]:
    """SQL: what was received under this id before its sender was forgotten."""
    return sa.and_(
        received.c.origin == origin_of(activity.id),
        received.c.activity_uri == _mark(here, activity),
    )


def _mark(here: Here, activity: Activity) -> str:
    seen = mac(here.node_key.derive("reports"), "received", activity.id.encode())
    return f"flag:{seen.hex()}"


async def take_back(arrival: Arrival, flag: str) -> bool:
    """Undo{Flag}. False: nothing of it is here."""
    if await directed.take_back(arrival, flag):
        return True
    return await reports.take_back(arrival.conn, arrival.here, flag)


def is_about_reports(activity: Activity) -> bool:
    """Whether it is a Flag, changes one or takes one back: whoever sent it may be who reported."""
    flag = ActivityKind.FLAG
    again = (ActivityKind.UNDO, ActivityKind.UPDATE)
    return activity.kind == flag or (activity.kind in again and activity.inner_kind == flag)


async def forget_sender(conn: AsyncConnection, here: Here, row_id: int, activity: Activity) -> None:
    """Of what was received keep the server alone; the id, which may count reporters, as a mark."""
    await conn.execute(sa.delete(received).where(_seen(here, activity), received.c.id != row_id))
    await conn.execute(
        sa.update(received)
        .where(received.c.id == row_id)
        .values(
            signer_uri=f"{origin_of(activity.id)}/",
            activity_uri=_mark(here, activity),
            body=None,  # also where a person would look at it
        )
    )
