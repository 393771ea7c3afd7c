"""A trusted peer asks us to look after somebody: who that peer is, and which post (MOD-5.14).

They are told two things: that somebody looks, and that it is over. Never how anybody is.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.errors import NotFound, TooMany
from kernel.here import Here
from kernel.rows import at_most, constant
from kernel.schema.actors import ActorKind
from kernel.schema.care import CareState, Level
from kernel.schema.cases import Subject
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, care_cases, care_requests, groups, moderators, posts
from moderation.care import cases, peers
from moderation.cases import About

MOST_OF_PEER: Final = 20  # open care cases that one peer may have asked for
LEVELS: Final[Mapping[str, Level]] = {
    "now": Level.NOW,
    "today": Level.HIGH,
    "routine": Level.LOW,
}

_STEP: Final = 50


async def came(
    conn: AsyncConnection,
    here: Here,
    *,
    host: str,
    object_uri: str,
    urgency: str,
    language: str,
    request_id: UUID,
) -> None:
    """Open a care case about a post of ours, at the desk of its group; the same again is no news.

    `language` is what the peer says the post is written in; nothing of it is stored.
    Raises NotFound: no such post of somebody here is shown. Raises TooMany: that peer has asked
    about as many people as we can look after at once.
    """
    about, group_id = await _about(conn, here, object_uri)
    if await conn.scalar(_known(request_id)):
        return
    if (await conn.scalar(_of_peer(), {"host": host}) or 0) >= MOST_OF_PEER:
        raise TooMany
    level = await _level(conn, host, urgency)
    case_id = await cases.open_case(
        conn, here, about=about, host=here.host, level=level, group_id=group_id
    )
    await conn.execute(
        insert(care_requests)
        .values(request_id=request_id, case_id=case_id, host=host)
        .on_conflict_do_nothing()
    )


async def sooner(conn: AsyncConnection, here: Here, request_id: UUID, urgency: str) -> None:
    """The peer asks once more, perhaps with more haste: everybody on duty hears of it again."""
    asked = (
        await conn.execute(
            sa.select(care_requests.c.case_id, care_requests.c.host).where(
                care_requests.c.request_id == request_id
            )
        )
    ).first()
    if asked is None:
        return
    row = (
        await conn.execute(
            cases.select().where(care_cases.c.id == asked.case_id, cases.OPEN).with_for_update()
        )
    ).first()
    if row is None:
        return
    case, level = cases.read(here, row), await _level(conn, asked.host, urgency)
    if level < case.level:
        await cases.set_level(conn, here, case, level)
    await cases.call_again(conn, case.group_id)


async def _level(conn: AsyncConnection, host: str, urgency: str) -> Level:
    """How soon somebody looks. A peer that is often in haste for nothing is still read today."""
    level = LEVELS.get(urgency, Level.HIGH)
    if level is Level.NOW and await peers.is_hasty(conn, host):
        return Level.HIGH
    return level


def _known(request_id: UUID) -> sa.Select[bool]:
    return sa.select(sa.exists().where(care_requests.c.request_id == request_id))


def _of_peer() -> sa.Select[int]:
    return (
        sa.select(sa.func.count())
        .select_from(care_requests.join(care_cases, care_cases.c.id == care_requests.c.case_id))
        .where(care_requests.c.host == sa.bindparam("host", type_=sa.Text), cases.OPEN)
    )


async def _about(conn: AsyncConnection, here: Here, uri: str) -> tuple[About, UUID | None]:
    """The post, and the desk that looks at it: never that of somebody who wrote it."""
    author = actors.alias("author")
    moderates = (
        sa.exists()
        .where(moderators.c.group_id == posts.c.group_id, moderators.c.actor_id == author.c.id)
        .correlate(posts, author)
    )
    row = (
        await conn.execute(
            sa.select(
                posts.c.id,
                posts.c.group_id,
                author.c.id.label("author_id"),
                author.c.name,
                author.c.handle,
                author.c.host,
                sa.or_(groups.c.sees.is_(None), moderates).label("of_node"),
            )
            .select_from(
                posts.join(author, author.c.id == posts.c.author_id).outerjoin(
                    groups, groups.c.actor_id == posts.c.group_id
                )
            )
            .where(
                posts.c.uri == uri,
                posts.c.state == constant(PostState.SHOWN),
                author.c.local,
                author.c.kind == constant(ActorKind.PERSON),
            )
        )
    ).first()
    if row is None:
        raise NotFound
    about = About(
        subject=Subject.POST,
        uri=uri,
        actor_id=row.author_id,
        name=row.name,
        address=f"@{row.handle}@{row.host}",
        post_id=row.id,
    )
    return about, None if row.of_node else row.group_id


async def to_answer(conn: AsyncConnection) -> Sequence[tuple[UUID, bool]]:
    """Requests whose peer is to hear something, with whether it is over; marked as told.

    In one transaction with the answer, so that it is given once.
    """
    held = care_cases.c.state == constant(CareState.HELD)
    over = care_cases.c.state == constant(CareState.CLOSED)
    rows = (
        await conn.execute(
            sa.select(care_requests.c.request_id, over.label("over"))
            .join(care_cases, care_cases.c.id == care_requests.c.case_id)
            .where(sa.or_(over, sa.and_(held, ~care_requests.c.seen)))
            .order_by(care_requests.c.request_id)
            .limit(at_most(_STEP))
            .with_for_update(of=care_requests, skip_locked=True)
        )
    ).all()
    ended = [row.request_id for row in rows if row.over]
    seen = [row.request_id for row in rows if not row.over]
    if ended:
        await conn.execute(sa.delete(care_requests).where(care_requests.c.request_id.in_(ended)))
    if seen:
        await conn.execute(
            sa.update(care_requests).where(care_requests.c.request_id.in_(seen)).values(seen=True)
        )
    return [(row.request_id, row.over) for row in rows]
