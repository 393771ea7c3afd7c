"""Who may read what: the one rule that every list, page and document adds to its WHERE (SEC-I4).

The conditions are fixed SQL, so a statement that holds them is put together once, and PostgreSQL
plans it once. Who reads comes with each execution, as `viewer.values`; without those a statement
is refused before it is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from activitypub.audience import blocks_host, covers
from kernel.rows import constant, has_one
from kernel.schema.actors import FollowState
from kernel.schema.groups import Sees
from kernel.schema.tables import (
    actors,
    domain_blocks,
    domain_filters,
    follows,
    groups,
    moderators,
)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who reads: every persona of the member, in memory only; a visitor has none."""

    voices: tuple[UUID, ...] = field(default=(), repr=False)
    signed_in: bool = False
    stopped: bool = (
        False  # a name of theirs is: they read what visitors do, and their own (MOD-H12)
    )

    @property
    def values(self) -> Mapping[str, object]:
        """What the conditions below ask about whoever reads."""
        inside = self.signed_in and not self.stopped
        return {
            "viewer_voices": self.voices,
            "viewer_places": () if self.stopped else self.voices,
            "viewer_signed_in": inside,
            "viewer_sees": [Sees.EVERYONE, Sees.NODE] if inside else [Sees.EVERYONE],
        }


VISITOR: Final = Viewer()

_VOICES: Final = sa.any_(sa.bindparam("viewer_voices", type_=sa.ARRAY(sa.Uuid)))
_PLACES: Final = sa.any_(sa.bindparam("viewer_places", type_=sa.ARRAY(sa.Uuid)))
_SIGNED_IN: Final = sa.bindparam("viewer_signed_in", type_=sa.Boolean)
_SEES: Final = sa.any_(sa.bindparam("viewer_sees", type_=sa.ARRAY(sa.Text)))


def is_mine(actor_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """SQL: the actor is one of the viewer's personas."""
    return actor_id == _VOICES


def my_groups() -> sa.CompoundSelect[tuple[UUID]]:
    """SQL: `group_id`s of what the viewer's personas are accepted members or moderators of.

    It depends on no row around it, so PostgreSQL reads it once for a whole list.
    """
    member = sa.select(follows.c.followed_id.label("group_id")).where(
        follows.c.follower_id == _PLACES, follows.c.state == constant(FollowState.ACCEPTED)
    )
    return sa.union(member.correlate(None), _moderated())


def _moderated() -> sa.Select[tuple[UUID]]:
    return sa.select(moderators.c.group_id).where(moderators.c.actor_id == _PLACES).correlate(None)


def may_see_group(group_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """SQL: the viewer may read the group `group_id` and what is in it.

    Groups of other nodes that we follow are for signed-in people: their own server shows them to
    everybody else. Those that it shows to members alone are for members here too (MOD-5.6).
    """
    ours = sa.exists().where(groups.c.actor_id == group_id).correlate_except(groups)
    shown = (
        sa.exists().where(groups.c.actor_id == group_id, groups.c.sees == _SEES)
    ).correlate_except(groups)
    elsewhere = sa.and_(_SIGNED_IN, ~ours, group_id.not_in(_closed()))
    return sa.or_(shown, elsewhere, is_member(group_id))


def _closed() -> sa.Select[UUID]:
    """SQL: groups that only their members read; read once for a whole list, as `my_groups` is."""
    groups_of_members = actors.alias("of_members")
    return sa.select(groups_of_members.c.id).where(groups_of_members.c.members_only).correlate(None)


def is_member(group_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """SQL: one of the viewer's personas is an accepted member or a moderator of the group."""
    return group_id.in_(my_groups())


def moderates(group_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """SQL: one of the viewer's personas moderates the group."""
    return group_id.in_(_moderated())


def host_is_welcome(actor: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: no domain block covers the actor's server; what came earlier is hidden too (SEC-L10).

    Nobody blocks their own node (`moderation.names`), so it is not asked about.
    """
    return is_heard(actor.c.local, actor.c.host)


def is_heard(local: sa.ColumnElement[bool], host: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """SQL: as `host_is_welcome`, for columns that a statement names itself."""
    blocked = sa.exists().where(blocks_host(host)).correlate_except(domain_blocks)
    return sa.or_(local, ~blocked)


def host_is_listed(actor: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: what the actor says may be on lists that everybody looks through (MOD-3.10)."""
    found = has_one(actor, domain_filters, covers(domain_filters, actor.c.host))
    return sa.or_(actor.c.local, sa.and_(~actor.c.filtered, ~found))
