"""A quiet sign to the author of a post, in one of four ways, with no score (WIRE-G25, DOM-A13).

A Like carries the way as an emoji in `content`, as FEP-c0e0 has it. Servers that know nothing of
that read a Like. Who gave a sign is shown to the author of the post alone, and only if their own
server said so.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import documents, jsontext, outbox
from activitypub.actors import Actor
from activitypub.permissions import Act, Permission, request_uri
from activitypub.vocab import Document
from groups import asking, telling
from groups import groups as group_store
from groups import posts as post_store
from groups.asking import Asked, Way
from groups.groups import Group
from groups.posts import Post
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.release import act_due
from kernel.rows import AnySelect, at_most, constant
from kernel.said import noted
from kernel.schema.actors import ActorState
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import Feeling, ReactionKind
from kernel.schema.tables import actors, reactions
from members import blocks, notices, order
from members.notices import Telling
from moderation import standing
from moderation.standing import Speaker
from moderation.visibility import host_is_welcome

_KINDS: Final = {Way.AT_ONCE: ReactionKind.LIKE, Way.ASKING: ReactionKind.ASKED}


EMOJI: Final[Mapping[Feeling, str]] = {
    Feeling.WITH_YOU: "\N{PEOPLE HUGGING}",
    Feeling.SAME_HERE: "\N{HAPPY PERSON RAISING ONE HAND}",
    Feeling.THANK_YOU: "\N{PERSON WITH FOLDED HANDS}",
    Feeling.THINKING: "\N{YELLOW HEART}",
}
WORDS: Final[Mapping[Feeling, str]] = {
    Feeling.WITH_YOU: noted("With you"),
    Feeling.SAME_HERE: noted("Same here"),
    Feeling.THANK_YOU: noted("Thank you"),
    Feeling.THINKING: noted("Thinking of you"),
}
_FEELINGS: Final = {emoji: feeling for feeling, emoji in EMOJI.items()}
_DRESS: Final = {0xFE0F: None, **dict.fromkeys(range(0x1F3FB, 0x1F400))}  # colour, skin
_LONGEST: Final = 16
MAX_SIGNS: Final = 200  # that an author is shown of one post


def feeling_of(content: object) -> Feeling | None:
    """Which of the four a reaction's `content` means; None: it says something else, or nothing."""
    if not isinstance(content, str) or len(content) > _LONGEST:
        return None
    return _FEELINGS.get(content.strip().translate(_DRESS))


def read_feeling(word: str) -> Feeling:
    """What was chosen in a form. Raises Malformed: nothing that there is."""
    try:
        return Feeling(word or Feeling.WITH_YOU)
    except ValueError as error:
        raise Malformed("Please choose what you would like to say.") from error


async def like(
    conn: AsyncConnection,
    here: Here,
    speaker: Speaker,
    post: Post,
    feeling: Feeling = Feeling.WITH_YOU,
) -> None:
    """Tell the author how one feels about it, or ask whether one may; once per persona.

    What the persona said before is taken back. Nobody learns of it before some minutes have
    passed, which are drawn by chance (SEC-U6). Raises NotFound: the post is not shown.
    Raises NotAllowed: banned from the group, or in a memorial, or its author elsewhere wants no
    such signs (WIRE-M20).
    """
    if not post.shown:
        raise NotFound
    if post.memorial:
        raise NotAllowed("This thread is in memory of somebody. Words are better than signs here.")
    way = await asking.way(conn, post.likes_by, post, speaker.actor)
    group = await group_store.get(conn, post.group_id)
    if post.likes_closed or way is Way.NONE or (way is Way.ASKING and not group.federates):
        raise NotAllowed("Its author, on another server, asked for no such signs.")
    await standing.check(conn, here, speaker, post.group_id)
    if await _given(conn, post, speaker.actor) == feeling:
        await _take_waiting(conn, post.id, speaker.actor.uri)  # they thought again, twice
        return
    if (due := act_due(here)) is not None:
        await _keep(conn, post, speaker.actor, feeling, due)
        return
    await unlike(conn, here, speaker, post)
    uri, kind = here.new_activity_uri(), _KINDS[way]
    await _add(conn, post, kind, speaker.actor.uri, uri, feeling)
    document = _like(uri, speaker.actor, post, feeling)
    if kind is ReactionKind.LIKE:
        await heard(conn, here, post, speaker.actor)
        await _tell(conn, here, speaker.actor, group, post, document)
    else:
        await _ask(conn, here, speaker.actor, post, document)


async def _keep(
    conn: AsyncConnection, post: Post, actor: Actor, feeling: Feeling, due: datetime
) -> None:
    """A sign that goes out later, in place of one that waits."""
    await _take_waiting(conn, post.id, actor.uri)
    await _add(conn, post, ReactionKind.SOON, actor.uri, "", feeling, due=due)


async def _take_waiting(conn: AsyncConnection, post_id: int, actor_uri: str) -> None:
    await conn.execute(
        sa.delete(reactions).where(
            reactions.c.post_id == post_id,
            reactions.c.kind == constant(ReactionKind.SOON),
            reactions.c.actor_uri == actor_uri,
        )
    )


