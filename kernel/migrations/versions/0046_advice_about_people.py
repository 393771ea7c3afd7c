"""Advice about people by hashed keys, when lines came, and care that was not needed."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0048"
branch_labels = None
depends_on = None

_STATES = "'trial', 'waiting', 'held', 'begun', 'applied', 'agreed', 'review', 'ended', 'refused'"


def upgrade() -> None:
    op.add_column("signals", sa.Column("came", sa.Date()))
    op.execute("UPDATE signals SET came = day")
    op.alter_column("signals", "came", nullable=False)
    op.add_column("signals", sa.Column("began", sa.Date()))
    op.execute(
        "UPDATE signals SET began = (SELECT min(post_labels.starts) FROM post_labels "
        "WHERE post_labels.signal = signals.uri) WHERE entity_kind = 'object'"
    )
    op.execute("UPDATE signals SET appeal_unanswered = true WHERE unanswered")
    op.drop_column("signals", "unanswered")
    op.execute("DELETE FROM signals WHERE entity_kind = 'actor'")
    op.add_column(
        "signal_sources",
        sa.Column("people", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("signal_changes", sa.Column("host", sa.Text(), nullable=False, server_default=""))
    op.drop_constraint(op.f("pk_signal_changes"), "signal_changes", type_="primary")
    op.create_primary_key(op.f("pk_signal_changes"), "signal_changes", ["host", "seq"])
    op.drop_index("ix_signal_changes_entity", "signal_changes")
    op.create_index(
        "ix_signal_changes_entity", "signal_changes", ["host", "entity_kind", "entity_key", "seq"]
    )
    op.add_column(
        "actors", sa.Column("filtered", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "actors", sa.Column("advice_round", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column(
        "node", sa.Column("people_round", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.create_table(
        "people_effects",
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False, server_default=""),
        sa.Column("basis", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("hosts", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("issuers", sa.Integer(), nullable=False),
        sa.Column("decision", sa.BigInteger()),
        sa.Column("began", sa.Date(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_people_effects_state")),
        sa.ForeignKeyConstraint(
            ["actor_id"],
            ["actors.id"],
            name=op.f("fk_people_effects_actor_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("actor_id", name=op.f("pk_people_effects")),
    )
    op.create_index("ix_people_effects_state", "people_effects", ["state", "actor_id"])
    op.create_table(
        "people_advice",
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid()),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("labels", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("approvals", sa.SmallInteger(), nullable=False),
        sa.Column("first_yes", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_people_advice_confidence")),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_people_advice_actor_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_people_advice_case_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("actor_id", name=op.f("pk_people_advice")),
    )
    op.create_index("ix_people_advice_until", "people_advice", ["until"])
    op.create_index(
        "ix_people_advice_case_id",
        "people_advice",
        ["case_id"],
        postgresql_where=sa.text("case_id IS NOT NULL"),
    )
    op.create_table(
        "people_advice_said",
        sa.Column("change_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"],
            ["people_advice.actor_id"],
            name=op.f("fk_people_advice_said_actor_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_people_advice_said")),
    )
    op.create_index("ix_people_advice_said_actor_id", "people_advice_said", ["actor_id", "host"])
    op.create_table(
        "care_peers",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("closed", sa.Integer(), nullable=False),
        sa.Column("not_needed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_care_peers")),
    )


def downgrade() -> None:
    for table in ("care_peers", "people_advice_said", "people_advice", "people_effects"):
        op.drop_table(table)
    op.drop_column("node", "people_round")
    for column in ("advice_round", "filtered"):
        op.drop_column("actors", column)
    op.execute("DELETE FROM signal_changes WHERE host <> ''")
    op.drop_index("ix_signal_changes_entity", "signal_changes")
    op.create_index(
        "ix_signal_changes_entity", "signal_changes", ["entity_kind", "entity_key", "seq"]
    )
    op.drop_constraint(op.f("pk_signal_changes"), "signal_changes", type_="primary")
    op.drop_column("signal_changes", "host")
    op.create_primary_key(op.f("pk_signal_changes"), "signal_changes", ["seq"])
    op.execute("DELETE FROM signal_sources WHERE people")
    op.drop_column("signal_sources", "people")
    op.add_column(
        "signals",
        sa.Column("unanswered", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    for column in ("began", "came"):
        op.drop_column("signals", column)
