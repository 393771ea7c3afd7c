"""A persona closes: its words and its name go, here and elsewhere (WIRE 2.4)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import documents, outbox, receipts
from activitypub.actors import Actor, columns
from activitypub.vocab import PUBLIC
from groups import reactions, threads, waiting
from groups.posts import Post, select_posts
from kernel import tombstone_log
from kernel.here import Here
from kernel.schema.actors import ActorState
from kernel.schema.posts import PostState
from kernel.schema.tables import (
    actors,
    blocks,
    check_ins,
    follows,
    moderators,
    poll_votes,
    posts,
    stops,
)
from kernel.tombstone_log import Act
from members import departures, ledger, messages, notices
from members.order import stir
from moderation import appeals, audit
from moderation.care import objections

_BATCH = 1000
_WHY = sa.select(stops.c.decision_id).where(stops.c.actor_id == sa.bindparam("persona_id"))


async def begin(conn: AsyncConnection, here: Here, persona: Actor) -> None:
    """Its member closes the persona: it speaks no more, and a worker erases it within a minute."""
    await departures.close_today(conn, here, persona.id)
    await stir(conn, actors)


async def close_one(engine: AsyncEngine, here: Here) -> bool:
    """Close one persona whose day has come, in a transaction of its own. False: there is none."""
    async with engine.begin() as conn:
        row = (
            await conn.execute(
                sa.select(*columns())
                .where(
                    actors.c.closes_on <= here.now().date(),
                    actors.c.state != ActorState.CLOSED,
                )
                .order_by(actors.c.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
        ).first()
        if row is None:
            return False
        await close(conn, here, Actor.of(row))
    return True


async def close(conn: AsyncConnection, here: Here, persona: Actor) -> None:
    """Erase what the persona said and was; its address answers 410 from now on.

    Its key stays until every server was told (WIRE 2.4). The row stays too, so that a ban or a stop
    still holds against its member; whatever ends, this name never comes back. Why it was stopped
    stays as long as that, so that its member can ask for a second look.
    """
    last = 0
    while True:
        rows = (
            await conn.execute(
                select_posts()
                .where(
                    posts.c.author_id == persona.id,
                    posts.c.state != PostState.DELETED,
                    posts.c.id > last,
                )
                .order_by(posts.c.id)
                .limit(_BATCH)
            )
        ).all()
        for row in rows:
            post = Post.of(row)
            await threads.erase(conn, post)
            await outbox.forget(conn, post.uri)
            last = post.id
        if len(rows) < _BATCH:
            break
    await waiting.forget_of(conn, persona.id)
    await messages.forget_persona(conn, persona.id)
    tombstone_log.note(conn, Act.CLOSED, persona.uri)
    document = documents.activity(
        here.new_activity_uri(),
        "Delete",
        persona.uri,
        persona.uri,
        to=[PUBLIC],
        removeData=True,
    )
    await outbox.publish_everywhere(conn, here, document, signer=persona)
    await receipts.begin(conn, here, persona.id, str(document["id"]))
    await conn.execute(
        sa.delete(follows).where(
            sa.or_(follows.c.follower_id == persona.id, follows.c.followed_id == persona.id)
        )
    )
    await conn.execute(sa.delete(moderators).where(moderators.c.actor_id == persona.id))
    await ledger.forget(conn, persona.id)
    await conn.execute(sa.delete(blocks).where(blocks.c.persona_id == persona.id))
    await conn.execute(sa.delete(poll_votes).where(poll_votes.c.actor_uri == persona.uri))
    await conn.execute(sa.delete(check_ins).where(check_ins.c.persona_id == persona.id))
    await reactions.forget_asked(conn, persona.uri)
    await notices.forget_persona(conn, persona.id)
    why = None
    if persona.state is ActorState.SUSPENDED:  # a restore may have lost what was said of it
        await conn.execute(insert(stops).values(actor_id=persona.id).on_conflict_do_nothing())
        why = await conn.scalar(_WHY, {"persona_id": persona.id})
    await appeals.forget_person(conn, persona.id, but=why)
    await audit.forget_about(conn, persona.id, but=why)
    await objections.forget(conn, here, persona.id)
    await conn.execute(
        sa.update(actors)
        .where(actors.c.id == persona.id)
        .values(
            state=ActorState.CLOSED,
            name=persona.handle,
            summary="",
            source="",
            closes_on=None,
            opens_on=None,
            open=False,
        )
    )
