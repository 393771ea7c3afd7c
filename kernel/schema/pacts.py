"""Agreements with other nodes, and the advice that nodes give each other. Nobody here is named."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table


class PactState(StrEnum):
    NONE = "none"  # nothing was agreed yet; an offer may wait
    MADE = "made"
    ENDED = "ended"
    BROKEN = "broken"  # the other node's key is not the agreed one: both have to agree anew


class Afterwards(StrEnum):
    """What shall become of what a peer's advice did, once the pact has ended."""

    KEEP = "keep"
    REVIEW = "review"
    UNDO = "undo"


class Tier(StrEnum):
    """Who may read what this node advises."""

    PUBLIC = "public"
    PACTS = "pacts"
    NOBODY = "nobody"


class SignalState(StrEnum):
    """Where a change that came from elsewhere stands here."""

    HELD = "held"  # waits for a person to look at it
    SHOWN = "shown"  # a person has seen it and lets it stand
    IGNORED = "ignored"  # a person has seen it and leaves it
    REPLACED = "replaced"  # its issuer said something newer of the same
    RETRACTED = "retracted"
    EXPIRED = "expired"
    NOTED = "noted"  # it takes another one back, and says nothing else


pacts = table(
    "pacts",
    Side.NEITHER,
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, server_default=PactState.NONE.value),
    sa.Column("uri", sa.Text, nullable=False, server_default=""),  # of the pact that was made
    sa.Column("document", sa.Text, nullable=False, server_default=""),  # and what it says
    sa.Column("desk_uri", sa.Text, nullable=False, server_default=""),  # theirs
    sa.Column("desk_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="SET NULL")),  # known so
    sa.Column("their_key", sa.Text, nullable=False, server_default=""),  # pinned; a Multikey
    sa.Column("ours", sa.Text, nullable=False, server_default=""),  # our offer that waits
    sa.Column("theirs", sa.Text, nullable=False, server_default=""),  # their offer that waits,
    sa.Column("offer_uri", sa.Text, nullable=False, server_default=""),  # and what brought it
    sa.Column("reason", sa.Text, nullable=False, server_default=""),  # why it is over, a word
    sa.Column("afterwards", sa.Text),  # an `Afterwards`, once it has ended
    sa.Column("frozen", sa.Boolean, nullable=False, server_default=sa.false()),  # by us
    sa.Column("frozen_there", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("unsafe", sa.Boolean, nullable=False, server_default=sa.false()),  # we said so of us
    sa.Column("offers", sa.Integer, nullable=False, server_default="0"),  # that came on `day`
    sa.Column("day", sa.Date, nullable=False),  # of the last change
    one_of("state", "state", PactState),
    one_of("afterwards", "afterwards", Afterwards),
)

datasets = table(  # the one that this node gives out
    "datasets",
    Side.NEITHER,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("id", sa.Uuid, nullable=False),
    sa.Column("tier", sa.Text, nullable=False, server_default=Tier.PACTS.value),
    sa.Column("day", sa.Date, nullable=False),
    sa.CheckConstraint("one", name="only_one"),
    one_of("tier", "tier", Tier),
)

signal_changes = table(  # what it says, in order; each is bound to all before it
    "signal_changes",
    Side.NEITHER,
    # '': the dataset for all; else the peer that one about people is for.
    sa.Column("host", sa.Text, primary_key=True, server_default=""),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Uuid, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("entity_kind", sa.Text, nullable=False),
    sa.Column("entity_key", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # JSON without its proof; blank once erased
    sa.Column("body_hash", sa.Text, nullable=False),
    sa.Column("prev", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),  # what the next one calls `prev`
    sa.Column("ends", sa.Date),
    sa.Column("day", sa.Date, nullable=False),
    sa.Index("ix_signal_changes_entity", "host", "entity_kind", "entity_key", "seq"),
)

signal_sources = table(  # datasets elsewhere that are read from here
    "signal_sources",
    Side.NEITHER,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("url", sa.Text, nullable=False, unique=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pact", sa.Boolean, nullable=False),  # proven and chained; else a plain list
    # About people, by hashes that only its issuer and this node can make.
    sa.Column("people", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("last_id", sa.Text, nullable=False, server_default=""),  # of what was read last
    sa.Column("seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("link", sa.Text, nullable=False, server_default=""),
    sa.Column("quarantined", sa.Text, nullable=False, server_default=""),  # why, a word
    sa.Column("due", sa.DateTime(timezone=True), nullable=False),  # whole minutes
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("shown", sa.Text, nullable=False, server_default=""),  # its newest head, signed
    sa.Column("compared", sa.Date),  # when its head was last compared with what peers hold
    sa.Index("ix_signal_sources_due", "due"),
    sa.Index("ix_signal_sources_host", "host"),
)

signal_links = table(  # of chains that were read, what each change is bound to
    "signal_links",
    Side.NEITHER,
    sa.Column(
        "source_id",
        sa.BigInteger,
        sa.ForeignKey(signal_sources.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("link", sa.Text, nullable=False),
)

signals = table(  # what they say
    "signals",
    Side.NEITHER,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column(
        "source_id",
        sa.BigInteger,
        sa.ForeignKey(signal_sources.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("entity_kind", sa.Text, nullable=False),
    sa.Column("entity_key", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("labels", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("filters", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("confidence", sa.Float),
    sa.Column("case_count", sa.Integer),
    sa.Column("approvals", sa.Integer),
    sa.Column("first_seen", sa.Date),
    sa.Column("published", sa.Date),
    sa.Column("ends", sa.Date, nullable=False),
    sa.Column("updated", sa.DateTime(timezone=True)),  # the words of a post that it is about
    sa.Column("sources", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),  # links
    sa.Column("retracts", sa.Text, nullable=False, server_default=""),
    sa.Column("place", sa.BigInteger, nullable=False),  # its order among those of its source
    sa.Column("derived_from", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("answer", sa.Text),  # what a person made of it: a state, once one did
    # The words of a post that it held, and that a moderator read and showed all the same.
    sa.Column("released", sa.DateTime(timezone=True)),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),  # of its last change of state
    sa.Column("came", sa.Date, nullable=False),  # to this node
    # Of a line that waits: somebody was reminded of it; nobody had an opinion, and it does nothing.
    sa.Column("reminded", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("began", sa.Date),  # to do something here, for the first time
    # Its issuer was asked to look again, and has not answered by its own last day (MOD-5.8).
    sa.Column("appeal_unanswered", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("source_id", "uri"),
    sa.Index("ix_signals_entity", "source_id", "entity_kind", "entity_key"),
    sa.Index("ix_signals_retracts", "source_id", "retracts"),
    sa.Index("ix_signals_state", "state", "id"),
    sa.Index("ix_signals_ends", "ends", postgresql_where=sa.text("state IN ('held', 'shown')")),
    one_of("state", "state", SignalState),
)
