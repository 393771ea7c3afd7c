"""What moderators are asked to look at: reports about one thing gather in one case of one desk.

Nothing here says who reported, or which moderator looks: `bearer` and `holder` are made of a
member's root key and of what they are about, so no two of them are alike.
"""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table
from kernel.schema.messages import Why
from kernel.schema.posts import posts


class Subject(StrEnum):
    """What a case is about."""

    POST = "post"
    PERSON = "person"
    MESSAGE = "message"


class CaseState(StrEnum):
    OPEN = "open"
    CLAIMED = "claimed"
    SECOND = "second"  # somebody looked, and would like to hear what another one thinks
    CLOSED = "closed"


class Outcome(StrEnum):
    """What came of a case."""

    NOTHING = "nothing"
    SUPPORTED = "supported"  # the author was helped
    REMOVED = "removed"
    AWAY = "away"  # its author stays out of the group
    STOPPED = "stopped"  # its author does nothing here for a while
    HELD = "held"  # the post is out of sight until it was read in peace
    PASSED = "passed"  # another desk looks at it


cases = table(
    "cases",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    # Whose desk reads it; none: the moderators of the node.
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE")),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("post_id", sa.BigInteger, sa.ForeignKey(posts.c.id, ondelete="CASCADE")),
    # What all reports about one thing share at one desk; of a message it tells nothing.
    sa.Column("mark", sa.LargeBinary(32), nullable=False),
    sa.Column("whose", sa.LargeBinary(32)),  # HMAC(node key, desk and persona): earlier cases
    sa.Column("why", sa.Text, nullable=False),  # the most pressing reason
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("holder", sa.LargeBinary(32)),  # HMAC(root, case): who looks, for themselves alone
    sa.Column("held_on", sa.Date),
    sa.Column("since", sa.Date, nullable=False),  # the day of its first report
    sa.Column("outcome", sa.Text),
    sa.Column("closed_on", sa.Date),
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),  # their moderators
    sa.Column("sealed", sa.LargeBinary),  # whom and what it is about, padded, by the node key
    one_of("subject", "subject", Subject),
    one_of("why", "why", Why),
    one_of("state", "state", CaseState),
    one_of("outcome", "outcome", Outcome),
    sa.CheckConstraint("(state = 'claimed') = (holder IS NOT NULL)", name="holder"),
    sa.CheckConstraint("(state = 'closed') = (outcome IS NOT NULL)", name="closed"),
    sa.Index("ix_cases_mark", "mark", unique=True, postgresql_where=sa.text("state <> 'closed'")),
    sa.Index(
        "ix_cases_queue",
        "group_id",
        "priority",
        "since",
        "id",
        postgresql_where=sa.text("state <> 'closed'"),
    ),
    sa.Index(
        "ix_cases_closed",
        "group_id",
        "closed_on",
        "id",
        postgresql_where=sa.text("state = 'closed'"),
    ),
    sa.Index("ix_cases_since", "since"),
    sa.Index("ix_cases_whose", "whose", "closed_on"),
    sa.Index("ix_cases_post_id", "post_id", postgresql_where=sa.text("post_id IS NOT NULL")),
    sa.Index("ix_cases_closed_on", "closed_on", postgresql_where=sa.text("closed_on IS NOT NULL")),
    sa.Index(
        "ix_cases_named",
        "closed_on",
        postgresql_where=sa.text("closed_on IS NOT NULL AND sealed IS NOT NULL"),
    ),
)

reports = table(  # no column says who reported, nor when (SEC-U18)
    "reports",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    # HMAC(root, object), of a Flag HMAC(node key, its id); gone once its case is closed
    sa.Column("bearer", sa.LargeBinary(32), unique=True),
    sa.Column("case_id", sa.Uuid, sa.ForeignKey(cases.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("origin", sa.Text),  # the server that a Flag came from
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # what was said, padded, by the node key
    one_of("why", "why", Why),
    sa.Index("ix_reports_case_id_id", "case_id", "id"),
    sa.Index("ix_reports_decided", "case_id", postgresql_where=sa.text("bearer IS NULL")),
)

case_notes = table(
    "case_notes",
    Side.PERSONA,
    sa.Column("case_id", sa.Uuid, sa.ForeignKey(cases.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("place", sa.SmallInteger, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # words and day, padded, by the node key
)

flags = table(  # what moderators elsewhere are to be told, in words of a moderator here
    "flags",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    sa.Column("signer_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("to_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("post_id", sa.BigInteger, sa.ForeignKey(posts.c.id, ondelete="SET NULL")),
    sa.Column("due", sa.DateTime(timezone=True), nullable=False),  # a whole minute, drawn
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the words, padded, by the node key
    sa.Index("ix_flags_due", "due", "id"),
    sa.Index("ix_flags_signer_id", "signer_id"),
    sa.Index("ix_flags_to_id", "to_id"),
    sa.Index("ix_flags_post_id", "post_id", postgresql_where=sa.text("post_id IS NOT NULL")),
)

flag_budgets = table(
    "flag_budgets",
    Side.NEITHER,
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("taken", sa.Integer, nullable=False),
)
