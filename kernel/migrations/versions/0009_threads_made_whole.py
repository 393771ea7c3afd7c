"""When a thread is read again where it lives."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refreshes",
        sa.Column("thread_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.Column("done", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("thread_id", name="pk_refreshes"),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], name="fk_refreshes_thread_id", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_refreshes_due", "refreshes", ["due"], postgresql_where=sa.text("due IS NOT NULL")
    )
