"""Record what must be told: the activity and every delivery of it, with its cause (DESIGN 3).

Deliveries are inserted set-based in the author's own transaction; a NOTIFY wakes the workers when
it commits. Nothing here opens a connection outwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import jsontext, precedence
from activitypub.actors import Actor
from activitypub.vocab import AS2, PUBLIC, Activity, Document
from kernel.arrays import Rows
from kernel.clock import to_month
from kernel.here import Here
from kernel.rows import number
from kernel.schema.actors import ActorState, FollowState
from kernel.schema.federation import Rank
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
        await _enqueue(conn, here, sa.and_(actors.c.uri.in_(to)), document, signer, thread_id)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What a group tells its followers (WIRE-G10 to WIRE-G13, WIRE-G20, WIRE-G21).

    Plain (`inner` a post's id) goes to every follower's server; wrapped (`inner` an activity's id,
    `body` its verbatim text) to servers that read FEP-1b12. The author's own server hears both,
    unless it is known to misread what is wrapped (WIRE 3.4). `context` names the thread on the
    group's server, which the author's server could not know (WIRE-G41). A `listed` one stands in
    the group's outbox (WIRE-A7), so it is kept even where nobody hears it. `rank` is that of what
    is inside (`precedence`).

    A `bare` one is no Announce at all: the activity `inner` itself, which is kept already and
    carries its author's proof, forwarded under the group's signature to followers' servers that
    believe it so, and not to `but_host`, where it came from.
    """

    group: Actor
    inner: str
    wrapped: bool
    thread_id: int | None
    context: str | None = None
    author_uri: str | None = None
    body: str = ""
    listed: bool = False
    rank: Rank = Rank.IN_ORDER
    bare: bool = False
    but_host: str = ""

    def kept(self, here: Here) -> Kept:
        """A new Announce, its inner activity byte for byte as it came (WIRE-G10)."""
        document: Document = {
            "@context": [AS2],
            "id": here.new_activity_uri(),
            "type": "Announce",
            "actor": self.group.uri,
            "to": [PUBLIC],
            "cc": [self.group.followers_uri],
            "audience": self.group.uri,
            **({"context": self.context} if self.context else {}),
        }
        head = jsontext.dump(document).decode()
        inner = self.body if self.wrapped else jsontext.dump(self.inner).decode()
        return Kept(
            activity=Activity.parse({**document, "object": self.inner}),
            thread_id=self.thread_id,
            body=f'{head[:-1]},"object":{inner}}}',
        )


async def announce(
    conn: AsyncConnection, here: Here, announcements: Sequence[Announcement]
) -> None:
    """Groups tell their followers; nothing is kept of what nobody hears.

    An inner id is announced once: a repeat does nothing (WIRE-G13).
    """
    items = [
        {
            "number": number,
            "group_id": each.group.id,
            "group_uri": each.group.uri,
            "inner_uri": each.inner,
            "wrapped": each.wrapped,
            "bare": each.bare,
            "listed": each.listed,
            "first": each.rank is Rank.FIRST,
            "author_uri": each.author_uri or "",
        }
        for number, each in enumerate(announcements)
    ]
    if not items:
        return
    found = await conn.execute(_NEWS, _ITEM.values(items))
    news = {row.number: row.heard for row in found}
    kept = {
        number: announcements[number].kept(here)
        for number in news
        if not announcements[number].bare
    }
    await keep(conn, here, list(kept.values()))
    told = [
        {
            "number": number,
            "activity_uri": kept[number].activity.id
            if number in kept
            else announcements[number].inner,
            "signer_id": announcements[number].group.id,
            "lane": _lane(announcements[number].thread_id, announcements[number].group),
            "wrapped": announcements[number].wrapped,
            "bare": announcements[number].bare,
            "but_host": announcements[number].but_host,
            "author_uri": announcements[number].author_uri or "",
            "rank": announcements[number].rank,
        }
        for number, heard in news.items()
        if heard
    ]
    if told:
        first = [announcements[n].inner for n in news if announcements[n].rank is Rank.FIRST]
        await precedence.bring_along(conn, first)
        await conn.execute(_TELL, {**_TOLD.values(told), **_queue_values(here)})


