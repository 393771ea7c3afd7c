"""Somebody elsewhere has a new address, or a group goes on at another place (WIRE 2.4, SEC-S27).

Personas of ours never move: two addresses of one person would be tied together for everybody. Nor
do they follow a group to its new address but by their own choice: they are told of it.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub.actors import Actor
from kernel import tombstone_log
from kernel.arrays import any_of
from kernel.errors import NotAllowed
from kernel.here import Here
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import actors, bans, follows, limits
from kernel.tombstone_log import Act
from members import follows as follow_store
from members import notices
from members.ledger import asks_first, kept_out
from members.notices import Telling
from members.order import stir

COOL_DOWN: Final = timedelta(days=7)
STEP: Final = 100  # followers of ours in one round
_TOLD_AT_ONCE: Final = 1000


async def note(conn: AsyncConnection, here: Here, old: Actor, new: Actor) -> None:
    """Keep that `old`, of another server, is now `new`, each known to say so.

    Memberships, bans and limits here go along; the task of a moderator does not. Names here that
    belong to a group are told, and groups of ours that follow it follow in `carry_over`. A repeat
    changes nothing. Raises NotAllowed: `old` has moved this week.
    """
    if await _moved_lately(conn, here, old) == new.uri:
        return
    await check_pace(conn, here, old)
    await conn.execute(
        sa.update(actors)
        .where(actors.c.id == old.id, ~actors.c.local)
        .values(moved_to=new.uri, moved_on=here.now().date())
    )
    back = await conn.execute(  # whoever came back is where they were: nobody is sent in a circle
        sa.update(actors)
        .where(actors.c.id == new.id, actors.c.moved_to.is_not(None))
        .values(moved_to=None)
    )
    if back.rowcount and new.local:  # a group of ours: a restore knows that it is here again
        tombstone_log.note(conn, Act.GROUP_MOVED, new.uri, "")
    if old.kind is ActorKind.GROUP:
        await tell(conn, here, old)
    if new.local:
        return
    await _ban_too(conn, here, old, new)
    await _limit_too(conn, here, old, new)
    await _belong_too(conn, old, new)


async def check_pace(conn: AsyncConnection, here: Here, old: Actor) -> None:
    """Raises NotAllowed: the actor has moved this week."""
    if await _moved_lately(conn, here, old) is not None:
        raise NotAllowed("That actor has moved a short while ago.")


async def _moved_lately(conn: AsyncConnection, here: Here, old: Actor) -> str | None:
    """Where the actor has moved this week; "" where it came back since."""
    row = (
        await conn.execute(
            sa.select(actors.c.moved_to)
            .where(actors.c.id == old.id, actors.c.moved_on > here.now().date() - COOL_DOWN)
            .with_for_update()
        )
    ).first()
    return None if row is None else row.moved_to or ""


async def tell(conn: AsyncConnection, here: Here, group: Actor) -> None:
    """Every name here that belongs to the group, or asked to, is told that it goes on elsewhere."""
    last = UUID(int=0)
    while True:
        found = (
            await conn.execute(
                sa.select(actors.c.id, actors.c.uri)
                .join(follows, follows.c.follower_id == actors.c.id)
                .where(
                    follows.c.followed_id == group.id,
                    actors.c.local,
                    actors.c.kind == ActorKind.PERSON,
                    actors.c.id > last,
                )
                .order_by(actors.c.id)
                .limit(_TOLD_AT_ONCE)
            )
        ).all()
        await notices.tell(
            conn,
            here,
            [Telling(uri=row.uri, kind=NoticeKind.MOVED, group_id=group.id) for row in found],
        )
        if len(found) < _TOLD_AT_ONCE:
            return
        last = found[-1].id


async def _ban_too(conn: AsyncConnection, here: Here, old: Actor, new: Actor) -> None:
    """Who is kept out of a group is kept out under the new address, too (DESIGN-V3).

    Where both are, the ban that lasts longer stands.
    """
    carried = sa.select(
        bans.c.group_id, sa.literal(new.id, sa.Uuid), bans.c.reason, bans.c.until
    ).where(
        bans.c.actor_id == old.id,
        sa.or_(bans.c.until.is_(None), bans.c.until >= here.now().date()),
    )
    add = insert(bans).from_select(["group_id", "actor_id", "reason", "until"], carried)
    known, longer = bans.c.until, add.excluded.until
    changed = await conn.execute(
        add.on_conflict_do_update(
            index_elements=["group_id", "actor_id"],
            set_={"reason": add.excluded.reason, "until": longer},
            where=sa.and_(known.is_not(None), sa.or_(longer.is_(None), longer > known)),
        ).returning(bans.c.group_id, bans.c.until)
    )
    ends = {row.group_id: row.until.isoformat() if row.until else "" for row in changed}
    groups = sa.select(actors.c.id, actors.c.uri).where(any_of(actors.c.id, "ids"))
    for group in await conn.execute(groups, {"ids": list(ends)}):
        tombstone_log.note(conn, Act.BANNED, group.uri, new.uri, ends[group.id])


async def _limit_too(conn: AsyncConnection, here: Here, old: Actor, new: Actor) -> None:
    """Where posts of `old` are read first, those of `new` are too, for as long at least."""
    carried = sa.select(limits.c.group_id, sa.literal(new.id, sa.Uuid), limits.c.until).where(
        limits.c.actor_id == old.id, limits.c.until >= here.now().date()
    )
    add = insert(limits).from_select(["group_id", "actor_id", "until"], carried)
    longer = add.excluded.until
    changed = await conn.execute(
        add.on_conflict_do_update(
            index_elements=["group_id", "actor_id"],
            set_={"until": longer},
            where=longer > limits.c.until,
        ).returning(limits.c.group_id, limits.c.until)
    )
    ends = {row.group_id: row.until.isoformat() for row in changed}
    groups = sa.select(actors.c.id, actors.c.uri).where(any_of(actors.c.id, "ids"))
    for group in await conn.execute(groups, {"ids": list(ends)}):
        tombstone_log.note(conn, Act.LIMITED, group.uri, new.uri, ends[group.id])


async def _belong_too(conn: AsyncConnection, old: Actor, new: Actor) -> None:
    """What `old` follows here, `new` follows instead; not where `new` is banned.

    A circle is shared with one server, and nobody takes it along to another (MOD-5.6). A group
    treats the server of `new` as it does for whoever joins from there (MOD-5.7), and whom peers
    advise about is asked first under the new address, too.
    """
    group, person = actors.alias("belonged_to"), actors.alias("moved")
    out = sa.literal_column(kept_out("moved", "belonged_to"), sa.Boolean)
    asks = sa.literal_column(asks_first("moved", "belonged_to"), sa.Boolean)
    banned = sa.exists().where(bans.c.actor_id == new.id, bans.c.group_id == follows.c.followed_id)
    kept = (
        sa.select(
            person.c.id,
            follows.c.followed_id,
            sa.case((asks, FollowState.PENDING.value), else_=follows.c.state),
            follows.c.uri,
            follows.c.guidelines,
            follows.c.approved,
        )
        .join(group, group.c.id == follows.c.followed_id)
        .join(person, person.c.id == new.id)
        .where(follows.c.follower_id == old.id, ~banned, ~group.c.members_only, ~out)
    )
    names = ["follower_id", "followed_id", "state", "uri", "guidelines", "approved"]
    await conn.execute(insert(follows).from_select(names, kept).on_conflict_do_nothing())
    await conn.execute(sa.delete(follows).where(follows.c.follower_id == old.id))
    await stir(conn, follows)
    if old.filtered:
        await conn.execute(sa.update(actors).where(actors.c.id == new.id).values(filtered=True))


async def carry_over(engine: AsyncEngine, here: Here) -> int:
    """Let groups of ours and the node follow the new address; each in a transaction of its own.

    How many did: up to `STEP` of them in one round. People decide for themselves.
    """
    old, new, mine = actors.alias("old"), actors.alias("new"), actors.alias("mine")
    async with engine.connect() as conn:
        found = (
            await conn.execute(
                sa.select(follows.c.follower_id, old.c.id, new.c.id)
                .select_from(
                    old.join(new, new.c.uri == old.c.moved_to)
                    .join(follows, follows.c.followed_id == old.c.id)
                    .join(mine, mine.c.id == follows.c.follower_id)
                )
                .where(
                    old.c.moved_to.is_not(None),
                    ~old.c.local,
                    ~new.c.local,
                    mine.c.local,
                    mine.c.kind != ActorKind.PERSON,
                    new.c.state == ActorState.ACTIVE,
                )
                .order_by(follows.c.follower_id)
                .limit(STEP)
            )
        ).all()
    for follower_id, old_id, new_id in found:
        async with engine.begin() as conn:
            follower = await actor_store.get(conn, follower_id)
            await follow_store.end(conn, here, follower, await actor_store.get(conn, old_id))
            await follow_store.request(conn, here, follower, await actor_store.get(conn, new_id))
    return len(found)
