"""The node itself: one row, settled by its first administrator."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.base import Side, one_of, table


class SignUp(StrEnum):
    OPEN = "open"
    APPROVAL = "approval"
    INVITATION = "invitation"
    CLOSED = "closed"


class Handover(StrEnum):
    """What a node may do when a life is in danger (DOM-D15)."""

    UNSAID = ""
    CANNOT = "cannot"  # it cannot find out where anybody is
    MAY = "may"  # it may ask a service of its country


class Stage(StrEnum):
    """How far a node is on its way to an end (WIRE-Q11)."""

    OPEN = "open"
    NOTICE = "notice"  # everybody reads on which day it closes
    ENDING = "ending"  # nobody writes any more; other servers hear that everybody here is gone
    OVER = "over"  # they heard it; every address answers 410


class Record(StrEnum):
    """What the people who run a node write down for everybody's safety (DOM-I8)."""

    RISKS = "risks"  # which harms may come to people here, and what is done about each
    COMPLAINTS = "complaints"  # how to complain, who answers, and how soon
    CONTACT = "contact"  # where people and authorities reach the node


safety_records = table(  # every version stays: what was in force when
    "safety_records",
    Side.NEITHER,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("source", sa.Text, nullable=False),  # Markdown
    sa.Column("day", sa.Date, nullable=False),
    one_of("kind", "kind", Record),
)

node = table(
    "node",
    Side.NEITHER,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("origin", sa.Text, nullable=False),  # for ever
    sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("about", sa.Text, nullable=False, server_default=""),  # Markdown
    sa.Column("contact", sa.Text, nullable=False, server_default=""),
    sa.Column("country", sa.Text, nullable=False, server_default=""),  # ISO 3166-1 alpha-2
    sa.Column("languages", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("sign_up", sa.Text, nullable=False, server_default=SignUp.CLOSED.value),
    sa.Column("crisis_policy", sa.Text, nullable=False, server_default=""),
    sa.Column("duty", sa.Text, nullable=False, server_default=""),  # `moderation.duty.Rota`
    sa.Column("handover", sa.Text, nullable=False, server_default=""),
    sa.Column("handover_to", sa.Text, nullable=False, server_default=""),  # which service
    sa.Column("handover_if", sa.Text, nullable=False, server_default=""),  # when
    sa.Column("handover_parts", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),  # what
    sa.Column("looks_a_day", sa.SmallInteger, nullable=False, server_default="20"),  # DOM-D11
    sa.Column("people", sa.Integer, nullable=False, server_default="0"),  # rounded, once a day
    sa.Column("counted", sa.Date),
    sa.Column("awake", sa.DateTime(timezone=True)),  # its worker was, to the minute
    # counts changes of what is decided about domains: whoever remembers them looks here
    sa.Column("policies", sa.BigInteger, nullable=False, server_default="0"),
    # counts changes of what peers advise about people: whoever was met before is looked at anew
    sa.Column("people_round", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("stage", sa.Text, nullable=False, server_default=Stage.OPEN.value),
    sa.Column("closes_on", sa.Date),  # from the notice on
    sa.Column("over_on", sa.Date),  # when other servers had heard of it
    sa.CheckConstraint("one", name="only_one"),
    one_of("sign_up", "sign_up", SignUp),
    one_of("handover", "handover", Handover),
    one_of("stage", "stage", Stage),
)

new_places = table(  # where groups of a node that closes go, as its operator says
    "new_places",
    Side.NEITHER,
    sa.Column("handle", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),  # of the group, which is gone by then
    sa.Column("address", sa.Text, nullable=False),
)
