"""Servers that a group keeps at a distance, and what labels do in a group by default."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "groups",
        sa.Column("label_effects", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
    )
    op.create_table(
        "group_domains",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "domain", name=op.f("pk_group_domains")),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["actors.id"],
            name=op.f("fk_group_domains_group_id"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "level IN ('note', 'filter', 'reject')", name=op.f("ck_group_domains_level")
        ),
    )


def downgrade() -> None:
    op.drop_table("group_domains")
    op.drop_column("groups", "label_effects")
