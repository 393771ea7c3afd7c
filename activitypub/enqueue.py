"""Make deliveries of what must be told, in one statement, and wake the workers."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from activitypub.actors import Actor
from kernel.here import Here
from kernel.schema.tables import deliveries, peers

CHANNEL = "hearthold_deliveries"


def lane_of(thread_id: int | None, signer: Actor) -> str:
    return str(thread_id) if thread_id is not None else str(signer.id)


def statement(due: sa.Select[Any] | sa.CompoundSelect[Any]) -> sa.Executable:
    """SQL: make deliveries of rows (host, inbox, lane, activity_uri, signer_id, number, rank).

    Each inbox gets an activity once; what has a smaller `number` goes first. Wakes the workers.
    """
    rows = due.cte("due").prefix_with("MATERIALIZED", dialect="postgresql")
    hosts = (
        insert(peers)
        .from_select(
            ["host", "next_attempt"],
            sa.select(
                rows.c.host, sa.bindparam("now", type_=sa.DateTime(timezone=True))
            ).distinct(),
        )
        .on_conflict_do_nothing()
        .cte("hosts")
    )
    made = (
        insert(deliveries)
        .from_select(
            ["host", "inbox", "lane", "activity_uri", "signer_id", "day", "rank"],
            sa.select(
                sa.func.min(rows.c.host),
                rows.c.inbox,
                rows.c.lane,
                rows.c.activity_uri,
                rows.c.signer_id,
                sa.bindparam("day", type_=sa.Date),
                sa.func.min(rows.c.rank),
            )
            .group_by(rows.c.inbox, rows.c.lane, rows.c.activity_uri, rows.c.signer_id)
            .order_by(sa.func.min(rows.c.number)),
        )
        .on_conflict_do_nothing()
        .returning(deliveries.c.id)
        .cte("made")
    )
    wake = sa.select(sa.literal(1).label("one")).select_from(made).limit(1).subquery()
    return sa.select(sa.func.pg_notify(CHANNEL, "")).select_from(wake).add_cte(hosts, made)


def values(here: Here) -> dict[str, object]:
    return {"now": here.now(), "day": here.now().date()}
