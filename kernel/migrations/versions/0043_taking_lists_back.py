"""What rows of a list replaced, so that taking them can be taken back; work after decisions; peers in the log."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _roles("'group', 'node', 'administrator', 'peer'")
    op.create_table(
        "list_takings",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("list_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_takings")),
        sa.ForeignKeyConstraint(
            ["list_id"],
            ["domain_lists.id"],
            name=op.f("fk_list_takings_list_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_list_takings_list_id_id", "list_takings", ["list_id", "id"])
    op.create_index("ix_list_takings_day", "list_takings", ["day"])
    op.create_table(
        "list_taken_rows",
        sa.Column("taking_id", sa.BigInteger(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("taking_id", "domain", name=op.f("pk_list_taken_rows")),
        sa.ForeignKeyConstraint(
            ["taking_id"],
            ["list_takings.id"],
            name=op.f("fk_list_taken_rows_taking_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "domain_errands",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("recount", sa.Boolean(), nullable=False),
        sa.Column("pictures", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_errands")),
    )


def _roles(known: str, *, old_lines: bool = False) -> None:
    op.drop_constraint(op.f("ck_audit_role"), "audit", type_="check")
    op.create_check_constraint(
        op.f("ck_audit_role"), "audit", f"role IN ({known})", postgresql_not_valid=old_lines
    )


def downgrade() -> None:
    _roles("'group', 'node', 'administrator'", old_lines=True)  # the log keeps its lines
    for table in ("domain_errands", "list_taken_rows", "list_takings"):
        op.drop_table(table)
