"""Where people on duty hear that something waits. No row says whose such a place is."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table


class Way(StrEnum):
    """How an alert leaves the node."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    PUSH = "push"  # to a browser, through the service of whoever made it (RFC 8030)


alert_channels = table(
    "alert_channels",
    Side.NEITHER,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    # Whose desk it belongs to; none: the people who run the node.
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE")),
    sa.Column("way", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # label and address, padded, by node key
    sa.Column("pace", sa.SmallInteger, nullable=False),  # minutes from one alert to the next
    sa.Column("confirmed", sa.Boolean, nullable=False),  # whoever reads there wants to
    sa.Column("waits", sa.Boolean, nullable=False, server_default=sa.false()),  # to be told
    sa.Column("urgent", sa.Boolean, nullable=False, server_default=sa.false()),
    # What was told last was urgent; gone with `next_attempt`.
    sa.Column("told_urgent", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("failures", sa.SmallInteger, nullable=False, server_default="0"),  # counted before
    # Not before; to five minutes, and gone once it is over: it tells when something began to wait.
    sa.Column("next_attempt", sa.DateTime(timezone=True)),
    sa.Column("failing", sa.Date),  # since when nothing arrived
    one_of("way", "way", Way),
    sa.Index("ix_alert_channels_group_id_id", "group_id", "id"),
    sa.Index("ix_alert_channels_due", "id", postgresql_where=sa.text("waits OR failures > 0")),
)

alert_calls = table(  # written with what waits, and taken in by a worker within seconds
    "alert_calls",
    Side.NEITHER,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE")),
    sa.Column("urgent", sa.Boolean, nullable=False),
)
