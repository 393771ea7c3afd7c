"""Which signatures a peer reads; under which id an Ed25519 key is listed; keys that go.

Whoever upgrades knows nothing of what peers read and begins as before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("peers", sa.Column("scheme", sa.Text(), nullable=True))
    op.add_column("peers", sa.Column("scheme_day", sa.Date(), nullable=True))
    op.create_check_constraint(
        op.f("ck_peers_scheme"), "peers", "scheme IN ('cavage', 'rfc9421', 'ed25519')"
    )
    op.add_column("actors", sa.Column("ed25519_id", sa.Text(), nullable=True))
    op.execute("UPDATE actors SET ed25519_id = uri || '#ed25519-key' WHERE local")
    op.create_index(
        "ix_actors_ed25519_id",
        "actors",
        ["ed25519_id"],
        postgresql_where=sa.text("ed25519_id IS NOT NULL"),
    )
    op.add_column("actor_keys", sa.Column("earlier", sa.LargeBinary(), nullable=True))
    op.add_column("actor_keys", sa.Column("until", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_actor_keys_until",
        "actor_keys",
        ["until"],
        postgresql_where=sa.text("until IS NOT NULL"),
    )
