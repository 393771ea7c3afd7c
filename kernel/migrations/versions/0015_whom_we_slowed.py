"""The last day on which another server was made to wait."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("peers", sa.Column("slowed", sa.Date()))


def downgrade() -> None:
    op.drop_column("peers", "slowed")
