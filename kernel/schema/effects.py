"""What advice from elsewhere may do here, and what it did; what we advise about people elsewhere.

Nobody here is named.
"""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table
from kernel.schema.cases import cases


class Kind(StrEnum):
    """What another node says to this one (MOD-5.2)."""

    ADVICE_DOMAIN = "advice.domain"
    ADVICE_ACTOR = "advice.actor"
    LABEL_CONTENT = "label.content"
    LABEL_RESOURCE = "label.resource"
    REPORT = "report"
    TAKEDOWN = "takedown"
    CARE = "care"
    APPEAL = "appeal"


class Mode(StrEnum):
    """How far that goes by itself, from not at all."""

    IGNORE = "ignore"
    SHOW = "show"  # it can be read; what it would have done is noted
    HOLD = "hold"  # it waits for a person
    APPLY = "apply"  # it counts, and may act where enough others say the same


class EffectState(StrEnum):
    """How far advice about a domain has come here (MOD-5.16)."""

    TRIAL = "trial"  # it would have acted; the rules say that it only shows
    WAITING = "waiting"  # enough say so; it begins once its delay is over
    HELD = "held"  # a person decides
    BEGUN = "begun"  # it holds in a milder form, which takes nothing from anybody
    APPLIED = "applied"
    AGREED = "agreed"  # a person decided so because of it
    REVIEW = "review"  # it holds, and a person looks at it again: nobody says so any more
    ENDED = "ended"
    REFUSED = "refused"  # a person said no, or nobody said anything for a month


signal_rules = table(  # how far what a host says goes, where that is not as usual
    "signal_rules",
    Side.NEITHER,
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, primary_key=True),  # '': whatever its labels
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("max_policy", sa.Text, nullable=False),
    sa.Column("weight", sa.Float, nullable=False),
    sa.Column("delay", sa.Integer, nullable=False),  # hours
    sa.Column("ttl_cap", sa.Integer, nullable=False),  # days
    sa.Column("budget", sa.Integer, nullable=False),  # effects in a day
    sa.Column("quorum_group", sa.Text, nullable=False, server_default=""),  # who count as one
    one_of("kind", "kind", Kind),
    one_of("mode", "mode", Mode),
    sa.CheckConstraint("weight BETWEEN 0 AND 1", name="weight"),
)

signal_effects = table(  # what advice about domains did, or waits to do
    "signal_effects",
    Side.NEITHER,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("level", sa.Text, nullable=False),  # what enough of them ask for
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),  # it is held, or over: a word
    sa.Column("basis", sa.ARRAY(sa.Text), nullable=False),  # ids of changes
    sa.Column("hosts", sa.ARRAY(sa.Text), nullable=False),  # who say so
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("issuers", sa.Integer, nullable=False),  # that count, once those who are one are one
    sa.Column("impact", sa.Text, nullable=False, server_default=""),  # JSON (`moderation.impact`)
    sa.Column("decision", sa.BigInteger),  # the line of the log that says what came of it
    sa.Column("first_yes", sa.BigInteger),  # of two people who have to agree, the first's line
    sa.Column("reminded", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("began", sa.Date, nullable=False),
    sa.Column("due", sa.DateTime(timezone=True)),  # of the next step; a whole hour
    sa.Column("day", sa.Date, nullable=False),  # of its last change of state
    one_of("state", "state", EffectState),
    sa.Index(
        "ux_signal_effects_domain",
        "domain",
        unique=True,
        postgresql_where=sa.text("state NOT IN ('ended', 'refused')"),
    ),
    sa.Index("ix_signal_effects_state_id", "state", "id"),
)

people_effects = table(  # what advice about somebody who was met here did, or waits to do
    "people_effects",
    Side.NEITHER,
    sa.Column(
        "actor_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),  # a word
    sa.Column("basis", sa.ARRAY(sa.Text), nullable=False),  # ids of changes
    sa.Column("hosts", sa.ARRAY(sa.Text), nullable=False),  # who say so
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("issuers", sa.Integer, nullable=False),
    sa.Column("decision", sa.BigInteger),  # the line of the log that says what came of it
    sa.Column("reminded", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("began", sa.Date, nullable=False),
    sa.Column("due", sa.DateTime(timezone=True)),  # when it begins; a whole hour
    sa.Column("day", sa.Date, nullable=False),  # of its last change of state
    one_of("state", "state", EffectState),
    sa.Index("ix_people_effects_state", "state", "actor_id"),
)

people_advice = table(  # what we advise peers about somebody elsewhere
    "people_advice",
    Side.NEITHER,
    sa.Column(
        "actor_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("case_id", sa.Uuid, sa.ForeignKey(cases.c.id, ondelete="SET NULL")),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("labels", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("until", sa.Date, nullable=False),  # the last day
    sa.Column("approvals", sa.SmallInteger, nullable=False),  # people here who agreed
    sa.Column("first_yes", sa.BigInteger, nullable=False),  # the line of the log of the first
    sa.Column("day", sa.Date, nullable=False),  # when it was last said, or asked
    sa.CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
    sa.Index("ix_people_advice_until", "until"),
    sa.Index(
        "ix_people_advice_case_id", "case_id", postgresql_where=sa.text("case_id IS NOT NULL")
    ),
)

people_advice_said = table(  # to which peers, by which change of the dataset for each
    "people_advice_said",
    Side.NEITHER,
    sa.Column("change_id", sa.Uuid, primary_key=True),
    sa.Column(
        "actor_id",
        sa.Uuid,
        sa.ForeignKey(people_advice.c.actor_id, ondelete="SET NULL"),  # none: to be taken back
    ),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),  # of the advice, as it was said
    sa.Index("ix_people_advice_said_actor_id", "actor_id", "host"),
)