async def send_one(engine: AsyncEngine, here: Here) -> bool:
    """Give one sign whose time has come, if it may still be given. False: there is none."""
    async with engine.begin() as conn:
        row = (await conn.execute(_DUE, {"now": here.now()})).first()
        if row is None:
            return False
        await _take_waiting(conn, row.post_id, row.actor_uri)
        await order.call(conn, reactions)
        actor = await actor_store.by_uri(conn, row.actor_uri)
        if actor is not None and actor.closes_on is None:
            with suppress(NotFound, NotAllowed):
                at_once, speaker = replace(here, release_delay=False), Speaker.alone(actor)
                post = await post_store.get(conn, row.post_id)
                await like(conn, at_once, speaker, post, Feeling(row.feeling))
    return True


_DUE: Final = (
    sa.select(reactions.c.post_id, reactions.c.actor_uri, reactions.c.feeling)
    .where(reactions.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
    .order_by(reactions.c.due, reactions.c.actor_uri)
    .limit(at_most(1))
    .with_for_update(skip_locked=True)
)


async def _given(conn: AsyncConnection, post: Post, actor: Actor) -> str | None:
    """What the actor said of the post, if they did."""
    feeling: str | None = await conn.scalar(
        sa.select(reactions.c.feeling).where(
            reactions.c.post_id == post.id,
            reactions.c.kind.in_(_KINDS.values()),
            reactions.c.actor_uri == actor.uri,
        )
    )
    return feeling


async def heard(conn: AsyncConnection, here: Here, post: Post, by: Actor) -> None:
    """Tell the author of a post of ours, once for all who heard it."""
    if post.author_local and not post.by_group:
        told = Telling(uri=post.author_uri, kind=NoticeKind.HEARD, post_id=post.id, by=by.id)
        await notices.tell(conn, here, [told])


async def _add(
    conn: AsyncConnection,
    post: Post,
    kind: ReactionKind,
    actor_uri: str,
    uri: str,
    feeling: str,
    approval: str | None = None,
    due: datetime | None = None,
) -> bool:
    """Whether it is new."""
    added = await conn.execute(
        insert(reactions)
        .values(
            post_id=post.id,
            kind=kind,
            actor_uri=actor_uri,
            uri=uri,
            feeling=feeling,
            named=True,
            approval=approval,
            due=due,
        )
        .on_conflict_do_nothing(index_elements=["post_id", "kind", "actor_uri"])
    )
    if added.rowcount:
        await order.call(conn, reactions)
    return bool(added.rowcount)


async def unlike(conn: AsyncConnection, here: Here, speaker: Speaker, post: Post) -> None:
    """Take the sign back."""
    removed = await conn.execute(
        sa.delete(reactions)
        .where(
            reactions.c.post_id == post.id,
            reactions.c.kind.in_([*_KINDS.values(), ReactionKind.SOON]),
            reactions.c.actor_uri == speaker.actor.uri,
        )
        .returning(reactions.c.uri, reactions.c.kind, reactions.c.feeling)
    )
    if post.author_local:
        await notices.unheard(conn, post.id)
    for uri, kind, feeling in removed.all():
        if kind == ReactionKind.SOON:
            continue  # nobody was told
        asked = kind == ReactionKind.ASKED
        await _undo(conn, here, speaker.actor, post, uri, feeling, asked=asked)


async def _undo(
    conn: AsyncConnection,
    here: Here,
    actor: Actor,
    post: Post,
    uri: str,
    feeling: str,
    *,
    asked: bool,
) -> None:
    """Tell those who were told; who was only asked is the post's author."""
    inner, to = documents.embed(_like(uri, actor, post, feeling)), [post.author_uri]
    undo = documents.activity(here.new_activity_uri(), "Undo", actor.uri, inner, to=to)
    group = await group_store.get(conn, post.group_id)
    if not asked:
        await _tell(conn, here, actor, group, post, undo)
        return
    await outbox.withdraw(conn, request_uri(uri, Act.LIKE))
    if group.federates:
        await outbox.publish(conn, here, undo, signer=actor, to=to, thread_id=post.thread_id)


async def allow(conn: AsyncConnection, here: Here, asked: Asked, approval: str) -> None:
    """The author said yes: the sign counts, and is told as any other (WIRE-M20).

    Raises NotAllowed: whoever gave it was banned meanwhile, or the post is gone.
    """
    post, actor = asked.target, await actor_store.by_uri(conn, asked.actor_uri)
    if actor is None or not post.shown:
        raise NotAllowed("That post is gone.")
    await standing.check(conn, here, Speaker.alone(actor), post.group_id)
    feeling = await _remove(conn, asked)
    if await _add(conn, post, ReactionKind.LIKE, actor.uri, asked.uri, feeling, approval):
        document = {
            **_like(asked.uri, actor, post, feeling),
            "@context": documents.APPROVED_CONTEXT,
            **documents.approved(Act.LIKE, approval),
        }
        group = await group_store.get(conn, post.group_id)
        await _tell(conn, here, actor, group, post, document)


async def decline(conn: AsyncConnection, here: Here, asked: Asked) -> None:
    """The author said no, or no longer yes: the sign is gone, also where it was told."""
    feeling = await _remove(conn, asked)
    actor = await actor_store.by_uri(conn, asked.actor_uri)
    if actor is not None and not asked.waits:
        await _undo(conn, here, actor, asked.target, asked.uri, feeling, asked=False)


async def _remove(conn: AsyncConnection, asked: Asked) -> str:
    """What it said."""
    feeling: str | None = await conn.scalar(
        sa.delete(reactions)
        .where(
            reactions.c.post_id == asked.target.id,
            reactions.c.uri == asked.uri,
            reactions.c.actor_uri == asked.actor_uri,
        )
        .returning(reactions.c.feeling)
    )
    return feeling or ""


async def forget_asked(conn: AsyncConnection, actor_uri: str) -> None:
    """Signs that wait, for their time or an author's word, go with whoever gave them."""
    await conn.execute(
        sa.delete(reactions).where(
            reactions.c.actor_uri == actor_uri,
            reactions.c.kind.in_([constant(ReactionKind.ASKED), constant(ReactionKind.SOON)]),
        )
    )


def _like(uri: str, actor: Actor, post: Post, feeling: str) -> Document:
    content = EMOJI[Feeling(feeling)] if feeling else None
    to = [post.author_uri]
    return documents.activity(uri, "Like", actor.uri, post.uri, to=to, content=content)


async def _ask(
    conn: AsyncConnection, here: Here, actor: Actor, post: Post, document: Document
) -> None:
    """To the author alone; a server that reads no requests gets the Like itself."""
    rule, to = Permission.of(post.likes_by), [post.author_uri]
    if await blocks.who_block(conn, actor.id, to):
        return  # they want nothing from this persona (WIRE-M10)
    if rule is not None and rule.requests:
        document = documents.request(Act.LIKE, document, actor.uri, post.uri, to=to)
    await outbox.publish(conn, here, document, signer=actor, to=to, thread_id=post.thread_id)


async def _tell(
    conn: AsyncConnection, here: Here, actor: Actor, group: Group, post: Post, document: Document
) -> None:
    """To the author's server and the group: a group of ours passes it on to those who read it."""
    if not group.tells:
        return
    to = [] if group.actor.members_only else [post.author_uri]
    to += [group.actor.uri] if group.settings is None else []
    await outbox.publish(conn, here, document, signer=actor, to=to, thread_id=post.thread_id)
    if group.settings is not None:
        await telling.carried(conn, here, group, post, document, jsontext.dump(document).decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Somebody let an author know something; with no `feeling`, that they were heard."""

    feeling: Feeling | None
    name: str
    address: str


async def signs_for(conn: AsyncConnection, post: Post) -> Sequence[Sign]:
    """Who let the author of a post know what, by name, for that author alone (DOM-A13).

    Left out is whoever only another server named, or has left, or writes on a server that we do not
    listen to.
    """
    rows = await conn.execute(_SIGNS, {"post_id": post.id})
    return [
        Sign(
            feeling=Feeling(row.feeling) if row.feeling else None,
            name=row.name,
            address=f"@{row.handle}@{row.host}",
        )
        for row in rows
    ]


_SIGNS: Final[AnySelect] = (
    sa.select(reactions.c.feeling, actors.c.name, actors.c.handle, actors.c.host)
    .join(actors, actors.c.uri == reactions.c.actor_uri)
    .where(
        reactions.c.post_id == sa.bindparam("post_id", type_=sa.BigInteger),
        reactions.c.kind == constant(ReactionKind.LIKE),
        reactions.c.named,
        actors.c.state == constant(ActorState.ACTIVE),
        host_is_welcome(actors),
    )
    .order_by(reactions.c.actor_uri)
    .limit(at_most(MAX_SIGNS))
)


async def liked_among(conn: AsyncConnection, actor_uri: str, post_ids: list[int]) -> frozenset[int]:
    """Which of the posts this persona liked."""
    return await _among(conn, ReactionKind.LIKE, [actor_uri], post_ids)


async def asked_among(
    conn: AsyncConnection, actor_uris: list[str], post_ids: list[int]
) -> frozenset[int]:
    """Which of the posts one of these personas likes, if the author lets them."""
    return await _among(conn, ReactionKind.ASKED, actor_uris, post_ids)


async def _among(
    conn: AsyncConnection, kind: ReactionKind, actor_uris: list[str], post_ids: list[int]
) -> frozenset[int]:
    rows = await conn.execute(
        sa.select(reactions.c.post_id).where(
            reactions.c.post_id.in_(post_ids),
            reactions.c.kind == kind,
            reactions.c.actor_uri.in_(actor_uris),
        )
    )
    return frozenset(post_id for (post_id,) in rows)