async def _enqueue(
    conn: AsyncConnection,
    here: Here,
    who: sa.ColumnElement[bool],
    document: Document,
    signer: Actor,
    thread_id: int | None,
) -> None:
    """One delivery per distinct inbox of remote, reachable actors matching `who` (WIRE-Q1)."""
    activity = Activity.parse(document)
    rank = precedence.rank_of(activity)
    if rank is Rank.FIRST:
        await precedence.bring_along(conn, [activity.id])
    due = sa.select(
        actors.c.host,
        _INBOX.label("inbox"),
        sa.literal(_lane(thread_id, signer)).label("lane"),
        sa.literal(activity.id).label("activity_uri"),
        sa.literal(signer.id, sa.Uuid).label("signer_id"),
        sa.literal(0).label("number"),
        sa.literal(rank.value, sa.SmallInteger).label("rank"),
    ).where(_exists_elsewhere(actors) if rank is Rank.FIRST else _reachable(actors), who)
    await conn.execute(_queue(due), _queue_values(here))


def _lane(thread_id: int | None, signer: Actor) -> str:
    return str(thread_id) if thread_id is not None else str(signer.id)


def _queue(due: sa.Select[Any] | sa.CompoundSelect[Any]) -> sa.Executable:
    """SQL: make deliveries of rows (host, inbox, lane, activity_uri, signer_id, number, rank).

    Each inbox gets an activity once; what has a smaller `number` goes first. Wakes the workers.
    """
    rows = due.cte("due").prefix_with("MATERIALIZED", dialect="postgresql")
    hosts = (
        insert(peers)
        .from_select(
            ["host", "next_attempt"],
            sa.select(
                rows.c.host, sa.bindparam("now", type_=sa.DateTime(timezone=True))
            ).distinct(),
        )
        .on_conflict_do_nothing()
        .cte("hosts")
    )
    made = (
        insert(deliveries)
        .from_select(
            ["host", "inbox", "lane", "activity_uri", "signer_id", "day", "rank"],
            sa.select(
                sa.func.min(rows.c.host),
                rows.c.inbox,
                rows.c.lane,
                rows.c.activity_uri,
                rows.c.signer_id,
                sa.bindparam("day", type_=sa.Date),
                sa.func.min(rows.c.rank),
            )
            .group_by(rows.c.inbox, rows.c.lane, rows.c.activity_uri, rows.c.signer_id)
            .order_by(sa.func.min(rows.c.number)),
        )
        .on_conflict_do_nothing()
        .returning(deliveries.c.id)
        .cte("made")
    )
    wake = sa.select(sa.literal(1).label("one")).select_from(made).limit(1).subquery()
    return sa.select(sa.func.pg_notify(CHANNEL, "")).select_from(wake).add_cte(hosts, made)


def _queue_values(here: Here) -> dict[str, object]:
    return {"now": here.now(), "day": here.now().date()}


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


_MASTODON_LIKE = ("mastodon", "hometown", "fedibird")  # as their NodeInfo names them


def takes_forwards() -> sa.ColumnElement[bool]:
    """SQL: `actors` on servers that believe an author's proof in what a group forwards.

    Of those that read no wrapped Announces, that is Mastodon and its kin (WIRE-G21).
    """
    software = sa.or_(
        *(peers.c.software == sa.literal_column(f"'{name}'", sa.Text) for name in _MASTODON_LIKE)
    )
    return actors.c.host.in_(
        sa.select(peers.c.host).where(software, peers.c.wrapped.is_not(sa.true()))
    )


