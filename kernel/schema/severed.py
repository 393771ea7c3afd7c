"""What a decision about another server cut, for as long as it can be put back (MOD-5.10)."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.actors import FollowState, actors
from kernel.schema.base import Side, one_of, table


class ChangeState(StrEnum):
    """How far a change of what this node does with a domain has come."""

    HELD = "held"  # nobody decided it in person, and it would cut too much: it waits for somebody
    MADE = "made"
    UNDONE = "undone"


def _actor(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    )


severed_follows = table(  # rows of `follows` while their server is not talked with
    "severed_follows",
    Side.PERSONA,
    _actor("follower_id"),
    _actor("followed_id"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("guidelines", sa.Integer, nullable=False),
    sa.Column("approved", sa.Boolean, nullable=False),
    sa.Column("turn", sa.Integer),
    sa.Column("day", sa.Date, nullable=False),  # when they were cut; `domain_changes` says it too
    one_of("state", "state", FollowState),
    sa.Index("ix_severed_follows_followed_id", "followed_id"),
    sa.Index("ix_severed_follows_day", "day"),
)

severed_moderators = table(  # of `moderators`, the same
    "severed_moderators",
    Side.PERSONA,
    _actor("group_id"),
    _actor("actor_id"),
    sa.Column("founder", sa.Boolean, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Index("ix_severed_moderators_actor_id", "actor_id"),
    sa.Index("ix_severed_moderators_day", "day"),
)

domain_changes = table(  # what was decided about domains, and what it cut; it names nobody
    "domain_changes",
    Side.NEITHER,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("before", sa.Text, nullable=False),  # the level that was written down; "" for none
    sa.Column("after", sa.Text, nullable=False),
    sa.Column("impact", sa.Text, nullable=False),  # the numbers as JSON (`moderation.impact`)
    sa.Column("by_person", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    one_of("state", "state", ChangeState),
    sa.Index("ix_domain_changes_domain_id", "domain", "id"),
)
