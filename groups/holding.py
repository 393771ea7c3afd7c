"""Posts that tell how harm is done wait for a person, and their authors hear it (DOM-A11).

Why a post is held is stored nowhere: its words say it whenever somebody looks.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import outbox
from groups import noticing
from groups.groups import Group, is_moderator
from groups.posts import Post
from groups.writing import Words, count_out
from kernel import text
from kernel.errors import Conflict
from kernel.here import Here
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import posts
from moderation import alerting, harm, standing


def reads(said: Post | Words) -> list[str]:
    """What people read of a post, in plain words; not what hangs on it."""
    return [said.title, text.words_of(text.clean(said.content)), said.note]


def is_for_its_words(group: Group, post: Post) -> bool:
    """Whether a post is held and tells how harm is done, where its group reads such things first.

    What is too long to be looked at may do so too.
    """
    if post.state is not PostState.HELD or not group.reads_first:
        return False
    return harm.describes_harm(*reads(post))


async def tell(
    conn: AsyncConnection, here: Here, group: Group, post: Post, words: Sequence[str]
) -> None:
    """Let the author of a held post of ours know, if that is for its `words`."""
    if post.state is PostState.HELD and group.reads_first and harm.describes_harm(*words):
        await noticing.decided(conn, here, post, NoticeKind.HELD)


async def is_change_held(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    post: Post,
    before: Sequence[str],
    after: Sequence[str],
) -> bool:
    """Whether new words for a shown post wait for a moderator.

    They do if they tell of harm that was not there, or are by somebody whose posts are read first
    for a while, or whose server the group keeps at a distance (MOD-5.7). What a moderator of the
    group changes does not.
    """
    if not post.shown or group.settings is None or _words(before) == _words(after):
        return False
    careful = group.reads_first_from(post.author_host)
    careful = careful or (group.reads_first and harm.adds_harm(before, after))
    if not careful and not await standing.limited_until(conn, here, group.id, post.author_id):
        return False
    return not await is_moderator(conn, group.id, [post.author_id])


def _words(reads: Sequence[str]) -> list[list[str]]:
    """Each text word by word: how they are spaced is not what people read."""
    return [each.split() for each in reads]


async def hold(conn: AsyncConnection, post: Post) -> Post:
    """Take a shown post's words out of sight until they were read; its place and answers stay.

    Whoever has the earlier words is told nothing until then, and whoever was not sent them yet is
    sent nothing of it: that is put aside (`outbox.put_aside`).
    Raises Conflict: it is not shown any more, such as where its author deleted it meanwhile.
    """
    is_shown = sa.and_(posts.c.id == post.id, posts.c.state == PostState.SHOWN)
    held = {"state": PostState.HELD, "was_shown": True}
    if not (await conn.execute(sa.update(posts).where(is_shown).values(held))).rowcount:
        raise Conflict("It is not shown any more.")
    await count_out(conn, post)
    await outbox.put_aside(conn, post.uri)
    await alerting.call(conn, post.group_id)
    return post._replace(state=PostState.HELD, was_shown=True)
