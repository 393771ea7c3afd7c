"""Lists in their order: groups by name, who belongs to a group, answers to a post."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_actors_groups",
        "actors",
        [sa.text("lower(name)"), "id"],
        postgresql_where=sa.text("kind = 'Group' AND state = 'active'"),
    )
    op.drop_index("ix_posts_parent_id", table_name="posts")
    op.create_index("ix_posts_parent_id_id", "posts", ["parent_id", "id"])
    op.drop_index("ix_follows_followed_id", table_name="follows")
    op.create_index("ix_follows_followed_id", "follows", ["followed_id", "state", "follower_id"])
