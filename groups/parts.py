"""What a post has beside its words: hashtags, attachments, a poll."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.parts import Attachment, Option, Poll
from groups import pictures
from kernel.arrays import Rows, any_of
from kernel.here import Here
from kernel.schema.posts import AttachmentKind
from kernel.schema.tables import (
    attachments,
    poll_options,
    poll_votes,
    polls,
    post_edits,
    post_tags,
    reactions,
)
from media import copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All of it; hashtags are folded."""

    hashtags: Sequence[str] = ()
    attachments: Sequence[Attachment] = ()
    poll: Poll | None = None


NO_PARTS: Final = Parts()


async def write(conn: AsyncConnection, here: Here, several: Sequence[tuple[int, Parts]]) -> None:
    """Keep the parts of posts that were just written: nothing is asked where there are none."""
    tags = [{"tag": tag, "post_id": n} for n, parts in several for tag in parts.hashtags]
    if tags:
        await conn.execute(_ADD_TAGS, _TAG.values(tags))
    attached = [
        {
            "post_id": post_id,
            "position": position,
            "kind": each.kind,
            "remote_url": each.url,
            "alt": each.alt,
            "media_type": each.media_type,
            "width": each.width,
            "height": each.height,
            "blurhash": each.blurhash,
        }
        for post_id, parts in several
        for position, each in enumerate(parts.attachments)
    ]
    if attached:
        values = {**_ATTACHMENT.values(attached), "now": here.now()}
        await conn.execute(_ADD_ATTACHMENTS, values)
    asked = [(post_id, parts.poll) for post_id, parts in several if parts.poll is not None]
    if asked:
        await _write_polls(conn, asked)


async def _write_polls(conn: AsyncConnection, asked: Sequence[tuple[int, Poll]]) -> None:
    rows = [
        {
            "post_id": post_id,
            "several": poll.several,
            "ends": poll.ends,
            "closed": poll.closed,
            "voters": poll.voters or 0,
        }
        for post_id, poll in asked
    ]
    await conn.execute(_ADD_POLLS, _POLL.values(rows))
    options = [
        {"post_id": post_id, "position": position, "name": option.name, "votes": option.votes}
        for post_id, poll in asked
        for position, option in enumerate(poll.options)
    ]
    await conn.execute(_ADD_OPTIONS, _OPTION.values(options))


async def rewrite(conn: AsyncConnection, here: Here, post_id: int, parts: Parts) -> None:
    """A post has other parts from now on; pictures of ours stay.

    A poll that asks the same keeps its votes, and attachments that are the same keep their copies.
    """
    await conn.execute(sa.delete(post_tags).where(post_tags.c.post_id == post_id))
    same_files = await pictures.has_from_elsewhere(conn, post_id, parts.attachments)
    if not same_files:
        await pictures.let_go(conn, post_id, from_elsewhere=True)
    before = (await polls_of(conn, [post_id])).get(post_id)
    same = before is not None and parts.poll is not None and _asks(before) == _asks(parts.poll)
    if before is not None and not same:
        for table in (poll_votes, poll_options, polls):
            await conn.execute(sa.delete(table).where(table.c.post_id == post_id))
    poll = None if same else parts.poll
    await write(
        conn,
        here,
        [
            (
                post_id,
                Parts(
                    hashtags=parts.hashtags,
                    attachments=() if same_files else parts.attachments,
                    poll=poll,
                ),
            )
        ],
    )


def _asks(poll: Poll) -> tuple[bool, tuple[str, ...]]:
    return poll.several, tuple(option.name for option in poll.options)


async def erase(conn: AsyncConnection, post_id: int) -> None:
    """Nothing is left of a post beside its place: earlier words and reactions are gone as well."""
    await conn.execute(_ERASE, {"post_id": post_id})


async def attachments_of(
    conn: AsyncConnection, post_ids: Sequence[int]
) -> dict[int, list[Attachment]]:
    """What each of the posts has attached on its own server, in order.

    Pictures whose files lie here are `groups.pictures`.
    """
    found: dict[int, list[Attachment]] = {}
    if post_ids:
        for row in await conn.execute(_ATTACHED, {"post_ids": post_ids}):
            found.setdefault(row.post_id, []).append(
                Attachment(
                    kind=AttachmentKind(row.kind),
                    url=row.remote_url,
                    alt=row.alt,
                    media_type=row.media_type,
                    width=row.width,
                    height=row.height,
                    blurhash=row.blurhash,
                )
            )
    return found


async def polls_of(conn: AsyncConnection, post_ids: Sequence[int]) -> dict[int, Poll]:
    """The polls of those posts that have one, as they stand."""
    if not post_ids:
        return {}
    rows = (await conn.execute(_POLLS, {"post_ids": post_ids})).all()
    return {
        row.post_id: Poll(
            options=tuple(
                Option(name=option.name, votes=option.votes)
                for option in rows
                if option.post_id == row.post_id and option.name is not None
            ),
            several=row.several,
            ends=row.ends,
            closed=row.closed,
            voters=row.voters,
        )
        for row in rows
    }


async def hashtags_of(conn: AsyncConnection, post_ids: Sequence[int]) -> dict[int, Sequence[str]]:
    """The folded hashtags of each post, in the order of the alphabet."""
    found: dict[int, list[str]] = {}
    if post_ids:
        for row in await conn.execute(_TAGS, {"post_ids": post_ids}):
            found.setdefault(row.post_id, []).append(row.tag)
    return dict(found)


_TAG = Rows("tagged", tag=sa.Text, post_id=sa.BigInteger)
_ADD_TAGS = post_tags.insert().from_select(_TAG.names, sa.select(*_TAG.c))

_ATTACHMENT = Rows(
    "attached",
    **{column.name: column.type for column in attachments.c if column.name != "media_id"},
)
_ADD_ATTACHMENTS = copies.wanting(
    attachments.insert().from_select(_ATTACHMENT.names, sa.select(*_ATTACHMENT.c))
)

_POLL = Rows("asked", **{column.name: column.type for column in polls.c if column.name != "due"})
_ADD_POLLS = polls.insert().from_select(_POLL.names, sa.select(*_POLL.c))
_OPTION = Rows("option", **{column.name: column.type for column in poll_options.c})
_ADD_OPTIONS = poll_options.insert().from_select(_OPTION.names, sa.select(*_OPTION.c))

_OF_POST = sa.bindparam("post_id", type_=sa.BigInteger)
_TAGS = (
    sa.select(post_tags.c.post_id, post_tags.c.tag)
    .where(any_of(post_tags.c.post_id, "post_ids"))
    .order_by(post_tags.c.post_id, post_tags.c.tag)
)
_ATTACHED = (
    sa.select(attachments)
    .where(
        any_of(attachments.c.post_id, "post_ids"),
        attachments.c.remote_url.is_not(None),
        attachments.c.media_id.is_(None),
    )
    .order_by(attachments.c.post_id, attachments.c.position)
)
_POLLS = (
    sa.select(polls, poll_options.c.name, poll_options.c.votes)
    .select_from(polls.outerjoin(poll_options, poll_options.c.post_id == polls.c.post_id))
    .where(any_of(polls.c.post_id, "post_ids"))
    .order_by(polls.c.post_id, poll_options.c.position)
)


def _erase() -> sa.Executable:
    tables = (post_tags, attachments, poll_votes, poll_options, polls, post_edits, reactions)
    gone = [
        sa.delete(table).where(table.c.post_id == _OF_POST).cte(f"no_{table.name}")
        for table in tables
    ]
    return sa.select(sa.literal(1)).add_cte(*gone)


_ERASE = _erase()
