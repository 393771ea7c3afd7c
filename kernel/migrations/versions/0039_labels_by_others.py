"""Labels that moderators and other servers give posts, and what is shown of them."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0036"
branch_labels = None
depends_on = None


def _kinds() -> list[str]:
    """What a notice can be so far: others add to it in migrations of their own."""
    found = op.get_bind().scalar(
        sa.text(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_notices_kind'"
        )
    )
    return re.findall(r"'([^']+)'", str(found))


def _allow(kinds: list[str]) -> None:
    name = op.f("ck_notices_kind")
    op.drop_constraint(name, "notices", type_="check")
    named = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(name, "notices", f"kind IN ({named})")


def upgrade() -> None:
    op.create_table(
        "post_labels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("giver", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False, server_default=""),
        sa.Column("signal", sa.Text(), nullable=False, server_default=""),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False, server_default=""),
        sa.Column("sources", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
        sa.Column("version", sa.DateTime(timezone=True)),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("alone", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("over", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("silent", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.CheckConstraint("giver IN ('group', 'node', 'peer')", name=op.f("ck_post_labels_giver")),
        sa.CheckConstraint(
            "effect IN ('none', 'warn', 'fold', 'hold')", name=op.f("ck_post_labels_effect")
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_post_labels_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post_labels")),
        sa.UniqueConstraint(
            "post_id",
            "label",
            "giver",
            "host",
            name=op.f("uq_post_labels_post_id_label_giver_host"),
        ),
    )
    op.create_index("ix_post_labels_due", "post_labels", ["due"])
    op.create_index(
        "ix_post_labels_host", "post_labels", ["host"], postgresql_where=sa.text("host <> ''")
    )
    op.create_index(
        "ix_post_labels_undone",
        "post_labels",
        ["post_id"],
        postgresql_where=sa.text("giver = 'peer' AND (held OR effect = 'hold')"),
    )
    op.add_column("posts", sa.Column("given", sa.Text(), nullable=False, server_default=""))
    op.add_column("signals", sa.Column("updated", sa.DateTime(timezone=True)))
    op.add_column(
        "signals",
        sa.Column("sources", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
    )
    _allow([*_kinds(), "labelled"])


def downgrade() -> None:
    op.execute("DELETE FROM notices WHERE kind = 'labelled'")
    _allow([kind for kind in _kinds() if kind != "labelled"])
    op.drop_column("signals", "sources")
    op.drop_column("signals", "updated")
    op.drop_column("posts", "given")
    op.drop_table("post_labels")
