"""What groups tell their followers: each Announce once, to those who read its form (WIRE 3.5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import enqueue, jsontext, precedence
from activitypub.actors import Actor
from activitypub.audience import INBOX, follows_group, hears, may_hear, misreads_wrapped
from activitypub.outbox import Kept, keep
from activitypub.vocab import AS2, Activity, Document
from kernel.arrays import Rows
from kernel.here import Here
from kernel.rows import has_one, number
from kernel.schema.federation import Rank
from kernel.schema.tables import activities, actors


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
            "to": [self.group.everybody],
            "cc": [] if self.group.members_only else [self.group.followers_uri],
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
            "lane": enqueue.lane_of(announcements[number].thread_id, announcements[number].group),
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
        await conn.execute(_TELL, {**_TOLD.values(told), **enqueue.values(here)})


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
    audience = (
        sa.select(
            group.c.group_id,
            group.c.wrapped,
            group.c.bare,
            group.c.first,
            sa.exists()
            .where(follows_group(group.c.group_id), may_hear(actors, group.c.first), hears(group))
            .label("heard"),
        )
        .cte("audience")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    author = (
        sa.select(_ITEM.c.author_uri, _ITEM.c.wrapped, _ITEM.c.first).distinct().cte("of_author")
    )
    listener = (
        sa.select(
            author.c.author_uri,
            author.c.wrapped,
            author.c.first,
            has_one(
                author,
                actors,
                actors.c.uri == author.c.author_uri,
                may_hear(actors, author.c.first),
                sa.or_(~author.c.wrapped, ~misreads_wrapped()),
            ).label("heard"),
        )
        .cte("listener")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    announced = has_one(
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
        INBOX.label("inbox"),
        _TOLD.c.lane,
        _TOLD.c.activity_uri,
        _TOLD.c.signer_id,
        _TOLD.c.number,
        _TOLD.c.rank,
    )
    followers = sa.select(*columns).where(
        follows_group(_TOLD.c.signer_id),
        may_hear(actors, _TOLD.c.rank == number(Rank.FIRST)),
        hears(_TOLD.table),
        actors.c.host != _TOLD.c.but_host,
    )
    authors = sa.select(*columns).where(
        actors.c.uri == _TOLD.c.author_uri,
        may_hear(actors, _TOLD.c.rank == number(Rank.FIRST)),
        sa.or_(~_TOLD.c.wrapped, ~misreads_wrapped()),
    )
    return enqueue.statement(sa.union_all(followers, authors))


_TELL = _tell()
