"""Record what must be told: the activity and every delivery of it, with its cause (DESIGN 3).

Deliveries are inserted set-based in the author's own transaction; a NOTIFY wakes the workers when
it commits. Nothing here opens a connection outwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import enqueue, jsontext, precedence
from activitypub.actors import Actor
from activitypub.audience import (
    INBOX,
    blocks_host,
    exists_elsewhere,
    followers_of,
    reachable,
    reads_wrapped,
    takes_bare_moves,
)
from activitypub.vocab import Activity, Document
from kernel.arrays import Rows
from kernel.clock import to_month
from kernel.here import Here
from kernel.schema.federation import Rank
from kernel.schema.groups import Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import (
    activities,
    actors,
    deliveries,
    domain_blocks,
    groups,
    posts,
    threads,
)

ASIDE: Final = "aside"  # why a delivery is not tried: what it is about is read by a person first

_KEPT = Rows(
    "kept",
    uri=sa.Text,
    actor_uri=sa.Text,
    kind=sa.Text,
    object_uri=sa.Text,
    thread_id=sa.BigInteger,
    body=sa.Text,
    public=sa.Boolean,
    proven=sa.Boolean,
)
_KEEP = (
    insert(activities)
    .from_select([*_KEPT.names, "month"], sa.select(*_KEPT.c, sa.bindparam("month", type_=sa.Date)))
    .on_conflict_do_nothing()
)


async def publish(
    conn: AsyncConnection,
    here: Here,
    document: Document,
    *,
    signer: Actor,
    to: Sequence[str] = (),
    thread_id: int | None = None,
    direct: bool = False,
) -> None:
    """Keep an activity of ours so that its id dereferences, and send it to the actors `to`.

    `to` are actor URIs; ours among them are left out, since they live here. What is `direct` goes
    to an inbox of their own (WIRE-Q1).
    """
    await record(conn, here, document, thread_id=thread_id)
    if to:
        who = actors.c.uri.in_(to)
        inbox = actors.c.inbox if direct else INBOX
        await _enqueue(conn, here, who, document, signer, thread_id, inbox)


async def publish_to_followers(
    conn: AsyncConnection,
    here: Here,
    document: Document,
    *,
    signer: Actor,
    also: Sequence[str] = (),
    thread_id: int | None = None,
    plain_only: bool = False,
) -> None:
    """Keep an activity of ours and send it to the servers of the signer's followers.

    Actors with the URIs `also` are sent it too. `plain_only` leaves out servers that read FEP-1b12.
    """
    await record(conn, here, document, thread_id=thread_id)
    followers = followers_of(signer.id)
    if plain_only:
        followers = sa.and_(followers, ~reads_wrapped())
    who = sa.or_(followers, actors.c.uri.in_(also))
    await _enqueue(conn, here, who, document, signer, thread_id)


async def publish_move(
    conn: AsyncConnection,
    here: Here,
    document: Document,
    *,
    signer: Actor,
    of: Sequence[Actor],
    thread_id: int,
) -> None:
    """Keep the Move of a thread and send it, as it is, to followers of these who read it so."""
    await record(conn, here, document, thread_id=thread_id)
    followers = sa.or_(*(followers_of(group.id) for group in of))
    who = sa.and_(followers, takes_bare_moves())
    await _enqueue(conn, here, who, document, signer, thread_id)


async def publish_everywhere(
    conn: AsyncConnection, here: Here, document: Document, *, signer: Actor
) -> None:
    """Keep an activity of ours and send it to every server we know: an actor is gone (WIRE 2.4)."""
    await record(conn, here, document)
    await _enqueue(conn, here, sa.true(), document, signer, None)


async def record(
    conn: AsyncConnection,
    here: Here,
    document: Document,
    *,
    thread_id: int | None = None,
    body: str | None = None,
) -> None:
    """Keep an activity's exact text; `body` is the text as it came, where it came (WIRE-G10)."""
    text = body if body is not None else jsontext.dump(document).decode()
    await keep(
        conn, here, [Kept(activity=Activity.parse(document), thread_id=thread_id, body=text)]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An activity and its exact text."""

    activity: Activity
    thread_id: int | None
    body: str


async def keep(conn: AsyncConnection, here: Here, several: Sequence[Kept]) -> None:
    """Keep the exact texts of activities; one that is kept already stays as it is."""
    rows = [
        {
            "uri": each.activity.id,
            "actor_uri": each.activity.actor,
            "kind": each.activity.kind,
            "object_uri": each.activity.object or "",
            "thread_id": each.thread_id,
            "body": each.body,
            "public": each.activity.public,
            "proven": each.activity.is_attested,
        }
        for each in several
    ]
    if rows:
        await conn.execute(_KEEP, {**_KEPT.values(rows), "month": to_month(here.now())})


async def _enqueue(
    conn: AsyncConnection,
    here: Here,
    who: sa.ColumnElement[bool],
    document: Document,
    signer: Actor,
    thread_id: int | None,
    inbox: sa.ColumnElement[str] = INBOX,
) -> None:
    """One delivery per distinct inbox of remote, reachable actors matching `who` (WIRE-Q1)."""
    activity = Activity.parse(document)
    rank = precedence.rank_of(activity)
    if rank is Rank.FIRST:
        await precedence.bring_along(conn, [activity.id])
    due = sa.select(
        actors.c.host,
        inbox.label("inbox"),
        sa.literal(enqueue.lane_of(thread_id, signer)).label("lane"),
        sa.literal(activity.id).label("activity_uri"),
        sa.literal(signer.id, sa.Uuid).label("signer_id"),
        sa.literal(0).label("number"),
        sa.literal(rank.value, sa.SmallInteger).label("rank"),
    ).where(exists_elsewhere(actors) if rank is Rank.FIRST else reachable(actors), who)
    await conn.execute(enqueue.statement(due), enqueue.values(here))


async def forget(conn: AsyncConnection, object_uri: str) -> None:
    """Deleted words are gone: blank every activity that carries them, drop what is unsent.

    Activities that wrap one of those go too, and boosts that were put aside. A row a worker holds
    right now is sent no further than that one attempt; the Delete queues behind it in the same
    lane.
    """
    carrying, boosts = _carrying(object_uri), _boosts(object_uri)
    unsent = deliveries.c.activity_uri.in_(carrying)
    aside = sa.and_(deliveries.c.activity_uri.in_(boosts), deliveries.c.parked == ASIDE)
    for gone in (unsent, aside):
        await conn.execute(sa.delete(deliveries).where(gone))
    await conn.execute(sa.update(activities).where(activities.c.uri.in_(carrying)).values(body=""))


def _carrying(object_uri: str) -> sa.Select[str]:
    """SQL: ids of activities that carry the words of a post, and of those that wrap one."""
    carrying = sa.select(activities.c.uri).where(
        activities.c.object_uri == object_uri, activities.c.kind.in_(["Create", "Update"])
    )
    wrapping = sa.select(activities.c.uri).where(
        activities.c.kind == "Announce", activities.c.object_uri.in_(carrying)
    )
    return sa.select(sa.union(carrying, wrapping).subquery().c.uri)


def _boosts(object_uri: str) -> sa.Select[str]:
    """SQL: ids of Announces of the post itself; who hears one reads it where it lives."""
    return sa.select(activities.c.uri).where(
        activities.c.object_uri == object_uri, activities.c.kind == "Announce"
    )


def _tells_of(object_uri: str) -> sa.ColumnElement[bool]:
    """SQL: a delivery by which somebody would read a post."""
    each = sa.union(_carrying(object_uri), _boosts(object_uri)).subquery()
    return deliveries.c.activity_uri.in_(sa.select(each.c.uri))


def broke_the_sender() -> sa.ColumnElement[bool]:
    """SQL: a delivery that is not tried any more, and not since somebody reads its post first."""
    return deliveries.c.parked != ASIDE


async def put_aside(conn: AsyncConnection, object_uri: str) -> None:
    """A post is read by a moderator first: what is unsent of it waits for `take_up` or `forget`.

    A row a worker holds right now is sent no further than that one attempt. It waits for as long as
    anything does that is unsent (`keep_times.DELIVERY`).
    """
    unsent = sa.and_(_tells_of(object_uri), deliveries.c.parked.is_(None))
    await conn.execute(sa.update(deliveries).where(unsent).values(parked=ASIDE))


async def take_up(conn: AsyncConnection, object_uri: str) -> bool:
    """What was put aside of a post goes on its way. False: every server had all of it before."""
    aside = sa.and_(_tells_of(object_uri), deliveries.c.parked == ASIDE)
    found = await conn.execute(sa.update(deliveries).where(aside).values(parked=None))
    if found.rowcount:
        await conn.execute(sa.select(sa.func.pg_notify(enqueue.CHANNEL, "")))
    return found.rowcount > 0


async def supersede(conn: AsyncConnection, object_uri: str) -> None:
    """A newer Update is about to come: earlier ones go as they are, and nobody is sent them."""
    earlier = sa.select(activities.c.uri).where(
        activities.c.object_uri == object_uri, activities.c.kind == "Update"
    )
    wrapping = sa.select(activities.c.uri).where(
        activities.c.kind == "Announce", activities.c.object_uri.in_(earlier)
    )
    uris = sa.select(sa.union(earlier, wrapping).subquery().c.uri)
    await conn.execute(sa.delete(deliveries).where(deliveries.c.activity_uri.in_(uris)))
    await conn.execute(sa.delete(activities).where(activities.c.uri.in_(uris)))


async def blank(conn: AsyncConnection, uri: str) -> None:
    """An activity was taken back: its text goes, and what is unsent of it stays unsent."""
    await conn.execute(sa.update(activities).where(activities.c.uri == uri).values(body=""))


async def withdraw(conn: AsyncConnection, uri: str) -> None:
    """An activity of ours is not meant any more: it goes, and what is unsent of it."""
    await conn.execute(sa.delete(deliveries).where(deliveries.c.activity_uri == uri))
    await conn.execute(sa.delete(activities).where(activities.c.uri == uri))


async def was_proven(conn: AsyncConnection, object_uri: str) -> bool:
    """Whether something said of the object carried a proof, also if its text is gone since."""
    found = await conn.scalar(
        sa.select(activities.c.uri)
        .where(activities.c.object_uri == object_uri, activities.c.proven)
        .limit(1)
    )
    return found is not None


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
    """The text of a public activity kept here.

    None also where its group has closed since, while the post that it is about is held, or while
    nothing is heard from where that was written (SEC-L10).
    """
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
    inner = activities.alias("inner_activity")
    about = sa.select(inner.c.object_uri).where(inner.c.uri == activities.c.object_uri)
    passed_on = about.correlate(activities).scalar_subquery()
    writer = actors.alias("writer")
    kept_away = sa.exists().where(
        writer.c.id == posts.c.author_id,
        ~writer.c.local,
        sa.exists().where(blocks_host(writer.c.host)).correlate_except(domain_blocks),
    )
    waits = sa.exists().where(
        sa.or_(posts.c.uri == activities.c.object_uri, posts.c.uri == passed_on),
        sa.or_(posts.c.state == PostState.HELD, kept_away),
    )
    found: str | None = await conn.scalar(
        sa.select(activities.c.body).where(
            activities.c.uri == uri, activities.c.public, activities.c.body != "", ~closed, ~waits
        )
    )
    return found
