"""Pictures: which files lie in the media directory, and which of other servers are still to come."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "media",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("drafted", sa.Date()),
        sa.Column("used", sa.Date()),
        sa.Column("gone", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
    )
    for name, columns, where in (
        ("ix_media_drafted", ["drafted"], "drafted IS NOT NULL"),
        ("ix_media_used", ["used", "id"], "used IS NOT NULL"),
        ("ix_media_gone", ["id"], "gone"),
    ):
        op.create_index(name, "media", columns, postgresql_where=sa.text(where))
    op.create_index(
        "ix_attachments_media_id",
        "attachments",
        ["media_id"],
        postgresql_where=sa.text("media_id IS NOT NULL"),
    )
    op.create_table(
        "copies_wanted",
        sa.Column("post_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id", "position"],
            ["attachments.post_id", "attachments.position"],
            name=op.f("fk_copies_wanted_post_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("post_id", "position", name=op.f("pk_copies_wanted")),
    )
    op.create_index("ix_copies_wanted_due", "copies_wanted", ["due"])
