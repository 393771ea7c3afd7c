"""Hashtags, mentions, polls, attachments, earlier words, and blocks that others told us of."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("poll", "answers_closed", "likes_closed"):
        op.add_column(
            "posts", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.add_column("posts", sa.Column("mentioned", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "posts", sa.Column("attached", sa.SmallInteger(), nullable=False, server_default="0")
    )
    _tags_and_attachments()
    _polls()
    _of_post(
        "post_edits",
        ("post_id", "version"),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("keep_until", sa.Date(), nullable=False),
    )
    op.create_index("ix_post_edits_keep_until", "post_edits", ["keep_until"])
    op.create_table(
        "blocks",
        sa.Column("blocker_id", sa.Uuid(), nullable=False),
        sa.Column("persona_id", sa.Uuid(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [name], ["actors.id"], name=op.f(f"fk_blocks_{name}"), ondelete="CASCADE"
            )
            for name in ("blocker_id", "persona_id")
        ),
        sa.PrimaryKeyConstraint("blocker_id", "persona_id", name=op.f("pk_blocks")),
    )
    op.create_index("ix_blocks_persona_id", "blocks", ["persona_id"])


def _of_post(name: str, key: tuple[str, ...], *parts: sa.schema.SchemaItem) -> None:
    """A table whose rows go with their post."""
    op.create_table(
        name,
        sa.Column("post_id", sa.BigInteger(), autoincrement=False, nullable=False),
        *parts,
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f(f"fk_{name}_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")),
    )


def _position() -> sa.Column[int]:
    return sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False)


def _tags_and_attachments() -> None:
    _of_post("post_tags", ("tag", "post_id"), sa.Column("tag", sa.Text(), nullable=False))
    op.create_index("ix_post_tags_post_id", "post_tags", ["post_id"])
    _of_post(
        "attachments",
        ("post_id", "position"),
        _position(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("remote_url", sa.Text()),
        sa.Column("media_id", sa.Uuid()),
        sa.Column("alt", sa.Text(), nullable=False, server_default=""),
        sa.Column("media_type", sa.Text(), nullable=False, server_default=""),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("blurhash", sa.Text(), nullable=False, server_default=""),
        sa.CheckConstraint(
            "kind IN ('image', 'video', 'audio', 'link')", name=op.f("ck_attachments_kind")
        ),
    )


def _polls() -> None:
    _of_post(
        "polls",
        ("post_id",),
        sa.Column("several", sa.Boolean(), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True)),
        sa.Column("closed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("voters", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("due", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_polls_due", "polls", ["due"], postgresql_where=sa.text("due IS NOT NULL"))
    op.create_index("ix_polls_ends", "polls", ["ends"], postgresql_where=sa.text("NOT closed"))
    _of_post(
        "poll_options",
        ("post_id", "position"),
        _position(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False, server_default="0"),
    )
    _of_post(
        "poll_votes",
        ("post_id", "actor_uri", "position"),
        sa.Column("actor_uri", sa.Text(), nullable=False),
        _position(),
    )
