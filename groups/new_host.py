"""A group of ours goes on at a peer, or a group of a peer's goes on here (WIRE 2.4, WIRE-A15).

Both sides say so, each in the document of its own group, which its own server signs and shows: the
new one where it was (`alsoKnownAs`), before the old one says where it goes (`movedTo`, `Move`). The
founders of both and the administrators of the old one's node agree first, and until the `Move` is
sent all of it can be taken back. Nobody is moved: people are told, and join by themselves. What was
written stays where it is, can be answered there, and new threads begin at the new group.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor, columns
from groups import desk as desk_store
from groups import following, pins, welcome
from groups import groups as group_store
from groups.admission import Draft
from groups.groups import Group
from groups.writing import written
from kernel import tombstone_log
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import constant
from kernel.said import noted
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.moderation import Role
from kernel.schema.tables import actors, follows, group_moves, groups
from kernel.tombstone_log import Act
from members import moves
from moderation import circles

_TITLE: Final = noted("This group goes on at another place")
_WORDS: Final = (
    "New threads begin at {address}: {url}\n\n"
    "What was written here stays here. It can still be read, answered and deleted here. Nobody is "
    "moved without being asked: whoever likes can join there."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where a group of ours is to go; `agreed`: this node's administrators say so, too."""

    target: Actor
    agreed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Who would hear of it: `members` here, `followers` elsewhere on so many `servers`."""

    members: int
    followers: int
    servers: int


async def planned(conn: AsyncConnection, group: Group) -> Plan | None:
    """Where the group is to go; None where nobody said so, or its Move is sent."""
    row = (
        await conn.execute(
            sa.select(*columns(), group_moves.c.agreed)
            .join(group_moves, group_moves.c.target_id == actors.c.id)
            .where(group_moves.c.group_id == group.id)
        )
    ).first()
    return Plan(target=Actor.of(row), agreed=row.agreed) if row else None


async def going_to(conn: AsyncConnection, host: str) -> list[tuple[Actor, Plan]]:
    """The groups of ours that are to go to a peer, by name, with where each goes."""
    target = actors.alias("target")
    rows = await conn.execute(
        sa.select(group_moves.c.group_id, group_moves.c.target_id, group_moves.c.agreed)
        .join(target, target.c.id == group_moves.c.target_id)
        .where(target.c.host == host)
    )
    found = rows.all()
    known = await actor_store.several(conn, [id_ for row in found for id_ in row[:2]])
    plans = [
        (known[row.group_id], Plan(target=known[row.target_id], agreed=row.agreed)) for row in found
    ]
    return sorted(plans, key=lambda each: each[0].name.lower())


async def going(conn: AsyncConnection, handle: str, host: str) -> Group:
    """The group of ours of that name that is to go to a peer. Raises NotFound: none is."""
    for group, _ in await going_to(conn, host):
        if group.handle == handle:
            return await group_store.get(conn, group.id)
    raise NotFound


async def reach(conn: AsyncConnection, group: Group) -> Reach:
    """Who would hear of a move now."""
    away = ~actors.c.local
    row = (
        await conn.execute(
            sa.select(
                sa.func.count().filter(actors.c.local).label("members"),
                sa.func.count().filter(away).label("followers"),
                sa.func.count(actors.c.host.distinct()).filter(away).label("servers"),
            )
            .join(follows, follows.c.follower_id == actors.c.id)
            .where(
                follows.c.followed_id == group.id,
                follows.c.state == constant(FollowState.ACCEPTED),
            )
        )
    ).one()
    return Reach(members=row.members, followers=row.followers, servers=row.servers)


# At the old place


async def plan(conn: AsyncConnection, here: Here, group: Group, desk: Actor, target: Actor) -> None:
    """Its founders name the group at a peer where this one is to go on; nobody hears of it yet.

    Named again it is another one, and has to be agreed to anew. Raises NotAllowed: not everybody
    may read the group, it has moved, or there is no pact with that server. Raises Malformed: it is
    no group of another server that everybody may read.
    """
    _check_open(group)
    if group.has_moved:
        raise NotAllowed("This group has moved already.")
    await _check_peer(conn, target)
    values = {"target_id": target.id, "agreed": False}
    await conn.execute(
        insert(group_moves)
        .values(group_id=group.id, **values)
        .on_conflict_do_update(index_elements=["group_id"], set_=values)
    )
    await desk_store.note(conn, here, group, desk, "plan move", target.uri)


def _check_open(group: Group) -> None:
    if group.settings is None:
        raise NotAllowed("That group lives on another node.")
    if not group.federates:  # its address would stand in a document that everybody may read
        raise NotAllowed(
            "Only a group that everyone can read can move: a move is told to everybody. "
            "You could write in the group where it goes on."
        )


async def _check_peer(conn: AsyncConnection, other: Actor) -> None:
    if other.local or other.kind is not ActorKind.GROUP or other.members_only:
        raise Malformed("That is no group on another server that everyone can read.")
    if not await circles.stands(conn, other.host):
        raise NotAllowed(
            "Groups move between places that trust each other. There is no pact with that place, "
            "or it is on hold."
        )


async def agree(conn: AsyncConnection, here: Here, group: Group, target_id: UUID) -> None:
    """This node's administrators agree that the group goes to the one that they were shown.

    Raises NotFound: it is no group of ours. Raises Conflict: it is not to go there, or not by now.
    """
    if group.desk_id is None:
        raise NotFound
    agreed = await conn.execute(
        sa.update(group_moves)
        .where(group_moves.c.group_id == group.id, group_moves.c.target_id == target_id)
        .values(agreed=True)
    )
    if not agreed.rowcount:
        raise Conflict("Somebody else changed the plan. Please look again.")
    desk = await actor_store.get(conn, group.desk_id)
    target = await actor_store.get(conn, target_id)
    await desk_store.note(
        conn, here, group, desk, "agree to move", target.uri, role=Role.ADMINISTRATOR
    )


async def call_off(conn: AsyncConnection, here: Here, group: Group, desk: Actor) -> None:
    """It stays after all. Raises Conflict: nothing was planned, or the Move is sent."""
    gone = await conn.execute(sa.delete(group_moves).where(group_moves.c.group_id == group.id))
    if not gone.rowcount:
        raise Conflict("No move is planned, or it was sent. There is nothing to take back.")
    await desk_store.note(conn, here, group, desk, "call off move", group.actor.uri)


async def send(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    desk: Actor,
    target: Actor,
    was: tuple[str, ...],
) -> None:
    """The group goes: its people are told, and its followers elsewhere get the Move (WIRE 2.4).

    `target` and `was` are what the new group's server showed a moment ago. From now on nothing
    begins here; a thread on top says why, for servers that do not know a Move of a group.
    Raises Conflict: it is not planned like that, or not agreed, or the group has moved. Raises
    NotAllowed: the new group does not say that it was this one, the pact is over, the group moved
    this week, or as many threads are pinned as can be.
    """
    _check_open(group)
    if group.has_moved:
        raise Conflict("This group has moved already.")
    found = await planned(conn, group)
    if found is not None and not found.agreed:
        raise Conflict("The people who run this place have not agreed to it yet.")
    taken = await conn.execute(  # whoever sends it too, or calls it off, waits and finds no plan
        sa.delete(group_moves).where(
            group_moves.c.group_id == group.id,
            group_moves.c.target_id == target.id,
            group_moves.c.agreed,
        )
    )
    if not taken.rowcount:
        raise Conflict("That move is not planned any more.")
    await _check_peer(conn, target)
    if group.actor.uri not in was:
        raise NotAllowed("The new group does not say yet that this group goes on there.")
    await moves.check_pace(conn, here, group.actor)
    await _say_where(conn, here, group, desk, target)
    await conn.execute(
        sa.update(actors)
        .where(actors.c.id == group.id)
        .values(moved_to=target.uri, moved_on=here.now().date())
    )
    moved = await group_store.tell(conn, here, group.id)
    move = documents.activity(
        here.new_activity_uri(),
        "Move",
        moved.actor.uri,
        moved.actor.uri,
        target=target.uri,
        to=[moved.actor.followers_uri or moved.actor.uri],
    )
    await outbox.publish_to_followers(conn, here, move, signer=moved.actor)
    await moves.tell(conn, here, group.actor)
    await desk_store.note(conn, here, group, desk, "move group", target.uri)
    tombstone_log.note(conn, Act.GROUP_MOVED, group.actor.uri, target.uri)


async def _say_where(
    conn: AsyncConnection, here: Here, group: Group, desk: Actor, target: Actor
) -> None:
    """The group itself says it in a pinned thread, which takes the place of its welcome."""
    before = await welcome.current(conn, group)
    if before is not None:
        await pins.unpin(conn, here, group, desk, before)
    draft = Draft(
        title=_TITLE, source=_WORDS.format(address=target.address, url=target.url or target.uri)
    )
    await welcome.begin(conn, here, group, desk, *written(here, draft))


# At the new place


async def take_in(conn: AsyncConnection, here: Here, group: Group, desk: Actor, old: Actor) -> None:
    """Founders of a group of ours say that it was `old`, which goes on here; others read it.

    The group follows the old one, so that its newest threads are shown here as well. Raises as
    `plan`, and as `following.follow`.
    """
    _check_open(group)
    await _check_peer(conn, old)
    if group.was != old.uri:
        await following.follow(conn, here, group, desk, old)
        await _was(conn, here, group, old.uri)
        await desk_store.note(conn, here, group, desk, "take group in", old.uri)


async def not_after_all(conn: AsyncConnection, here: Here, group: Group, desk: Actor) -> None:
    """It was no other group. Raises Conflict: nobody said so, or the other one said it, too."""
    if not group.was:
        raise Conflict("Nobody said that this group was another one.")
    old = await actor_store.by_uri(conn, group.was)
    if old is not None:
        if old.moved_to == group.actor.uri:
            raise Conflict("The other group told everybody already. There is no way back.")
        await following.unfollow(conn, here, group, desk, old)
    await _was(conn, here, group, "")
    await desk_store.note(conn, here, group, desk, "take no group in", group.was)


async def _was(conn: AsyncConnection, here: Here, group: Group, uri: str) -> None:
    await conn.execute(sa.update(groups).where(groups.c.actor_id == group.id).values(was=uri))
    await group_store.tell(conn, here, group.id)


# After a restore


async def stay_moved(conn: AsyncConnection, here: Here, uri: str, target: str) -> None:
    """A group of ours had moved since the backup: others know, so it has, and no plan is left.

    An empty `target`: it came back since, and is here.
    """
    mine = (actors.c.uri == uri, actors.c.local, actors.c.kind == ActorKind.GROUP)
    if not target:
        await conn.execute(sa.update(actors).where(*mine).values(moved_to=None))
        return
    moved = {"moved_to": target, "moved_on": here.now().date()}
    await conn.execute(sa.update(actors).where(*mine).values(moved))
    group_id = sa.select(actors.c.id).where(*mine).scalar_subquery()
    await conn.execute(sa.delete(group_moves).where(group_moves.c.group_id == group_id))
