"""A group may let what its people say carry proof of who said it; none does until it is asked."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "groups", sa.Column("proofs", sa.Boolean(), nullable=False, server_default=sa.false())
    )
