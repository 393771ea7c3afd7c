"""Record what must be told: the activity and every delivery of it, with its cause (DESIGN 3).

Deliveries are inserted set-based in the author's own transaction; a NOTIFY wakes the workers when
it commits. Nothing here opens a connection outwards.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import jsontext
from activitypub.actors import Actor
from activitypub.vocab import PUBLIC, Activity, Document
from kernel.here import Here
from kernel.schema.actors import ActorState, FollowState
from kernel.schema.groups import Sees
from kernel.schema.tables import (
    activities,
    actors,
    deliveries,
    domain_blocks,
    follows,
    groups,
    peers,
    threads,
)

CHANNEL = "hearthold_deliveries"


async def publish(
    conn: AsyncConnection,
    here: Here,
    document: Document,
    *,
    signer: Actor,
    to: Sequence[str] = (),
    thread_id: int | None = None,
) -> None:
    """Keep an activity of ours so that its id dereferences, and send it to the actors `to`.

    `to` are actor URIs; ours among them are left out, since they live here.
    """
    await record(conn, here, document, thread_id=thread_id)
    if to:
        await _enqueue(
            conn, here, sa.and_(actors.c.uri.in_(to)), str(document["id"]), signer, thread_id
        )


async def publish_to_followers(
    conn: AsyncConnection,
    here: Here,
    document: Document,
    *,
    signer: Actor,
    also: Sequence[str] = (),
    thread_id: int | None = None,
) -> None:
    """Keep an activity of ours and send it to the servers of the signer's followers.

    Actors with the URIs `also` are sent it too.
    """
    await record(conn, here, document, thread_id=thread_id)
    who = sa.or_(followers_of(signer.id), actors.c.uri.in_(also))
    await _enqueue(conn, here, who, str(document["id"]), signer, thread_id)


async def publish_everywhere(
    conn: AsyncConnection, here: Here, document: Document, *, signer: Actor
) -> None:
    """Keep an activity of ours and send it to every server we know: an actor is gone (WIRE 2.4)."""
    await record(conn, here, document)
    await _enqueue(conn, here, sa.true(), str(document["id"]), signer, None)


async def record(
    conn: AsyncConnection,
    here: Here,
    document: Document,
    *,
    thread_id: int | None = None,
    body: str | None = None,
) -> None:
    """Keep an activity's exact text; `body` is the text as it came, where it came (WIRE-G10)."""
    activity = Activity.parse(document)
    await conn.execute(
        insert(activities)
        .values(
            uri=activity.id,
            actor_uri=activity.actor,
            kind=activity.kind,
            object_uri=activity.object or "",
            thread_id=thread_id,
            body=body if body is not None else jsontext.dump(document).decode(),
            public=activity.public,
            day=here.now().date(),
        )
        .on_conflict_do_nothing()
    )


async def announce(
    conn: AsyncConnection,
    here: Here,
    group: Actor,
    inner: str,
    *,
    wrapped: bool,
    thread_id: int | None,
    context: str | None = None,
    author_uri: str | None = None,
    body: str = "",
) -> None:
    """A group tells its followers (WIRE-G10 to WIRE-G13, WIRE-G20, WIRE-G21).

    Plain (`inner` a post's id) goes to every follower's server; wrapped (`inner` an activity's id,
    `body` its verbatim text) to servers that read FEP-1b12. The author's own server hears both,
    unless it is known to misread what is wrapped (WIRE 3.4). An inner id is announced once: a
    repeat does nothing (WIRE-G13). `context` names the thread on the group's server, which the
    author's server could not know (WIRE-G41).
    """
    if await sent_as(conn, group, "Announce", inner) is not None:
        return
    document: Document = {
        "@context": ["https://www.w3.org/ns/activitystreams"],
        "id": here.new_activity_uri(),
        "type": "Announce",
        "actor": group.uri,
        "to": [PUBLIC],
        "cc": [group.followers_uri],
        "audience": group.uri,
        **({"context": context} if context else {}),
        "object": inner,
    }
    text = None
    if wrapped:
        head = jsontext.dump({k: v for k, v in document.items() if k != "object"}).decode()
        text = f'{head[:-1]},"object":{body}}}'
    await record(conn, here, document, thread_id=thread_id, body=text)
    follower = followers_of(group.id)
    if wrapped:
        follower = sa.and_(follower, reads_wrapped())
    if author_uri is not None:
        author = actors.c.uri == author_uri
        if wrapped:
            author = sa.and_(author, ~misreads_wrapped())
        follower = sa.or_(follower, author)
    await _enqueue(conn, here, follower, str(document["id"]), group, thread_id)


