"""What one desk asks another one, and what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0043"
branch_labels = None
depends_on = None

_CATEGORIES = "'report', 'takedown', 'care', 'appeal'"
_URGENCIES = "'now', 'today', 'routine'"
_STATES = "'waiting', 'sent', 'unseen', 'held', 'seen', 'refused', 'closed', 'taken back'"


def upgrade() -> None:
    _table("asks_out")
    _index("asks_out", "change", where="change <> ''", name="change")
    _table(
        "asks_in",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("answer_id", sa.Uuid(), nullable=False),
        sa.Column("post_id", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_asks_in_post_id"), ondelete="SET NULL"
        ),
        sa.UniqueConstraint("uri", name=op.f("uq_asks_in_uri")),
    )
    _index("asks_in", "host", "day", name="host")
    _index("asks_in", "post_id", where="post_id IS NOT NULL", name="post_id")
    for table in ("asks_out", "asks_in"):
        _index(table, "due", "id", where="due IS NOT NULL", name="due")
        _index(table, "day", "id", name="day")
        _index(table, "case_id", where="case_id IS NOT NULL", name="case_id")
    op.add_column(
        "signals",
        sa.Column("appeal_unanswered", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def _table(name: str, *more: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid()),
        sa.Column("change", sa.Text(), nullable=False, server_default=""),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("outcome", sa.Text(), nullable=False, server_default=""),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.Column("version", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        *more,
        sa.CheckConstraint(f"category IN ({_CATEGORIES})", name=op.f(f"ck_{name}_category")),
        sa.CheckConstraint(f"urgency IN ({_URGENCIES})", name=op.f(f"ck_{name}_urgency")),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f(f"ck_{name}_state")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f(f"fk_{name}_case_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )


def _index(table: str, *columns: str, name: str, where: str = "") -> None:
    op.create_index(
        f"ix_{table}_{name}",
        table,
        list(columns),
        postgresql_where=sa.text(where) if where else None,
    )


def downgrade() -> None:
    op.drop_column("signals", "appeal_unanswered")
    op.drop_table("asks_in")
    op.drop_table("asks_out")
