"""What each node shows of the same threads, side by side: equal, or the difference says where."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from activitypub import actors as actor_store
from groups import browsing
from groups.posts import Post
from kernel import text
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, bans, posts, threads
from moderation.visibility import Viewer
from tests.nodes import Node


@dataclass(frozen=True)
class Seen:
    """A post as a member reads it on one node, whichever node that is."""

    author: str
    parent: str | None
    title: str
    words: str
    note: str
    locked: bool


View = Mapping[str, Mapping[str, Seen | None]]
"""By root, by post: what is shown, or None where a place is kept for what is gone."""


async def view(node: Node, group_uri: str, *, newest: int | None = None) -> View:
    """Everything that a signed-in member reads in the group, thread by thread.

    With `newest` only as many threads, by when they were started.
    """
    reader = Viewer((), signed_in=True)
    shown: dict[str, dict[str, Seen | None]] = {}
    async with node.engine.connect() as conn:
        group = await actor_store.by_uri(conn, group_uri)
        if group is None:
            return {}
        ids = await conn.execute(
            sa.select(threads.c.id)
            .where(threads.c.group_id == group.id, threads.c.shown)
            .order_by(sa.func.split_part(threads.c.uri, "/t/", 2).desc())
            .limit(newest)
        )
        for thread_id in ids.scalars().all():
            found: list[Post] = []
            after: int | None = 0
            while after is not None:
                page = await browsing.show(conn, thread_id, reader, after=after)
                found += page.posts
                after = page.next_after
            uris = {post.id: post.uri for post in found}
            shown[uris[thread_id]] = {
                post.uri: _seen(post, uris.get(post.parent_id or 0)) for post in found
            }
    return shown


def _seen(post: Post, parent: str | None) -> Seen | None:
    if post.state is not PostState.SHOWN:
        return None
    return Seen(
        author=post.author_uri,
        parent=parent,
        title=post.title,
        words=text.plain(post.content, 10_000),
        note=post.note,
        locked=post.locked,
    )


async def banned(node: Node, group_uri: str) -> set[str]:
    """Whom the node keeps out of the group."""
    group = actors.alias("banning_group")
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(actors.c.uri)
            .join(bans, bans.c.actor_id == actors.c.id)
            .join(group, group.c.id == bans.c.group_id)
            .where(group.c.uri == group_uri)
        )
        return set(rows.scalars())


async def count(node: Node) -> int:
    """How many posts the node has, shown or not."""
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(posts)) or 0


async def agree(group_uri: str, *nodes: Node, newest: int | None = None) -> View:
    """What they all show. Raises AssertionError: they differ; it says who, and at which post."""
    first, *others = nodes
    expected = await view(first, group_uri, newest=newest)
    for other in others:
        found = await view(other, group_uri, newest=newest)
        differences = [
            f"{uri}\n  {first.name}: {ours}\n  {other.name}: {theirs}"
            for root in sorted(expected.keys() | found.keys())
            for uri, ours, theirs in _pairs(expected.get(root, {}), found.get(root, {}))
            if ours != theirs
        ]
        assert not differences, "\n".join(differences)
    return expected


_MISSING = "not here"


def _pairs(
    ours: Mapping[str, Seen | None], theirs: Mapping[str, Seen | None]
) -> list[tuple[str, object, object]]:
    """Each post that one of the two has. A place kept for what is gone equals nothing at all."""
    return [
        (uri, ours.get(uri) or _MISSING, theirs.get(uri) or _MISSING)
        for uri in sorted(ours.keys() | theirs.keys())
    ]
