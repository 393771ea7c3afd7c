"""Deletes and moderation go first; refusals and errands are kept; when the worker was awake."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "deliveries", sa.Column("rank", sa.SmallInteger, nullable=False, server_default="1")
    )
    op.drop_index("ix_deliveries_host_id", table_name="deliveries")
    op.create_index(
        "ix_deliveries_host_rank_id",
        "deliveries",
        ["host", "rank", "id"],
        postgresql_where=sa.text("parked IS NULL"),
    )
    op.create_index(
        "ix_deliveries_parked",
        "deliveries",
        ["host"],
        postgresql_where=sa.text("parked IS NOT NULL"),
    )
    op.create_table(
        "refusals",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refusals"),
        sa.ForeignKeyConstraint(
            ["host"], ["peers.host"], name="fk_refusals_host", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_refusals_host_id", "refusals", ["host", "id"])
    op.create_table(
        "errands",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Uuid, nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("url", sa.Text, nullable=False, server_default=""),
        sa.Column("digest", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("kind", "actor_id", name="pk_errands"),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_errands_actor_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("kind IN ('catch up', 'followers')", name="ck_errands_kind"),
    )
    op.add_column("node", sa.Column("awake", sa.DateTime(timezone=True)))
