"""Groups have a picture, and pictures say in a few letters what they look like from afar."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("groups", sa.Column("icon", sa.Uuid()))
    op.add_column("groups", sa.Column("icon_alt", sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "ix_groups_icon",
        "groups",
        ["icon"],
        unique=True,
        postgresql_where=sa.text("icon IS NOT NULL"),
    )
    op.add_column("media", sa.Column("blurhash", sa.Text(), nullable=False, server_default=""))
