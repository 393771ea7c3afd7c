"""Who may see a picture: whoever may read its post, or see its group (SEC-I4, SEC-L11)."""

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from groups.posts import held_for_viewer, visible
from kernel.errors import NotFound
from kernel.rows import constant
from kernel.schema.actors import ActorState
from kernel.schema.groups import Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, attachments, groups, media, posts, threads
from moderation.visibility import Viewer, is_mine, may_see_group

_FOR_THEIR_AUTHOR: Final = (
    PostState.HELD,
    PostState.REMOVED,
    PostState.ASKED,
    PostState.DECLINED,
)


@dataclass(frozen=True, slots=True)
class Access:
    """A picture that the viewer may see. `public`: so may everybody; `used`: of a copy."""

    public: bool
    used: date | None


async def find(conn: AsyncConnection, media_id: UUID, viewer: Viewer) -> Access:
    """Raises NotFound: there is no such picture, or what it belongs to is not for the viewer."""
    asked = {"media_id": media_id, **viewer.values}
    row = (await conn.execute(_ACCESS, asked)).first()
    if row is None:
        row = (await conn.execute(_ICON, asked)).first()
    if row is None:
        raise NotFound
    return Access(public=row.public, used=row.used)


async def group_of(conn: AsyncConnection, media_id: UUID) -> UUID:
    """The group that only members see in which one of ours shows a picture (MOD-5.6).

    Raises NotFound: there is none, or the post is not shown.
    """
    found: UUID | None = await conn.scalar(_IN_CIRCLE, {"media_id": media_id})
    if found is None:
        raise NotFound
    return found


_of: Final = actors.alias("of")
_IN_CIRCLE: Final = (
    sa.select(posts.c.group_id)
    .select_from(
        attachments.join(media, media.c.id == attachments.c.media_id)
        .join(posts, posts.c.id == attachments.c.post_id)
        .join(actors, actors.c.id == posts.c.author_id)
        .join(_of, _of.c.id == posts.c.group_id)
    )
    .where(
        attachments.c.media_id == sa.bindparam("media_id", type_=sa.Uuid),
        ~media.c.gone,
        posts.c.state == constant(PostState.SHOWN),
        actors.c.local,
        _of.c.members_only,
    )
    .limit(1)
)


def _access() -> sa.Select[tuple[bool, date | None]]:
    """A post of ours in a group elsewhere is told to everybody, though only members see it here."""
    shown = posts.c.state == constant(PostState.SHOWN)
    group = groups.c.actor_id == posts.c.group_id
    ours = sa.exists().where(group).correlate_except(groups)
    for_all = sa.exists().where(group, groups.c.sees == constant(Sees.EVERYONE))
    within = actors.alias("within")
    circle = sa.exists().where(within.c.id == posts.c.group_id, within.c.members_only)
    told = sa.and_(shown, actors.c.local, ~ours, ~circle.correlate_except(within))
    readable = sa.and_(
        visible(),
        sa.or_(
            shown,
            held_for_viewer(),
            sa.and_(
                posts.c.state.in_([constant(state) for state in _FOR_THEIR_AUTHOR]),
                is_mine(posts.c.author_id),
            ),
        ),
    )
    public = sa.or_(told, sa.and_(shown, for_all.correlate_except(groups)))
    return (
        sa.select(public.label("public"), media.c.used)
        .select_from(
            attachments.join(media, media.c.id == attachments.c.media_id)
            .join(posts, posts.c.id == attachments.c.post_id)
            .join(actors, actors.c.id == posts.c.author_id)
            .join(threads, threads.c.id == posts.c.thread_id)
        )
        .where(
            attachments.c.media_id == sa.bindparam("media_id", type_=sa.Uuid),
            ~media.c.gone,
            sa.or_(told, readable),
        )
        .limit(1)
    )


_ACCESS: Final = _access()
_ICON: Final = (
    sa.select((groups.c.sees == constant(Sees.EVERYONE)).label("public"), media.c.used)
    .select_from(
        groups.join(media, media.c.id == groups.c.icon).join(
            actors, actors.c.id == groups.c.actor_id
        )
    )
    .where(
        groups.c.icon == sa.bindparam("media_id", type_=sa.Uuid),
        ~media.c.gone,
        actors.c.state == constant(ActorState.ACTIVE),
        may_see_group(actors.c.id),
    )
)
"""Of the picture of a group: whoever may see the group."""
