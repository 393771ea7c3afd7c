"""What another server says of posts, taken as a whole: it stands, is silent, or goes (MOD-5.6)."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.schema.pacts import Afterwards, PactState
from kernel.schema.tables import pacts, post_labels, signal_sources
from moderation.labelling import lock, refresh


async def _lock_of(conn: AsyncConnection, host: str) -> list[int]:
    """The posts that a server says something of, locked."""
    found = await conn.scalars(
        sa.select(post_labels.c.post_id).where(post_labels.c.host == host).distinct()
    )
    ids = list(found)
    await lock(conn, ids)
    return ids


async def standing(conn: AsyncConnection, host: str) -> set[tuple[int, str, str]]:
    """What a server's labels do here now: posts, labels, and what each of these does."""
    rows = await conn.execute(
        sa.select(post_labels.c.post_id, post_labels.c.label, post_labels.c.effect).where(
            post_labels.c.host == host, ~post_labels.c.over, ~post_labels.c.silent
        )
    )
    return {(row.post_id, row.label, row.effect) for row in rows}


async def take_back(conn: AsyncConnection, host: str, post_ids: Collection[int]) -> None:
    """A server says nothing of these posts any more; what is held for it is let go soon."""
    if not post_ids:
        return
    await lock(conn, post_ids)
    mine = sa.and_(post_labels.c.host == host, post_labels.c.post_id.in_(post_ids))
    await conn.execute(sa.delete(post_labels).where(mine, ~post_labels.c.held))
    await conn.execute(sa.update(post_labels).where(mine).values(over=True))
    await refresh(conn, post_ids)


async def trust(conn: AsyncConnection, host: str, *, trusted: bool) -> None:
    """What a server says of posts is not shown while it is not trusted (MOD-5.10)."""
    await _lock_of(conn, host)
    changed = await conn.scalars(
        sa.update(post_labels)
        .where(post_labels.c.host == host)
        .values(silent=not trusted)
        .returning(post_labels.c.post_id)
    )
    await refresh(conn, set(changed))


async def keep_only(conn: AsyncConnection, host: str, post_id: int, words: Collection[str]) -> None:
    """Of what a server said of a post, only these labels stand still."""
    await lock(conn, [post_id])
    rest = await conn.scalars(
        sa.select(post_labels.c.label).where(
            post_labels.c.post_id == post_id,
            post_labels.c.host == host,
            post_labels.c.label.not_in(list(words)),
        )
    )
    if gone := rest.all():
        mine = sa.and_(
            post_labels.c.post_id == post_id,
            post_labels.c.host == host,
            post_labels.c.label.in_(gone),
        )
        await conn.execute(sa.delete(post_labels).where(mine, ~post_labels.c.held))
        await conn.execute(sa.update(post_labels).where(mine).values(over=True))
        await refresh(conn, [post_id])


async def follow_pact(conn: AsyncConnection, host: str) -> None:
    """What a server says of posts stands as the pact with it does (MOD-5.6, MOD-5.10).

    While its dataset is put aside, it is silent whatever the pact is (MOD-5.5).
    """
    row = (
        await conn.execute(
            sa.select(
                pacts.c.state, pacts.c.frozen, pacts.c.frozen_there, pacts.c.afterwards
            ).where(pacts.c.host == host)
        )
    ).first()
    if row is None or row.afterwards == Afterwards.UNDO:
        await drop_host(conn, host)
    elif row.state == PactState.MADE:
        aside = await _is_aside(conn, host)
        await trust(conn, host, trusted=not (row.frozen or row.frozen_there or aside))
    else:
        keep = row.afterwards == Afterwards.KEEP
        await trust(conn, host, trusted=keep and not await _is_aside(conn, host))


async def _is_aside(conn: AsyncConnection, host: str) -> bool:
    """Whether nothing is believed of the dataset in which a server labels posts."""
    found = await conn.scalar(
        sa.select(signal_sources.c.id)
        .where(
            signal_sources.c.host == host,
            signal_sources.c.pact,
            ~signal_sources.c.people,
            signal_sources.c.quarantined != "",
        )
        .limit(1)
    )
    return found is not None


async def drop_host(conn: AsyncConnection, host: str) -> None:
    """All that a server said of posts is undone, such as once a pact is over."""
    await take_back(conn, host, await _lock_of(conn, host))
