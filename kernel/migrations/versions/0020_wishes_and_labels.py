"""What would help whoever began a thread, and the labels of content notes."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("threads", sa.Column("wish", sa.Text()))
    op.create_check_constraint(
        op.f("ck_threads_wish"),
        "threads",
        "wish IN ('listen', 'stories', 'ideas', 'practical', 'no-replies')",
    )
    op.add_column("posts", sa.Column("labels", sa.Text(), nullable=False, server_default=""))
