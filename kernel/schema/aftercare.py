"""What moderators do after somebody was hurt, step by step, and what a node says of its months."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table
from kernel.schema.posts import threads


class Owner(StrEnum):
    """Who sees to a step, in words of the rota: never a name."""

    NOW = "now"  # whoever is on duty
    NEXT = "next"  # whoever is on duty after that
    GROUP = "group"  # the moderators of the group together
    NODE = "node"  # the people who run the node


aftercare = table(
    "aftercare",
    Side.NEITHER,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    # Whose desk sees to it; none: the moderators of the node.
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE")),
    sa.Column("thread_id", sa.BigInteger, sa.ForeignKey(threads.c.id, ondelete="SET NULL")),
    sa.Column("began", sa.Date, nullable=False),
    sa.Index("ix_aftercare_group_id_id", "group_id", "id"),
    sa.Index(
        "ix_aftercare_thread_id", "thread_id", postgresql_where=sa.text("thread_id IS NOT NULL")
    ),
)

aftercare_steps = table(
    "aftercare_steps",
    Side.NEITHER,
    sa.Column(
        "aftercare_id",
        sa.Uuid,
        sa.ForeignKey(aftercare.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("due", sa.Date, nullable=False),
    sa.Column("done", sa.Date),
    one_of("owner", "owner", Owner),
)

month_numbers = table(  # rounded, and none that is small: what anybody may read (DOM-H6)
    "month_numbers",
    Side.NEITHER,
    sa.Column("month", sa.Date, primary_key=True),  # its first day
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer),  # none: too few to say
)
