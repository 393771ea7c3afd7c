"""Who follows whom, in both directions across nodes (WIRE 3.1, ActivityPub §7.5-7.7)."""

from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.vocab import Document
from kernel.errors import NotFound
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.actors import ActorState, FollowState
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import follows
from members import notices
from members.order import stir


async def request(
    conn: AsyncConnection,
    here: Here,
    follower: Actor,
    followed: Actor,
    *,
    due: datetime | None = None,
) -> FollowState:
    """One of ours asks to follow somebody elsewhere; asking twice asks again (WIRE-G1).

    With `due` the other server hears of it then (SEC-U6).
    """
    uri = here.new_activity_uri()
    later = sa.literal(due, sa.DateTime(timezone=True))  # null again for what was asked long ago
    row = (
        await conn.execute(
            insert(follows)
            .values(
                follower_id=follower.id,
                followed_id=followed.id,
                state=FollowState.PENDING,
                uri=uri,
                due=due,
            )
            .on_conflict_do_update(
                index_elements=["follower_id", "followed_id"],
                set_={"uri": follows.c.uri, "due": sa.case((follows.c.due.is_not(None), later))},
            )
            .returning(follows.c.state, follows.c.uri, follows.c.due)
        )
    ).one()
    await stir(conn, follows)
    if row.state == FollowState.PENDING and row.due is None:
        await _ask(conn, here, follower, followed, row.uri)
    return FollowState(row.state)


async def _ask(
    conn: AsyncConnection, here: Here, follower: Actor, followed: Actor, uri: str
) -> None:
    document = _follow(uri, follower.uri, followed.uri)
    await outbox.publish(conn, here, document, signer=follower, to=[followed.uri])


async def send_one(engine: AsyncEngine, here: Here) -> bool:
    """Send one request to follow whose time has come. False: there is none."""
    async with engine.begin() as conn:
        row = (await conn.execute(_DUE, {"now": here.now()})).first()
        if row is None:
            return False
        follower = await actor_store.get(conn, row.follower_id)
        followed = await actor_store.get(conn, row.followed_id)
        await conn.execute(sa.update(follows).where(_between(follower, followed)).values(due=None))
        await stir(conn, follows)
        stays = follower.state is ActorState.ACTIVE and follower.closes_on is None
        if stays:  # also what was put back: its server may know of it no more (MOD-5.10)
            await _ask(conn, here, follower, followed, row.uri)
    return True


