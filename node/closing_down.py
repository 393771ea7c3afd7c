"""A node ends: in steps that each commit alone, so that one that was killed goes on (WIRE-Q11).

First everybody here reads on which day it closes. On that day nobody writes any more: accounts go,
pacts end, and every persona, group and desk, last the node itself, says to all other servers that
it is gone. Once they heard it, or 30 days were not enough, what is left goes as well, keys too, and
every address answers 410.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.audience import blocks_host
from activitypub.vocab import PUBLIC
from groups.closing import close_one
from kernel import tombstone_log, urls
from kernel.errors import Conflict, Malformed, NotFound
from kernel.here import Here
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.base import Side
from kernel.schema.groups import Sees
from kernel.schema.node import Stage
from kernel.schema.pacts import Afterwards, PactState
from kernel.schema.tables import (
    accounts,
    actor_keys,
    actors,
    audit_chain,
    deliveries,
    domain_blocks,
    follows,
    groups,
    metadata,
    moderators,
    new_places,
    node,
    pacts,
    posts,
    veil,
)
from kernel.tombstone_log import Act
from members import departures
from moderation import audit, pact_making
from node.tidy import drop_old_deliveries

NOTICE_DAYS: Final = 30
MOST_DAYS: Final = 365
GONE_FOR: Final = timedelta(days=365)  # every address answers 410 (WIRE-Q11)
MAX_PLACES: Final = 200

_OTHERS: Final = (ActorKind.GROUP, ActorKind.SERVICE, ActorKind.APPLICATION)
_STAY: Final = (node, new_places, actors, audit_chain)
"""What is left of the database: the node's name, where groups went, the node's own actor without
its keys, and of decisions the day and the kind, which nothing can take out of the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a group goes, as it is shown."""

    handle: str
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far it is. `speakers` did not say yet that they are gone; `unsent` is still to be told
    to `servers`; those that are blocked are not waited for."""

    stage: Stage
    closes_on: date | None
    over_on: date | None
    people: int
    groups: int
    staying: int  # of these, groups that could go on at a peer first
    posts: int
    pacts: int
    speakers: int
    unsent: int
    servers: int

    @property
    def until(self) -> date | None:
        """The last day on which the node has to answer, so that others hear 410."""
        return self.over_on + GONE_FOR if self.over_on else None


# What its operator decides


async def announce(conn: AsyncConnection, here: Here, *, days: int = NOTICE_DAYS) -> date:
    """From now on everybody here reads that the node closes in `days`; the day.

    Said again it is another day. Raises Conflict: it is closing already.
    """
    if not 1 <= days <= MOST_DAYS:
        raise Malformed(f"Between 1 and {MOST_DAYS} days.")
    if await _stage(conn) not in (Stage.OPEN, Stage.NOTICE):
        raise Conflict("This node is closing already. There is no way back.")
    closes_on = here.now().date() + timedelta(days=days)
    await conn.execute(sa.update(node).values(stage=Stage.NOTICE, closes_on=closes_on))
    await audit.note(conn, here, verb="close node", about=here.origin, until=closes_on)
    return closes_on


async def _stage(conn: AsyncConnection) -> Stage:
    found = await conn.scalar(sa.select(node.c.stage).with_for_update())
    return Stage(found or Stage.OPEN)


async def cancel(conn: AsyncConnection, here: Here) -> None:
    """It does not close after all. Raises Conflict: nothing was announced, or it has begun."""
    stage = await _stage(conn)
    if stage is Stage.OPEN:
        raise Conflict("Nobody said that this node closes.")
    if stage is not Stage.NOTICE:
        raise Conflict("This node is closing already. There is no way back.")
    await conn.execute(sa.update(node).values(stage=Stage.OPEN, closes_on=None))
    await conn.execute(sa.delete(new_places))
    await audit.note(conn, here, verb="keep node open", about=here.origin)


async def stay_open(conn: AsyncConnection, here: Here) -> bool:
    """After a restore: what was announced before the backup may have been taken back since.

    So nothing ends because of it, until it is announced again. Whether it was announced.
    """
    if await _stage(conn) is not Stage.NOTICE:
        return False
    await cancel(conn, here)
    return True


