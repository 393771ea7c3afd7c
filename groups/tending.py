"""Is somebody looking after a group? One that nobody looks after for two weeks rests (DOM-B3).

What is kept is one day for the whole group, and not which of its moderators did something then. As
soon as one of them does anything there again, the group is as it was.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from groups.groups import Group
from kernel.here import Here
from kernel.rows import AnySelect, at_most, constant
from kernel.said import noted
from kernel.schema.actors import ActorState
from kernel.schema.tables import actors, groups

MAX_LISTED: Final = 50  # groups that administrators are shown at once

RESTS: Final = noted(
    "Nobody has looked after this group for a while, so it takes no new posts until a moderator is "
    "back. Your words are kept here. If you need somebody today, “Help now” on every page has "
    "people you can call or write to."
)


def rests(here: Here, group: Group) -> bool:
    """Whether nobody was seen looking after a group of ours for too long."""
    if not here.tended_within or group.tended is None:
        return False
    return here.now().date() - group.tended > timedelta(days=here.tended_within)


async def note(conn: AsyncConnection, here: Here, group: Group) -> None:
    """A moderator of the group did something today; written once a day."""
    today = here.now().date()
    if group.tended is not None and group.tended < today:
        await conn.execute(
            sa.update(groups)
            .where(groups.c.actor_id == group.id, groups.c.tended < today)
            .values(tended=today)
        )


async def resting(conn: AsyncConnection, here: Here) -> Sequence[Actor]:
    """The groups that rest, those that wait longest first; for administrators."""
    if not here.tended_within:
        return []
    before = here.now().date() - timedelta(days=here.tended_within)
    rows = await conn.execute(_RESTING, {"before": before})
    return [Actor.of(row) for row in rows]


_RESTING: Final[AnySelect] = (
    sa.select(*actor_store.columns())
    .join(groups, groups.c.actor_id == actors.c.id)
    .where(
        groups.c.tended < sa.bindparam("before", type_=sa.Date),
        actors.c.state == constant(ActorState.ACTIVE),
    )
    .order_by(groups.c.tended, actors.c.id)
    .limit(at_most(MAX_LISTED))
)
