"""Agreements with other nodes, and the advice that nodes give each other."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pacts",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="none", nullable=False),
        sa.Column("uri", sa.Text(), server_default="", nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.Column("desk_uri", sa.Text(), server_default="", nullable=False),
        sa.Column("desk_id", sa.Uuid()),
        sa.Column("their_key", sa.Text(), server_default="", nullable=False),
        sa.Column("ours", sa.Text(), server_default="", nullable=False),
        sa.Column("theirs", sa.Text(), server_default="", nullable=False),
        sa.Column("offer_uri", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("afterwards", sa.Text()),
        sa.Column("frozen", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("frozen_there", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("unsafe", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("offers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "afterwards IN ('keep', 'review', 'undo')", name=op.f("ck_pacts_afterwards")
        ),
        sa.CheckConstraint(
            "state IN ('none', 'made', 'ended', 'broken')", name=op.f("ck_pacts_state")
        ),
        sa.ForeignKeyConstraint(
            ["desk_id"], ["actors.id"], name=op.f("fk_pacts_desk_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_pacts")),
    )
    op.create_table(
        "datasets",
        sa.Column("one", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tier", sa.Text(), server_default="pacts", nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint("tier IN ('public', 'pacts', 'nobody')", name=op.f("ck_datasets_tier")),
        sa.CheckConstraint("one", name=op.f("ck_datasets_only_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_datasets")),
    )
    op.create_table(
        "signal_changes",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity_kind", sa.Text(), nullable=False),
        sa.Column("entity_key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("prev", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("ends", sa.Date()),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_signal_changes")),
        sa.UniqueConstraint("id", name=op.f("uq_signal_changes_id")),
    )
    op.create_index(
        "ix_signal_changes_entity", "signal_changes", ["entity_kind", "entity_key", "seq"]
    )
    op.create_table(
        "signal_sources",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pact", sa.Boolean(), nullable=False),
        sa.Column("last_id", sa.Text(), server_default="", nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("link", sa.Text(), server_default="", nullable=False),
        sa.Column("quarantined", sa.Text(), server_default="", nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_sources")),
        sa.UniqueConstraint("url", name=op.f("uq_signal_sources_url")),
    )
    op.create_index("ix_signal_sources_due", "signal_sources", ["due"])
    op.create_index("ix_signal_sources_host", "signal_sources", ["host"])
    op.create_table(
        "signals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity_kind", sa.Text(), nullable=False),
        sa.Column("entity_key", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("labels", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("filters", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float()),
        sa.Column("case_count", sa.Integer()),
        sa.Column("approvals", sa.Integer()),
        sa.Column("first_seen", sa.Date()),
        sa.Column("published", sa.Date()),
        sa.Column("ends", sa.Date(), nullable=False),
        sa.Column("retracts", sa.Text(), server_default="", nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "state IN ('held', 'shown', 'ignored', 'replaced', 'retracted', 'expired', 'noted')",
            name=op.f("ck_signals_state"),
        ),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["signal_sources.id"],
            name=op.f("fk_signals_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signals")),
        sa.UniqueConstraint("source_id", "uri", name=op.f("uq_signals_source_id_uri")),
    )
    op.create_index(
        "ix_signals_ends",
        "signals",
        ["ends"],
        postgresql_where=sa.text("state IN ('held', 'shown')"),
    )
    op.create_index("ix_signals_entity", "signals", ["source_id", "entity_kind", "entity_key"])
    op.create_index("ix_signals_retracts", "signals", ["source_id", "retracts"])
    op.create_index("ix_signals_state", "signals", ["state", "id"])


def downgrade() -> None:
    op.drop_table("signals")
    op.drop_table("signal_sources")
    op.drop_table("signal_changes")
    op.drop_table("datasets")
    op.drop_table("pacts")
