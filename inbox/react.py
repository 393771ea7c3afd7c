"""Like, Dislike and a person's boost: counted, and passed on where a group reads it (WIRE-in-5).

A group elsewhere may pass votes on that nobody can prove: they count, in that group alone, and are
never shown as somebody's (WIRE-G16). What somebody's own server brings says who they are, to the
author of the post alone (DOM-A13).
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from activitypub import actors as actor_store
from activitypub import outbox
from activitypub.actors import Actor
from activitypub.vocab import ActivityKind
from groups import groups as group_store
from groups import posts as post_store
from groups import reactions as reaction_store
from groups import telling
from groups.groups import Group
from groups.posts import Post
from inbox import burials
from inbox.arrival import Arrival, NotYet
from kernel.errors import NotFound
from kernel.schema.actors import ActorKind
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import reactions
from kernel.urls import host_of
from members import notices
from moderation import circles, standing
from moderation.standing import Speaker

_KINDS = {
    ActivityKind.LIKE: ReactionKind.LIKE,
    ActivityKind.DISLIKE: ReactionKind.DISLIKE,
    ActivityKind.EMOJI_REACT: ReactionKind.LIKE,
    ActivityKind.ANNOUNCE: ReactionKind.SHARE,
}

_SIGNS = frozenset({ReactionKind.LIKE, ReactionKind.DISLIKE})
_PASSED_ON = frozenset({ActivityKind.LIKE, ActivityKind.DISLIKE})  # WIRE-G12


async def receive(arrival: Arrival) -> None:
    """Count it once per actor. Raises NotFound: the post is not here, or not for other servers.

    Raises NotAllowed: whoever gave it is stopped on this node, or put out of the group (MOD-H12).
    """
    post = await post_store.by_uri(arrival.conn, arrival.activity.object_uri)
    if post is None and arrival.group is not None and arrival.patient:
        raise NotYet
    if post is None or not post.shown or not is_theirs(arrival, post):
        raise NotFound
    group = await group_store.get(arrival.conn, post.group_id)
    if not _may_boost(arrival, group, post) or not await _hears(arrival, group):
        raise NotFound
    if group.takes_nothing_from(host_of(arrival.activity.actor)):
        raise NotFound  # MOD-5.7
    await _check_standing(arrival, post)
    if await burials.is_buried(arrival.conn, arrival.activity.id):
        return
    kind = _KINDS[ActivityKind(arrival.activity.kind)]
    if post.memorial and kind in _SIGNS:
        return  # in memory of somebody nobody is given signs (DOM-B14)
    named = arrival.group is None
    feeling = reaction_store.feeling_of(arrival.activity.document.get("content"))
    added = await arrival.conn.execute(
        insert(reactions)
        .values(
            post_id=post.id,
            kind=kind,
            actor_uri=arrival.activity.actor,
            uri=arrival.activity.id,
            feeling=(feeling or "") if kind is ReactionKind.LIKE else "",
            named=named,
        )
        .on_conflict_do_nothing()
    )
    if not added.rowcount and named:
        await _name(arrival, post, kind)
    if added.rowcount and kind is ReactionKind.LIKE and post.author_local:
        await reaction_store.heard(arrival.conn, arrival.here, post, arrival.actor)
    if added.rowcount and group.settings is not None and arrival.activity.kind in _PASSED_ON:
        await telling.carried(
            arrival.conn, arrival.here, group, post, arrival.activity.document, arrival.body
        )


async def _check_standing(arrival: Arrival, post: Post) -> None:
    """Of whom a group passes on, one may not have been met: then nothing was decided of them."""
    who: Actor | None = arrival.actor
    if arrival.actor.uri != arrival.activity.actor:
        who = await actor_store.by_uri(arrival.conn, arrival.activity.actor)
    if who is not None:
        await standing.check(arrival.conn, arrival.here, Speaker.alone(who), post.group_id)


async def _hears(arrival: Arrival, group: Group) -> bool:
    """Whether signs may come from there: in a circle from its members' two servers (MOD-5.6)."""
    if group.federates:
        return True
    if arrival.activity.kind == ActivityKind.ANNOUNCE:
        return False  # who boosts what members wrote shows nothing to anybody
    if group.settings is None:
        return arrival.group is not None and arrival.group.id == group.id
    shared = group.settings.spans and group.settings.circle == arrival.actor.host
    return shared and await circles.stands(arrival.conn, arrival.actor.host)


async def _name(arrival: Arrival, post: Post, kind: ReactionKind) -> None:
    """What a group passed on before is now known to be theirs."""
    await arrival.conn.execute(
        sa.update(reactions)
        .where(
            reactions.c.post_id == post.id,
            reactions.c.kind == kind,
            reactions.c.actor_uri == arrival.activity.actor,
            reactions.c.uri == arrival.activity.id,
            ~reactions.c.named,
        )
        .values(named=True)
    )


def is_theirs(arrival: Arrival, post: Post) -> bool:
    """A group speaks for its own posts only, and for nobody who lives here (WIRE-G16)."""
    if arrival.group is None:
        return True
    return post.group_id == arrival.group.id and not arrival.here.is_local(arrival.activity.actor)


def _may_boost(arrival: Arrival, group: Group, post: Post) -> bool:
    """Of groups that nobody here follows, what they announce counts if it is ours (WIRE-G18)."""
    if arrival.activity.kind != ActivityKind.ANNOUNCE or arrival.actor.kind is not ActorKind.GROUP:
        return True
    return post.author_local or group.settings is not None


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
    found = await arrival.conn.execute(
        sa.select(reactions.c.post_id, reactions.c.uri).where(mine, meant)
    )
    removed = found.all()
    for post_id, reaction_uri in removed:
        await _remove(arrival, post_id, reaction_uri)
    if not removed and kind in _KINDS:
        await burials.bury(arrival, uri)
    return bool(removed) or kind in _KINDS


async def _remove(arrival: Arrival, post_id: int, uri: str) -> None:
    """Count it off; who was told of it is told of its Undo."""
    post = await post_store.get(arrival.conn, post_id)
    if not is_theirs(arrival, post):
        raise NotFound
    await arrival.conn.execute(
        sa.delete(reactions).where(
            reactions.c.post_id == post_id,
            reactions.c.uri == uri,
            reactions.c.actor_uri == arrival.activity.actor,
        )
    )
    if post.author_local:
        await notices.unheard(arrival.conn, post.id)
    group = await group_store.get(arrival.conn, post.group_id)
    if await outbox.sent_as(arrival.conn, group.actor, "Announce", uri) is not None:
        await telling.carried(
            arrival.conn, arrival.here, group, post, arrival.activity.document, arrival.body
        )
