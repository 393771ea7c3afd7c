"""Threads can be pinned, founders appoint moderators, and actors elsewhere move.

Whoever looks after a group today keeps the right to appoint others.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "threads", sa.Column("pinned", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_index(
        "ix_threads_pinned",
        "threads",
        ["group_id", "latest_id"],
        postgresql_where=sa.text("pinned"),
    )
    op.add_column(
        "moderators", sa.Column("founder", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.execute(
        """UPDATE moderators SET founder = true FROM actors
           WHERE actors.id = moderators.actor_id AND actors.local AND actors.kind = 'Person'"""
    )
    op.add_column("actors", sa.Column("featured_uri", sa.Text(), nullable=True))
    op.execute("UPDATE actors SET featured_uri = uri || '/featured' WHERE local AND kind = 'Group'")
    op.add_column("actors", sa.Column("moved_to", sa.Text(), nullable=True))
    op.add_column("actors", sa.Column("moved_on", sa.Date(), nullable=True))
    op.create_index(
        "ix_actors_moved_to",
        "actors",
        ["moved_to"],
        postgresql_where=sa.text("moved_to IS NOT NULL"),
    )
