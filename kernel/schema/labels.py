"""Labels that others than its author gave a post. None of them says which person gave it."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.base import Side, one_of, table
from kernel.schema.posts import posts


class Effect(StrEnum):
    """What a label does to a post where nobody chose anything else."""

    NONE = "none"  # it is shown beside the words
    WARN = "warn"  # a line above the words
    FOLD = "fold"  # the words are opened by a click
    HOLD = "hold"  # a person looks first


class Giver(StrEnum):
    """Who gave a label."""

    GROUP = "group"  # moderators of the group
    NODE = "node"  # moderators of this node
    PEER = "peer"  # another server


post_labels = table(
    "post_labels",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    sa.Column(
        "post_id", sa.BigInteger, sa.ForeignKey(posts.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("label", sa.Text, nullable=False),  # of the vocabulary; of a peer perhaps another
    sa.Column("giver", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False, server_default=""),  # of a peer
    sa.Column("signal", sa.Text, nullable=False, server_default=""),  # and what it said it with
    sa.Column("effect", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),  # shown to whoever reads the post
    sa.Column("sources", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),  # links
    sa.Column("version", sa.DateTime(timezone=True)),  # of a peer: the words that it is about
    sa.Column("starts", sa.Date, nullable=False),  # its author knows before
    sa.Column("ends", sa.Date, nullable=False),  # the first day on which it does not hold
    sa.Column("due", sa.Date, nullable=False),  # when to look again: it starts, or it ends
    sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),  # for this label
    # And for nothing else, nor did its words change since: it may be shown again by itself.
    sa.Column("alone", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("over", sa.Boolean, nullable=False, server_default=sa.false()),  # and not any more
    sa.Column("silent", sa.Boolean, nullable=False, server_default=sa.false()),  # not trusted now
    sa.UniqueConstraint("post_id", "label", "giver", "host"),
    one_of("giver", "giver", Giver),
    one_of("effect", "effect", Effect),
    sa.Index("ix_post_labels_due", "due"),
    sa.Index("ix_post_labels_host", "host", postgresql_where=sa.text("host <> ''")),
    sa.Index(
        "ix_post_labels_undone",
        "post_id",
        postgresql_where=sa.text("giver = 'peer' AND (held OR effect = 'hold')"),
    ),
)
