"""Reports about one thing gather in a case; what was reported so far comes along."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0024"
branch_labels = None
depends_on = None

_WHYS = "'pressure', 'contact', 'encouraging', 'unkind', 'worried', 'else'"


def upgrade() -> None:
    _cases()
    _move_reports()
    op.create_table(
        "case_notes",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _link("case_notes", "case_id", "cases", "CASCADE"),
        sa.PrimaryKeyConstraint("case_id", "place", name=op.f("pk_case_notes")),
    )
    _flags()
    op.create_table(
        "flag_budgets",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_flag_budgets")),
    )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid()),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("post_id", sa.BigInteger()),
        sa.Column("mark", sa.LargeBinary(length=32), nullable=False),
        sa.Column("whose", sa.LargeBinary(length=32)),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("holder", sa.LargeBinary(length=32)),
        sa.Column("held_on", sa.Date()),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("closed_on", sa.Date()),
        sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        _one_of("cases", "subject", "'post', 'person', 'message'"),
        _one_of("cases", "why", _WHYS),
        _one_of("cases", "state", "'open', 'claimed', 'second', 'closed'"),
        _one_of("cases", "outcome", "'nothing', 'supported', 'removed', 'away', 'passed'"),
        sa.CheckConstraint(
            "(state = 'claimed') = (holder IS NOT NULL)", name=op.f("ck_cases_holder")
        ),
        sa.CheckConstraint(
            "(state = 'closed') = (outcome IS NOT NULL)", name=op.f("ck_cases_closed")
        ),
        _link("cases", "group_id", "actors", "CASCADE"),
        _link("cases", "post_id", "posts", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    waits, over = sa.text("state <> 'closed'"), sa.text("state = 'closed'")
    op.create_index("ix_cases_mark", "cases", ["mark"], unique=True, postgresql_where=waits)
    queue = ["group_id", "priority", "since", "id"]
    op.create_index("ix_cases_queue", "cases", queue, postgresql_where=waits)
    closed = ["group_id", "closed_on", "id"]
    op.create_index("ix_cases_closed", "cases", closed, postgresql_where=over)
    op.create_index("ix_cases_whose", "cases", ["whose", "closed_on"])
    _index_where_set("cases", "post_id")
    _index_where_set("cases", "closed_on")
    named = sa.text("closed_on IS NOT NULL AND sealed IS NOT NULL")
    op.create_index("ix_cases_named", "cases", ["closed_on"], postgresql_where=named)


def _move_reports() -> None:
    """Posts as `moderation.cases` marks them; of messages nothing says yet which ones are one."""
    op.execute("""
        INSERT INTO cases (id, group_id, subject, post_id, mark, why, priority, state, since)
        SELECT DISTINCT ON (group_id, post_id) gen_random_uuid(), group_id, 'post', post_id,
            sha256(convert_to(coalesce(group_id::text, 'node') || ' post ' || post_id, 'UTF8')),
            why, priority, 'open', current_date
        FROM (SELECT *, CASE why WHEN 'worried' THEN 0 WHEN 'unkind' THEN 2 WHEN 'else' THEN 2 ELSE 1 END
              AS priority FROM reports WHERE post_id IS NOT NULL) AS about_posts
        ORDER BY group_id, post_id, priority
    """)
    op.execute("""
        INSERT INTO cases (id, group_id, subject, mark, why, priority, state, since)
        SELECT id, group_id, 'message', sha256(bearer), why,
            CASE why WHEN 'worried' THEN 0 WHEN 'unkind' THEN 2 WHEN 'else' THEN 2 ELSE 1 END,
            'open', current_date
        FROM reports WHERE post_id IS NULL
    """)
    op.add_column("reports", sa.Column("case_id", sa.Uuid()))
    op.add_column("reports", sa.Column("origin", sa.Text()))
    op.alter_column("reports", "bearer", nullable=True)
    op.execute("UPDATE reports SET case_id = id WHERE post_id IS NULL")
    op.execute("""
        UPDATE reports SET case_id = cases.id FROM cases
        WHERE reports.post_id = cases.post_id
            AND reports.group_id IS NOT DISTINCT FROM cases.group_id
    """)
    op.alter_column("reports", "case_id", nullable=False)
    op.drop_column("reports", "group_id")
    op.drop_column("reports", "post_id")
    op.create_foreign_key(
        op.f("fk_reports_case_id"), "reports", "cases", ["case_id"], ["id"], ondelete="CASCADE"
    )
    op.create_index("ix_reports_case_id_id", "reports", ["case_id", "id"])
    decided = sa.text("bearer IS NULL")
    op.create_index("ix_reports_decided", "reports", ["case_id"], postgresql_where=decided)


def _flags() -> None:
    op.create_table(
        "flags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("signer_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("post_id", sa.BigInteger()),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _link("flags", "signer_id", "actors", "CASCADE"),
        _link("flags", "to_id", "actors", "CASCADE"),
        _link("flags", "post_id", "posts", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flags")),
    )
    op.create_index("ix_flags_due", "flags", ["due", "id"])
    op.create_index("ix_flags_signer_id", "flags", ["signer_id"])
    op.create_index("ix_flags_to_id", "flags", ["to_id"])
    _index_where_set("flags", "post_id")


def _one_of(table: str, column: str, words: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({words})", name=op.f(f"ck_{table}_{column}"))


def _link(table: str, column: str, other: str, gone: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=gone)


def _index_where_set(table: str, column: str) -> None:
    where = sa.text(f"{column} IS NOT NULL")
    op.create_index(f"ix_{table}_{column}", table, [column], postgresql_where=where)


def downgrade() -> None:
    for name in ("flag_budgets", "flags", "case_notes"):
        op.drop_table(name)
    op.add_column("reports", sa.Column("group_id", sa.Uuid()))
    op.add_column("reports", sa.Column("post_id", sa.BigInteger()))
    op.execute("DELETE FROM reports WHERE bearer IS NULL")
    op.execute("""
        UPDATE reports SET group_id = cases.group_id, post_id = cases.post_id FROM cases
        WHERE cases.id = reports.case_id
    """)
    op.drop_constraint(op.f("fk_reports_case_id"), "reports", type_="foreignkey")
    op.drop_column("reports", "case_id")
    op.drop_column("reports", "origin")
    op.alter_column("reports", "bearer", nullable=False)
    op.drop_table("cases")
    for column, other in (("group_id", "actors"), ("post_id", "posts")):
        op.create_foreign_key(
            op.f(f"fk_reports_{column}"), "reports", other, [column], ["id"], ondelete="CASCADE"
        )
    op.create_index("ix_reports_group_id_id", "reports", ["group_id", "id"])
    _index_where_set("reports", "post_id")
