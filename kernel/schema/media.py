"""Pictures in the media directory, and those of other servers that are still to be read."""

import sqlalchemy as sa

from kernel.schema.base import Side, table
from kernel.schema.posts import attachments

media = table(
    "media",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random; names the file
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("blurhash", sa.Text, nullable=False, server_default=""),  # a few tones of the whole
    sa.Column("drafted", sa.Date),  # in a form since then, and in no post yet
    sa.Column("used", sa.Date),  # a copy from elsewhere: when it was last looked at
    sa.Column("gone", sa.Boolean, nullable=False, server_default=sa.false()),  # its file goes next
    sa.Index("ix_media_drafted", "drafted", postgresql_where=sa.text("drafted IS NOT NULL")),
    sa.Index("ix_media_used", "used", "id", postgresql_where=sa.text("used IS NOT NULL")),
    sa.Index("ix_media_gone", "id", postgresql_where=sa.text("gone")),
)

copies_wanted = table(
    "copies_wanted",
    Side.PERSONA,
    sa.Column("post_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(
        ["post_id", "position"],
        [attachments.c.post_id, attachments.c.position],
        ondelete="CASCADE",
    ),
    sa.Index("ix_copies_wanted_due", "due"),
)
