"""Lines and people's effects that wait: who was reminded, and which lines nobody had an opinion of."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0046"
branch_labels = None
depends_on = None

_COLUMNS = (("signals", "reminded"), ("signals", "closed"), ("people_effects", "reminded"))


def upgrade() -> None:
    for table, name in _COLUMNS:
        op.add_column(
            table, sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    for table, name in reversed(_COLUMNS):
        op.drop_column(table, name)
