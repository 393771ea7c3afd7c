"""Who may read what: the one rule that every list, page and document adds to its WHERE (SEC-I4)."""

from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa

from activitypub.outbox import blocks_host
from kernel.schema.actors import FollowState
from kernel.schema.groups import Sees
from kernel.schema.tables import domain_blocks, follows, groups, moderators


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who reads: every persona of the member, in memory only; a visitor has none."""

    voices: tuple[UUID, ...] = field(default=(), repr=False)
    signed_in: bool = False


VISITOR = Viewer()


def may_see_group(viewer: Viewer, group_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """SQL: the viewer may read the group `group_id` and what is in it.

    Groups of other nodes that we follow are for signed-in people: their own server shows them to
    everybody else.
    """

    def ours(*sees: Sees) -> sa.ColumnElement[bool]:
        here = sa.exists().where(groups.c.actor_id == group_id, groups.c.sees.in_(sees))
        return here.correlate_except(groups)

    if not viewer.signed_in:
        return ours(Sees.EVERYONE)
    theirs = ~sa.exists().where(groups.c.actor_id == group_id).correlate_except(groups)
    return sa.or_(ours(Sees.EVERYONE, Sees.NODE), theirs, is_member(viewer, group_id))


def is_member(viewer: Viewer, group_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """SQL: one of the viewer's personas is an accepted member or a moderator of the group."""
    if not viewer.voices:
        return sa.false()
    return sa.or_(
        sa.exists()
        .where(
            follows.c.followed_id == group_id,
            follows.c.follower_id.in_(viewer.voices),
            follows.c.state == FollowState.ACCEPTED,
        )
        .correlate_except(follows),
        moderates(viewer, group_id),
    )


def moderates(viewer: Viewer, group_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """SQL: one of the viewer's personas moderates the group."""
    if not viewer.voices:
        return sa.false()
    return (
        sa.exists()
        .where(moderators.c.group_id == group_id, moderators.c.actor_id.in_(viewer.voices))
        .correlate_except(moderators)
    )


def host_is_welcome(host: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """SQL: no domain block covers `host`; what came earlier is hidden too (SEC-L10)."""
    return ~sa.exists().where(blocks_host(host)).correlate_except(domain_blocks)
