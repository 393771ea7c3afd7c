"""Decisions of moderators. A ban names a persona and touches no row of a sibling (DESIGN-V3)."""

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table


class Level(StrEnum):
    """How much a domain is kept away, from not at all to silently (MOD-3.10)."""

    ACCEPT = "accept"  # as everybody, whatever is decided about a domain above it
    NOTE = "note"  # something is written down about it
    FILTER = (
        "filter"  # what comes from there is on no public list; who comes into a group asks first
    )
    REJECT = "reject"  # nothing is heard or told, and its server is told so
    DROP = "drop"  # the same, and its server is not told


class ListMode(StrEnum):
    """What becomes of the rows of a list."""

    DRAFT = "draft"  # a person looks at what is new before it holds
    AUTOMATIC = "automatic"


bans = table(
    "bans",
    Side.PERSONA,
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "actor_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("reason", sa.Text, nullable=False),  # shown to the member alone
    sa.Column("until", sa.Date),
    sa.Index("ix_bans_actor_id", "actor_id"),
)

domain_policies = table(  # what is decided about a domain and everything below it, by whom
    "domain_policies",
    Side.NEITHER,
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),  # '': our own decision; else a list's id
    sa.Column("held", sa.Boolean, primary_key=True),  # a list says so, nobody agreed to it yet
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("reject_media", sa.Boolean, nullable=False),
    sa.Column("reject_reports", sa.Boolean, nullable=False),
    sa.Column("public_comment", sa.Text, nullable=False, server_default=""),
    sa.Column("private_comment", sa.Text, nullable=False, server_default=""),
    sa.Column("obfuscate", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("until", sa.Date),  # the last day on which it holds
    sa.Column("day", sa.Date, nullable=False),
    # of all that is said about this domain, this counts; kept by `moderation.policy.settle`
    sa.Column("in_force", sa.Boolean, nullable=False, server_default=sa.false()),
    one_of("level", "level", Level),
    sa.Index("ix_domain_policies_in_force", "domain", postgresql_where=sa.text("in_force")),
    sa.Index("ix_domain_policies_source", "source", "held", "domain"),
    sa.Index("ix_domain_policies_until", "until", postgresql_where=sa.text("until IS NOT NULL")),
)