async def goes_to(conn: AsyncConnection, handle: str, address: str) -> Place:
    """People read where a group goes; an empty `address` takes that back.

    Raises NotFound: no such group here. Raises Malformed: that is no address of a page.
    Raises Conflict: nobody said that the node closes, or it is closing already.
    """
    if await _stage(conn) is not Stage.NOTICE:
        raise Conflict("Announce first that this node closes: hearthold close --yes.")
    group = await actor_store.by_handle(conn, handle.lower().removeprefix("@"))
    if group is None or not group.local or group.kind is not ActorKind.GROUP:
        raise NotFound("There is no such group here.")
    if address := address.strip():
        address = str(urls.parse(address, allow_http=False, allow_fragment=True))
    place = Place(handle=group.handle, name=group.name, address=address)
    await conn.execute(sa.delete(new_places).where(new_places.c.handle == group.handle))
    if address:
        if len(await places(conn)) >= MAX_PLACES:
            raise Conflict(f"Up to {MAX_PLACES} groups can be listed.")
        await conn.execute(
            insert(new_places).values(handle=place.handle, name=place.name, address=address)
        )
    return place


async def places(conn: AsyncConnection) -> Sequence[Place]:
    """Where groups go, by name: as somebody said, or to where they have moved."""
    found = sa.union_all(sa.select(new_places), _MOVED).subquery("found")
    rows = await conn.execute(
        sa.select(found).order_by(found.c.name, found.c.handle).limit(MAX_PLACES)
    )
    return [Place(handle=row.handle, name=row.name, address=row.address) for row in rows]


_MOVED: Final = sa.select(actors.c.handle, actors.c.name, actors.c.moved_to.label("address")).where(
    actors.c.local,
    actors.c.kind == ActorKind.GROUP,
    actors.c.moved_to.is_not(None),
    actors.c.handle.not_in(sa.select(new_places.c.handle)),
)
"""Groups that have moved, and of which nobody said otherwise."""


async def state(conn: AsyncConnection) -> State:
    """How far it is, and what there would be to close."""
    row = (await conn.execute(sa.select(node.c.stage, node.c.closes_on, node.c.over_on))).one()

    async def count(query: sa.Select[int]) -> int:
        return await conn.scalar(query) or 0

    def living(kind: ActorKind) -> sa.Select[int]:
        return _count(actors).where(
            actors.c.local, actors.c.kind == kind, actors.c.state == ActorState.ACTIVE
        )

    return State(
        stage=Stage(row.stage),
        closes_on=row.closes_on,
        over_on=row.over_on,
        people=await count(living(ActorKind.PERSON)),
        groups=await count(living(ActorKind.GROUP)),
        staying=await count(
            living(ActorKind.GROUP)
            .join(groups, groups.c.actor_id == actors.c.id)
            .where(
                groups.c.sees == Sees.EVERYONE,
                actors.c.moved_to.is_(None),
                sa.exists().where(pacts.c.state == PactState.MADE),
            )
        ),
        posts=await count(
            _count(posts.join(actors, actors.c.id == posts.c.author_id)).where(actors.c.local)
        ),
        pacts=await count(_count(pacts).where(pacts.c.state.in_(_PACTS))),
        speakers=await count(_count(actors).where(_to_go())),
        unsent=await count(_count(deliveries).where(_can_be_sent())),
        servers=await count(
            sa.select(sa.func.count(deliveries.c.host.distinct())).where(_can_be_sent())
            if row.stage != Stage.OPEN
            else sa.select(sa.func.count(actors.c.host.distinct())).where(~actors.c.local)
        ),
    )


# What the worker does, step by step


async def work(engine: AsyncEngine, here: Here) -> bool:
    """As much of the end as can be done now. False: the node is open, and stays so today."""
    while await step(engine, here):
        pass
    async with engine.connect() as conn:
        ends = await conn.scalar(sa.select(node.c.stage)) in (Stage.ENDING, Stage.OVER)
    if ends:
        while await drop_old_deliveries(engine, here.now().date()):
            pass
    return ends


async def step(engine: AsyncEngine, here: Here) -> bool:
    """One step in a transaction of its own. False: there is none now, or somebody is at it."""
    async with engine.begin() as conn:
        row = (await conn.execute(_NODE)).first()
        if row is None or row.stage in (Stage.OPEN, Stage.OVER):
            return False
        if row.stage == Stage.NOTICE:
            if row.closes_on > here.now().date():
                return False
            await begin(conn, here)
            return True
        if await conn.scalar(_LATE) is not None:  # made while other processes did not know yet
            await departures.close_everybody(conn, here)
        if await _forget_accounts(conn) or await _end_a_pact(conn, here):
            return True
        if await conn.scalar(_PERSONA) is None:
            return await _say_goodbye(conn, here) or await _finish(conn, here)
    return await close_one(engine, here)


