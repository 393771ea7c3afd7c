"""What was decided after a backup holds after its restore too (SEC-L16, DESIGN-V3).

Deletes are told to other servers once more: those that were waiting to be sent when the node was
lost never left, and a server that knows already loses nothing by hearing it again. Of messages,
what two decided last holds; an open question about them is as it was in the backup.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import outbox, remote
from activitypub.actors import Actor
from groups import closing, earlier, holding, new_host, stopping, telling, threads
from groups import groups as group_store
from groups import labelling as labels_of_groups
from groups import posts as post_store
from groups.posts import Post, select_posts
from groups.writing import count_out
from inbox.burials import BURIED
from kernel.errors import Conflict, NotFound
from kernel.here import Here
from kernel.schema.actors import ActorState
from kernel.schema.groups import Sees
from kernel.schema.moderation import Level
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, bans, posts, tombstones
from kernel.sealing import Unsealable
from kernel.tombstone_log import Act, Line
from members import account_rows, correspondents, departures, follows, messages, severing
from moderation import (
    alert_channels,
    appeals,
    casework,
    circles,
    domains,
    label_lines,
    labelling,
    pacts,
    policy,
    recounting,
    standing,
)
from moderation.care import ending as care_ending
from moderation.care import objections
from moderation.lists import sources
from moderation.signals import undoing
from node import closing_down

_BATCH: Final = 1000


@dataclass(slots=True)
class Replayed:
    """How much a restored backup still had that was decided otherwise since."""

    posts: int = 0
    actors: int = 0
    accounts: int = 0
    bans: int = 0
    domains: int = 0
    kept_open: bool = False  # it had been announced that the node closes


async def replay(conn: AsyncConnection, here: Here, lines: Sequence[Line]) -> Replayed:
    """Do again what the lines of a tombstone log say; what is so already stays as it is."""
    done = Replayed()
    for uris in _batches(_of(lines, Act.DELETED)):
        await _delete(conn, here, uris, done)
    for uris in _batches(_still(lines, Act.REMOVED)):
        await _remove(conn, uris, done)
    for uris in _batches(_still(lines, Act.HELD)):
        await _hold(conn, uris, done)
    await _label(conn, here, lines)
    for uri, sees in {ids[0]: ids[1] for kind, *ids in lines if kind == Act.SEES}.items():
        await group_store.close_again(conn, here, uri, Sees(sees))
    for uri in _of(lines, Act.CLOSED):
        await _close(conn, here, uri, done)
    for sealed in _of(lines, Act.LEFT):
        await _leave(conn, here, sealed, done)
    await _stop(conn, here, lines, done)
    await _ban(conn, here, lines, done)
    await _limit(conn, here, lines)
    await _block(conn, here, lines, done)
    await correspondents.redo(conn, here, _of(lines, Act.MESSAGES))
    for ids in _batches(_of(lines, Act.UNTOLD)):
        await alert_channels.end_again(conn, ids)
    for ids in _batches(_of(lines, Act.CASE_CLOSED)):
        await casework.close_again(conn, ids)
        await care_ending.close_again(conn, ids)
    for ids in _batches(_of(lines, Act.APPEAL_OVER)):
        await appeals.end_again(conn, ids)
    await objections.redo(
        conn,
        here,
        {
            ids[0]: kind == Act.OBJECTED
            for kind, *ids in lines
            if kind in (Act.OBJECTED, Act.AGREED)
        }.items(),
    )
    await pacts.stay_over(conn, _of(lines, Act.PACT_OVER))
    ours = (Act.PACT_FROZEN, Act.PACT_HEARD)
    frozen = {ids[0]: kind == Act.PACT_FROZEN for kind, *ids in lines if kind in ours}
    there, unsafe = _of(lines, Act.PACT_FROZEN_THERE), _of(lines, Act.PACT_UNSAFE)
    await pacts.stay_frozen(conn, frozen, there, unsafe)
    await circles.sweep(conn, here)
    for uri, target in {ids[0]: ids[1] for kind, *ids in lines if kind == Act.GROUP_MOVED}.items():
        await new_host.stay_moved(conn, here, uri, target)
    if here.origin in _of(lines, Act.NODE_CLOSES):
        await closing_down.begin(conn, here)
    else:
        done.kept_open = await closing_down.stay_open(conn, here)
    return done


def _of(lines: Sequence[Line], act: Act) -> list[str]:
    return list(dict.fromkeys(ids[0] for kind, *ids in lines if kind == act))


_SEEN: Final = (Act.REMOVED, Act.RESTORED, Act.HELD, Act.SHOWN)


def _still(lines: Sequence[Line], act: Act) -> list[str]:
    """The posts of which moderators decided this last: nobody showed them again."""
    last = {ids[0]: kind for kind, *ids in lines if kind in _SEEN}
    return [uri for uri, kind in last.items() if kind == act]


def _batches(uris: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(uris)
    while batch := list(islice(rest, _BATCH)):
        yield batch


async def _posts(conn: AsyncConnection, uris: Sequence[str], *states: PostState) -> list[Post]:
    query = select_posts().where(posts.c.uri.in_(uris), posts.c.state.in_(states))
    return [Post.of(row) for row in await conn.execute(query.order_by(posts.c.id))]


async def _delete(conn: AsyncConnection, here: Here, uris: Sequence[str], done: Replayed) -> None:
    for post in await _posts(conn, uris, *(set(PostState) - {PostState.DELETED})):
        await threads.erase(conn, post)
        if post.author_local:
            group = await group_store.get(conn, post.group_id)
            await telling.deleted(conn, here, group, post)
        else:
            await outbox.forget(conn, post.uri)
        done.posts += 1
    await messages.erase_again(conn, here, uris)
    until = here.now().date() + BURIED
    if buried := [{"uri": uri, "until": until} for uri in uris if not here.is_local(uri)]:
        await conn.execute(insert(tombstones).on_conflict_do_nothing(), buried)


async def _remove(conn: AsyncConnection, uris: Sequence[str], done: Replayed) -> None:
    for post in await _posts(conn, uris, PostState.SHOWN, PostState.HELD):
        await conn.execute(
            sa.update(posts).where(posts.c.id == post.id).values(state=PostState.REMOVED, given="")
        )
        await earlier.forget(conn, post.id)
        await labelling.forget(conn, [post.id])
        if post.shown:
            await count_out(conn, post)
        await outbox.forget(conn, post.uri)
        done.posts += 1


async def _hold(conn: AsyncConnection, uris: Sequence[str], done: Replayed) -> None:
    for post in await _posts(conn, uris, PostState.SHOWN):
        await holding.hold(conn, post)
        done.posts += 1


async def _label(conn: AsyncConnection, here: Here, lines: Sequence[Line]) -> None:
    """What moderators said of posts, as it was last; what ended meanwhile is swept as ever."""
    last = label_lines.last(here, _of(lines, Act.LABELLED))
    known = await post_store.by_ids(conn, [post_id for post_id, _, _ in last])
    for (post_id, label, giver), saying in last.items():
        post = known.get(post_id)
        if post is None:
            continue  # it came after the backup, and is gone with it
        if saying is not None:
            held = post.state is PostState.HELD
            with suppress(Conflict):  # it has as many as a post may have
                await labels_of_groups.say_again(conn, here, post, saying, held=held)
            continue
        with suppress(NotFound):
            await labelling.take_off(conn, post_id, label, giver)


async def _close(conn: AsyncConnection, here: Here, uri: str, done: Replayed) -> None:
    actor = await actor_store.by_uri(conn, uri)
    if actor is None or actor.state is ActorState.CLOSED:
        return
    if actor.local:
        await closing.close(conn, here, actor)
    else:
        await messages.forget_persona(conn, actor.id)
        await remote.close(conn, actor.id)
    done.actors += 1


async def _leave(conn: AsyncConnection, here: Here, sealed: str, done: Replayed) -> None:
    """An account that left is gone again; its personas close each on a new random day."""
    try:
        account_id, leaving = departures.read_note(here, sealed)
    except (Unsealable, ValueError):
        return  # of another node key, or no whole line
    done.accounts += await account_rows.remove(conn, here, account_id)
    waiting = {persona for _, persona, _ in await departures.waiting(conn, here)}
    still_here = await conn.scalars(
        sa.select(actors.c.id).where(
            actors.c.id.in_(leaving),
            actors.c.state != ActorState.CLOSED,
            actors.c.closes_on.is_(None),
        )
    )
    for persona_id in sorted(set(still_here) - waiting):
        await departures.schedule(conn, here, persona_id)


async def _stop(conn: AsyncConnection, here: Here, lines: Sequence[Line], done: Replayed) -> None:
    """Who is stopped, as it was last; what ended meanwhile ends as ever."""
    last = {
        ids[0]: ids[1] if kind == Act.SUSPENDED else None
        for kind, *ids in lines
        if kind in (Act.SUSPENDED, Act.UNSUSPENDED)
    }
    for uri, until in last.items():
        person = await actor_store.by_uri(conn, uri)
        if person is None:
            continue
        if until is None:
            done.actors += await stopping.go_on_again(conn, person)
        else:
            day = date.fromisoformat(until) if until else None
            done.actors += await stopping.stop_again(conn, here, person, day)


async def _ban(conn: AsyncConnection, here: Here, lines: Sequence[Line], done: Replayed) -> None:
    last = {
        (ids[0], ids[1]): ids[2] if kind == Act.BANNED else None
        for kind, *ids in lines
        if kind in (Act.BANNED, Act.UNBANNED)
    }
    for (group_uri, person_uri), until in last.items():
        group = await actor_store.by_uri(conn, group_uri)
        person = await actor_store.by_uri(conn, person_uri)
        if group is None or person is None:
            continue  # it came after the backup, and is gone with it
        if until is None:
            changed = await conn.execute(sa.delete(bans).where(_is_about(group, person)))
            done.bans += changed.rowcount
        else:
            done.bans += await _ban_one(conn, here, group, person, until)


async def _ban_one(
    conn: AsyncConnection, here: Here, group: Actor, person: Actor, until: str
) -> int:
    """1 where the ban was not there; its reason, which is no id, is not in the log.

    One that has ended meanwhile takes an earlier and longer one along: it was what counted.
    """
    last = date.fromisoformat(until) if until else None
    if last is not None and last < here.now().date():
        await conn.execute(sa.delete(bans).where(_is_about(group, person)))
        return 0
    known = await conn.execute(sa.update(bans).where(_is_about(group, person)).values(until=last))
    if known.rowcount:
        return 0
    await conn.execute(
        bans.insert().values(group_id=group.id, actor_id=person.id, reason="", until=last)
    )
    await follows.reject(conn, here, person, group)
    return 1


async def _limit(conn: AsyncConnection, here: Here, lines: Sequence[Line]) -> None:
    """Whose posts are read first, as it was last; what ended meanwhile is swept as ever."""
    last = {
        (ids[0], ids[1]): ids[2] if kind == Act.LIMITED else None
        for kind, *ids in lines
        if kind in (Act.LIMITED, Act.UNLIMITED)
    }
    for (group_uri, person_uri), until in last.items():
        group = await actor_store.by_uri(conn, group_uri)
        person = await actor_store.by_uri(conn, person_uri)
        if group is None or person is None:
            continue
        if until is None:
            await standing.end_limit(conn, group.id, person.id)
        else:
            await standing.limit(conn, group.id, person.id, date.fromisoformat(until))


async def _block(conn: AsyncConnection, here: Here, lines: Sequence[Line], done: Replayed) -> None:
    """What was decided about domains, as it was last; comments and ends are not in the log."""
    last = {(ids[0], ids[1]): (ids[2], ids[3]) for ids in _policies(lines)}
    changed = await domains.redo(conn, here, last)
    await sources.after_restore(conn, _of(lines, Act.LIST_OVER))
    await undoing.after_restore(conn)
    await severing.again(conn, here, changed)
    for domain in changed:
        await recounting.recount_within(conn, domain)
    done.domains += len(changed)


def _policies(lines: Sequence[Line]) -> Iterator[Sequence[str]]:
    """Domain, source, level and flags of each line, in order."""
    for kind, *ids in lines:
        if kind == Act.POLICY:
            yield ids
        elif kind in (Act.BLOCKED, Act.UNBLOCKED):  # of an earlier version
            yield ids[0], policy.OWN, Level.REJECT if kind == Act.BLOCKED else "", ""


def _is_about(group: Actor, person: Actor) -> sa.ColumnElement[bool]:
    return sa.and_(bans.c.group_id == group.id, bans.c.actor_id == person.id)
