"""Move of a thread from one group to another (FEP-f15d, WIRE-G36, SEC-S23).

Both groups have to stand behind it. Between two groups of ours that is somebody who moderates both.
Between groups elsewhere it is the old one, which announces the Move, and the new one: by living on
the same server, whose word it is then (FEP-fe34), or by announcing the Move, or anything in the
thread, itself. Until then, and while nobody here follows the new group, the thread stays where it
was and says where it went.

A group elsewhere rearranges its own threads in the same way: the Move is between their names.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.notes import MAX_TITLE
from activitypub.vocab import id_of, text_of
from groups import desk, moving, rearranging, threads
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from groups.moving import Told
from groups.posts import Post
from inbox import authenticity
from inbox.arrival import Arrival, NotYet
from kernel.errors import NotAllowed, NotFound
from kernel.schema.actors import ActorKind
from kernel.urls import same_origin


async def find(conn: AsyncConnection, uri: str) -> Post | None:
    """The first post of the thread that `uri` names: by its context, or by that post's id."""
    return await post_store.root_of(conn, uri) or await post_store.by_uri(conn, uri)


async def is_within(conn: AsyncConnection, post: Post, target: str) -> bool:
    """Whether a Move is about threads of one group: an answer leaves, or `target` is a thread."""
    return not post.is_root or await post_store.root_of(conn, target) is not None


async def receive(arrival: Arrival) -> None:
    """A thread goes to another group, or is said to.

    Raises NotYet: the thread, or the word of its own group, may still come. Raises NotFound: there
    is no such thread. Raises NotAllowed: it is not theirs to move.
    """
    uri = arrival.activity.object_uri
    root = await find(arrival.conn, uri)
    if root is None:
        if await actor_store.by_uri(arrival.conn, uri) is not None:
            raise NotAllowed("Actors move themselves.")
        raise NotYet if arrival.patient else NotFound
    home = await group_store.get(arrival.conn, root.group_id)
    target = arrival.activity.target
    if target is not None and await is_within(arrival.conn, root, target):
        await _within(arrival, home, root, target)
        return
    origin = id_of(arrival.activity.document.get("origin"))
    if target == home.actor.uri:
        await _came_back(arrival, home, root)
    elif origin not in (None, home.actor.uri):
        raise NotAllowed("That thread is in another group.")
    elif home.settings is not None:
        await _between_ours(arrival, home, root)
    else:
        await _elsewhere(arrival, home, root)


async def _within(arrival: Arrival, home: Group, post: Post, target: str) -> None:
    """A group elsewhere split a thread of its own, or put one into an earlier one (DOM-A17).

    Threads of ours are rearranged on our own pages. Raises NotAllowed: it is not theirs to decide,
    or the names do not fit.
    """
    if home.settings is not None or arrival.group is None:
        raise NotAllowed("Threads of a group are rearranged where the group lives.")
    await authenticity.check_moderator(arrival, home)
    if not post.is_root:
        document = arrival.activity.document
        leaves = id_of(document.get("origin")) == post.thread_uri
        if not (leaves and post.shown and same_origin(target, home.actor.uri)):
            raise NotAllowed("That answer is in another thread.")
        if await threads.is_known(arrival.conn, target, but=post.id):
            raise NotAllowed("There is a thread of that name already.")
        title = text_of(document.get("name"), MAX_TITLE)
        post = rearranging.titled(post._replace(title=" ".join(title.split())))
        await rearranging.take_out(arrival.conn, post, post.title, target)
        return
    into = await post_store.root_of(arrival.conn, target)
    if into is None or into.group_id != home.id or into.id >= post.id:
        raise NotAllowed("That is no earlier thread of the group.")
    await rearranging.put_below(arrival.conn, post, into)


async def _between_ours(arrival: Arrival, origin: Group, root: Post) -> None:
    """A moderator elsewhere of two groups of ours moves a thread between them (WIRE-in-7)."""
    if arrival.group is not None:
        raise NotAllowed("Its own group decides where a thread goes.")
    found = await actor_store.by_uri(arrival.conn, arrival.activity.target or "")
    if found is None or not found.local or found.kind is not ActorKind.GROUP:
        raise NotAllowed("A thread of a group here goes to no group elsewhere.")
    target = await group_store.get(arrival.conn, found.id)
    for group in (origin, target):
        await authenticity.check_moderator(arrival, group)
    await moving.move(
        arrival.conn,
        arrival.here,
        arrival.actor,
        origin,
        target,
        root,
        arrival.activity.summary,
        told=Told(document=arrival.activity.document, body=arrival.body),
    )


async def _elsewhere(arrival: Arrival, origin: Group, root: Post) -> None:
    """A group elsewhere says, on its own word or its server's, where its thread went."""
    target = arrival.gathered.people.get(arrival.activity.target or "")
    if target is None or target.local or target.kind is not ActorKind.GROUP:
        raise NotAllowed("That is no group that a thread elsewhere could go to.")
    agreed = _both_agree(arrival, origin, target, root)
    if agreed and await authenticity.is_followed(arrival.conn, target):
        await moving.carry_over(arrival.conn, root, target.id)
    else:
        await moving.mark(arrival.conn, root, target.uri)
    await desk.note(
        arrival.conn,
        arrival.here,
        origin,
        arrival.actor,
        "move",
        root.uri,
        arrival.activity.summary,
    )


def _both_agree(arrival: Arrival, origin: Group, target: Actor, root: Post) -> bool:
    """Whether both groups stand behind the Move; False: the old one alone does.

    Raises NotAllowed, NotYet: the old one does not, or not yet.
    """
    one_server = same_origin(target.uri, origin.actor.uri)
    speaks = arrival.group.actor.uri if arrival.group is not None else None
    if speaks == target.uri and root.moved_to == target.uri:
        return True
    if not arrival.gathered.moderates:
        raise NotAllowed("Only the group's moderators can do that.")
    if speaks == origin.actor.uri or (speaks == target.uri and one_server):
        return one_server
    if speaks is None and arrival.gathered.moved:
        return True
    if speaks == target.uri and arrival.patient:
        raise NotYet
    raise NotAllowed("Its own group decides where a thread goes.")


async def _came_back(arrival: Arrival, home: Group, root: Post) -> None:
    """The thread is there already; where it was said to have gone, its own group has it again."""
    speaks = arrival.group is not None and arrival.group.id == home.id
    if root.moved_to is not None and speaks and arrival.gathered.moderates:
        await moving.mark(arrival.conn, root, None)
