"""How far a node is on its way to an end, and where its groups go; circles across two nodes."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("stage", sa.Text(), nullable=False, server_default="open"))
    op.add_column("node", sa.Column("closes_on", sa.Date()))
    op.add_column("node", sa.Column("over_on", sa.Date()))
    op.create_check_constraint(
        op.f("ck_node_stage"), "node", "stage IN ('open', 'notice', 'ending', 'over')"
    )
    op.create_table(
        "new_places",
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("handle", name=op.f("pk_new_places")),
    )
    op.add_column("groups", sa.Column("circle", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "actors",
        sa.Column("members_only", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.execute(
        "UPDATE actors SET members_only = true FROM groups "
        "WHERE groups.actor_id = actors.id AND groups.sees = 'members'"
    )
    op.create_index(
        "ix_actors_members_only", "actors", ["id"], postgresql_where=sa.text("members_only")
    )


def downgrade() -> None:
    op.drop_index("ix_actors_members_only", "actors")
    op.drop_column("actors", "members_only")
    op.drop_column("groups", "circle")
    op.drop_table("new_places")
    op.drop_constraint(op.f("ck_node_stage"), "node", type_="check")
    for column in ("over_on", "closes_on", "stage"):
        op.drop_column("node", column)