_DUE: Final = (
    sa.select(follows.c.follower_id, follows.c.followed_id, follows.c.state, follows.c.uri)
    .where(follows.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
    .order_by(follows.c.due, follows.c.follower_id)
    .limit(at_most(1))
    .with_for_update(skip_locked=True)
)


def _follow(uri: str, follower_uri: str, followed_uri: str) -> Document:
    return documents.activity(uri, "Follow", follower_uri, followed_uri, to=[followed_uri])


def _embedded(uri: str, follower_uri: str, followed_uri: str) -> Document:
    """A Follow inside its answer: exactly four members (WIRE-G1)."""
    return {"id": uri, "type": "Follow", "actor": follower_uri, "object": followed_uri}


async def receive(
    conn: AsyncConnection,
    here: Here,
    follower: Actor,
    followed: Actor,
    uri: str,
    *,
    turn: int | None = None,
    asks: bool = False,
) -> FollowState:
    """Somebody elsewhere asks to follow one of ours; the open accept at once (WIRE-G1, WIRE-G2).

    With a `turn` it is unanswered until there is room; the locked give no turn before their yes.
    Who `asks` first is unanswered too, even where everybody may come in.
    """
    waits = followed.locked or asks or turn is not None
    state = FollowState.PENDING if waits else FollowState.ACCEPTED
    turn = None if followed.locked else turn
    row = (
        await conn.execute(
            insert(follows)
            .values(
                follower_id=follower.id, followed_id=followed.id, state=state, uri=uri, turn=turn
            )
            .on_conflict_do_update(index_elements=["follower_id", "followed_id"], set_={"uri": uri})
            .returning(follows.c.state)
        )
    ).one()
    state = FollowState(row.state)
    if state is FollowState.ACCEPTED:
        await _answer(conn, here, "Accept", follower, followed, uri)
    return state


async def refuse(
    conn: AsyncConnection, here: Here, follower: Actor, followed: Actor, uri: str
) -> None:
    """Say no to a Follow that was never let in."""
    await _answer(conn, here, "Reject", follower, followed, uri)


async def _answer(
    conn: AsyncConnection, here: Here, kind: str, follower: Actor, followed: Actor, uri: str
) -> None:
    if follower.local:
        return
    document = documents.activity(
        here.new_activity_uri(),
        kind,
        followed.uri,
        _embedded(uri, follower.uri, followed.uri),
        to=[follower.uri],
    )
    await outbox.publish(conn, here, document, signer=followed, to=[follower.uri])


async def accept(conn: AsyncConnection, here: Here, follower: Actor, followed: Actor) -> None:
    """Let a waiting follower in, and tell its server. Raises NotFound: nobody waits."""
    uri = await conn.scalar(
        sa.update(follows)
        .where(_between(follower, followed))
        .values(state=FollowState.ACCEPTED, turn=None)
        .returning(follows.c.uri)
    )
    if uri is None:
        raise NotFound
    await notices.tell(conn, here, notices.of_membership(follower, followed, NoticeKind.JOINED))
    await _answer(conn, here, "Accept", follower, followed, uri)


async def reject(
    conn: AsyncConnection, here: Here, follower: Actor, followed: Actor, *, quietly: bool = False
) -> None:
    """Turn a follower away, waiting or not, and tell its server (WIRE-G3).

    With `quietly` one of ours gets no notice: they are told more than that.
    """
    uri = await turned_away(conn, here, follower, followed, quietly=quietly)
    if uri is not None:
        await _answer(conn, here, "Reject", follower, followed, uri)


async def turned_away(
    conn: AsyncConnection, here: Here, follower: Actor, followed: Actor, *, quietly: bool = False
) -> str | None:
    """A follow is over, or was never let in, and one of ours is told; the id of the Follow."""
    row = (
        await conn.execute(
            sa.delete(follows)
            .where(_between(follower, followed))
            .returning(follows.c.uri, follows.c.state)
        )
    ).first()
    if row is None:
        return None
    waited = row.state == FollowState.PENDING
    kind = NoticeKind.REFUSED if waited else NoticeKind.ENDED
    if not quietly:
        await notices.tell(conn, here, notices.of_membership(follower, followed, kind))
    return str(row.uri)


async def accepted(conn: AsyncConnection, here: Here, follower: Actor, followed: Actor) -> None:
    """Somebody elsewhere said yes to one of ours.

    Of a yes that comes by itself no notice is written: its minute would be that of the asking.
    """
    news = await conn.execute(
        sa.update(follows)
        .where(_between(follower, followed), follows.c.state != FollowState.ACCEPTED)
        .values(state=FollowState.ACCEPTED)
    )
    if news.rowcount and followed.locked:
        await notices.tell(conn, here, notices.of_membership(follower, followed, NoticeKind.JOINED))
    await stir(conn, follows)


async def still_waiting(conn: AsyncConnection, follower: Actor, followed: Actor) -> None:
    """Somebody elsewhere said no to one of ours, who asks no more and stays as if unanswered."""
    await conn.execute(
        sa.update(follows).where(_between(follower, followed)).values(state=FollowState.PENDING)
    )
    await stir(conn, follows)


async def forget(conn: AsyncConnection, follower: Actor, followed: Actor) -> None:
    """The follow is over; nobody is told."""
    await conn.execute(sa.delete(follows).where(_between(follower, followed)))


async def end(conn: AsyncConnection, here: Here, follower: Actor, followed: Actor) -> None:
    """One of ours stops following; a server elsewhere is told, if it knows of it (WIRE-G3)."""
    ended = await conn.execute(
        sa.delete(follows)
        .where(_between(follower, followed))
        .returning(follows.c.uri, follows.c.due, follows.c.state)
    )
    row = ended.first()
    unheard = row is not None and row.due is not None and row.state == FollowState.PENDING
    if row is not None and not unheard and not followed.local:
        await _undo(conn, here, follower, followed, row.uri)


async def disown(conn: AsyncConnection, here: Here, follower: Actor, followed: Actor) -> None:
    """One of ours does not follow somebody elsewhere who has it otherwise: tell them (WIRE 6.4)."""
    await _undo(conn, here, follower, followed, here.new_activity_uri())


async def _undo(
    conn: AsyncConnection, here: Here, follower: Actor, followed: Actor, uri: str
) -> None:
    document = documents.activity(
        here.new_activity_uri(),
        "Undo",
        follower.uri,
        _embedded(uri, follower.uri, followed.uri),
        to=[followed.uri],
    )
    await outbox.publish(conn, here, document, signer=follower, to=[followed.uri])


def _between(follower: Actor, followed: Actor) -> sa.ColumnElement[bool]:
    return sa.and_(follows.c.follower_id == follower.id, follows.c.followed_id == followed.id)


async def between(conn: AsyncConnection, follower: Actor, followed: Actor) -> FollowState | None:
    """How far it has come that one follows the other; None: it was never asked."""
    state: str | None = await conn.scalar(
        sa.select(follows.c.state).where(_between(follower, followed))
    )
    return FollowState(state) if state else None


async def pair_of(conn: AsyncConnection, uri: str) -> tuple[UUID, UUID] | None:
    """(follower id, followed id) of the Follow with this id, for an Undo that names only it."""
    row = (
        await conn.execute(
            sa.select(follows.c.follower_id, follows.c.followed_id).where(follows.c.uri == uri)
        )
    ).first()
    return (row.follower_id, row.followed_id) if row else None
