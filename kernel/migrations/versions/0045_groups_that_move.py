"""Groups that go to another server, or came from one; people are told of it."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0040"
branch_labels = None
depends_on = None

_KINDS = (
    "'answer', 'mention', 'heard', 'held', 'released', 'removed', 'restored', 'allowed', "
    "'declined', 'joined', 'refused', 'ended', 'unsent', 'poll', 'message', 'asks', 'agreed', "
    "'away', 'back', 'limited', 'unlimited', 'word', 'appeal', 'lines', 'thought', 'handed', "
    "'labelled', 'stopped', 'resumed', 'near', 'reread'"
)


def upgrade() -> None:
    _check(f"{_KINDS}, 'moved'")
    op.add_column("groups", sa.Column("was", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "group_moves",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["groups.actor_id"],
            name=op.f("fk_group_moves_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["actors.id"],
            name=op.f("fk_group_moves_target_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_group_moves")),
    )
    op.create_index("ix_group_moves_target_id", "group_moves", ["target_id"])


def _check(words: str) -> None:
    name = op.f("ck_notices_kind")
    op.drop_constraint(name, "notices", type_="check")
    op.create_check_constraint(name, "notices", f"kind IN ({words})")


def downgrade() -> None:
    op.drop_index("ix_group_moves_target_id", "group_moves")
    op.drop_table("group_moves")
    op.drop_column("groups", "was")
    op.execute("DELETE FROM notices WHERE kind = 'moved'")
    _check(_KINDS)
