"""The end of a session is sealed; of an activity the month is known, and what is private goes.

Everybody signs in once more: the old rows say when their sessions end.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM sessions")
    op.drop_column("sessions", "expires")
    op.add_column("sessions", sa.Column("ends", sa.LargeBinary(length=36), nullable=False))
    op.alter_column("activities", "day", new_column_name="month")
    op.execute("ALTER INDEX ix_activities_day RENAME TO ix_activities_month")
    op.execute("UPDATE activities SET month = date_trunc('month', month)")
    op.create_index(
        "ix_activities_private", "activities", ["kind"], postgresql_where=sa.text("NOT public")
    )
