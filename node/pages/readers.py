"""The sentence that says, before anything is sent, who will read it (DOM-A6)."""

import time
from collections.abc import Collection
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import HERE
from groups import readers
from groups.groups import Group
from groups.posts import Post
from node.pages import group_words
from node.pages.memory import MEMORY

FRESH_SECONDS: Final = 60.0  # how long a thread's page may show a number
MAX_KEPT: Final = 2_000  # threads


async def sentence(
    conn: AsyncConnection,
    request: web.Request,
    group: Group,
    *,
    parent: Post | None = None,
    edited: Post | None = None,
    named: Collection[str] = (),
) -> str:
    """Who will read a new thread, an answer to `parent`, or new words for `edited`, as of now."""
    here = request.app[HERE]
    found = await readers.of(conn, here, group, parent=parent, edited=edited, named=named)
    return group_words.who_reads(group, found, changes=edited is not None)


async def lately(conn: AsyncConnection, request: web.Request, group: Group, root: Post) -> str:
    """As `sentence` for an answer to a thread, at most a minute old.

    Thread pages are asked for most of all, so that they count once for all who open one.
    """
    kept = request.app[MEMORY].readers
    key, now = (group.id, root.id), time.monotonic()
    found = kept.get(key)
    if found is not None and now - found[0] < FRESH_SECONDS:
        return found[1]
    if len(kept) >= MAX_KEPT:
        kept.clear()
    words = await sentence(conn, request, group, parent=root)
    kept[key] = (now, words)
    return words
