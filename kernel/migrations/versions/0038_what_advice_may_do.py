"""How far advice from elsewhere may go, and what it did."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_KINDS = (
    "'advice.domain', 'advice.actor', 'label.content', 'label.resource', 'report', 'takedown', "
    "'care', 'appeal'"
)
_STATES = "'trial', 'waiting', 'held', 'begun', 'applied', 'agreed', 'review', 'ended', 'refused'"


def upgrade() -> None:
    op.create_table(
        "signal_rules",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("max_policy", sa.Text(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("delay", sa.Integer(), nullable=False),
        sa.Column("ttl_cap", sa.Integer(), nullable=False),
        sa.Column("budget", sa.Integer(), nullable=False),
        sa.Column("quorum_group", sa.Text(), nullable=False, server_default=""),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_signal_rules_kind")),
        sa.CheckConstraint(
            "mode IN ('ignore', 'show', 'hold', 'apply')", name=op.f("ck_signal_rules_mode")
        ),
        sa.CheckConstraint("weight BETWEEN 0 AND 1", name=op.f("ck_signal_rules_weight")),
        sa.PrimaryKeyConstraint("host", "kind", "label", name=op.f("pk_signal_rules")),
    )
    op.create_table(
        "signal_effects",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False, server_default=""),
        sa.Column("basis", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("hosts", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("issuers", sa.Integer(), nullable=False),
        sa.Column("impact", sa.Text(), nullable=False, server_default=""),
        sa.Column("decision", sa.BigInteger()),
        sa.Column("first_yes", sa.BigInteger()),
        sa.Column("reminded", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("began", sa.Date(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_signal_effects_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_effects")),
    )
    op.create_index(
        "ux_signal_effects_domain",
        "signal_effects",
        ["domain"],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('ended', 'refused')"),
    )
    op.create_index("ix_signal_effects_state_id", "signal_effects", ["state", "id"])
    empty = sa.text("'{}'")
    op.add_column(
        "signals",
        sa.Column("derived_from", sa.ARRAY(sa.Text()), nullable=False, server_default=empty),
    )
    op.add_column("signals", sa.Column("answer", sa.Text()))
    op.add_column(
        "signals",
        sa.Column("unanswered", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "signal_sources", sa.Column("shown", sa.Text(), nullable=False, server_default="")
    )
    op.add_column("signal_sources", sa.Column("compared", sa.Date()))
    op.create_table(
        "signal_links",
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["signal_sources.id"],
            name=op.f("fk_signal_links_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source_id", "seq", name=op.f("pk_signal_links")),
    )
    op.execute("UPDATE signals SET answer = state WHERE state IN ('shown', 'ignored')")


def downgrade() -> None:
    for column in ("unanswered", "answer", "derived_from"):
        op.drop_column("signals", column)
    for column in ("compared", "shown"):
        op.drop_column("signal_sources", column)
    op.drop_table("signal_links")
    op.drop_table("signal_effects")
    op.drop_table("signal_rules")
