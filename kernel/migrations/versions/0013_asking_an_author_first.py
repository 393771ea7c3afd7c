"""Answers and likes that wait for an author elsewhere, and that author's word."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("answers_by", "likes_by"):
        op.add_column("posts", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    for table in ("posts", "reactions"):
        op.add_column(table, sa.Column("approval", sa.Text()))
        op.create_index(
            f"ix_{table}_approval",
            table,
            ["approval"],
            unique=True,
            postgresql_where=sa.text("approval IS NOT NULL"),
        )
    _one_of("posts", "state", "'held', 'asked', 'declined', 'shown', 'removed', 'deleted'")
    _one_of("reactions", "kind", "'like', 'asked', 'dislike', 'share'")


def _one_of(table: str, column: str, words: str) -> None:
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, f"{column} IN ({words})")
