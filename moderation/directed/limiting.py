"""A post waits for a day because a pact peer asked for it, where a rule lets it (MOD-5.7).

A post does so once. It ends by itself, and whatever a person here decides counts more.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.directed import AskState
from kernel.schema.posts import PostState
from kernel.schema.tables import asks_in, posts
from moderation import audit, budgets
from moderation.care.cases import is_open_near
from moderation.cases import About
from moderation.directed import answering, wording
from moderation.directed.answering import Received
from moderation.directed.terms import Action
from moderation.pacts import Pact
from moderation.signals import rules
from moderation.signals.rules import Kind, Mode

LIMITED: Final = timedelta(hours=24)  # that a post waits because a peer asked


async def may_limit(
    conn: AsyncConnection, here: Here, pact: Pact, ask_id: UUID, about: About
) -> Received | None:
    """The new takedown for whose sake a post may wait for a day, by the rule about that peer.

    None: it waits for a person first. So does what was held for a peer before, and what a moderator
    read and let through. So does whatever is near somebody who is looked after, since a post that
    disappears may be what somebody holds on to (MOD-H5).
    """
    asked = await answering.one(conn, here, ask_id)
    if asked.state is not AskState.HELD or about.post_id is None:
        return None
    if asked.request.action not in (Action.LIMIT, Action.REMOVE):
        return None
    rule = await rules.of(conn, pact.host, Kind.TAKEDOWN)
    if rule.mode is not Mode.APPLY or await is_open_near(conn, here, about.post_id):
        return None
    if not await _is_shown(conn, about.post_id) or await _was_held(conn, about.post_id):
        return None
    if await audit.was_released(conn, about.actor_id, about.uri):
        return None
    if await budgets.count(conn, here, f"{pact.host} limits") > rule.budget:
        return None
    return asked


async def _is_shown(conn: AsyncConnection, post_id: int) -> bool:
    """It is held until the end of this transaction: nobody else takes it out of sight meanwhile."""
    shown = sa.select(posts.c.id).where(posts.c.id == post_id, posts.c.state == PostState.SHOWN)
    return await conn.scalar(shown.with_for_update()) is not None


async def _was_held(conn: AsyncConnection, post_id: int) -> bool:
    before = sa.select(asks_in.c.id).where(asks_in.c.post_id == post_id)
    return await conn.scalar(before.limit(1)) is not None


async def limited(conn: AsyncConnection, here: Here, asked: Received, post_id: int) -> None:
    """The post waits from now on, and is shown again a day later unless somebody decides."""
    due = wording.this_minute(here) + LIMITED
    await answering.change(conn, here, asked.id, due=due, post_id=post_id)


async def let_go(conn: AsyncConnection, post_id: int) -> None:
    """A moderator read a held post and shows it: no takedown holds it any more."""
    await conn.execute(
        sa.update(asks_in)
        .where(asks_in.c.post_id == post_id, asks_in.c.due.is_not(None))
        .values(due=None)
    )


async def next_over(conn: AsyncConnection, here: Here) -> Received | None:
    """A takedown for which nothing is to be held any more; it is marked so. None: there is none."""
    over = (
        sa.select(*answering.COLUMNS)
        .where(asks_in.c.due <= here.now())
        .order_by(asks_in.c.due, asks_in.c.id)
        .limit(at_most(1))
        .with_for_update(skip_locked=True)
    )
    row = (await conn.execute(over)).first()
    if row is None:
        return None
    await answering.change(conn, here, row.id, due=None)
    return Received.of(here, row)
