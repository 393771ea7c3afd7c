"""Rows of the account side look different after every night.

Those that are there lie as they always did, in epoch 0: the first night is under way from now on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0025"
branch_labels = None
depends_on = None

_TABLES = ("accounts", "sessions", "drawers", "spent")


def upgrade() -> None:
    op.create_table(
        "veil",
        sa.Column("one", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("current", sa.Integer(), nullable=False),
        sa.Column("next", sa.Integer()),
        sa.Column("day", sa.Date()),
        sa.CheckConstraint("one", name=op.f("ck_veil_only_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_veil")),
    )
    op.execute("INSERT INTO veil (current, next) VALUES (0, 1)")
    for table in _TABLES:
        op.add_column(table, sa.Column("epoch", sa.Integer(), nullable=False, server_default="0"))
        op.alter_column(table, "epoch", server_default=None)
