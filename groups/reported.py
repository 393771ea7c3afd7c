"""What a report is about, as cases keep it, and whose desk looks at it (MOD-2: two queues)."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from groups.groups import Group, is_moderator
from groups.posts import Post
from kernel.schema.cases import Subject
from moderation.cases import About

Place = tuple[UUID | None, About]


async def place(conn: AsyncConnection, group: Group, post: Post) -> Place:
    """The desk of a group of ours; of one elsewhere that of the node.

    So too for what a moderator of the group wrote: they are not to decide about it themselves.
    """
    theirs = group.settings is None or await is_moderator(conn, group.id, [post.author_id])
    return (None if theirs else group.id, post_of(post))


def post_of(post: Post) -> About:
    return About(
        subject=Subject.POST,
        uri=post.uri,
        actor_id=post.author_id,
        name=post.author_name,
        address=post.author_address,
        post_id=post.id,
    )


def person(actor: Actor) -> About:
    return About(
        subject=Subject.PERSON,
        uri=actor.uri,
        actor_id=actor.id,
        name=actor.name,
        address=actor.address,
    )


def message(uri: str, author: Actor) -> About:
    return About(
        subject=Subject.MESSAGE,
        uri=uri,
        actor_id=author.id,
        name=author.name,
        address=author.address,
    )
