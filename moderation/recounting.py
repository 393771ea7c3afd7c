"""How many answers a thread has, counted anew once a domain is blocked or heard again (SEC-L14).

What is hidden is not counted either. The block itself holds from its own commit on and waits for
none of this: a domain may have written in a great many threads.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.arrays import any_of
from kernel.rows import constant
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, posts, threads
from moderation.visibility import host_is_welcome

BATCH: Final = 500  # threads in one transaction, which others may want to write in


async def recount_hosts(engine: AsyncEngine, hosts: Sequence[str]) -> None:
    """Count the answers of every thread that somebody of these servers wrote in, as they are shown.

    Each server is meant by its own name alone.
    """
    async with engine.connect() as conn:
        batches = _batches(list(await conn.scalars(_WRITTEN_IN_BY, {"hosts": list(hosts)})))
    for some in batches:
        async with engine.begin() as conn:
            await _count(conn, some)


async def recount_within(conn: AsyncConnection, domain: str) -> None:
    """The same of a domain, in one transaction, where nobody else waits: after a restore."""
    for some in await _written_in(conn, domain):
        await _count(conn, some)


async def _written_in(conn: AsyncConnection, domain: str) -> Sequence[Sequence[int]]:
    return _batches(list(await conn.scalars(_WRITTEN_IN, {"domain": domain})))


def _batches(ids: Sequence[int]) -> Sequence[Sequence[int]]:
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]


async def _count(conn: AsyncConnection, ids: Sequence[int]) -> None:
    await conn.execute(_HELD, {"threads": ids})  # what is counted in beside this is seen below
    await conn.execute(_RECOUNT, {"threads": ids})


_NAME: Final = sa.func.split_part(actors.c.host, ":", 1)
_DOMAIN: Final = sa.bindparam("domain", type_=sa.Text)
_BY: Final = (
    sa.select(posts.c.thread_id)
    .distinct()
    .join(actors, actors.c.id == posts.c.author_id)
    .where(~actors.c.local)
    .order_by(posts.c.thread_id)
)
_WRITTEN_IN_BY: Final = _BY.where(any_of(actors.c.host, "hosts"))
_WRITTEN_IN: Final = _BY.where(
    sa.or_(_NAME == _DOMAIN, sa.func.right(_NAME, sa.func.length(_DOMAIN) + 1) == "." + _DOMAIN),
)
_HELD: Final = (
    sa.select(threads.c.id)
    .where(any_of(threads.c.id, "threads"))
    .order_by(threads.c.id)
    .with_for_update()
)
_SHOWN: Final = (
    sa.select(sa.func.count())
    .select_from(posts.join(actors, actors.c.id == posts.c.author_id))
    .where(
        posts.c.thread_id == threads.c.id,
        posts.c.id != threads.c.id,
        posts.c.state == constant(PostState.SHOWN),
        host_is_welcome(actors),
    )
    .scalar_subquery()
)
_RECOUNT: Final = sa.update(threads).where(any_of(threads.c.id, "threads")).values(replies=_SHOWN)
