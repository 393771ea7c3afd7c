"""Support groups that live here: their settings, guidelines and moderators (DESIGN, "Groups")."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table


class Sees(StrEnum):
    EVERYONE = "everyone"
    MEMBERS = "members"
    NODE = "node"


class Posts(StrEnum):
    ANYONE = "anyone"
    MEMBERS = "members"
    APPROVED = "approved"


class Joining(StrEnum):
    OPEN = "open"
    APPROVAL = "approval"
    INVITATION = "invitation"


class Premoderation(StrEnum):
    NONE = "none"
    FIRST = "first"
    ALL = "all"


class Distance(StrEnum):
    """How far a group keeps a server from itself: words of `kernel.schema.moderation.Level`."""

    NOTE = "note"
    FILTER = "filter"  # a moderator reads first what comes from there, and who joins asks first
    REJECT = "reject"  # nobody from there takes part


groups = table(
    "groups",
    Side.PERSONA,
    sa.Column("actor_id", sa.Uuid, sa.ForeignKey(actors.c.id), primary_key=True),
    sa.Column("desk_id", sa.Uuid, sa.ForeignKey(actors.c.id), nullable=False, unique=True),
    sa.Column("sees", sa.Text, nullable=False),
    sa.Column("posts", sa.Text, nullable=False),
    sa.Column("joining", sa.Text, nullable=False),
    sa.Column("premoderation", sa.Text, nullable=False),
    sa.Column("one_voice", sa.Boolean, nullable=False),  # one persona of a member at a time
    sa.Column("one_time", sa.Boolean, nullable=False),  # one-time personas may post
    sa.Column("notes_required", sa.Boolean, nullable=False),
    sa.Column(  # posts may say how to reach somebody
        "contacts", sa.Boolean, nullable=False, server_default=sa.false()
    ),
    sa.Column("slow_minutes", sa.Integer, nullable=False),
    sa.Column("languages", sa.ARRAY(sa.Text), nullable=False),
    sa.Column(  # posts carry proofs of who wrote them, which last for ever
        "proofs", sa.Boolean, nullable=False, server_default=sa.false()
    ),
    sa.Column("guidelines", sa.Integer, nullable=False, server_default="0"),  # newest version
    sa.Column("accept_from", sa.Integer, nullable=False, server_default="0"),  # newest material one
    sa.Column("icon", sa.Uuid),  # which of our files shows the group
    sa.Column("icon_alt", sa.Text, nullable=False, server_default=""),  # what it shows, plain text
    sa.Column("cap", sa.Integer, nullable=False, server_default="0"),  # most members; 0: no limit
    sa.Column(  # the last day that one of its moderators did something; it says of none which
        "tended", sa.Date, nullable=False, server_default=sa.func.current_date()
    ),
    sa.Column("check_in", sa.SmallInteger),  # the day of the week it asks how people are; 0: Monday
    sa.Column("checked_in", sa.Date),  # when it asked last
    sa.Column(  # members may tell how they came through
        "stories", sa.Boolean, nullable=False, server_default=sa.false()
    ),
    sa.Column(  # times of its posts are to five minutes
        "coarse", sa.Boolean, nullable=False, server_default=sa.false()
    ),
    sa.Column(  # a moderator reads first what tells how harm is done
        "details_held", sa.Boolean, nullable=False, server_default=sa.true()
    ),
    sa.Column(  # the one peer whose people may join a group that only members see
        "circle", sa.Text, nullable=False, server_default=""
    ),
    sa.Column("was", sa.Text, nullable=False, server_default=""),  # its address on another server
    sa.Column(  # what labels do there where a reader chose nothing: "grief fold", "grief warn"
        "label_effects", sa.ARRAY(sa.Text), nullable=False, server_default="{}"
    ),
    sa.Column("answer_minutes", sa.Integer),  # within which half of new threads had an answer
    sa.Column("answers_counted", sa.Date),  # when that was worked out
    one_of("sees", "sees", Sees),
    one_of("posts", "posts", Posts),
    one_of("joining", "joining", Joining),
    one_of("premoderation", "premoderation", Premoderation),
    sa.Index("ix_groups_icon", "icon", unique=True, postgresql_where=sa.text("icon IS NOT NULL")),
)

guidelines = table(
    "guidelines",
    Side.PERSONA,
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey(groups.c.actor_id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),  # Markdown
)

group_moves = table(  # groups that are to go to another server, until their Move is sent
    "group_moves",
    Side.PERSONA,
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey(groups.c.actor_id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(  # the group that it goes to
        "target_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column(  # so do those who run this node
        "agreed", sa.Boolean, nullable=False, server_default=sa.false()
    ),
    sa.Index("ix_group_moves_target_id", "target_id"),
)

moderators = table(
    "moderators",
    Side.PERSONA,
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "actor_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("founder", sa.Boolean, nullable=False, server_default=sa.false()),  # may appoint
    sa.Index("ix_moderators_actor_id", "actor_id"),
)

group_invitations = table(
    "group_invitations",
    Side.NEITHER,
    sa.Column("id", sa.LargeBinary(32), primary_key=True),  # SHA-256 of the bearer secret
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey(groups.c.actor_id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("uses_left", sa.Integer, nullable=False),
)

group_domains = table(  # servers that a group keeps at a distance from itself, beyond its node
    "group_domains",
    Side.PERSONA,
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("domain", sa.Text, primary_key=True),  # it and everything below it
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),  # for its moderators
    sa.Column("day", sa.Date, nullable=False),
    one_of("level", "level", Distance),
)
