"""May this be posted here? One set of rules for pages, apps and the inbox."""

from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from groups.groups import Group, GroupSettings, is_moderator
from kernel.errors import Conflict, Malformed, NotAllowed
from kernel.here import Here
from kernel.schema.actors import FollowState
from kernel.schema.groups import Posts, Premoderation
from kernel.schema.posts import PostState
from kernel.schema.tables import follows, posts
from moderation import standing
from moderation.standing import Speaker

MAX_POST = 5_000
MAX_TITLE = 200
MAX_NOTE = 200


class GuidelinesChanged(Conflict):
    """The guidelines have a version that this persona has not read yet."""

    title = "Please read the guidelines first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a member of ours wants to say. `source` is Markdown; `language` BCP 47."""

    source: str
    title: str = ""
    note: str = ""
    language: str = ""
    guidelines: int = field(default=0)  # the version ticked in the composer

    def check(self, *, root: bool) -> None:
        """Raises Malformed: something is missing or too long, with what to do about it."""
        if root and not self.title.strip():
            raise Malformed("Please give your thread a title. One short line is enough.")
        if not self.source.strip():
            raise Malformed("There are no words yet. Write something, then send it.")
        for words, limit, what in (
            (self.source, MAX_POST, "Your post"),
            (self.title, MAX_TITLE, "The title"),
            (self.note, MAX_NOTE, "The content note"),
        ):
            if len(words) > limit:
                raise Malformed(
                    f"{what} has {len(words)} letters. It can have up to {limit}. "
                    "Nothing is lost: you can make it shorter, or send it in two parts."
                )


async def admit(
    conn: AsyncConnection, here: Here, speaker: Speaker, group: Group, *, note: str, guidelines: int
) -> PostState:
    """How a post by `speaker` enters the group: shown, or held for a moderator.

    Raises NotAllowed, GuidelinesChanged, Malformed: it does not enter, and why. Members of ours
    have read the guidelines; people from elsewhere read their own server's.
    """
    await standing.check(conn, here, speaker, group.id)
    settings = group.settings
    if settings is None:
        return PostState.SHOWN
    if await is_moderator(conn, group.id, [speaker.id]):
        return PostState.SHOWN
    membership = (
        await conn.execute(
            sa.select(follows.c.approved, follows.c.guidelines).where(
                follows.c.follower_id == speaker.id,
                follows.c.followed_id == group.id,
                follows.c.state == FollowState.ACCEPTED,
            )
        )
    ).first()
    if membership is None and settings.posts is not Posts.ANYONE:
        raise NotAllowed("Only members can post in this group. You can join it first.")
    if settings.posts is Posts.APPROVED and not (membership and membership.approved):
        raise NotAllowed("In this group a moderator says who may post. They have not said so yet.")
    if speaker.one_time and not settings.one_time:
        raise NotAllowed("This group asks people to post with a name they keep.")
    if settings.notes_required and not note.strip() and speaker.actor.local:
        raise Malformed("This group asks for a content note, such as “sleep, low mood”.")
    read = max(guidelines, membership.guidelines if membership else 0)
    if speaker.actor.local and read < group.accept_from:
        raise GuidelinesChanged("Please read this group's guidelines and tick that you did.")
    await _check_pace(conn, here, speaker, group, settings)
    return await _premoderate(conn, speaker, group, settings)


async def _check_pace(
    conn: AsyncConnection, here: Here, speaker: Speaker, group: Group, settings: GroupSettings
) -> None:
    if not settings.slow_minutes:
        return
    since = here.now() - timedelta(minutes=settings.slow_minutes)
    recent = await conn.scalar(
        sa.select(posts.c.id)
        .where(
            posts.c.author_id.in_(speaker.voices),
            posts.c.group_id == group.id,
            posts.c.published > since,
        )
        .limit(1)
    )
    if recent is not None:
        raise NotAllowed(
            f"This group goes slowly: one post every {settings.slow_minutes} minutes. "
            "Your words are kept here. Please send them a little later."
        )


async def _premoderate(
    conn: AsyncConnection, speaker: Speaker, group: Group, settings: GroupSettings
) -> PostState:
    """Held by persona, never by member: a sibling's posts would show (DESIGN-V2)."""
    if settings.premoderation is Premoderation.ALL:
        return PostState.HELD
    if settings.premoderation is Premoderation.FIRST:
        earlier = await conn.scalar(
            sa.select(posts.c.id)
            .where(
                posts.c.author_id == speaker.id,
                posts.c.group_id == group.id,
                posts.c.state == PostState.SHOWN,
            )
            .limit(1)
        )
        return PostState.SHOWN if earlier is not None else PostState.HELD
    return PostState.SHOWN
