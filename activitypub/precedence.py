"""Which deliveries to a server go before the others that wait for it (WIRE 6.3, SECURITY P4).

What takes words back, or keeps somebody out, goes first. It never overtakes what it takes back:
that has left the queue already, or comes along in front of it.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.vocab import Activity, ActivityKind
from kernel.arrays import any_of
from kernel.rows import constant, number
from kernel.schema.federation import Rank
from kernel.schema.tables import activities, deliveries

_FIRST: Final = frozenset({"Block", "Delete", "Flag", "Reject", "Undo"})
_IN_ORDER_TOO: Final = frozenset({"Lock"})  # what was said before a lock must be heard before it
_VOTES: Final = frozenset({"Dislike", "EmojiReact", "Like"})


def rank_of(activity: Activity) -> Rank:
    """When an activity has its turn; of what a group passes on, ask for the activity inside."""
    if activity.kind in _FIRST and activity.inner_kind not in _IN_ORDER_TOO:
        return Rank.FIRST
    return Rank.VOTE if activity.kind in _VOTES else Rank.IN_ORDER


async def bring_along(conn: AsyncConnection, uris: Sequence[str]) -> None:
    """What these activities answer or take back, where it still waits, goes first as well.

    It has a lower number than they will have, and so stays before them. `uris` are kept already.
    """
    if uris:
        await conn.execute(_BRING_ALONG, {"uris": list(uris)})


def _bring_along() -> sa.Executable:
    taking = activities.alias("taking")
    about = (
        sa.select(taking.c.object_uri)
        .where(any_of(taking.c.uri, "uris"), taking.c.object_uri != sa.literal_column("''"))
        .cte("about")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    before = sa.union(
        sa.select(about.c.object_uri.label("uri")),
        sa.select(activities.c.uri)
        .join(about, about.c.object_uri == activities.c.object_uri)
        .where(
            activities.c.kind.in_([constant(ActivityKind.ACCEPT), constant(ActivityKind.ANNOUNCE)])
        ),
    ).subquery()
    return (
        sa.update(deliveries)
        .where(
            deliveries.c.activity_uri == before.c.uri,
            deliveries.c.rank != number(Rank.FIRST),
            deliveries.c.parked.is_(None),
        )
        .values(rank=number(Rank.FIRST))
    )


_BRING_ALONG = _bring_along()
