"""Posts that tell how harm is done are held for a person; so is a change that adds it."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0035"
branch_labels = None
depends_on = None

_BEFORE = (
    "'answer', 'mention', 'heard', 'released', 'removed', 'restored', 'allowed', 'declined', "
    "'joined', 'refused', 'ended', 'unsent', 'poll', 'message', 'asks', 'agreed', "
    "'away', 'back', 'limited', 'unlimited', 'word', 'appeal'"
)


def upgrade() -> None:
    op.add_column(
        "groups", sa.Column("details_held", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.add_column(
        "posts", sa.Column("was_shown", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    name = op.f("ck_notices_kind")
    op.drop_constraint(name, "notices", type_="check")
    op.create_check_constraint(name, "notices", f"kind IN ({_BEFORE}, 'held')")


def downgrade() -> None:
    op.execute("DELETE FROM notices WHERE kind = 'held'")
    name = op.f("ck_notices_kind")
    op.drop_constraint(name, "notices", type_="check")
    op.create_check_constraint(name, "notices", f"kind IN ({_BEFORE})")
    op.drop_column("posts", "was_shown")
    op.drop_column("groups", "details_held")
