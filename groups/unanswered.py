"""Nobody is left unanswered: whose thread waits for a word, and how soon one comes (DOM-A12).

A thread waits when whoever began it has had the last word for six hours: nobody answered the first
post, or nobody answered what they wrote later. What programs, desks and groups say is no answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from groups.groups import Group
from kernel.here import Here
from kernel.ids import MINUTE, first_of, released
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, groups, posts, threads
from moderation.visibility import host_is_welcome

AFTER: Final = timedelta(hours=6)
WITHIN: Final = timedelta(days=28)
SETTLED: Final = timedelta(days=1)  # a younger thread does not count yet
ENOUGH: Final = 5  # threads; of fewer nothing is said
MAX_COUNTED: Final = 5_000  # threads of a group that its usual wait is worked out from
PAGE: Final = 20

_PROGRAMS: Final = (ActorKind.SERVICE, ActorKind.APPLICATION, ActorKind.GROUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A thread that waits for an answer since a post of `post_id`; `latest_id` is the paging key.

    `since` is UTC, to the minute.
    """

    thread_id: int
    latest_id: int
    post_id: int
    title: str
    note: str
    sensitive: bool
    given: str
    author_id: UUID
    author_host: str
    author_name: str

    @property
    def since(self) -> datetime:
        """When what waits was said."""
        return released(self.post_id)

    @property
    def is_first(self) -> bool:
        """Whether nobody has answered the thread at all."""
        return self.post_id == self.thread_id


def _by_somebody(author: sa.FromClause) -> sa.ColumnElement[bool]:
    """SQL: a person said it, whom this server listens to."""
    programs = [constant(kind) for kind in _PROGRAMS]
    return sa.and_(author.c.kind.not_in(programs), host_is_welcome(author))


_root: Final = posts.alias("root")
_starter: Final = actors.alias("starter")
_said: Final = posts.alias("said")
_sayer: Final = actors.alias("sayer")
_GROUP_ID: Final = sa.bindparam("group_id", type_=sa.Uuid)


def _begun_by_somebody() -> sa.ColumnElement[bool]:
    return sa.and_(_root.c.state == constant(PostState.SHOWN), _by_somebody(_starter))


_BEGUN: Final = threads.join(_root, _root.c.id == threads.c.id).join(
    _starter, _starter.c.id == _root.c.author_id
)


@cache
def _waiting(limit: int) -> AnySelect:
    """Walks the group's threads of four weeks in the order of their newest posts, oldest first."""
    last = (
        sa.select(_said.c.id, _said.c.author_id)
        .join(_sayer, _sayer.c.id == _said.c.author_id)
        .where(
            _said.c.thread_id == threads.c.id,
            _said.c.state == constant(PostState.SHOWN),
            _by_somebody(_sayer),
        )
        .order_by(_said.c.id.desc())
        .limit(at_most(1))
        .lateral("last")
    )
    return (
        sa.select(
            threads.c.id.label("thread_id"),
            threads.c.latest_id,
            last.c.id.label("post_id"),
            _root.c.title,
            _root.c.note,
            _root.c.sensitive,
            _root.c.given,
            _root.c.author_id,
            _starter.c.host.label("author_host"),
            _starter.c.name.label("author_name"),
        )
        .select_from(_BEGUN.join(last, sa.true()))
        .where(
            threads.c.group_id == _GROUP_ID,
            threads.c.shown,
            threads.c.latest_id > sa.bindparam("after", type_=sa.BigInteger),
            ~threads.c.locked,
            _begun_by_somebody(),
            last.c.author_id == _root.c.author_id,
            last.c.id < sa.bindparam("before", type_=sa.BigInteger),
        )
        .order_by(threads.c.latest_id)
        .limit(at_most(limit))
    )


