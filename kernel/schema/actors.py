"""The persona side: everyone who speaks here or was met elsewhere, and who follows whom."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.base import Side, one_of, table


class ActorKind(StrEnum):
    """The AS2 actor types; a persona is a Person, a desk a Service, the node an Application."""

    PERSON = "Person"
    GROUP = "Group"
    SERVICE = "Service"
    APPLICATION = "Application"
    ORGANIZATION = "Organization"


class ActorState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"  # by a moderator of this node
    CLOSED = "closed"  # by its owner or its server: answers 410


class FollowState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"


actors = table(
    "actors",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # a persona's is derived from its member's root key
    sa.Column("uri", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("local", sa.Boolean, nullable=False),
    sa.Column("handle", sa.Text, nullable=False),  # preferredUsername
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False, server_default=""),  # HTML; sanitise to show
    sa.Column("source", sa.Text, nullable=False, server_default=""),  # Markdown, ours only
    sa.Column("url", sa.Text),
    sa.Column("inbox", sa.Text, nullable=False),
    sa.Column("shared_inbox", sa.Text),
    sa.Column("followers_uri", sa.Text),
    sa.Column("moderators_uri", sa.Text),
    sa.Column("featured_uri", sa.Text),
    sa.Column("locked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),  # SPKI PEM
    sa.Column("ed25519", sa.Text),  # Multikey, FEP-521a
    sa.Column("ed25519_id", sa.Text),  # the id it is listed under
    sa.Column("state", sa.Text, nullable=False, server_default=ActorState.ACTIVE.value),
    sa.Column("since", sa.Date),  # ours: the month
    sa.Column("closes_on", sa.Date),  # ours: drawn at random when the member leaves
    sa.Column("opens_on", sa.Date),  # a persona's: when it speaks openly, or has since (DOM-A5)
    sa.Column("open", sa.Boolean, nullable=False, server_default=sa.false()),  # it does
    sa.Column("fetched_at", sa.DateTime(timezone=True)),  # theirs: when the document was read
    sa.Column(  # a group's: only its members read what is said there
        "members_only", sa.Boolean, nullable=False, server_default=sa.false()
    ),
    # Theirs, by what peers advise: off public lists, and asked before they come into a group;
    sa.Column("filtered", sa.Boolean, nullable=False, server_default=sa.false()),
    # and how much advice about people there was when it was looked for (`node.people_round`).
    sa.Column("advice_round", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("moved_to", sa.Text),  # theirs, or a group's of ours: who they are now
    sa.Column("moved_on", sa.Date),
    one_of("kind", "kind", ActorKind),
    one_of("state", "state", ActorState),
    sa.Index(
        "uq_actors_local_handle",
        sa.text("lower(handle)"),
        unique=True,
        postgresql_where=sa.text("local"),
    ),
    sa.Index("ix_actors_host_handle", "host", sa.text("lower(handle)")),
    sa.Index("ix_actors_key_id", "key_id"),
    sa.Index(
        "ix_actors_ed25519_id",
        "ed25519_id",
        postgresql_where=sa.text("ed25519_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_actors_groups",
        sa.text("lower(name)"),
        "id",
        postgresql_where=sa.text("kind = 'Group' AND state = 'active'"),
    ),
    sa.Index("ix_actors_closes_on", "closes_on", postgresql_where=sa.text("closes_on IS NOT NULL")),
    sa.Index("ix_actors_opens_on", "opens_on", postgresql_where=sa.text("opens_on IS NOT NULL")),
    sa.Index("ix_actors_members_only", "id", postgresql_where=sa.text("members_only")),
    sa.Index("ix_actors_moved_to", "moved_to", postgresql_where=sa.text("moved_to IS NOT NULL")),
    sa.Index("ix_actors_suspended", "id", postgresql_where=sa.text("state = 'suspended'")),
)

actor_keys = table(
    "actor_keys",
    Side.PERSONA,
    sa.Column(
        "actor_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # both private halves, by the node key
    sa.Column("earlier", sa.LargeBinary),  # those before, until others know the new ones;
    sa.Column("until", sa.BigInteger),  # the last delivery they sign (WIRE-S22)
    sa.Index("ix_actor_keys_until", "until", postgresql_where=sa.text("until IS NOT NULL")),
)

departures = table(
    "departures",
    Side.PERSONA,
    sa.Column("id", sa.Uuid, primary_key=True),  # random
    sa.Column("sealed", sa.LargeBinary(52), nullable=False),  # who closes and when, by the node key
)

follows = table(
    "follows",
    Side.PERSONA,
    sa.Column(
        "follower_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "followed_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("uri", sa.Text, nullable=False),  # of the Follow
    sa.Column("guidelines", sa.Integer, nullable=False, server_default="0"),  # version accepted
    sa.Column("approved", sa.Boolean, nullable=False, server_default=sa.false()),  # may post
    sa.Column("due", sa.DateTime(timezone=True)),  # of ours: when it is sent; a whole minute
    sa.Column("turn", sa.Integer),  # place among those who wait for room; gone once there is some
    one_of("state", "state", FollowState),
    sa.Index("ix_follows_followed_id", "followed_id", "state", "follower_id"),
    sa.Index(
        "ix_follows_turn", "followed_id", "turn", postgresql_where=sa.text("turn IS NOT NULL")
    ),
    sa.Index("ix_follows_uri", "uri"),
    sa.Index("ix_follows_due", "due", postgresql_where=sa.text("due IS NOT NULL")),
)

blocks = table(  # somebody elsewhere wants nothing from one of ours (WIRE-M10); shown nowhere
    "blocks",
    Side.PERSONA,
    sa.Column(
        "blocker_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "persona_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Index("ix_blocks_persona_id", "persona_id"),
)
