"""Stories of recovery below the first post of a thread about something hard (DOM-B13)."""

from collections.abc import Sequence

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import HERE
from groups import stories
from groups.posts import Post
from groups.stories import Story
from members.member import Cover
from node.pages import covers, session


async def beside(conn: AsyncConnection, request: web.Request, root: Post) -> Sequence[Story]:
    """Up to three stories, of those that the reader wants to see.

    One statement more, and only where the thread has a content note of a heavy topic.
    """
    chosen = covers.preferences(request)
    if not chosen.stories or covers.seen(request, root, mine=False) is Cover.HIDE:
        return ()
    sieve, now = session.sieve(request), request.app[HERE].now()
    fit = [
        each for each in await stories.beside(conn, root)
        if covers.cover(each, chosen.covers, now) is not Cover.HIDE
        and not covers.foreign(each, chosen.languages)
        and sieve.author(each.author_id, each.author_host) is None
        and sieve.words(each.title, each.note) is None
        and not sieve.thread(each.id)
    ]  # fmt: skip
    return fit[: stories.BESIDE]
