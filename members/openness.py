"""Speaking openly: a persona lets itself be listed and its posts be searched elsewhere (DOM-A5).

It is a consent of its own, which counts two midnights later, so after a day at least, for a year.
Until then, and ever after it is taken back, a persona is listed nowhere and no search engine is
welcome. Only the day is kept, on the persona's own row.
"""

from datetime import date, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import documents, outbox, receipts
from activitypub.actors import Actor
from activitypub.vocab import PUBLIC
from kernel import keep_times
from kernel.errors import NotAllowed
from kernel.here import Here
from kernel.schema.actors import ActorState
from kernel.schema.tables import actors
from members.order import stir
from moderation.standing import Speaker

COOLING: Final = timedelta(days=2)  # to the second midnight: at least a whole day to think again


def ends_on(opens_on: date) -> date:
    """The last day of a consent."""
    return opens_on + keep_times.CONSENT


async def consent(conn: AsyncConnection, here: Here, speaker: Speaker) -> date:
    """The persona will speak openly from the day that comes back, or goes on to for a year.

    Raises NotAllowed: it is made for one thread.
    """
    if speaker.one_time:
        raise NotAllowed("A name made for one thread is listed nowhere.")
    today = here.now().date()
    opens_on = today if speaker.actor.open else today + COOLING
    await conn.execute(sa.update(actors).where(actors.c.id == speaker.id).values(opens_on=opens_on))
    await stir(conn, actors)
    return opens_on


async def withdraw(conn: AsyncConnection, here: Here, persona: Actor) -> None:
    """At once: the persona is not listed any more, and every server is told so."""
    await conn.execute(
        sa.update(actors).where(actors.c.id == persona.id).values(opens_on=None, open=False)
    )
    await stir(conn, actors)
    if persona.open:
        await _tell(conn, here, await actor_store.get(conn, persona.id), everywhere=True)


async def sweep(engine: AsyncEngine, here: Here) -> bool:
    """Begin or end one consent whose day has come, alone. False: there is none."""
    today = here.now().date()
    begins = sa.and_(~actors.c.open, actors.c.opens_on <= today)
    over = sa.and_(actors.c.open, actors.c.opens_on < today - keep_times.CONSENT)
    async with engine.begin() as conn:
        row = (
            await conn.execute(
                sa.select(*actor_store.columns())
                .where(
                    actors.c.opens_on.is_not(None),
                    sa.or_(begins, over),
                    actors.c.local,
                    actors.c.state == ActorState.ACTIVE,
                )
                .limit(1)
                .with_for_update(skip_locked=True)
            )
        ).first()
        if row is None:
            return False
        persona = Actor.of(row)
        if persona.open:
            await withdraw(conn, here, persona)
        else:
            await conn.execute(sa.update(actors).where(actors.c.id == persona.id).values(open=True))
            await stir(conn, actors)
            await _tell(conn, here, await actor_store.get(conn, persona.id), everywhere=False)
    return True


async def _tell(conn: AsyncConnection, here: Here, persona: Actor, *, everywhere: bool) -> None:
    """Its followers learn that it is open; that it is not any more, everybody who may have it."""
    document = documents.activity(
        here.new_activity_uri(), "Update", persona.uri, documents.actor(persona), to=[PUBLIC]
    )
    await outbox.supersede(conn, persona.uri)
    if not everywhere:
        await outbox.publish_to_followers(conn, here, document, signer=persona)
        return
    await outbox.publish_everywhere(conn, here, document, signer=persona)
    await receipts.begin(conn, here, persona.id, str(document["id"]))
