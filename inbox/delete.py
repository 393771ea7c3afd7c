"""Delete: by the author, by a desk, or of an actor (WIRE-G17, WIRE-G24, WIRE-S16; SEC-S25)."""

from activitypub import outbox, remote
from groups import desk, telling, threads
from groups import groups as group_store
from groups import posts as post_store
from groups.posts import Post
from inbox import approval, authenticity, burials, direct, second_look
from inbox.arrival import Arrival, NotYet
from kernel import tombstone_log
from kernel.errors import NotAllowed
from kernel.schema.posts import PostState
from kernel.schema.tables import posts
from kernel.tombstone_log import Act
from members import messages
from moderation import appeals, audit


async def receive(arrival: Arrival) -> None:
    """Take a post, or everything an actor said, away.

    Raises NotAllowed: it is not theirs. Raises NotYet: a group took away what may still come.
    """
    uri = arrival.activity.object_uri
    if uri == arrival.activity.actor:
        if arrival.group is not None:
            raise NotAllowed("Only an actor itself can say that it is gone.")
        await _close(arrival)
        return
    post = await post_store.by_uri(arrival.conn, uri)
    if post is None:
        if await direct.take_back(arrival, uri) or await second_look.take_back(arrival, uri):
            return
        if arrival.group is not None and arrival.gathered.moderates and arrival.patient:
            raise NotYet
        if arrival.group is None and await approval.revoke(arrival, uri):
            return
        await _bury(arrival, uri)
        return
    if post.author_uri == arrival.activity.actor:
        await _by_author(arrival, post)
    else:
        await _by_moderator(arrival, post)


async def _by_author(arrival: Arrival, post: Post) -> None:
    if arrival.group is not None and not arrival.gathered.gone:
        raise NotAllowed("Its own server still shows that post.")  # WIRE-G17
    if post.state is PostState.DELETED:
        return
    await threads.erase(arrival.conn, post)
    await outbox.forget(arrival.conn, post.uri)
    await _bury(arrival, post.uri)
    group = await group_store.get(arrival.conn, post.group_id)
    if arrival.group is None and group.settings is not None and post.shown:
        await telling.retracted(
            arrival.conn,
            arrival.here,
            group,
            post,
            arrival.activity.document,
            arrival.body,
            forwarded=arrival.forwarded,
        )


async def _by_moderator(arrival: Arrival, post: Post) -> None:
    """A removal counts inside the moderator's own group only (WIRE-G17, WIRE-G35)."""
    group = await group_store.get(arrival.conn, post.group_id)
    await authenticity.check_moderator(arrival, group)
    if await burials.is_buried(arrival.conn, arrival.activity.id):
        return  # its Undo came first
    await desk.remove(
        arrival.conn, arrival.here, group, arrival.actor, post, arrival.activity.summary
    )
    if group.settings is not None:
        await telling.retracted(
            arrival.conn, arrival.here, group, post, arrival.activity.document, arrival.body
        )


async def _bury(arrival: Arrival, uri: str) -> None:
    """Remember that this id is dead, so that a late Create does not raise it.

    A group's word is not enough: the post's own server has to say so too (WIRE-G17).
    """
    if arrival.group is None or arrival.gathered.gone:
        await burials.bury(arrival, uri)


async def _close(arrival: Arrival) -> None:
    """An actor is gone: so are its words and its follows."""
    actor_id = arrival.actor.id
    rows = (
        await arrival.conn.execute(
            post_store.select_posts()
            .where(posts.c.author_id == actor_id, posts.c.state != PostState.DELETED)
            .order_by(posts.c.id)
            .limit(10_000)
        )
    ).all()
    for row in rows:
        post = Post.of(row)
        await threads.erase(arrival.conn, post)
        await outbox.forget(arrival.conn, post.uri)
    await messages.forget_persona(arrival.conn, actor_id)
    await appeals.forget_person(arrival.conn, actor_id)
    await audit.forget_about(arrival.conn, actor_id)
    await remote.close(arrival.conn, actor_id)
    tombstone_log.note(arrival.conn, Act.CLOSED, arrival.actor.uri)
