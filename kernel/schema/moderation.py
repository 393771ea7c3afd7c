"""Decisions of moderators. A ban names a persona and touches no row of a sibling (DESIGN-V3)."""

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, table

bans = table(
    "bans",
    Side.PERSONA,
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "actor_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("reason", sa.Text, nullable=False),  # shown to the member alone
    sa.Column("until", sa.Date),
    sa.Index("ix_bans_actor_id", "actor_id"),
)

domain_blocks = table(
    "domain_blocks",
    Side.NEITHER,
    sa.Column("domain", sa.Text, primary_key=True),  # it and everything below it
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)

audit = table(
    "audit",
    Side.PERSONA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE")),
    sa.Column("actor_id", sa.Uuid, nullable=False),  # the desk or the moderating actor
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("object_uri", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Index("ix_audit_group_id_id", "group_id", "id"),
)
