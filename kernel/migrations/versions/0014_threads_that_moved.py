"""Where a group elsewhere says that its thread went, and which groups of ours a thread was in."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("threads", sa.Column("moved_to", sa.Text()))
    op.create_table(
        "moved_threads",
        sa.Column("thread_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "group_id", name="pk_moved_threads"),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], name="fk_moved_threads_thread_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["actors.id"], name="fk_moved_threads_group_id", ondelete="CASCADE"
        ),
    )
