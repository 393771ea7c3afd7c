"""What belongs to a persona: its words, what was decided about it, and whom it follows (DOM-I3).

Everything is read a thousand rows at a time, by a number of statements that does not grow with
them. It is for the member alone, and of one persona alone (SEC-U19).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from activitypub.documents import NoteSource
from groups.posts import Post, select_posts, told_sources
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.schema.posts import AttachmentKind, PostState, ReactionKind
from kernel.schema.tables import actors, attachments, audit, bans, follows, posts, reactions

STEP: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A post of the persona, and all that its document says."""

    post: Post
    source: NoteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """A group asked the persona to stay away."""

    group: str
    reason: str
    until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What moderators decided about the persona or a post of it; `group` and `about` are URIs."""

    verb: str
    about: str
    group: str | None
    day: date
    role: str
    reason: str
    rule: str
    until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Somebody whom the persona follows, a group mostly, or who follows it."""

    uri: str
    name: str
    address: str
    state: str


def _own(persona: Actor) -> sa.ColumnElement[bool]:
    return sa.and_(posts.c.author_id == persona.id, posts.c.state != PostState.DELETED)


async def count(conn: AsyncConnection, persona: Actor) -> int:
    """How many posts of the persona are here."""
    return (
        await conn.scalar(sa.select(sa.func.count()).select_from(posts).where(_own(persona))) or 0
    )


async def said(conn: AsyncConnection, here: Here, persona: Actor) -> AsyncIterator[Sequence[Said]]:
    """Every post of the persona, oldest first, a thousand at a time: those that wait and those
    that moderators removed too, which nobody else sees."""
    last = 0
    while True:
        rows = await conn.execute(
            select_posts().where(_own(persona), posts.c.id > last).order_by(posts.c.id).limit(STEP)
        )
        found = [Post.of(row) for row in rows]
        if not found:
            return
        sources = await told_sources(conn, here, found)
        yield [Said(post=post, source=of) for post, of in zip(found, sources, strict=True)]
        last = found[-1].id


async def pictures(conn: AsyncConnection, persona: Actor) -> AsyncIterator[UUID]:
    """The files of every picture in a post of the persona."""
    last_post, last_position = 0, -1
    key = sa.tuple_(attachments.c.post_id, attachments.c.position)
    while True:
        rows = (
            await conn.execute(
                sa.select(attachments.c.post_id, attachments.c.position, attachments.c.media_id)
                .join(posts, posts.c.id == attachments.c.post_id)
                .where(
                    _own(persona),
                    attachments.c.media_id.is_not(None),
                    attachments.c.kind == AttachmentKind.IMAGE,
                    key > sa.tuple_(sa.literal(last_post), sa.literal(last_position)),
                )
                .order_by(attachments.c.post_id, attachments.c.position)
                .limit(STEP)
            )
        ).all()
        for row in rows:
            yield row.media_id
            last_post, last_position = row.post_id, row.position
        if len(rows) < STEP:
            return


async def heard(conn: AsyncConnection, persona: Actor) -> AsyncIterator[Sequence[str]]:
    """The URIs of the posts whose authors the persona told that it heard them."""
    async for rows in _in_steps(
        conn,
        sa.select(posts.c.uri)
        .join(reactions, reactions.c.post_id == posts.c.id)
        .where(reactions.c.actor_uri == persona.uri, reactions.c.kind == ReactionKind.LIKE),
    ):
        yield [row.uri for row in rows]


async def following(conn: AsyncConnection, persona: Actor) -> AsyncIterator[Sequence[Circle]]:
    """Whom the persona follows: groups that it belongs to or asked to."""
    async for several in _circle(conn, follows.c.followed_id, follows.c.follower_id, persona):
        yield several


async def followers(conn: AsyncConnection, persona: Actor) -> AsyncIterator[Sequence[Circle]]:
    """Who follows the persona; each of them told it so."""
    async for several in _circle(conn, follows.c.follower_id, follows.c.followed_id, persona):
        yield several


async def _circle(
    conn: AsyncConnection,
    them: sa.ColumnElement[UUID],
    us: sa.ColumnElement[UUID],
    persona: Actor,
) -> AsyncIterator[Sequence[Circle]]:
    query = (
        sa.select(actors.c.uri, actors.c.name, actors.c.handle, actors.c.host, follows.c.state)
        .join(follows, actors.c.id == them)
        .where(us == persona.id)
    )
    async for rows in _in_steps(conn, query):
        yield [
            Circle(uri=row.uri, name=row.name, address=f"@{row.handle}@{row.host}", state=row.state)
            for row in rows
        ]


async def _in_steps(
    conn: AsyncConnection, query: sa.Select[Any]
) -> AsyncIterator[Sequence[AnyRow]]:
    """One statement whose rows are read through a cursor."""
    async with conn.stream(query.execution_options(yield_per=STEP)) as rows:
        async for several in rows.partitions():
            yield several


async def bans_of(conn: AsyncConnection, persona: Actor) -> Sequence[Ban]:
    """The groups that asked the persona to stay away; a persona is in few groups."""
    rows = await conn.execute(
        sa.select(actors.c.uri.label("group"), bans.c.reason, bans.c.until)
        .join(actors, actors.c.id == bans.c.group_id)
        .where(bans.c.actor_id == persona.id)
        .order_by(actors.c.uri)
        .limit(STEP)
    )
    return [Ban(**row._mapping) for row in rows]


async def decisions(conn: AsyncConnection, persona: Actor) -> AsyncIterator[Sequence[Decision]]:
    """What moderators decided about the persona and its posts; who of them did is not said.

    How a report went is between whoever reported and the moderators.
    """
    group = actors.alias("group_actor")
    query = (
        sa.select(
            audit.c.object_uri.label("about"),
            group.c.uri.label("group"),
            *(audit.c[name] for name in ("verb", "day", "role", "reason", "rule", "until")),
        )
        .select_from(audit.outerjoin(group, group.c.id == audit.c.group_id))
        .where(audit.c.person_id == persona.id, ~audit.c.verb.startswith("case "))
        .order_by(audit.c.id)
    )
    async for rows in _in_steps(conn, query):
        yield [Decision(**row._mapping) for row in rows]
