"""What personas are told."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_KINDS = (
    "'answer', 'mention', 'heard', 'released', 'removed', 'restored', 'allowed', 'declined', "
    "'joined', 'refused', 'ended', 'poll'"
)


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("persona_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("post_id", sa.BigInteger()),
        sa.Column("group_id", sa.Uuid()),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_notices_kind")),
        sa.ForeignKeyConstraint(
            ["persona_id"], ["actors.id"], name=op.f("fk_notices_persona_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_notices_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("persona_id", "id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_id", "notices", ["id"])
    op.create_index(
        "ix_notices_post_id",
        "notices",
        ["post_id"],
        postgresql_where=sa.text("post_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("notices")