def _hears(form: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: `actors` are told what is `wrapped`, `bare` or neither, as `form` says."""
    return sa.or_(
        sa.and_(~form.c.wrapped, ~form.c.bare),
        sa.and_(form.c.wrapped, reads_wrapped()),
        sa.and_(form.c.bare, takes_forwards()),
    )


_INBOX = sa.func.coalesce(actors.c.shared_inbox, actors.c.inbox)


def _exists_elsewhere(who: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: actors elsewhere that are not gone."""
    return sa.and_(~who.c.local, who.c.state != ActorState.CLOSED)


def _reachable(who: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: actors elsewhere that can be told something now."""
    return sa.and_(_exists_elsewhere(who), ~_blocked(who))


def _blocked(who: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.exists().where(blocks_host(who.c.host)).correlate_except(domain_blocks)


def _may_hear(who: sa.FromClause, first: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """SQL: actors elsewhere for whom something is queued, of the first rank or not.

    What takes something back waits even for a domain that is blocked: nothing is sent there, and
    once the block ends that is heard first (WIRE-M23).
    """
    return sa.and_(_exists_elsewhere(who), sa.or_(first, ~_blocked(who)))


def _follows(group_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    return sa.and_(
        follows.c.followed_id == group_id,
        follows.c.state == FollowState.ACCEPTED,
        actors.c.id == follows.c.follower_id,
    )


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

_ITEM = Rows(
    "item",
    number=sa.Integer,
    group_id=sa.Uuid,
    group_uri=sa.Text,
    inner_uri=sa.Text,
    wrapped=sa.Boolean,
    bare=sa.Boolean,
    listed=sa.Boolean,
    first=sa.Boolean,
    author_uri=sa.Text,
)


def _one_of(
    of: sa.FromClause, table: sa.Table, *where: sa.ColumnElement[bool]
) -> sa.ColumnElement[bool]:
    """SQL: there is such a row, asked for one row of `of` after the other.

    EXISTS may be planned as one join for all of them, which reads whatever the table holds.
    """
    found = sa.select(sa.literal(1)).select_from(table).where(*where).limit(1)
    return found.correlate(of).scalar_subquery().is_not(None)


def _news() -> sa.Select[tuple[int, bool]]:
    """SQL: which items were not announced yet and are kept, and whether anybody hears them.

    Followers are looked through once for each group, and an author's server is looked up once,
    however many items there are of them.
    """
    group = (
        sa.select(_ITEM.c.group_id, _ITEM.c.wrapped, _ITEM.c.bare, _ITEM.c.first)
        .distinct()
        .cte("of_group")
    )
    audience = sa.select(
        group.c.group_id,
        group.c.wrapped,
        group.c.bare,
        group.c.first,
        sa.exists()
        .where(_follows(group.c.group_id), _may_hear(actors, group.c.first), _hears(group))
        .label("heard"),
    ).cte("audience")
    author = (
        sa.select(_ITEM.c.author_uri, _ITEM.c.wrapped, _ITEM.c.first).distinct().cte("of_author")
    )
    listener = (
        sa.select(
            author.c.author_uri,
            author.c.wrapped,
            author.c.first,
            _one_of(
                author,
                actors,
                actors.c.uri == author.c.author_uri,
                _may_hear(actors, author.c.first),
                sa.or_(~author.c.wrapped, ~misreads_wrapped()),
            ).label("heard"),
        )
        .cte("listener")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    announced = _one_of(
        _ITEM.table,
        activities,
        activities.c.object_uri == _ITEM.c.inner_uri,
        activities.c.kind == "Announce",
        activities.c.actor_uri == _ITEM.c.group_uri,
        activities.c.body != "",
    )
    heard = sa.or_(audience.c.heard, listener.c.heard)
    return (
        sa.select(_ITEM.c.number, heard.label("heard"))
        .join(
            audience,
            sa.and_(
                audience.c.group_id == _ITEM.c.group_id,
                audience.c.wrapped == _ITEM.c.wrapped,
                audience.c.bare == _ITEM.c.bare,
                audience.c.first == _ITEM.c.first,
            ),
        )
        .join(
            listener,
            sa.and_(
                listener.c.author_uri == _ITEM.c.author_uri,
                listener.c.wrapped == _ITEM.c.wrapped,
                listener.c.first == _ITEM.c.first,
            ),
        )
        .where(sa.or_(_ITEM.c.listed, heard), sa.or_(_ITEM.c.bare, ~announced))
        .order_by(_ITEM.c.number)
    )


_NEWS = _news()

_TOLD = Rows(
    "told",
    number=sa.Integer,
    activity_uri=sa.Text,
    signer_id=sa.Uuid,
    lane=sa.Text,
    wrapped=sa.Boolean,
    bare=sa.Boolean,
    author_uri=sa.Text,
    rank=sa.SmallInteger,
    but_host=sa.Text,
)


def _tell() -> sa.Executable:
    columns = (
        actors.c.host,
        _INBOX.label("inbox"),
        _TOLD.c.lane,
        _TOLD.c.activity_uri,
        _TOLD.c.signer_id,
        _TOLD.c.number,
        _TOLD.c.rank,
    )
    followers = sa.select(*columns).where(
        _follows(_TOLD.c.signer_id),
        _may_hear(actors, _TOLD.c.rank == number(Rank.FIRST)),
        _hears(_TOLD.table),
        actors.c.host != _TOLD.c.but_host,
    )
    authors = sa.select(*columns).where(
        actors.c.uri == _TOLD.c.author_uri,
        _may_hear(actors, _TOLD.c.rank == number(Rank.FIRST)),
        sa.or_(~_TOLD.c.wrapped, ~misreads_wrapped()),
    )
    return _queue(sa.union_all(followers, authors))


_TELL = _tell()
