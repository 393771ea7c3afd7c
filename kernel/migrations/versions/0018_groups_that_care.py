"""Groups of a size, and looked after; threads without an answer, in pieces, or in memory."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("groups", sa.Column("cap", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "groups",
        sa.Column("tended", sa.Date(), nullable=False, server_default=sa.func.current_date()),
    )
    op.add_column("groups", sa.Column("check_in", sa.SmallInteger()))
    op.add_column("groups", sa.Column("checked_in", sa.Date()))
    op.add_column(
        "groups", sa.Column("stories", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("groups", sa.Column("answer_minutes", sa.Integer()))
    op.add_column("groups", sa.Column("answers_counted", sa.Date()))
    op.add_column("follows", sa.Column("turn", sa.Integer()))
    op.create_index(
        "ix_follows_turn",
        "follows",
        ["followed_id", "turn"],
        postgresql_where=sa.text("turn IS NOT NULL"),
    )
    for name in ("rearranged", "memorial", "check_in", "story"):
        op.add_column(
            "threads", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.create_index(
        "ix_threads_stories",
        "threads",
        ["group_id", "id"],
        postgresql_where=sa.text("story AND shown"),
    )
    op.add_column("reactions", sa.Column("feeling", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "reactions", sa.Column("named", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        "memorials",
        sa.Column("thread_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shift", sa.DateTime(timezone=True), nullable=False),
        sa.Column("look_back", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["thread_id"],
            ["threads.id"],
            name="fk_memorials_thread_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("thread_id", name="pk_memorials"),
    )
    op.create_table(
        "check_ins",
        sa.Column("thread_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("persona_id", sa.Uuid(), nullable=False),
        sa.Column("mood", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "mood IN ('very_hard', 'hard', 'between', 'fine', 'good')", name="ck_check_ins_mood"
        ),
        sa.ForeignKeyConstraint(
            ["persona_id"], ["actors.id"], name="fk_check_ins_persona_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], name="fk_check_ins_thread_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("thread_id", "persona_id", name="pk_check_ins"),
    )
