"""When trained volunteers are here: a rota of the node, without names."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("duty", sa.Text(), server_default="", nullable=False))
