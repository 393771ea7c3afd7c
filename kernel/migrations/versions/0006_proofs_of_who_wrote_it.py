"""A group may let what its people say carry proof of who said it; none does until it is asked.

A kept activity remembers that it carried one: what was proven can be taken back with a proof.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, column in (("groups", "proofs"), ("activities", "proven")):
        op.add_column(
            table, sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.false())
        )
