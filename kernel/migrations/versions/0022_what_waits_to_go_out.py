"""Posts, follows and signs that wait to go out, drafts that somebody keeps, and posts that have a last day."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("posts", sa.Column("expires", sa.Date()))
    op.create_index(
        "ix_posts_expires", "posts", ["expires"], postgresql_where=sa.text("expires IS NOT NULL")
    )
    for table in ("follows", "reactions"):
        op.add_column(table, sa.Column("due", sa.DateTime(timezone=True)))
        op.create_index(
            f"ix_{table}_due", table, ["due"], postgresql_where=sa.text("due IS NOT NULL")
        )
    name = op.f("ck_reactions_kind")
    op.drop_constraint(name, "reactions", type_="check")
    kinds = "'like', 'asked', 'soon', 'dislike', 'share'"
    op.create_check_constraint(name, "reactions", f"kind IN ({kinds})")
    op.create_table(
        "waiting",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.BigInteger()),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("keep_until", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_waiting"),
        *(
            sa.ForeignKeyConstraint(
                [column], ["actors.id"], name=f"fk_waiting_{column}", ondelete="CASCADE"
            )
            for column in ("author_id", "group_id")
        ),
    )
    op.create_index(
        "ix_waiting_due", "waiting", ["due", "id"], postgresql_where=sa.text("due IS NOT NULL")
    )
    op.create_index("ix_waiting_author_id", "waiting", ["author_id"])
    op.create_index("ix_waiting_keep_until", "waiting", ["keep_until"])
    op.create_table(
        "drawers",
        sa.Column("id", sa.LargeBinary(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(32 * 1024 + 60), nullable=False),
        sa.Column("keep_until", sa.LargeBinary(36), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_drawers"),
    )
