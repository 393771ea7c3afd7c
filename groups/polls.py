"""Polls: a question with answers to choose from (WIRE 8.4).

Who chose what is shown to nobody and sent to nobody but the author's server, which counts. A vote
is kept for as long as its poll is open, so that no persona is counted twice; then it goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.parts import MAX_OPTION, MAX_OPTIONS_SHOWN, Option, Poll
from groups import groups as group_store
from groups import noticing, telling
from groups import parts as part_store
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from kernel import chance, urls
from kernel.arrays import any_of
from kernel.clock import to_minute
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import at_most, constant
from kernel.said import noted, said
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, poll_options, poll_votes, polls, posts
from members import order
from moderation import circles, standing
from moderation.standing import Speaker
from moderation.visibility import Viewer, host_is_welcome, may_see_group

DAYS: Final = (1, 3, 7)
TELL_EVERY: Final = timedelta(minutes=10)

_OVER: Final = noted("This poll is over. Thank you for wanting to answer.")


def draft(here: Here, options: Sequence[str], *, several: bool, days: int) -> Poll:
    """A poll that a member asks, open for so many days from now.

    Raises Malformed: too few, too many or too long answers, or another length of time.
    """
    names = list(dict.fromkeys(" ".join(option.split()) for option in options if option.strip()))
    if not 2 <= len(names) <= MAX_OPTIONS_SHOWN:
        raise Malformed(
            said(
                "A poll has 2 to {limit} different answers to choose from, each on a line of its "
                "own. Here are {found}.",
                limit=MAX_OPTIONS_SHOWN,
                found=len(names),
            )
        )
    if any(len(name) > MAX_OPTION for name in names):
        raise Malformed(
            said("An answer to choose can have up to {limit} letters.", limit=MAX_OPTION)
        )
    if days not in DAYS:
        raise Malformed("Please choose how long the poll is open.")
    return Poll(
        options=tuple(Option(name=name) for name in names),
        several=several,
        ends=to_minute(here.now()) + timedelta(days=days),
    )


def is_open(poll: Poll, now: datetime) -> bool:
    """Whether it can still be answered."""
    return not poll.closed and (poll.ends is None or now < poll.ends)


async def vote(
    conn: AsyncConnection, here: Here, speaker: Speaker, post: Post, chosen: Sequence[int]
) -> None:
    """Answer a poll, once per persona; an author elsewhere is told, and counts (WIRE 8.4).

    Raises NotFound: the post is not shown or has no poll. Raises NotAllowed: the poll is over,
    or was answered, or the persona is banned. Raises Malformed: not one of its answers.
    """
    if not post.shown or not post.poll or post.author_id == speaker.id:
        raise NotFound
    await standing.check(conn, here, speaker, post.group_id)
    poll = await _locked(conn, post)
    picked = sorted(set(chosen))
    if not is_open(poll, here.now()):
        raise NotAllowed(_OVER)
    if not picked or (len(picked) > 1 and not poll.several):
        raise Malformed("Please choose an answer.")
    if not all(0 <= each < len(poll.options) for each in picked):
        raise Malformed("Please choose one of the answers.")
    if await _chosen(conn, post, speaker.actor.uri):
        raise NotAllowed("You answered this poll already.")
    await _count(conn, here, post, speaker.actor.uri, picked, first=True)
    await order.call(conn, poll_votes)
    if not post.author_local:
        for each in picked:
            await _send(conn, here, speaker.actor, post, poll.options[each].name)


async def _send(conn: AsyncConnection, here: Here, voter: Actor, post: Post, name: str) -> None:
    """A note with nothing but the option's name, to the poll's author alone."""
    note_uri = f"{here.origin}/votes/{chance.new_uuid()}"
    note = documents.vote(note_uri, voter.uri, post.uri, name, to=post.author_uri)
    document = documents.activity(
        here.new_activity_uri(), "Create", voter.uri, note, to=[post.author_uri]
    )
    await outbox.publish(
        conn, here, document, signer=voter, to=[post.author_uri], thread_id=post.thread_id
    )


async def receive(
    conn: AsyncConnection, here: Here, post: Post, voter: str, known: Actor | None, name: str
) -> None:
    """The actor `voter` elsewhere chose an answer of a poll of ours; a repeat changes nothing.

    `known` is that actor, if this node knows more of it than a name.
    Raises NotFound: it is no poll of ours, or not one of its answers. Raises NotAllowed: it is
    over, or the actor is banned.
    """
    group = await group_store.get(conn, post.group_id)
    if not post.shown or not post.poll or not post.author_local:
        raise NotFound
    host = urls.host_of(voter)
    if not await _is_read_at(conn, group, host) or group.takes_nothing_from(host):
        raise NotFound
    if known is not None:
        await standing.check(conn, here, Speaker.alone(known), post.group_id)
    poll = await _locked(conn, post)
    names = [option.name for option in poll.options]
    if name not in names:
        raise NotFound
    if not is_open(poll, here.now()):
        raise NotAllowed(_OVER)
    before = await _chosen(conn, post, voter)
    position = names.index(name)
    if position not in before and (poll.several or not before):
        await _count(conn, here, post, voter, [position], first=not before)


async def _is_read_at(conn: AsyncConnection, group: Group, host: str) -> bool:
    """Whether people of another server may read there: in a circle those of its other half."""
    if group.federates:
        return True
    if group.settings is None:
        return host == group.actor.host and await circles.stands(conn, host)
    return await group_store.hears(conn, group, host)


async def _locked(conn: AsyncConnection, post: Post) -> Poll:
    """The poll; whoever votes in it beside this waits. Raises NotFound: there is none."""
    await conn.execute(
        sa.select(polls.c.post_id).where(polls.c.post_id == post.id).with_for_update()
    )
    found = (await part_store.polls_of(conn, [post.id])).get(post.id)
    if found is None:
        raise NotFound
    return found


async def _chosen(conn: AsyncConnection, post: Post, actor_uri: str) -> frozenset[int]:
    rows = await conn.scalars(
        sa.select(poll_votes.c.position).where(
            poll_votes.c.post_id == post.id, poll_votes.c.actor_uri == actor_uri
        )
    )
    return frozenset(rows)


async def _count(
    conn: AsyncConnection,
    here: Here,
    post: Post,
    actor_uri: str,
    positions: Sequence[int],
    *,
    first: bool,
) -> None:
    """Keep a vote and count it; other servers hear the counts of a poll of ours later."""
    await conn.execute(
        insert(poll_votes).values(
            [
                {"post_id": post.id, "actor_uri": actor_uri, "position": position}
                for position in positions
            ]
        )
    )
    await conn.execute(
        sa.update(poll_options)
        .where(poll_options.c.post_id == post.id, poll_options.c.position.in_(positions))
        .values(votes=poll_options.c.votes + 1)
    )
    await conn.execute(
        sa.update(polls)
        .where(polls.c.post_id == post.id)
        .values(
            voters=polls.c.voters + int(first),
            due=sa.func.coalesce(polls.c.due, _due(here.now())) if post.author_local else None,
        )
    )


def _due(now: datetime) -> datetime:
    """The next of the hour's sixths but one: no time of a vote can be read from it."""
    start = now.replace(minute=now.minute - now.minute % 10, second=0, microsecond=0)
    return start + TELL_EVERY + TELL_EVERY


