"""Links of posts that lead out of this place, and what is said of the pages there (MOD-5.2)."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from groups.posts import Post
from kernel import text
from kernel.here import Here
from moderation.signals import links
from moderation.signals.links import Told


async def told_of(
    conn: AsyncConnection, here: Here, posts: Sequence[Post]
) -> Mapping[int, Sequence[Told]]:
    """What is said of pages that these posts link to, each page once (MOD-5.2)."""
    named = {
        post.id: [
            link
            for link, _ in text.links_of(text.clean(post.content))
            if not here.is_local(link) and link not in post.mentioned.split()
        ]
        for post in posts
        if "<a " in post.content
    }
    found = await links.told_of(
        conn, [link for each in named.values() for link in each], here.now().date()
    )
    return {
        post_id: [told for link in dict.fromkeys(each) for told in found.get(link, ())]
        for post_id, each in named.items()
        if found
    }
