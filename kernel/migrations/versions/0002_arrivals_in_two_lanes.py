"""Arrivals: whose work a row is, and which of them can be dealt with many at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_WAITING = sa.text("state = 'new'")


def upgrade() -> None:
    op.add_column("received", sa.Column("leased_until", sa.DateTime(timezone=True)))
    op.add_column("received", sa.Column("lease", sa.Uuid()))
    op.add_column(
        "received", sa.Column("plain", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.alter_column("received", "plain", server_default=None)
    op.drop_index("ix_received_next_attempt", table_name="received")
    op.create_index(
        "ix_received_due", "received", ["plain", "next_attempt", "id"], postgresql_where=_WAITING
    )
    op.create_index(
        "ix_received_signer", "received", ["signer_uri", "id"], postgresql_where=_WAITING
    )
    op.execute("ALTER TABLE received SET (fillfactor = 60)")  # a claim is written beside its row
