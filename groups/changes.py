"""What other servers hear when a group of ours changes (WIRE-A23, WIRE-G26, WIRE-T12)."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import announcing, documents, jsontext, outbox
from activitypub.actors import Actor
from activitypub.announcing import Announcement
from activitypub.vocab import Document
from kernel.here import Here
from kernel.schema.tables import actors, follows
from members import follows as follow_store


async def tell(
    conn: AsyncConnection, here: Here, group: Actor, desk: Actor, about: Document
) -> None:
    """The group shows its new document to all its followers.

    Its desk says the same, wrapped, since Lemmy takes it from a moderator.
    """
    update = documents.activity(
        here.new_activity_uri(),
        "Update",
        group.uri,
        about,
        to=[group.everybody],
        cc=[group.followers_uri or group.uri],
        audience=group.uri,
    )
    await outbox.publish_to_followers(conn, here, update, signer=group)
    decided = documents.activity(
        here.new_activity_uri(),
        "Update",
        desk.uri,
        about,
        to=[group.everybody],
        cc=[group.uri],
        audience=group.uri,
    )
    body = jsontext.dump(decided).decode()
    await outbox.record(conn, here, decided, body=body)
    wrapped = Announcement(
        group=group, inner=str(decided["id"]), wrapped=True, thread_id=None, body=body
    )
    await announcing.announce(conn, here, [wrapped])


async def follow_nobody(conn: AsyncConnection, here: Here, group: Actor) -> None:
    """A group that stays on this node asks nothing of others any more."""
    rows = await conn.execute(
        sa.select(*actor_store.columns())
        .join(follows, follows.c.followed_id == actors.c.id)
        .where(follows.c.follower_id == group.id)
    )
    for row in rows.all():
        await follow_store.end(conn, here, group, Actor.of(row))