_NODE: Final = sa.select(node.c.stage, node.c.closes_on).with_for_update(skip_locked=True)
_PACTS: Final = (PactState.MADE, PactState.BROKEN)
_PERSONA: Final = (
    sa.select(actors.c.id)
    .where(actors.c.closes_on.is_not(None), actors.c.local, actors.c.state != ActorState.CLOSED)
    .limit(1)
)
_LATE: Final = (
    sa.select(actors.c.id)
    .where(
        actors.c.local,
        actors.c.kind == ActorKind.PERSON,
        actors.c.state == ActorState.ACTIVE,
        actors.c.closes_on.is_(None),
    )
    .limit(1)
)


async def begin(conn: AsyncConnection, here: Here) -> None:
    """The day has come; also after a restore of how the node was before. There is no way back."""
    today = here.now().date()
    await conn.execute(
        sa.update(node).values(
            stage=Stage.ENDING,
            closes_on=sa.func.least(sa.func.coalesce(node.c.closes_on, today), today),
            over_on=None,
        )
    )
    await conn.execute(insert(new_places).from_select(["handle", "name", "address"], _MOVED))
    await departures.close_everybody(conn, here)
    tombstone_log.note(conn, Act.NODE_CLOSES, here.origin)


async def _forget_accounts(conn: AsyncConnection) -> bool:
    """Nobody logs in any more."""
    if await conn.scalar(sa.select(accounts.c.id).limit(1)) is None:
        return False
    await _empty(conn, Side.ACCOUNT, but=(veil,))  # pages that are open still look it up
    return True


async def _end_a_pact(conn: AsyncConnection, here: Here) -> bool:
    """Whom we trusted, or offered it, hears that this is over (MOD-5.6)."""
    standing = sa.or_(pacts.c.state.in_(_PACTS), pacts.c.ours != "")
    host = await conn.scalar(sa.select(pacts.c.host).where(standing).limit(1))
    if host is None:
        return False
    await pact_making.end(conn, here, host, Afterwards.KEEP)
    return True


async def _say_goodbye(conn: AsyncConnection, here: Here) -> bool:
    """One group says that it is gone; then desks do, and last the node itself (WIRE-Q11)."""
    order = sa.case(
        {kind.value: number for number, kind in enumerate(_OTHERS)}, value=actors.c.kind
    )
    row = (
        await conn.execute(
            sa.select(*actor_store.columns()).where(_to_go()).order_by(order, actors.c.id).limit(1)
        )
    ).first()
    if row is None:
        return False
    gone = Actor.of(row)
    goodbye = documents.activity(
        here.new_activity_uri(), "Delete", gone.uri, gone.uri, to=[PUBLIC], removeData=True
    )
    await outbox.publish_everywhere(conn, here, goodbye, signer=gone)
    either = sa.or_(follows.c.follower_id == gone.id, follows.c.followed_id == gone.id)
    await conn.execute(sa.delete(follows).where(either))
    await conn.execute(sa.delete(moderators).where(moderators.c.group_id == gone.id))
    await conn.execute(
        sa.update(actors)
        .where(actors.c.id == gone.id)
        .values(state=ActorState.CLOSED, name=gone.handle, summary="", source="")
    )
    return True


async def _finish(conn: AsyncConnection, here: Here) -> bool:
    """Everybody heard it who can: what is left goes, and with it every key that signed it."""
    if await conn.scalar(sa.select(deliveries.c.id).where(_can_be_sent()).limit(1)) is not None:
        return False
    for side in Side:
        await _empty(conn, side)
    await conn.execute(sa.delete(actors).where(actors.c.uri != f"{here.origin}/"))
    today = here.now().date()
    await conn.execute(
        sa.update(node).values(stage=Stage.OVER, over_on=today, about="", crisis_policy="", duty="")
    )
    return True


async def _empty(conn: AsyncConnection, side: Side, but: Sequence[sa.Table] = ()) -> None:
    """Every row of every table on one side goes, but for those that stay."""
    for each in reversed(metadata.sorted_tables):
        if each.info["side"] is side and each not in (*_STAY, *but):
            await conn.execute(sa.delete(each))


def _to_go() -> sa.ColumnElement[bool]:
    """SQL: groups, desks and the node itself, as long as they did not say that they are gone."""
    return sa.and_(
        actors.c.local,
        actors.c.kind.in_(_OTHERS),
        actors.c.state != ActorState.CLOSED,
        sa.exists().where(actor_keys.c.actor_id == actors.c.id),
    )


def _can_be_sent() -> sa.ColumnElement[bool]:
    """SQL: what is still tried, at a server that is not blocked."""
    blocked = sa.exists().where(blocks_host(deliveries.c.host)).correlate_except(domain_blocks)
    return sa.and_(deliveries.c.parked.is_(None), ~blocked)


def _count(table: sa.FromClause) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(table)
