"""New keys for an actor of ours, told to others under the keys they know (WIRE-S22).

The new RSA key takes the place of the old one under `#main-key`, since Lemmy knows no other name,
and so does the Ed25519 key. Until everybody was told, the old ones are kept to sign what went into
the queue before.
"""

from collections.abc import Awaitable, Callable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.keys import KeyPair
from activitypub.vocab import PUBLIC
from kernel.here import Here
from kernel.schema.tables import actor_keys, actors, deliveries, follows

_ALSO = 1_000  # whom an actor follows, and who knows its key


Tell = Callable[[AsyncConnection, Here, Actor], Awaitable[None]]
"""Queues what others hear of an actor's new keys, where anybody does."""


async def rotate(
    conn: AsyncConnection, here: Here, actor: Actor, pair: KeyPair, tell: Tell
) -> None:
    """Give the actor a new pair of keys. What it `tell`s, and all that waits, the old ones sign.

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
    await tell(conn, here, Actor.of(row))
    until = await conn.scalar(sa.select(sa.func.max(deliveries.c.id)))
    await conn.execute(
        sa.update(actor_keys)
        .where(mine)
        .values(
            sealed=actor_store.seal_keys(here, actor.id, pair),
            earlier=before if until is not None else None,
            until=until,
        )
    )


async def tell(conn: AsyncConnection, here: Here, actor: Actor) -> None:
    """Who follows the actor, and whom it follows, get its new document."""
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
        documents.actor(actor),
        to=[PUBLIC],
        cc=[actor.followers_uri or actor.uri],
    )
    await outbox.publish_to_followers(conn, here, update, signer=actor, also=followed.all())


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
