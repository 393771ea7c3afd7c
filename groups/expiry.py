"""Posts that their authors gave a last day: when it has come they are deleted (DOM-A14)."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import actors as actor_store
from groups import posts as post_store
from groups import threads
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.tables import posts
from moderation.standing import Speaker


async def delete_one(engine: AsyncEngine, here: Here) -> bool:
    """Delete one post whose day has come, as its author would. False: there is none."""
    async with engine.begin() as conn:
        post_id = await conn.scalar(_OVER, {"today": here.now().date()})
        if post_id is None:
            return False
        post = await post_store.get(conn, post_id)
        author = await actor_store.get(conn, post.author_id)
        await threads.delete(conn, here, Speaker.alone(author), post)
    return True


_OVER: Final = (
    sa.select(posts.c.id)
    .where(posts.c.expires <= sa.bindparam("today", type_=sa.Date))
    .order_by(posts.c.expires)
    .limit(at_most(1))
    .with_for_update(skip_locked=True)
)
