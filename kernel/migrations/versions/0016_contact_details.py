"""A group may let people say how to reach them; none does until it is asked."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "groups", sa.Column("contacts", sa.Boolean(), nullable=False, server_default=sa.false())
    )
