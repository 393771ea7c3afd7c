"""What one desk asks another one, and what came of it. Nobody who reported or decided is named."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.base import Side, one_of, table
from kernel.schema.cases import cases
from kernel.schema.posts import posts


class Category(StrEnum):
    """What is asked (MOD-5.2)."""

    REPORT = "report"
    TAKEDOWN = "takedown"
    CARE = "care"
    APPEAL = "appeal"


class Urgency(StrEnum):
    NOW = "now"
    TODAY = "today"
    ROUTINE = "routine"


class AskState(StrEnum):
    """How far it is. Of two that say something of one request, the later in this list counts."""

    WAITING = "waiting"  # it goes out a little later
    SENT = "sent"
    UNSEEN = "unseen"  # nobody there has looked in time
    HELD = "held"
    SEEN = "seen"
    REFUSED = "refused"
    CLOSED = "closed"
    TAKEN_BACK = "taken back"


def _asked(*more: sa.Column[object]) -> tuple[sa.Column[object] | sa.CheckConstraint, ...]:
    """What both directions have."""
    return (
        sa.Column("id", sa.Uuid, primary_key=True),  # random
        sa.Column("host", sa.Text, nullable=False),  # of the other desk
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("urgency", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("case_id", sa.Uuid, sa.ForeignKey(cases.c.id, ondelete="SET NULL")),
        # Of an appeal the advice that it is about; of care a mark of the post, by the node key.
        sa.Column("change", sa.Text, nullable=False, server_default=""),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),  # of a no, a word
        sa.Column("outcome", sa.Text, nullable=False, server_default=""),  # a word
        sa.Column("day", sa.Date, nullable=False),  # of the last change
        # When it goes out, when an answer is missed, or when what was done for it ends: a whole
        # minute, gone once it is nobody's to wait for.
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.Column("version", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("sealed", sa.LargeBinary, nullable=False),  # what is said, by the node key
        *more,
        one_of("category", "category", Category),
        one_of("urgency", "urgency", Urgency),
        one_of("state", "state", AskState),
    )


asks_out = table(
    "asks_out",
    Side.PERSONA,
    *_asked(),
    sa.Index("ix_asks_out_due", "due", "id", postgresql_where=sa.text("due IS NOT NULL")),
    sa.Index("ix_asks_out_day", "day", "id"),
    sa.Index("ix_asks_out_case_id", "case_id", postgresql_where=sa.text("case_id IS NOT NULL")),
    sa.Index("ix_asks_out_change", "change", postgresql_where=sa.text("change <> ''")),
)

asks_in = table(
    "asks_in",
    Side.PERSONA,
    *_asked(
        sa.Column("uri", sa.Text, nullable=False, unique=True),  # of the Flag that asks
        sa.Column("answer_id", sa.Uuid, nullable=False),  # of the one answer that it gets
        # The post that was taken out of sight for it; it is so for its sake while there is a `due`.
        sa.Column("post_id", sa.BigInteger, sa.ForeignKey(posts.c.id, ondelete="SET NULL")),
    ),
    sa.Index("ix_asks_in_due", "due", "id", postgresql_where=sa.text("due IS NOT NULL")),
    sa.Index("ix_asks_in_day", "day", "id"),
    sa.Index("ix_asks_in_case_id", "case_id", postgresql_where=sa.text("case_id IS NOT NULL")),
    sa.Index("ix_asks_in_post_id", "post_id", postgresql_where=sa.text("post_id IS NOT NULL")),
    sa.Index("ix_asks_in_host", "host", "day"),
)
