"""Messages between two, and reports."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0026"
branch_labels = None
depends_on = None

_EARLIER = (
    "'answer', 'mention', 'heard', 'released', 'removed', 'restored', 'allowed', 'declined', "
    "'joined', 'refused', 'ended', 'unsent', 'poll'"
)


def upgrade() -> None:
    _boxes()
    _conversations()
    _reports()
    op.drop_constraint(op.f("ck_notices_kind"), "notices", type_="check")
    op.create_check_constraint(
        op.f("ck_notices_kind"), "notices", f"kind IN ({_EARLIER}, 'message', 'asks', 'agreed')"
    )


def _boxes() -> None:
    op.create_table(
        "message_boxes",
        sa.Column("persona_id", sa.Uuid(), nullable=False),
        _actor("message_boxes", "persona_id"),
        sa.PrimaryKeyConstraint("persona_id", name=op.f("pk_message_boxes")),
    )
    op.create_table(
        "correspondents",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("until", sa.Date()),
        sa.CheckConstraint(
            "state IN ('asked', 'hidden', 'accepted', 'blocked')",
            name=op.f("ck_correspondents_state"),
        ),
        _actor("correspondents", "owner_id"),
        _actor("correspondents", "other_id"),
        sa.PrimaryKeyConstraint("owner_id", "other_id", name=op.f("pk_correspondents")),
    )
    op.create_index("ix_correspondents_other_id", "correspondents", ["other_id"])
    op.create_index(
        "ix_correspondents_until",
        "correspondents",
        ["until"],
        postgresql_where=sa.text("until IS NOT NULL"),
    )


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("one_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("latest", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("one_id < other_id", name=op.f("ck_conversations_in_order")),
        _actor("conversations", "one_id"),
        _actor("conversations", "other_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("one_id", "other_id", name=op.f("uq_conversations_one_id_other_id")),
    )
    for column in ("one_id", "other_id"):
        op.create_index(f"ix_conversations_{column}_latest", "conversations", [column, "latest"])
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("contacts", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'out', 'withheld')", name=op.f("ck_messages_state")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_messages_conversation_id"),
            ondelete="CASCADE",
        ),
        _actor("messages", "author_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("uri", name=op.f("uq_messages_uri")),
    )
    op.create_index("ix_messages_conversation_id_place", "messages", ["conversation_id", "place"])
    op.create_index("ix_messages_author_id", "messages", ["author_id"])
    op.create_index("ix_messages_place", "messages", ["place"])
    op.create_index(
        "ix_messages_due", "messages", ["due", "id"], postgresql_where=sa.text("due IS NOT NULL")
    )


def _reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bearer", sa.LargeBinary(length=32), nullable=False),
        sa.Column("group_id", sa.Uuid()),
        sa.Column("post_id", sa.BigInteger()),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "why IN ('pressure', 'contact', 'encouraging', 'unkind', 'worried', 'else')",
            name=op.f("ck_reports_why"),
        ),
        _actor("reports", "group_id"),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_reports_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("bearer", name=op.f("uq_reports_bearer")),
    )
    op.create_index("ix_reports_group_id_id", "reports", ["group_id", "id"])
    op.create_index(
        "ix_reports_post_id",
        "reports",
        ["post_id"],
        postgresql_where=sa.text("post_id IS NOT NULL"),
    )


def _actor(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["actors.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE"
    )


def downgrade() -> None:
    for name in ("reports", "messages", "conversations", "correspondents", "message_boxes"):
        op.drop_table(name)
    op.execute("DELETE FROM notices WHERE kind IN ('message', 'asks', 'agreed')")
    op.drop_constraint(op.f("ck_notices_kind"), "notices", type_="check")
    op.create_check_constraint(op.f("ck_notices_kind"), "notices", f"kind IN ({_EARLIER})")
