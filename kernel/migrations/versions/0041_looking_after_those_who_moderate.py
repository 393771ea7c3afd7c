"""Names that are stopped, steps after somebody was hurt, numbers of months, alerts to browsers."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0039"
branch_labels = None
depends_on = None

_KINDS = (
    "'answer', 'mention', 'heard', 'held', 'released', 'removed', 'restored', 'allowed', "
    "'declined', 'joined', 'refused', 'ended', 'unsent', 'poll', 'message', 'asks', 'agreed', "
    "'away', 'back', 'limited', 'unlimited', 'word', 'appeal', 'lines', 'thought', 'handed', "
    "'labelled'"
)
_OUTCOMES = "'nothing', 'supported', 'removed', 'away', 'passed'"
_CHECKS = (
    ("notices", "kind", _KINDS, "'stopped', 'resumed', 'near', 'reread'"),
    ("cases", "outcome", _OUTCOMES, "'stopped', 'held'"),
    ("alert_channels", "way", "'mail', 'webhook'", "'push'"),
)


def upgrade() -> None:
    for table, column, words, new in _CHECKS:
        _check(table, column, f"{words}, {new}")
    op.create_table(
        "stops",
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.BigInteger()),
        sa.Column("until", sa.Date()),
        _to("stops", "actor_id", "actors", "CASCADE"),
        sa.PrimaryKeyConstraint("actor_id", name=op.f("pk_stops")),
    )
    op.create_index(
        "ix_stops_until", "stops", ["until"], postgresql_where=sa.text("until IS NOT NULL")
    )
    op.create_index(
        "ix_actors_suspended", "actors", ["id"], postgresql_where=sa.text("state = 'suspended'")
    )
    op.create_index("ix_cases_since", "cases", ["since"])
    op.add_column(
        "alert_channels",
        sa.Column("told_urgent", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "threads", sa.Column("hushed", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    _aftercare()
    op.create_table(
        "month_numbers",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer()),
        sa.PrimaryKeyConstraint("month", "name", name=op.f("pk_month_numbers")),
    )


def _aftercare() -> None:
    op.create_table(
        "aftercare",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid()),
        sa.Column("thread_id", sa.BigInteger()),
        sa.Column("began", sa.Date(), nullable=False),
        _to("aftercare", "group_id", "actors", "CASCADE"),
        _to("aftercare", "thread_id", "threads", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aftercare")),
    )
    op.create_index("ix_aftercare_group_id_id", "aftercare", ["group_id", "id"])
    op.create_index(
        "ix_aftercare_thread_id",
        "aftercare",
        ["thread_id"],
        postgresql_where=sa.text("thread_id IS NOT NULL"),
    )
    op.create_table(
        "aftercare_steps",
        sa.Column("aftercare_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("done", sa.Date()),
        sa.CheckConstraint(
            "owner IN ('now', 'next', 'group', 'node')", name=op.f("ck_aftercare_steps_owner")
        ),
        _to("aftercare_steps", "aftercare_id", "aftercare", "CASCADE"),
        sa.PrimaryKeyConstraint("aftercare_id", "step", name=op.f("pk_aftercare_steps")),
    )


def _check(table: str, column: str, words: str) -> None:
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, f"{column} IN ({words})")


def _to(table: str, column: str, other: str, gone: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"), ondelete=gone
    )


def downgrade() -> None:
    for name in ("month_numbers", "aftercare_steps", "aftercare", "stops"):
        op.drop_table(name)
    op.drop_index("ix_actors_suspended", "actors")
    op.drop_index("ix_cases_since", "cases")
    op.drop_column("threads", "hushed")
    op.drop_column("alert_channels", "told_urgent")
    op.execute("DELETE FROM notices WHERE kind IN ('stopped', 'resumed', 'near', 'reread')")
    op.execute("UPDATE cases SET outcome = 'removed' WHERE outcome IN ('stopped', 'held')")
    op.execute("DELETE FROM alert_channels WHERE way = 'push'")
    for table, column, words, _ in _CHECKS:
        _check(table, column, words)