domain_blocks = table(  # of those in force, the ones that reject or drop: read at every step
    "domain_blocks",
    Side.NEITHER,
    sa.Column("domain", sa.Text, primary_key=True),  # it and everything below it,
    sa.Column("drops", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("spares", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),  # but these
)

domain_filters = table(  # the ones that take posts off public lists
    "domain_filters",
    Side.NEITHER,
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("spares", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
)

domain_lists = table(  # lists of domains from elsewhere: files, and addresses that are read again
    "domain_lists",
    Side.NEITHER,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text),  # None: a file
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("max_level", sa.Text, nullable=False),
    sa.Column("excluded", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("rows", sa.Integer, nullable=False, server_default="0"),  # when it was last taken
    sa.Column("canaries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("trouble", sa.Text, nullable=False, server_default=""),
    sa.Column("etag", sa.Text, nullable=False, server_default=""),
    sa.Column("modified", sa.Text, nullable=False, server_default=""),  # as its server said it
    sa.Column("taken", sa.Date),
    sa.Column("new_day", sa.Date),  # on which
    sa.Column("new_rows", sa.Integer, nullable=False, server_default="0"),  # so many were added
    sa.Column("due", sa.DateTime(timezone=True)),  # of the next look, to the minute
    one_of("mode", "mode", ListMode),
    one_of("max_level", "max_level", Level),
    sa.Index("ix_domain_lists_due", "due", postgresql_where=sa.text("due IS NOT NULL")),
)

list_takings = table(  # each time that rows of a list were taken, or went
    "list_takings",
    Side.NEITHER,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column(
        "list_id", sa.Text, sa.ForeignKey(domain_lists.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("day", sa.Date, nullable=False),
    sa.Index("ix_list_takings_list_id_id", "list_id", "id"),
    sa.Index("ix_list_takings_day", "day"),
)

list_taken_rows = table(  # the domains of these rows, and what the list said about each before
    "list_taken_rows",
    Side.NEITHER,
    sa.Column(
        "taking_id",
        sa.BigInteger,
        sa.ForeignKey(list_takings.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("before", sa.Text, nullable=False),  # columns of `domain_policies`; '': nothing
)

domain_errands = table(  # what is still to be counted or let go because of what was decided
    "domain_errands",
    Side.NEITHER,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("recount", sa.Boolean, nullable=False),
    sa.Column("pictures", sa.Boolean, nullable=False),
)

limits = table(
    "limits",
    Side.PERSONA,
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "actor_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("until", sa.Date, nullable=False),  # until then a moderator reads its posts first
    sa.Index("ix_limits_actor_id", "actor_id"),
)

# Until when somebody does nothing here; that they are stopped, their row in `actors` says. Beside
# a name that is closed: its owner erased it, and the stop holds against their other names.
stops = table(
    "stops",
    Side.PERSONA,
    sa.Column(
        "actor_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("decision_id", sa.BigInteger),  # its line in `audit`; none: lost with a restore
    sa.Column("until", sa.Date),  # the last day; none: until somebody changes it
    sa.Index("ix_stops_until", "until", postgresql_where=sa.text("until IS NOT NULL")),
)


class Role(StrEnum):
    """As what somebody decided; who it was is kept nowhere."""

    GROUP = "group"
    NODE = "node"
    ADMINISTRATOR = "administrator"
    PEER = "peer"  # the desk of another node


audit = table(
    "audit",  # what a decision says; it may go, its line in `audit_chain` may not
    Side.PERSONA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE")),
    sa.Column("actor_id", sa.Uuid, nullable=False),  # the desk or the moderating actor
    sa.Column("role", sa.Text, nullable=False, server_default=Role.GROUP.value),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("object_uri", sa.Text, nullable=False),
    sa.Column("person_id", sa.Uuid),  # whose it is, where `object_uri` is a person or a post
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False, server_default=""),
    sa.Column("until", sa.Date),
    sa.Column("basis", ARRAY(sa.Text), nullable=False, server_default="{}"),  # ids of signals
    sa.Column("impact", JSONB(none_as_null=True)),
    sa.Column("before", JSONB(none_as_null=True)),
    sa.Column("after", JSONB(none_as_null=True)),
    sa.Column("undo", sa.Text, nullable=False, server_default=""),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("salt", sa.LargeBinary(32), nullable=False, server_default=""),
    sa.Column("details", sa.LargeBinary(32), nullable=False, server_default=""),
    one_of("role", "role", Role),
    sa.Index("ix_audit_group_id_id", "group_id", "id"),
    sa.Index(
        "ix_audit_person_id_id",
        "person_id",
        "id",
        postgresql_where=sa.text("person_id IS NOT NULL"),
    ),
    sa.Index("ix_audit_basis", "id", postgresql_where=sa.text("basis <> '{}'")),
)

audit_chain = table(
    "audit_chain",  # a trigger writes it when a decision commits; nothing ever changes it
    Side.PERSONA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),  # without gaps
    sa.Column("id", sa.BigInteger, nullable=False, unique=True),  # of the row in `audit`
    sa.Column("group_id", sa.Uuid),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("details", sa.LargeBinary(32), nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sa.Index("ix_audit_chain_group_id_seq", "group_id", "seq"),
    sa.Index("ix_audit_chain_group_id_verb_seq", "group_id", "verb", "seq"),
    sa.Index("ix_audit_chain_group_id_day", "group_id", "day"),
    sa.Index("ix_audit_chain_day", "day"),
    sa.Index("ix_audit_chain_of_node", "seq", postgresql_where=sa.text("role <> 'group'")),
)

audit_marks = table(
    "audit_marks",  # so that nobody answers an appeal against their own decision
    Side.PERSONA,
    sa.Column("decision_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("mark", sa.LargeBinary(32), nullable=False),
    sa.Column("until", sa.Date, nullable=False),
    sa.Index("ix_audit_marks_until", "until"),
)


class AppealState(StrEnum):
    OPEN = "open"
    UPHELD = "upheld"  # it stays as it was decided
    CHANGED = "changed"


appeals = table(
    "appeals",
    Side.PERSONA,
    sa.Column("decision_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE")),
    sa.Column("person_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("words", sa.LargeBinary, nullable=False),  # sealed and padded
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("day", sa.Date, nullable=False),  # of the appeal; once answered, of the answer
    sa.Column("uri", sa.Text, unique=True),  # of the note that asked, where it came from elsewhere
    one_of("state", "state", AppealState),
    sa.Index("ix_appeals_group_id_state_decision_id", "group_id", "state", "decision_id"),
    sa.Index("ix_appeals_person_id", "person_id"),
)
