"""The picture of a group: its moderators choose it, and other servers show it (WIRE-A18)."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from groups import groups as group_store
from groups.groups import Group
from groups.pictures import MAX_ALT, NOT_KEPT, Chosen
from kernel.errors import Malformed, NotAllowed
from kernel.here import Here
from kernel.said import said
from kernel.schema.tables import groups
from media import pictures as media_store

SIDE = 512  # pixels: other servers show it smaller


async def choose(conn: AsyncConnection, here: Here, group: Group, chosen: Chosen) -> None:
    """A draft becomes the group's picture; the one before goes. Followers are told.

    Raises Malformed: it has no description, or is no draft any more. Raises NotAllowed: the group
    is not ours.
    """
    _check(group, chosen.alt)
    if not await media_store.take(conn, [chosen.id]):
        raise Malformed(NOT_KEPT)
    await _let_go(conn, group)
    await _put(conn, here, group, chosen.id, chosen.alt)


async def describe(conn: AsyncConnection, here: Here, group: Group, alt: str) -> None:
    """Say anew what the group's picture shows; of none nothing is said. Raises: as `choose`."""
    _check(group, alt)
    if group.icon is not None and group.icon.alt != alt:
        await _put(conn, here, group, group.icon.media_id, alt)


async def remove(conn: AsyncConnection, here: Here, group: Group) -> None:
    """The group has no picture any more. Raises NotAllowed: it is not ours."""
    if group.settings is None:
        raise NotAllowed("That group lives on another node.")
    if group.icon is not None:
        await _let_go(conn, group)
        await _put(conn, here, group, None, "")


def _check(group: Group, alt: str) -> None:
    if group.settings is None:
        raise NotAllowed("That group lives on another node.")
    if not alt:
        raise Malformed(
            "Please say in a few words what the picture shows, for people who cannot see it."
        )
    if len(alt) > MAX_ALT:
        raise Malformed(
            said(
                "The description of a picture can have up to {limit} letters. Nothing is lost: "
                "please make it shorter.",
                limit=MAX_ALT,
            )
        )


async def _let_go(conn: AsyncConnection, group: Group) -> None:
    if group.icon is not None:
        await media_store.let_go(conn, [group.icon.media_id])


async def _put(
    conn: AsyncConnection, here: Here, group: Group, media_id: UUID | None, alt: str
) -> None:
    await conn.execute(
        sa.update(groups).where(groups.c.actor_id == group.id).values(icon=media_id, icon_alt=alt)
    )
    await group_store.tell(conn, here, group.id)