async def waiting(
    conn: AsyncConnection, here: Here, group: Group, *, after: int = 0, limit: int = PAGE
) -> Sequence[Waiting]:
    """Threads of a group of ours that wait for an answer, those that wait longest first.

    After four weeks they leave the list. A group elsewhere has none: what is answered there is not
    all known here.
    """
    if group.settings is None:
        return []
    now = here.now()
    rows = await conn.execute(
        _waiting(limit),
        {
            "group_id": group.id,
            "after": max(after, first_of(now - WITHIN)),
            "before": first_of(now - AFTER),
        },
    )
    return [Waiting(**row._mapping) for row in rows]


async def count_one(engine: AsyncEngine, here: Here) -> bool:
    """Work out one group's usual wait, once a day. False: that was done for all of them."""
    today = here.now().date()
    async with engine.begin() as conn:
        group_id = await conn.scalar(_NOT_COUNTED, {"today": today})
        if group_id is None:
            return False
        minutes = await usual_wait(conn, here, group_id)
        await conn.execute(
            sa.update(groups)
            .where(groups.c.actor_id == group_id)
            .values(answer_minutes=minutes, answers_counted=today)
        )
    return True


_NOT_COUNTED: Final = (
    sa.select(groups.c.actor_id)
    .join(actors, actors.c.id == groups.c.actor_id)
    .where(
        actors.c.state == constant(ActorState.ACTIVE),
        sa.or_(
            groups.c.answers_counted.is_(None),
            groups.c.answers_counted < sa.bindparam("today", type_=sa.Date),
        ),
    )
    .order_by(groups.c.actor_id)
    .limit(at_most(1))
    .with_for_update(of=groups, skip_locked=True)
)


async def usual_wait(conn: AsyncConnection, here: Here, group_id: UUID) -> int | None:
    """Within how many minutes half of the group's new threads had a first answer.

    Threads that nobody answered count as well. None: most had none, or there were too few.
    """
    now = here.now()
    values = {
        "group_id": group_id,
        "after": first_of(now - WITHIN),
        "before": first_of(now - SETTLED),
    }
    row = (await conn.execute(_USUAL, values)).one()
    if row.begun < ENOUGH or row.middle is None:
        return None
    return int(row.middle)


def _usual() -> sa.Select[*tuple[Any, ...]]:
    """The middle one of the waits; a thread without an answer has waited longest.

    The newest threads come first by their index, so that others than the group's are not read.
    """
    after = sa.bindparam("after", type_=sa.BigInteger)
    lately = (
        sa.select(threads.c.id)
        .where(threads.c.group_id == _GROUP_ID, threads.c.shown, threads.c.latest_id > after)
        .order_by(threads.c.latest_id.desc())
        .limit(at_most(MAX_COUNTED))
        .subquery("lately")
    )
    first = (
        sa.select(_said.c.id)
        .join(_sayer, _sayer.c.id == _said.c.author_id)
        .where(
            _said.c.thread_id == lately.c.id,
            _said.c.id > lately.c.id,
            _said.c.state == constant(PostState.SHOWN),
            _said.c.author_id != _root.c.author_id,
            _by_somebody(_sayer),
        )
        .order_by(_said.c.id)
        .limit(at_most(1))
        .correlate(lately, _root)
        .scalar_subquery()
    )
    waits = (
        sa.select(((first - lately.c.id) // MINUTE).label("minutes"))
        .select_from(
            lately.join(_root, _root.c.id == lately.c.id).join(
                _starter, _starter.c.id == _root.c.author_id
            )
        )
        .where(
            lately.c.id > after,
            lately.c.id < sa.bindparam("before", type_=sa.BigInteger),
            _begun_by_somebody(),
        )
        .subquery("waits")
    )
    endless = sa.literal(float("inf"), sa.Float)
    middle = sa.func.percentile_disc(0.5).within_group(sa.func.coalesce(waits.c.minutes, endless))
    return sa.select(
        sa.func.count().label("begun"), sa.func.nullif(middle, endless).label("middle")
    ).select_from(waits)


_USUAL: Final = _usual()
