"""Posts that wait for a person because of a label, and go on once none wants that (MOD-5.18)."""

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.rows import at_most, constant
from kernel.schema.labels import Effect
from kernel.schema.tables import post_labels, posts
from moderation.labelling import OVER, lock, one_of, refresh


async def let_go(conn: AsyncConnection, post_id: int) -> None:
    """A moderator read a held post and shows it: what wanted it held, wants so no more."""
    await lock(conn, [post_id])
    await conn.execute(
        sa.update(post_labels)
        .where(post_labels.c.post_id == post_id, post_labels.c.effect == Effect.HOLD)
        .values(over=True, held=False, due=OVER)
    )
    await refresh(conn, [post_id])


async def holds_since(conn: AsyncConnection, host: str, day: date) -> int:
    """How many posts are held because of labels that a server gave since a day."""
    count = await conn.scalar(
        sa.select(sa.func.count(post_labels.c.post_id.distinct()))
        .select_from(post_labels)
        .where(
            post_labels.c.host == host,
            post_labels.c.effect == Effect.HOLD,
            post_labels.c.starts >= day,
        )
    )
    return count or 0


async def holds(conn: AsyncConnection, host: str, post_id: int) -> bool:
    """Whether a server's label holds this post, or will soon."""
    found = await conn.scalar(
        sa.select(post_labels.c.id)
        .where(
            post_labels.c.post_id == post_id,
            post_labels.c.host == host,
            post_labels.c.effect == Effect.HOLD,
            ~post_labels.c.over,
        )
        .limit(at_most(1))
    )
    return found is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A hold because of another server's label that is not done yet; or, if `held`, not undone.

    `alone`: nothing else held the post, and its words are those that were held.
    """

    id: UUID
    post_id: int
    label: str
    host: str
    signal: str
    held: bool
    alone: bool
    over: bool


async def next_undone(conn: AsyncConnection) -> Undone | None:
    """The next of them, with its post locked; of one post, what wants it held is first."""
    while (post_id := await conn.scalar(_WAITS)) is not None:
        if row := (await conn.execute(_UNDONE, {"about": post_id})).first():
            return Undone(**row._mapping)
    return None


_OTHER: Final = (  # the post has other words than those that a label is about (MOD-5.2)
    sa.select(sa.func.coalesce(posts.c.edited > post_labels.c.version, sa.false()))
    .where(posts.c.id == post_labels.c.post_id)
    .correlate(post_labels)
    .scalar_subquery()
)
_WANTS: Final = sa.and_(
    post_labels.c.effect == constant(Effect.HOLD),
    ~post_labels.c.over,
    ~post_labels.c.silent,
    ~_OTHER,
)
_IS_UNDONE: Final = sa.and_(
    sa.text("giver = 'peer' AND (held OR effect = 'hold')"), post_labels.c.held != _WANTS
)
_WAITS: Final = one_of(
    sa.select(post_labels.c.post_id).where(_IS_UNDONE).order_by(post_labels.c.post_id)
)
_UNDONE: Final = (
    sa.select(*(post_labels.c[name] for name in Undone.__slots__))
    .where(post_labels.c.post_id == sa.bindparam("about", type_=sa.BigInteger), _IS_UNDONE)
    .order_by(post_labels.c.held)
    .limit(at_most(1))
)


async def is_done(conn: AsyncConnection, undone: Undone, *, alone: bool = False) -> None:
    """A post is held for this label now, or is not any more; what is over goes.

    `alone`: nothing but labels of other servers holds it.
    """
    mine = post_labels.c.id == undone.id
    if undone.over:
        await conn.execute(sa.delete(post_labels).where(mine))
    else:
        done = {"held": not undone.held, "alone": alone}
        await conn.execute(sa.update(post_labels).where(mine).values(done))


async def holds_alone(conn: AsyncConnection, post_id: int) -> bool:
    """Whether a held post waits for nothing but labels of other servers."""
    found = await conn.scalar(
        sa.select(post_labels.c.id)
        .where(post_labels.c.post_id == post_id, post_labels.c.held, post_labels.c.alone)
        .limit(at_most(1))
    )
    return found is not None


async def has_other_words(conn: AsyncConnection, post_id: int) -> None:
    """A held post got other words: somebody reads them, whatever becomes of the labels."""
    await conn.execute(_OTHER_WORDS, {"about": post_id})


_OTHER_WORDS: Final = (
    sa.update(post_labels)
    .where(post_labels.c.post_id == sa.bindparam("about", type_=sa.BigInteger))
    .values(alone=False)
)


async def wants_hold(conn: AsyncConnection, post_id: int) -> bool:
    """Whether a label still wants a post to be read first."""
    found = await conn.scalar(
        sa.select(post_labels.c.id)
        .where(
            post_labels.c.post_id == post_id,
            _WANTS,
        )
        .limit(at_most(1))
    )
    return found is not None
