"""Domains are kept away by degrees, by our own decision or because a list says so."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0033"
branch_labels = None
depends_on = None

LEVELS = "'accept', 'note', 'filter', 'reject', 'drop'"


def upgrade() -> None:
    op.create_table(
        "domain_policies",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("reject_media", sa.Boolean(), nullable=False),
        sa.Column("reject_reports", sa.Boolean(), nullable=False),
        sa.Column("public_comment", sa.Text(), nullable=False, server_default=""),
        sa.Column("private_comment", sa.Text(), nullable=False, server_default=""),
        sa.Column("obfuscate", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("until", sa.Date()),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("domain", "source", "held", name=op.f("pk_domain_policies")),
        sa.CheckConstraint(f"level IN ({LEVELS})", name=op.f("ck_domain_policies_level")),
    )
    op.create_index(
        "ix_domain_policies_in_force",
        "domain_policies",
        ["domain"],
        postgresql_where=sa.text("in_force"),
    )
    op.create_index("ix_domain_policies_source", "domain_policies", ["source", "held", "domain"])
    op.create_index(
        "ix_domain_policies_until",
        "domain_policies",
        ["until"],
        postgresql_where=sa.text("until IS NOT NULL"),
    )
    op.execute(
        "INSERT INTO domain_policies (domain, source, held, level, reject_media, reject_reports,"
        " private_comment, day, in_force)"
        " SELECT domain, '', false, 'reject', false, false, reason, current_date, true"
        " FROM domain_blocks"
    )
    op.drop_column("domain_blocks", "reason")
    op.add_column(
        "domain_blocks", sa.Column("drops", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "domain_blocks",
        sa.Column("spares", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
    )
    op.create_table(
        "domain_filters",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("spares", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_domain_filters")),
    )
    op.create_table(
        "domain_lists",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("max_level", sa.Text(), nullable=False),
        sa.Column("excluded", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
        sa.Column("rows", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("canaries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("trouble", sa.Text(), nullable=False, server_default=""),
        sa.Column("etag", sa.Text(), nullable=False, server_default=""),
        sa.Column("modified", sa.Text(), nullable=False, server_default=""),
        sa.Column("taken", sa.Date()),
        sa.Column("new_day", sa.Date()),
        sa.Column("new_rows", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_lists")),
        sa.CheckConstraint("mode IN ('draft', 'automatic')", name=op.f("ck_domain_lists_mode")),
        sa.CheckConstraint(f"max_level IN ({LEVELS})", name=op.f("ck_domain_lists_max_level")),
    )
    op.create_index(
        "ix_domain_lists_due", "domain_lists", ["due"], postgresql_where=sa.text("due IS NOT NULL")
    )
    op.add_column(
        "node", sa.Column("policies", sa.BigInteger(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("node", "policies")
    op.drop_table("domain_lists")
    op.drop_table("domain_filters")
    op.drop_column("domain_blocks", "spares")
    op.drop_column("domain_blocks", "drops")
    op.add_column(
        "domain_blocks", sa.Column("reason", sa.Text(), nullable=False, server_default="")
    )
    op.execute(
        "UPDATE domain_blocks SET reason = private_comment FROM domain_policies"
        " WHERE domain_policies.domain = domain_blocks.domain AND domain_policies.in_force"
    )
    op.drop_table("domain_policies")
