"""Receipts of what other servers were told, consents to speak openly, and safety records."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("actors", sa.Column("opens_on", sa.Date()))
    op.add_column(
        "actors", sa.Column("open", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index(
        "ix_actors_opens_on",
        "actors",
        ["opens_on"],
        postgresql_where=sa.text("opens_on IS NOT NULL"),
    )
    op.create_table(
        "receipts",
        sa.Column("delivery_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "persona_id",
            sa.Uuid(),
            sa.ForeignKey("actors.id", name=op.f("fk_receipts_persona_id"), ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("refused", sa.SmallInteger()),
        sa.Column("until", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_receipts")),
    )
    op.create_index("ix_receipts_persona_id_host", "receipts", ["persona_id", "host"])
    op.create_index("ix_receipts_until", "receipts", ["until"])
    op.create_table(
        "safety_records",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "version", name=op.f("pk_safety_records")),
        sa.CheckConstraint(
            "kind IN ('risks', 'complaints', 'contact')", name=op.f("ck_safety_records_kind")
        ),
    )
