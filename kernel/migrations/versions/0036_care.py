"""Care cases, what the node says about asking for help outside, and threads that are slow."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0038"
branch_labels = None
depends_on = None

_BEFORE = (
    "'answer', 'mention', 'heard', 'held', 'released', 'removed', 'restored', 'allowed', "
    "'declined', 'joined', 'refused', 'ended', 'unsent', 'poll', 'message', 'asks', 'agreed', "
    "'away', 'back', 'limited', 'unlimited', 'word', 'appeal'"
)
_ENDINGS = "ending IN ('supported', 'not needed', 'gone')"


def upgrade() -> None:
    _notices(f"{_BEFORE}, 'lines', 'thought', 'handed'")
    op.add_column("threads", sa.Column("slow_until", sa.DateTime(timezone=True)))
    for name in ("handover", "handover_to", "handover_if"):
        op.add_column("node", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "node",
        sa.Column("handover_parts", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
    )
    op.add_column(
        "node", sa.Column("looks_a_day", sa.SmallInteger(), nullable=False, server_default="20")
    )
    op.create_check_constraint(
        op.f("ck_node_handover"), "node", "handover IN ('', 'cannot', 'may')"
    )
    _cases()
    op.create_table(
        "care_words",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("bearer", sa.LargeBinary(32)),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _of_case("care_words"),
        sa.PrimaryKeyConstraint("case_id", "place", name=op.f("pk_care_words")),
        sa.UniqueConstraint("bearer", name=op.f("uq_care_words_bearer")),
    )
    op.create_table(
        "care_requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=False, server_default=sa.false()),
        _of_case("care_requests"),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_care_requests")),
    )
    op.create_index("ix_care_requests_case_id", "care_requests", ["case_id"])
    op.create_index("ix_care_requests_host", "care_requests", ["host"])
    op.create_table(
        "care_handovers",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("first", sa.LargeBinary(32), nullable=False),
        sa.Column("agreed", sa.Date()),
        sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _of_case("care_handovers"),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_care_handovers")),
    )
    op.create_table(
        "care_counts",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("ending", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.CheckConstraint(_ENDINGS, name=op.f("ck_care_counts_ending")),
        sa.PrimaryKeyConstraint("month", "ending", name=op.f("pk_care_counts")),
    )
    op.create_table(
        "care_looks",
        sa.Column("mark", sa.LargeBinary(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_care_looks")),
    )
    op.create_index("ix_care_looks_day", "care_looks", ["day"])
    op.create_table(
        "look_counts",
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("sampled", sa.Boolean(), nullable=False),
        sa.Column("looked", sa.Integer(), nullable=False),
        sa.Column("fitting", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("week", "language", "sampled", name=op.f("pk_look_counts")),
    )


def _cases() -> None:
    op.create_table(
        "care_cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid()),
        sa.Column("post_id", sa.BigInteger()),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("mark", sa.LargeBinary(32), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("holder", sa.LargeBinary(32)),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.Column("missed", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("ending", sa.Text()),
        sa.Column("closed_on", sa.Date()),
        sa.Column("sealed", sa.LargeBinary()),
        sa.CheckConstraint("level BETWEEN 0 AND 3", name=op.f("ck_care_cases_level")),
        sa.CheckConstraint("state IN ('open', 'held', 'closed')", name=op.f("ck_care_cases_state")),
        sa.CheckConstraint(
            "author IN ('nothing', 'lines', 'thought', 'unsafe')",
            name=op.f("ck_care_cases_author"),
        ),
        sa.CheckConstraint(_ENDINGS, name=op.f("ck_care_cases_ending")),
        sa.CheckConstraint(
            "(state = 'held') = (holder IS NOT NULL)", name=op.f("ck_care_cases_holder")
        ),
        sa.CheckConstraint(
            "(state = 'closed') = (ending IS NOT NULL)", name=op.f("ck_care_cases_closed")
        ),
        sa.CheckConstraint("(state = 'closed') = (due IS NULL)", name=op.f("ck_care_cases_due")),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["actors.id"],
            name=op.f("fk_care_cases_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["post_id"],
            ["posts.id"],
            name=op.f("fk_care_cases_post_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_cases")),
    )
    waits = sa.text("state <> 'closed'")
    op.create_index(
        "ix_care_cases_mark", "care_cases", ["mark"], unique=True, postgresql_where=waits
    )
    for name, columns, where in (
        ("due", ["due", "id"], waits),
        ("queue", ["level", "due", "id"], waits),
        ("host", ["host"], waits),
        ("untold", ["id"], sa.text("author = 'nothing' AND state <> 'closed'")),
        ("post_id", ["post_id"], sa.text("post_id IS NOT NULL")),
        ("group_id", ["group_id"], None),
        ("closed_on", ["closed_on"], sa.text("closed_on IS NOT NULL")),
    ):
        op.create_index(f"ix_care_cases_{name}", "care_cases", columns, postgresql_where=where)


def _of_case(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["case_id"], ["care_cases.id"], name=op.f(f"fk_{table}_case_id"), ondelete="CASCADE"
    )


def _notices(kinds: str) -> None:
    name = op.f("ck_notices_kind")
    op.drop_constraint(name, "notices", type_="check")
    op.create_check_constraint(name, "notices", f"kind IN ({kinds})")


def downgrade() -> None:
    for table in (
        "look_counts", "care_looks", "care_counts", "care_handovers", "care_requests",
        "care_words", "care_cases",
    ):  # fmt: skip
        op.drop_table(table)
    op.drop_constraint(op.f("ck_node_handover"), "node", type_="check")
    for column in ("looks_a_day", "handover_parts", "handover_if", "handover_to", "handover"):
        op.drop_column("node", column)
    op.drop_column("threads", "slow_until")
    op.execute("DELETE FROM notices WHERE kind IN ('lines', 'thought', 'handed')")
    _notices(_BEFORE)
