"""Posts are found by what they say, through an index of their words."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# Names of dictionaries stand here as they were then: an index outlives the code that made it.
_DICTIONARIES = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "fi": "finnish", "fr": "french", "ga": "irish", "hu": "hungarian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish",
}  # fmt: skip


def upgrade() -> None:
    cases = " ".join(
        f"WHEN '{tag}' THEN 'pg_catalog.{name}'::regconfig" for tag, name in _DICTIONARIES.items()
    )
    op.execute(
        f"""
        CREATE FUNCTION post_words(language text, title text, note text, content text)
        RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT to_tsvector(
                CASE lower(split_part(language, '-', 1)) {cases}
                     ELSE 'pg_catalog.simple'::regconfig END,
                left(title || ' ' || note || ' ' || content, 100000))
        $$
        """
    )
    op.add_column(
        "posts", sa.Column("findable", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index(
        "ix_posts_not_findable",
        "posts",
        ["id"],
        postgresql_where=sa.text("NOT findable AND state = 'shown'"),
    )
    op.create_index(
        "ix_posts_words",
        "posts",
        [sa.text("post_words(language, title, note, content)")],
        postgresql_using="gin",
        postgresql_where=sa.text("findable AND state = 'shown'"),
    )
