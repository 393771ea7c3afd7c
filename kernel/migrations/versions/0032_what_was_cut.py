"""What a decision about another server cut can be put back."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "severed_follows",
        sa.Column("follower_id", sa.Uuid(), nullable=False),
        sa.Column("followed_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("guidelines", sa.Integer(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("turn", sa.Integer()),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'accepted')", name=op.f("ck_severed_follows_state")
        ),
        _actor("severed_follows", "follower_id"),
        _actor("severed_follows", "followed_id"),
        sa.PrimaryKeyConstraint("follower_id", "followed_id", name=op.f("pk_severed_follows")),
    )
    op.create_index("ix_severed_follows_followed_id", "severed_follows", ["followed_id"])
    op.create_index("ix_severed_follows_day", "severed_follows", ["day"])
    op.create_table(
        "severed_moderators",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("founder", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        _actor("severed_moderators", "group_id"),
        _actor("severed_moderators", "actor_id"),
        sa.PrimaryKeyConstraint("group_id", "actor_id", name=op.f("pk_severed_moderators")),
    )
    op.create_index("ix_severed_moderators_actor_id", "severed_moderators", ["actor_id"])
    op.create_index("ix_severed_moderators_day", "severed_moderators", ["day"])
    op.create_table(
        "domain_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("impact", sa.Text(), nullable=False),
        sa.Column("by_person", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "state IN ('held', 'made', 'undone')", name=op.f("ck_domain_changes_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_changes")),
    )
    op.create_index("ix_domain_changes_domain_id", "domain_changes", ["domain", "id"])


def _actor(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column],
        ["actors.id"],
        name=op.f(f"fk_{table}_{column}"),
        ondelete="CASCADE",
    )


def downgrade() -> None:
    op.drop_table("domain_changes")
    op.drop_table("severed_moderators")
    op.drop_table("severed_follows")
