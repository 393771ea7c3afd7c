"""Somebody may not be well: people here look sooner, and nothing else follows from it (MOD-5.14).

No table of what is decided about people (bans, limits, labels, the log, advice) has a key that
leads here, and none here leads there. `holder`, `bearer` and `first` are made of a member's root
key and of what they are about, so no two of them are alike.
"""

from enum import IntEnum, StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table
from kernel.schema.posts import posts


class Level(IntEnum):
    """How soon somebody looks."""

    NOW = 0
    HIGH = 1
    MEDIUM = 2
    LOW = 3


class CareState(StrEnum):
    OPEN = "open"
    HELD = "held"  # somebody looks at it
    CLOSED = "closed"


class Author(StrEnum):
    """What the person it is about was told."""

    NOTHING = "nothing"  # nothing yet
    LINES = "lines"  # who is there for them, day and night
    THOUGHT = "thought"  # that somebody read it and thinks of them
    UNSAFE = "unsafe"  # nothing: it would not be safe for them


class Ending(StrEnum):
    """How a care case ended. None of these says anything about the person."""

    SUPPORTED = "supported"
    NOT_NEEDED = "not needed"
    GONE = "gone"  # the words were taken back


care_cases = table(
    "care_cases",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    # Whose desk reads it; none: the moderators of the node.
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE")),
    sa.Column("post_id", sa.BigInteger, sa.ForeignKey(posts.c.id, ondelete="CASCADE")),
    sa.Column("host", sa.Text, nullable=False),  # where the person lives
    sa.Column("mark", sa.LargeBinary(32), nullable=False),  # of what it is about
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("holder", sa.LargeBinary(32)),  # HMAC(root, case): for whoever looks alone
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("since", sa.Date, nullable=False),
    # Until when somebody should have looked, or looked again: a clock needs a time. It is rounded
    # down, to an hour, or to five or fifteen minutes where the clock itself is short.
    sa.Column("due", sa.DateTime(timezone=True)),
    sa.Column(
        "missed", sa.SmallInteger, nullable=False, server_default="0"
    ),  # how often nobody did
    sa.Column("ending", sa.Text),
    sa.Column("closed_on", sa.Date),
    sa.Column("sealed", sa.LargeBinary),  # whom and what it is about, padded, by the node key
    sa.CheckConstraint("level BETWEEN 0 AND 3", name="level"),
    one_of("state", "state", CareState),
    one_of("author", "author", Author),
    one_of("ending", "ending", Ending),
    sa.CheckConstraint("(state = 'held') = (holder IS NOT NULL)", name="holder"),
    sa.CheckConstraint("(state = 'closed') = (ending IS NOT NULL)", name="closed"),
    sa.CheckConstraint("(state = 'closed') = (due IS NULL)", name="due"),
    sa.Index(
        "ix_care_cases_mark", "mark", unique=True, postgresql_where=sa.text("state <> 'closed'")
    ),
    sa.Index("ix_care_cases_due", "due", "id", postgresql_where=sa.text("state <> 'closed'")),
    sa.Index(
        "ix_care_cases_queue",
        "level",
        "due",
        "id",
        postgresql_where=sa.text("state <> 'closed'"),
    ),
    sa.Index("ix_care_cases_host", "host", postgresql_where=sa.text("state <> 'closed'")),
    sa.Index(
        "ix_care_cases_untold",
        "id",
        postgresql_where=sa.text("author = 'nothing' AND state <> 'closed'"),
    ),
    sa.Index("ix_care_cases_post_id", "post_id", postgresql_where=sa.text("post_id IS NOT NULL")),
    sa.Index("ix_care_cases_group_id", "group_id"),
    sa.Index(
        "ix_care_cases_closed_on", "closed_on", postgresql_where=sa.text("closed_on IS NOT NULL")
    ),
)

care_words = table(  # of who is worried, and of moderators for each other
    "care_words",
    Side.PERSONA,
    sa.Column(
        "case_id", sa.Uuid, sa.ForeignKey(care_cases.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("place", sa.SmallInteger, primary_key=True),
    # HMAC(root, object) of who is worried: nobody says the same twice
    sa.Column("bearer", sa.LargeBinary(32), unique=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # words and day, padded, by the node key
)

care_requests = table(  # peers that asked us to look after somebody
    "care_requests",
    Side.NEITHER,
    sa.Column("request_id", sa.Uuid, primary_key=True),
    sa.Column(
        "case_id", sa.Uuid, sa.ForeignKey(care_cases.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("seen", sa.Boolean, nullable=False, server_default=sa.false()),  # and they know
    sa.Index("ix_care_requests_case_id", "case_id"),
    sa.Index("ix_care_requests_host", "host"),
)

care_peers = table(  # how many of a peer's last requests were not needed: of nobody else anything
    "care_peers",
    Side.NEITHER,
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("closed", sa.Integer, nullable=False),
    sa.Column("not_needed", sa.Integer, nullable=False),
)

care_handovers = table(  # asking a service outside for help: two people say yes to it (DOM-D15)
    "care_handovers",
    Side.PERSONA,
    sa.Column(
        "case_id", sa.Uuid, sa.ForeignKey(care_cases.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("first", sa.LargeBinary(32), nullable=False),  # HMAC(root, case): who asked for it
    sa.Column("agreed", sa.Date),  # when another one said yes
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),  # the person knows
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # what is told, padded, by the node key
)

care_counts = table(  # what is left of care cases: numbers
    "care_counts",
    Side.NEITHER,
    sa.Column("month", sa.Date, primary_key=True),
    sa.Column("ending", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    one_of("ending", "ending", Ending),
)

care_looks = table(  # posts that a moderator looked at already: a mark by the node key, for a month
    "care_looks",
    Side.PERSONA,
    sa.Column("mark", sa.LargeBinary(32), primary_key=True),
    sa.Column("day", sa.Date, nullable=False),
    sa.Index("ix_care_looks_day", "day"),
)

care_objections = table(  # names whose posts no list looks through: a mark by the node key
    "care_objections",
    Side.PERSONA,
    sa.Column("mark", sa.LargeBinary(32), primary_key=True),
)

look_counts = table(  # how often the list was right: numbers by week and language (DOM-D11)
    "look_counts",
    Side.NEITHER,
    sa.Column("week", sa.Date, primary_key=True),
    sa.Column("language", sa.Text, primary_key=True),
    sa.Column("sampled", sa.Boolean, primary_key=True),  # of the others, drawn by chance
    sa.Column("looked", sa.Integer, nullable=False),
    sa.Column("fitting", sa.Integer, nullable=False),
)