async def refresh(conn: AsyncConnection, post: Post, poll: Poll) -> None:
    """Another server counted its poll anew; what else it says of it changes nothing."""
    known = await _locked(conn, post)
    votes = {option.name: option.votes for option in poll.options}
    for position, option in enumerate(known.options):
        if votes.get(option.name, option.votes) != option.votes:
            await conn.execute(
                sa.update(poll_options)
                .where(poll_options.c.post_id == post.id, poll_options.c.position == position)
                .values(votes=votes[option.name])
            )
    await conn.execute(
        sa.update(polls)
        .where(polls.c.post_id == post.id)
        .values(
            voters=known.voters if poll.voters is None else poll.voters,
            ends=known.ends if known.closed else poll.ends or known.ends,
            closed=sa.or_(polls.c.closed, sa.literal(poll.closed)),
        )
    )
    if poll.closed:
        await _forget_votes(conn, post.id)


async def voted(conn: AsyncConnection, post_id: int, actor_uris: Sequence[str]) -> frozenset[str]:
    """Which of these actors answered the poll, while it is open."""
    rows = await conn.scalars(_VOTED, {"post_id": post_id, "uris": actor_uris})
    return frozenset(rows)


_VOTED: Final = (
    sa.select(poll_votes.c.actor_uri)
    .where(
        poll_votes.c.post_id == sa.bindparam("post_id", type_=sa.BigInteger),
        any_of(poll_votes.c.actor_uri, "uris"),
    )
    .distinct()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A poll that is over, in a group."""

    post_id: int
    thread_id: int
    author_id: UUID
    author_host: str
    group_name: str
    group_host: str


async def over_among(
    conn: AsyncConnection, viewer: Viewer, now: datetime, post_ids: Sequence[int]
) -> Sequence[Over]:
    """Those of the polls that are over and that the viewer may see."""
    values = {"post_ids": post_ids, "now": now, **viewer.values}
    return [Over(**row._mapping) for row in await conn.execute(_OVER_AMONG, values)]


_group: Final = actors.alias("poll_group")
_OVER_AMONG: Final = (
    sa.select(
        posts.c.id.label("post_id"),
        posts.c.thread_id,
        posts.c.author_id,
        actors.c.host.label("author_host"),
        _group.c.name.label("group_name"),
        _group.c.host.label("group_host"),
    )
    .select_from(
        posts.join(polls, polls.c.post_id == posts.c.id)
        .join(actors, actors.c.id == posts.c.author_id)
        .join(_group, _group.c.id == posts.c.group_id)
    )
    .where(
        any_of(posts.c.id, "post_ids"),
        posts.c.state == constant(PostState.SHOWN),
        sa.or_(
            polls.c.closed, polls.c.ends <= sa.bindparam("now", type_=sa.DateTime(timezone=True))
        ),
        may_see_group(posts.c.group_id),
        host_is_welcome(actors),
        host_is_welcome(_group),
    )
)


async def sweep(engine: AsyncEngine, here: Here) -> bool:
    """Close one poll that is over, or tell one's counts. False: nothing is due."""
    async with engine.begin() as conn:
        now = {"now": here.now()}
        over = await conn.scalar(_OVER_NOW, now)
        post_id = over if over is not None else await conn.scalar(_DUE_NOW, now)
        if post_id is None:
            return False
        closed = {"closed": True} if over is not None else {}
        await conn.execute(
            sa.update(polls).where(polls.c.post_id == post_id).values(due=None, **closed)
        )
        await _tell(conn, here, post_id, over=over is not None)
        if over is not None:
            await _forget_votes(conn, post_id)
    return True


def _first(key: sa.Column[datetime], *where: sa.ColumnElement[bool]) -> sa.Select[int]:
    """SQL: the poll whose time came first, unless another worker holds it."""
    return (
        sa.select(polls.c.post_id)
        .where(key <= sa.bindparam("now", type_=sa.DateTime(timezone=True)), *where)
        .order_by(key)
        .limit(at_most(1))
        .with_for_update(skip_locked=True)
    )


_OVER_NOW: Final = _first(polls.c.ends, ~polls.c.closed)
_DUE_NOW: Final = _first(polls.c.due)


async def _tell(conn: AsyncConnection, here: Here, post_id: int, *, over: bool) -> None:
    found = await conn.execute(
        post_store.select_posts().where(posts.c.id == post_id, posts.c.state == PostState.SHOWN)
    )
    row = found.first()
    if row is None or not (post := Post.of(row)).author_local:
        return
    group = (await group_store.several(conn, [post.group_id])).get(post.group_id)
    if group is None:  # it is gone: nobody is left to be told
        return
    voters = await conn.scalars(
        sa.select(poll_votes.c.actor_uri)
        .where(poll_votes.c.post_id == post_id)
        .distinct()
        .limit(telling.MAX_VOTERS)
    )
    await telling.counted(conn, here, group, post, voters.all())
    if over:
        await noticing.decided(conn, here, post, NoticeKind.POLL)


async def _forget_votes(conn: AsyncConnection, post_id: int) -> None:
    await conn.execute(sa.delete(poll_votes).where(poll_votes.c.post_id == post_id))
