"""An earlier notice about the same post is found by the post, however much its persona was told."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_notices_post_id_persona_id_kind",
        "notices",
        ["post_id", "persona_id", "kind"],
        postgresql_where=sa.text("post_id IS NOT NULL"),
    )
    op.drop_index("ix_notices_post_id", "notices")


def downgrade() -> None:
    op.create_index(
        "ix_notices_post_id",
        "notices",
        ["post_id"],
        postgresql_where=sa.text("post_id IS NOT NULL"),
    )
    op.drop_index("ix_notices_post_id_persona_id_kind", "notices")
