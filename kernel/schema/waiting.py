"""What people here wrote and nobody else may know of yet: posts that wait, and kept drafts."""

import sqlalchemy as sa

from kernel.schema.accounts import epoch, veiled
from kernel.schema.actors import actors
from kernel.schema.base import Side, table

waiting = table(  # posts of ours before they are out, and those that their author took back
    "waiting",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    sa.Column("author_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("parent_id", sa.BigInteger),  # what it answers; a post that may be gone by then
    sa.Column("said", sa.Text, nullable=False),  # the draft as JSON
    # When it goes out, to five seconds, drawn by chance; null: its author looks at it first.
    sa.Column("due", sa.DateTime(timezone=True)),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),  # why it did not go out
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),  # that broke
    sa.Column("keep_until", sa.Date, nullable=False),
    sa.Index("ix_waiting_due", "due", "id", postgresql_where=sa.text("due IS NOT NULL")),
    sa.Index("ix_waiting_author_id", "author_id"),
    sa.Index("ix_waiting_keep_until", "keep_until"),
)

DRAWER_BYTES = 32 * 1024  # of one draft before it is sealed

drawers = table(  # drafts that somebody keeps for later: no row says whose, nor under which name
    "drawers",
    Side.ACCOUNT,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),  # HKDF(root, its number)
    veiled("sealed", DRAWER_BYTES + 60),  # padded, sealed twice
    veiled("keep_until", 36),  # its last day, by the node key
    epoch(),
)
