"""Pictures of posts: attaching them, reading them, letting them go with their post."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.parts import Attachment
from kernel.arrays import Rows, any_of
from kernel.errors import Malformed
from kernel.said import noted, said
from kernel.schema.posts import AttachmentKind
from kernel.schema.tables import attachments, media
from media import pictures as media_store
from media.studio import MEDIA_TYPE

MAX_PICTURES: Final = 8
MAX_ALT: Final = 1_500

NOT_KEPT: Final = noted(
    "A picture that you added is not kept any more. Your words are still here: "
    "please add the picture again, or send them without it."
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A draft that a post shall take, with its description in plain text, or none."""

    id: UUID
    alt: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What an author changes about the pictures of a post: descriptions by id, and which go."""

    alts: Mapping[UUID, str]
    without: frozenset[UUID]


NO_CHANGES: Final = Changes({}, frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture of a post; sizes are pixels."""

    media_id: UUID
    alt: str
    width: int | None
    height: int | None
    blurhash: str


def check(chosen: Sequence[Chosen], changes: Changes) -> None:
    """Raises Malformed: there are too many, or a description is too long."""
    if len(chosen) > MAX_PICTURES:
        raise Malformed(
            said(
                "A post can have up to {limit} pictures. Please leave some out.", limit=MAX_PICTURES
            )
        )
    if any(len(alt) > MAX_ALT for alt in (*(each.alt for each in chosen), *changes.alts.values())):
        raise Malformed(
            said(
                "The description of a picture can have up to {limit} letters. Nothing is lost: "
                "please make it shorter.",
                limit=MAX_ALT,
            )
        )


async def attach(conn: AsyncConnection, post_id: int, chosen: Sequence[Chosen]) -> None:
    """A post that was just written takes drafts, in this order.

    Raises Malformed: one of them is no draft (SEC-P8), whether it never was one or is no more.
    """
    if not chosen:
        return
    taken = await media_store.take(conn, [each.id for each in chosen])
    if len(taken) < len(chosen):
        raise Malformed(NOT_KEPT)
    rows = [
        {"position": position, "media_id": each.id, "alt": each.alt}
        for position, each in enumerate(chosen)
    ]
    await conn.execute(_ATTACH, {"post_id": post_id, **_CHOSEN.values(rows)})


_CHOSEN: Final = Rows("chosen", position=sa.SmallInteger, media_id=sa.Uuid, alt=sa.Text)
_ATTACH: Final = attachments.insert().from_select(
    ["post_id", "position", "kind", "media_id", "alt", "media_type", "width", "height", "blurhash"],
    sa.select(
        sa.bindparam("post_id", type_=sa.BigInteger),
        _CHOSEN.c.position,
        sa.literal(AttachmentKind.IMAGE.value, sa.Text),
        media.c.id,
        _CHOSEN.c.alt,
        sa.literal(MEDIA_TYPE, sa.Text),
        media.c.width,
        media.c.height,
        media.c.blurhash,
    ).select_from(media.join(_CHOSEN.table, media.c.id == _CHOSEN.c.media_id)),
)


async def pictures_of(conn: AsyncConnection, post_ids: Sequence[int]) -> dict[int, Sequence[Shown]]:
    """The pictures of these posts whose files lie here, in order; of none nothing is asked."""
    found: dict[int, list[Shown]] = {}
    if post_ids:
        for post_id, *values in await conn.execute(_PICTURES, {"post_ids": post_ids}):
            shown = Shown(**dict(zip(Shown.__slots__, values, strict=True)))
            found.setdefault(post_id, []).append(shown)
    return {post_id: several[:MAX_PICTURES] for post_id, several in found.items()}


_PICTURES: Final = (
    sa.select(attachments.c.post_id, *(attachments.c[name] for name in Shown.__slots__))
    .where(any_of(attachments.c.post_id, "post_ids"), attachments.c.media_id.is_not(None))
    .order_by(attachments.c.post_id, attachments.c.position)
)


async def change(conn: AsyncConnection, post_id: int, changes: Changes) -> int:
    """Describe pictures of a post of ours anew, and let others go; how many went."""
    if changes == NO_CHANGES:
        return 0
    went = list(await conn.scalars(_WITHOUT, {"of_post": post_id, "ids": list(changes.without)}))
    await media_store.let_go(conn, went)
    rows = [
        {"position": 0, "media_id": media_id, "alt": alt} for media_id, alt in changes.alts.items()
    ]
    await conn.execute(_DESCRIBE, {"of_post": post_id, **_CHOSEN.values(rows)})
    return len(went)


async def let_go(conn: AsyncConnection, post_id: int, *, from_elsewhere: bool = False) -> None:
    """The post has nothing attached any more, and the files that it had go.

    With `from_elsewhere` what members here added to it stays.
    """
    detach = _DETACH.where(attachments.c.remote_url.is_not(None)) if from_elsewhere else _DETACH
    held = await conn.scalars(detach, {"of_post": post_id})
    await media_store.let_go(conn, [media_id for media_id in held if media_id is not None])


_OF_POST: Final = attachments.c.post_id == sa.bindparam("of_post", type_=sa.BigInteger)
_DETACH: Final = sa.delete(attachments).where(_OF_POST).returning(attachments.c.media_id)


_OURS: Final = sa.and_(_OF_POST, attachments.c.remote_url.is_(None))
_WITHOUT: Final = (
    sa.delete(attachments)
    .where(_OURS, any_of(attachments.c.media_id, "ids"))
    .returning(attachments.c.media_id)
)
_DESCRIBE: Final = (
    sa.update(attachments)
    .where(_OURS, attachments.c.media_id == _CHOSEN.c.media_id)
    .values(alt=_CHOSEN.c.alt)
)


async def has_from_elsewhere(
    conn: AsyncConnection, post_id: int, asked: Sequence[Attachment]
) -> bool:
    """Whether a post has just these attachments from its own server, described like this."""
    rows = await conn.execute(_FROM_ELSEWHERE, {"of_post": post_id})
    return [(row.remote_url, row.alt) for row in rows] == [(each.url, each.alt) for each in asked]


_FROM_ELSEWHERE: Final = (
    sa.select(attachments.c.remote_url, attachments.c.alt)
    .where(_OF_POST, attachments.c.remote_url.is_not(None))
    .order_by(attachments.c.position)
)
