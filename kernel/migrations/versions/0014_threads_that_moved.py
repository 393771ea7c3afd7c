"""Where a group of another server says that one of its threads went."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("threads", sa.Column("moved_to", sa.Text()))
