"""More ways in: codes and passkeys beside the password; what works once is remembered."""

import os

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_NEW = {"factors": 6204, "passkey_roots": 256}


def upgrade() -> None:
    op.create_table(
        "spent",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("ends", sa.LargeBinary(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spent")),
    )
    for name, size in _NEW.items():
        op.add_column("accounts", sa.Column(name, sa.LargeBinary(length=size)))
    accounts = sa.table(
        "accounts", sa.column("id"), *(sa.column(name, sa.LargeBinary) for name in _NEW)
    )
    conn = op.get_bind()
    for (account_id,) in conn.execute(sa.select(accounts.c.id)).all():
        conn.execute(
            sa.update(accounts)
            .where(accounts.c.id == account_id)
            .values({name: os.urandom(size) for name, size in _NEW.items()})
        )
    for name in _NEW:
        op.alter_column("accounts", name, nullable=False)
