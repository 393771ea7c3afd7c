"""Somebody is told what of theirs did not go out; a group can ask for coarser times."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0028"
branch_labels = None
depends_on = None

_KINDS = (
    "'answer', 'mention', 'heard', 'released', 'removed', 'restored', 'allowed', 'declined', "
    "'joined', 'refused', 'ended', 'unsent', 'poll'"
)


def upgrade() -> None:
    name = op.f("ck_notices_kind")
    op.drop_constraint(name, "notices", type_="check")
    op.create_check_constraint(name, "notices", f"kind IN ({_KINDS})")
    op.add_column(
        "groups", sa.Column("coarse", sa.Boolean(), nullable=False, server_default=sa.false())
    )
