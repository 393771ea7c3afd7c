"""New keys for an actor of ours, told to others under the keys they know (WIRE-S22).

The new RSA key takes the place of the old one under `#main-key`, since Lemmy knows no other name,
and so does the Ed25519 key. Until everybody was told, the old ones are kept to sign what went into
the queue before.
"""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.keys import KeyPair
from activitypub.vocab import PUBLIC, Document
from kernel.here import Here
from kernel.schema.tables import actor_keys, actors, deliveries, follows

Describe = Callable[[Actor], Document]

_ALSO = 1_000  # whom an actor follows, and who knows its key


async def rotate(
    conn: AsyncConnection, here: Here, actor: Actor, pair: KeyPair, describe: Describe | None
) -> None:
    """Give the actor a new pair of keys, and tell who follows it and whom it follows.

    They are told what `describe` makes of the actor with its new keys; with None, nobody is told.
    An actor without keys stays so.
    """
    mine = actor_keys.c.actor_id == actor.id
    before = await conn.scalar(sa.select(actor_keys.c.sealed).where(mine).with_for_update())
    if before is None:
        return
    row = (
        await conn.execute(
            sa.update(actors)
            .where(actors.c.id == actor.id)
            .values(public_key=pair.public_pem, ed25519=pair.ed25519_multibase)
            .returning(*actor_store.columns())
        )
    ).one()
    renewed = Actor.of(row)
    until = await _tell(conn, here, renewed, describe(renewed)) if describe is not None else None
    await conn.execute(
        sa.update(actor_keys)
        .where(mine)
        .values(
            sealed=actor_store.seal_keys(here, actor.id, pair),
            earlier=before if until is not None else None,
            until=until,
        )
    )


async def _tell(conn: AsyncConnection, here: Here, actor: Actor, document: Document) -> int | None:
    """Queue the Update; the number of its last delivery, or None where nobody hears it."""
    followed = await conn.scalars(
        sa.select(actors.c.uri)
        .join(follows, follows.c.followed_id == actors.c.id)
        .where(follows.c.follower_id == actor.id, ~actors.c.local)
        .limit(_ALSO)
    )
    update = documents.activity(
        here.new_activity_uri(),
        "Update",
        actor.uri,
        document,
        to=[PUBLIC],
        cc=[actor.followers_uri or actor.uri],
    )
    await outbox.publish_to_followers(conn, here, update, signer=actor, also=followed.all())
    last: int | None = await conn.scalar(
        sa.select(sa.func.max(deliveries.c.id)).where(
            deliveries.c.activity_uri == str(update["id"])
        )
    )
    return last


async def forget_earlier(conn: AsyncConnection) -> int:
    """Forget old keys that have nothing left to sign; how many there were."""
    unsent = sa.exists().where(
        deliveries.c.signer_id == actor_keys.c.actor_id,
        deliveries.c.id <= actor_keys.c.until,
        deliveries.c.parked.is_(None),
    )
    forgotten = await conn.execute(
        sa.update(actor_keys)
        .where(actor_keys.c.until.is_not(None), ~unsent)
        .values(earlier=None, until=None)
    )
    return forgotten.rowcount
