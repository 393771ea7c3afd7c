"""Like, Dislike and a person's boost: counted, and passed on where a group reads it (WIRE in-5)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from activitypub.vocab import ActivityKind
from groups import groups as group_store
from groups import posts as post_store
from groups import telling
from inbox.arrival import Arrival
from kernel.errors import NotFound
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import reactions

_KINDS = {
    ActivityKind.LIKE: ReactionKind.LIKE,
    ActivityKind.DISLIKE: ReactionKind.DISLIKE,
    ActivityKind.ANNOUNCE: ReactionKind.SHARE,
}


async def receive(arrival: Arrival) -> None:
    """Count it once per actor. Raises NotFound: the post is not here."""
    post = await post_store.by_uri(arrival.conn, arrival.activity.object_uri)
    if post is None or not post.shown:
        raise NotFound
    kind = _KINDS[ActivityKind(arrival.activity.kind)]
    added = await arrival.conn.execute(
        insert(reactions)
        .values(
            post_id=post.id,
            kind=kind,
            actor_uri=arrival.activity.actor,
            uri=arrival.activity.id,
        )
        .on_conflict_do_nothing()
    )
    if not added.rowcount or arrival.group is not None or kind is ReactionKind.SHARE:
        return
    group = await group_store.get(arrival.conn, post.group_id)
    if group.settings is not None:
        await telling.carried(
            arrival.conn, arrival.here, group, post, arrival.activity.document, arrival.body
        )


async def undo(arrival: Arrival, uri: str, kind: str | None, object_uri: str | None) -> bool:
    """Take a reaction back, by the activity's id or by what it said. False: none is meant."""
    mine = reactions.c.actor_uri == arrival.activity.actor
    meant = reactions.c.uri == uri
    if kind in _KINDS and object_uri is not None:
        post = await post_store.by_uri(arrival.conn, object_uri)
        if post is not None:
            same = sa.and_(
                reactions.c.post_id == post.id, reactions.c.kind == _KINDS[ActivityKind(kind)]
            )
            meant = sa.or_(meant, same)
    removed = await arrival.conn.execute(sa.delete(reactions).where(mine, meant))
    return bool(removed.rowcount) or kind in _KINDS
