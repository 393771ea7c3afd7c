"""Who is told of a post: whom it answers, whom it names, and who wrote it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from groups import posts as post_store
from groups.posts import Post
from kernel.here import Here
from kernel.schema.notices import NoticeKind
from members import notices
from members.notices import Telling

OLD: Final = timedelta(days=2)  # nobody is told of a post that came so late (WIRE-G46)
NAMED: Final = 20  # people of ours that one post may call


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A post that is shown from now on; `named` are the ids of actors that it mentions."""

    post: Post
    parent: Post | None
    named: Collection[str] = ()
    coarse: bool = False  # its group tells nobody the minute


async def posted(conn: AsyncConnection, here: Here, several: Sequence[Said]) -> None:
    """Tell whom the posts answer or name, in one statement; none where nobody of ours is meant."""
    await notices.tell(conn, here, [each for said in several for each in _of(here, said)])


def _of(here: Here, said: Said) -> list[Telling]:
    post, parent = said.post, said.parent
    if not post.shown or post.by_group or here.now() - post.published > OLD:
        return []
    if parent is not None and parent.is_slow(here.now()):  # nobody is called to it (MOD-5.14)
        return []
    kinds: dict[str, NoticeKind] = {}
    if parent is not None and parent.author_local and not (parent.by_group or post.hushed):
        kinds[parent.author_uri] = NoticeKind.ANSWER
    for uri in [uri for uri in said.named if here.is_local(uri)][:NAMED]:
        kinds.setdefault(uri, NoticeKind.MENTION)
    return [
        Telling(
            uri=uri,
            kind=kind,
            post_id=post.id,
            by=post.author_id,
            within=post.group_id,
            coarse=said.coarse,
        )
        for uri, kind in kinds.items()
    ]


async def became_visible(conn: AsyncConnection, here: Here, post: Post) -> None:
    """As `posted`, of a post that was written earlier and shown only now."""
    parent = await post_store.get(conn, post.parent_id) if post.parent_id is not None else None
    await posted(conn, here, [Said(post=post, parent=parent, named=post.mentioned.split())])


async def decided(
    conn: AsyncConnection,
    here: Here,
    post: Post,
    kind: NoticeKind,
    decision_id: int | None = None,
) -> None:
    """Tell the author of a post of ours what was decided about it.

    `decision_id` is its line in the log, where they read more about it.
    """
    if post.author_local and not post.by_group:
        told = Telling(uri=post.author_uri, kind=kind, post_id=post.id, decision_id=decision_id)
        await notices.tell(conn, here, [told])


async def person_decided(
    conn: AsyncConnection,
    here: Here,
    person: Actor,
    group_id: UUID,
    kind: NoticeKind,
    decision_id: int,
) -> None:
    """Tell somebody of ours what a group decided about them."""
    if person.local:
        told = Telling(uri=person.uri, kind=kind, group_id=group_id, decision_id=decision_id)
        await notices.tell(conn, here, [told])


async def unsent(conn: AsyncConnection, here: Here, several: Collection[tuple[UUID, UUID]]) -> None:
    """Tell personas that posts of theirs in groups did not go out: once for all in a group."""
    authors = await actor_store.several(conn, [author_id for author_id, _ in several])
    told = [
        Telling(uri=authors[author_id].uri, kind=NoticeKind.UNSENT, group_id=group_id)
        for author_id, group_id in several
    ]
    await notices.tell(conn, here, told)