async def _enqueue(
    conn: AsyncConnection,
    here: Here,
    who: sa.ColumnElement[bool],
    activity_uri: str,
    signer: Actor,
    thread_id: int | None,
) -> None:
    """One delivery per distinct inbox of remote, reachable actors matching `who` (WIRE-Q1)."""
    inbox = sa.func.coalesce(actors.c.shared_inbox, actors.c.inbox)
    reachable = sa.and_(
        ~actors.c.local,
        actors.c.state != ActorState.CLOSED,
        ~sa.exists().where(blocks_host(actors.c.host)),
        who,
    )
    await conn.execute(
        insert(peers)
        .from_select(
            ["host", "next_attempt"],
            sa.select(actors.c.host, sa.literal(here.now())).where(reachable).distinct(),
        )
        .on_conflict_do_nothing()
    )
    lane = str(thread_id) if thread_id is not None else str(signer.id)
    await conn.execute(
        insert(deliveries)
        .from_select(
            ["host", "inbox", "lane", "activity_uri", "signer_id", "day"],
            sa.select(
                sa.func.min(actors.c.host),
                inbox,
                sa.literal(lane),
                sa.literal(activity_uri),
                sa.literal(signer.id, sa.Uuid),
                sa.literal(here.now().date()),
            )
            .where(reachable)
            .group_by(inbox),
        )
        .on_conflict_do_nothing()
    )
    await conn.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


def blocks_host(host: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """SQL: a domain block covers `host`, itself or as a suffix; a port does not matter."""
    name = sa.func.split_part(host, ":", 1)
    return sa.or_(
        name == domain_blocks.c.domain,
        sa.func.right(name, sa.func.length(domain_blocks.c.domain) + 1)
        == sa.literal(".").concat(domain_blocks.c.domain),
    )


async def forget(conn: AsyncConnection, object_uri: str) -> None:
    """Deleted words are gone: blank every activity that carries them, drop what is unsent.

    Activities that wrap one of those go too. A row a worker holds right now is sent no further
    than that one attempt; the Delete queues behind it in the same lane.
    """
    carrying = sa.select(activities.c.uri).where(
        activities.c.object_uri == object_uri, activities.c.kind.in_(["Create", "Update"])
    )
    wrapping = sa.select(activities.c.uri).where(
        activities.c.kind == "Announce", activities.c.object_uri.in_(carrying)
    )
    both = sa.union(carrying, wrapping).subquery()
    uris = sa.select(both.c.uri)
    await conn.execute(sa.delete(deliveries).where(deliveries.c.activity_uri.in_(uris)))
    await conn.execute(sa.update(activities).where(activities.c.uri.in_(uris)).values(body=""))


async def blank(conn: AsyncConnection, uri: str) -> None:
    """An activity was taken back: its text goes, and what is unsent of it stays unsent."""
    await conn.execute(sa.update(activities).where(activities.c.uri == uri).values(body=""))


async def sent_as(conn: AsyncConnection, actor: Actor, kind: str, object_uri: str) -> str | None:
    """The id under which `actor` said `kind` of the object, for its Undo (WIRE-G13).

    None where it never did, or took it back.
    """
    found: str | None = await conn.scalar(
        sa.select(activities.c.uri)
        .where(
            activities.c.object_uri == object_uri,
            activities.c.kind == kind,
            activities.c.actor_uri == actor.uri,
            activities.c.body != "",
        )
        .limit(1)
    )
    return found


async def body_of(conn: AsyncConnection, uri: str) -> str | None:
    """The text of a public activity kept here; None also where its group has closed since."""
    owner = actors.alias("group_actor")
    closed = (
        sa.exists()
        .select_from(groups.join(owner, owner.c.id == groups.c.actor_id))
        .where(
            groups.c.sees != Sees.EVERYONE,
            sa.or_(
                owner.c.uri == activities.c.actor_uri,
                sa.exists().where(
                    threads.c.id == activities.c.thread_id, threads.c.group_id == groups.c.actor_id
                ),
            ),
        )
    )
    found: str | None = await conn.scalar(
        sa.select(activities.c.body).where(
            activities.c.uri == uri, activities.c.public, activities.c.body != "", ~closed
        )
    )
    return found


def followers_of(actor_id: UUID) -> sa.ColumnElement[bool]:
    """SQL: `actors` who follow `actor_id`, accepted."""
    return actors.c.id.in_(
        sa.select(follows.c.follower_id).where(
            follows.c.followed_id == actor_id, follows.c.state == FollowState.ACCEPTED
        )
    )


def reads_wrapped() -> sa.ColumnElement[bool]:
    """SQL: `actors` on servers that read FEP-1b12 Announces (WIRE 3.5)."""
    return actors.c.host.in_(sa.select(peers.c.host).where(peers.c.wrapped.is_(True)))


def misreads_wrapped() -> sa.ColumnElement[bool]:
    """SQL: `actors` on servers known not to; of the rest nothing is known yet."""
    return actors.c.host.in_(sa.select(peers.c.host).where(peers.c.wrapped.is_(False)))
