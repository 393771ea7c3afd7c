"""What a moderator showed again in spite of a label; who wants no list to read their posts first."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signals", sa.Column("released", sa.DateTime(timezone=True)))
    op.create_table(
        "care_objections",
        sa.Column("mark", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_care_objections")),
    )


def downgrade() -> None:
    op.drop_table("care_objections")
    op.drop_column("signals", "released")
