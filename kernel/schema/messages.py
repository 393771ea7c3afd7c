"""Messages between two, who may write to whom, and why something is reported."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table


class Standing(StrEnum):
    """How an actor stands with another one who would like to write to it, or may."""

    ASKED = "asked"
    HIDDEN = "hidden"  # the same to whoever asked, and shown to nobody
    ACCEPTED = "accepted"
    BLOCKED = "blocked"


class MessageState(StrEnum):
    WAITING = "waiting"  # not out yet: for its author alone
    OUT = "out"
    WITHHELD = "withheld"  # it could not go out any more: the same


message_boxes = table(  # the personas that take messages: there is a row where they do
    "message_boxes",
    Side.PERSONA,
    sa.Column(
        "persona_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
)

correspondents = table(
    "correspondents",
    Side.PERSONA,
    sa.Column(
        "owner_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "other_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("until", sa.Date),  # the last day on which the other one counts as having asked
    one_of("state", "state", Standing),
    sa.Index("ix_correspondents_other_id", "other_id"),
    sa.Index("ix_correspondents_until", "until", postgresql_where=sa.text("until IS NOT NULL")),
)

conversations = table(
    "conversations",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    sa.Column("one_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("other_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("latest", sa.BigInteger, nullable=False),  # as `messages.place`; tells the minute
    sa.UniqueConstraint("one_id", "other_id"),
    sa.CheckConstraint("one_id < other_id", name="in_order"),
    sa.Index("ix_conversations_one_id_latest", "one_id", "latest"),
    sa.Index("ix_conversations_other_id_latest", "other_id", "latest"),
)

messages = table(
    "messages",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    sa.Column(
        "conversation_id",
        sa.Uuid,
        sa.ForeignKey(conversations.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("author_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("uri", sa.Text, nullable=False, unique=True),
    sa.Column("place", sa.BigInteger, nullable=False),  # tells the minute, and the order in it
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("due", sa.DateTime(timezone=True)),  # when it goes out, as of `waiting`
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the words, padded, by the node key
    sa.Column("contacts", sa.Boolean, nullable=False),  # they may say how to reach somebody
    one_of("state", "state", MessageState),
    sa.Index("ix_messages_conversation_id_place", "conversation_id", "place"),
    sa.Index("ix_messages_author_id", "author_id"),
    sa.Index("ix_messages_place", "place"),
    sa.Index("ix_messages_due", "due", "id", postgresql_where=sa.text("due IS NOT NULL")),
)


class Why(StrEnum):
    """Why somebody reports something."""

    PRESSURE = "pressure"
    CONTACT = "contact"
    ENCOURAGING = "encouraging"
    UNKIND = "unkind"
    WORRIED = "worried"
    ELSE = "else"
