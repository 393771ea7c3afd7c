"""Places where people on duty hear that something waits, and what is still to be told there."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_channels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid()),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("pace", sa.SmallInteger(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("waits", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("urgent", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("failures", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("next_attempt", sa.DateTime(timezone=True)),
        sa.Column("failing", sa.Date()),
        sa.CheckConstraint("way IN ('mail', 'webhook')", name=op.f("ck_alert_channels_way")),
        _group("alert_channels"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_channels")),
    )
    op.create_index("ix_alert_channels_group_id_id", "alert_channels", ["group_id", "id"])
    op.create_index(
        "ix_alert_channels_due",
        "alert_channels",
        ["id"],
        postgresql_where=sa.text("waits OR failures > 0"),
    )
    op.create_table(
        "alert_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid()),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        _group("alert_calls"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_calls")),
    )


def _group(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["group_id"], ["actors.id"], name=op.f(f"fk_{table}_group_id"), ondelete="CASCADE"
    )


def downgrade() -> None:
    op.drop_table("alert_calls")
    op.drop_table("alert_channels")
