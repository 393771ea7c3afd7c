"""Moderators give a post a label, and its author is the first to know (DOM-C14, MOD-5.18).

The words stay as they are, here and elsewhere; what readers see beside them is ours (WIRE-M11).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import outbox
from activitypub.actors import Actor
from groups import explaining, holding, noticing
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from groups.writing import count_in
from kernel import tombstone_log
from kernel.errors import NotFound
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.labels import Effect, Giver
from kernel.schema.moderation import Role
from kernel.schema.notices import NoticeKind
from kernel.schema.posts import PostState
from kernel.schema.tables import groups, posts
from kernel.tombstone_log import Act
from moderation import audit, label_holds, label_lines, labelling, standing
from moderation.label_holds import Undone
from moderation.labels import BY_ID, MEDICAL
from moderation.saying import Saying, read_given
from moderation.signals import labelled

MAX_ANEW: Final = 500  # labelled posts that follow at once when a group chooses otherwise
FIRST: Final = timedelta(days=1)  # that an author knows before others do
_LABELLED = (PostState.SHOWN, PostState.HELD)
_ROLES = {Giver.GROUP: Role.GROUP, Giver.NODE: Role.NODE}


async def give(conn: AsyncConnection, here: Here, group: Group, post: Post, saying: Saying) -> None:
    """Let a post have a label; its author is told why. One that asks for it holds the post.

    What somebody reviewed of a claim its author reads a day before others do (DOM-C14).
    Raises NotFound: it is gone, or was taken out. Raises Conflict: as `labelling.give`.
    """
    await labelling.lock(conn, [post.id])
    post = await post_store.get(conn, post.id)
    if post.state not in _LABELLED:
        raise NotFound
    if saying.label == MEDICAL and post.author_local and not post.by_group:
        saying = saying.later(FIRST)
    await labelling.give(conn, post.id, saying)
    label_lines.note(conn, here, post.id, saying)
    holds = saying.effect is Effect.HOLD
    verb = "hold" if holds else "label"
    decision = await _note(conn, here, group, post, saying, verb, reason=saying.why)
    if holds and post.shown:
        await holding.hold(conn, post)
        tombstone_log.note(conn, Act.HELD, post.uri)
    told = NoticeKind.HELD if holds else NoticeKind.LABELLED
    await noticing.decided(conn, here, post, told, decision)
    if holds:
        await explaining.tell(conn, here, group, decision)
    await tell_peers(conn, here, post.id)


async def say_again(
    conn: AsyncConnection, here: Here, post: Post, saying: Saying, *, held: bool
) -> None:
    """As it was before a restore; what asks to hold does so if the post was `held`.

    What the backup has like that stays as it is; of any other, why is lost. Raises Conflict: as
    `labelling.give`.
    """
    if saying.ends <= here.now().date() or post.state not in _LABELLED:
        return
    if any(each.says(saying) for each in await labelling.of_posts(conn, [post.id])):
        return
    if held or saying.effect is not Effect.HOLD:
        await labelling.give(conn, post.id, saying)


async def take_off(
    conn: AsyncConnection, here: Here, group: Group, post: Post, label: str, giver: Giver
) -> None:
    """Take back what moderators said of a post. Raises NotFound: they did not say so."""
    today = here.now().date()
    await labelling.take_off(conn, post.id, label, giver)
    label_lines.note_off(conn, here, post.id, label, giver)
    saying = Saying(label=label, giver=giver, effect=Effect.NONE, starts=today, ends=today)
    await _note(conn, here, group, post, saying, "take label off")
    await tell_peers(conn, here, post.id)


async def _note(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    post: Post,
    saying: Saying,
    verb: str,
    reason: str = "",
) -> int:
    by_group = saying.giver is Giver.GROUP
    return await audit.note(
        conn,
        here,
        verb=verb,
        about=post.uri,
        reason=reason,
        rule=_name(saying.label),
        group_id=group.id,
        actor_id=group.desk_id if by_group else None,
        role=_ROLES[saying.giver],
        until=saying.ends if verb == "label" else None,
        after={"label": saying.label, "effect": saying.effect.value},
    )


def _name(label: str) -> str:
    """A label as its post's author reads it; of one that blames, nothing (DOM-D18)."""
    known = BY_ID.get(label)
    if known is None:
        return label
    return "" if known.blames else known.name


async def set_effects(
    conn: AsyncConnection, here: Here, group: Group, desk: Actor, effects: Mapping[str, Effect]
) -> None:
    """What labels do in a group where a reader chose nothing, from now on (MOD-5.18).

    `effects` are as `labels.chosen_effects` gives them. Posts with labels by others follow, the
    newest ones at once; any other does when it is next labelled.
    """
    if effects == group.effects:
        return
    written = [f"{label} {effect.value}" for label, effect in effects.items()]
    await conn.execute(
        sa.update(groups).where(groups.c.actor_id == group.id).values(label_effects=written)
    )
    labelled_posts = (
        sa.select(posts.c.id)
        .where(posts.c.group_id == group.id, posts.c.given != "")
        .order_by(posts.c.id.desc())
        .limit(at_most(MAX_ANEW))
    )
    await labelling.refresh(conn, list(await conn.scalars(labelled_posts)))
    await audit.note(
        conn, here, verb="label effects", about=group.actor.uri, group_id=group.id,
        actor_id=desk.id, before=_words(group.effects), after=_words(effects),
    )  # fmt: skip


def _words(effects: Mapping[str, Effect]) -> dict[str, str]:
    return {label: effect.value for label, effect in effects.items()}


async def tell_peers(conn: AsyncConnection, here: Here, post_id: int) -> None:
    """Pact peers hear which labels a post has now; of what not everybody may read, of none."""
    post = await post_store.get(conn, post_id)
    group = (await group_store.several(conn, [post.group_id])).get(post.group_id)
    public = group is not None and group.federates and post.shown
    given = read_given(post.given, here.now().date()) if public else ()
    await labelled.tell(conn, here, post.uri, given, words_of(post))


def words_of(post: Post) -> datetime:
    """When a post got the words that it has."""
    return post.edited or post.published


async def turn_one(engine: AsyncEngine, here: Here) -> bool:
    """Let the labels of one post begin or end whose day it is. False: there is none."""
    today = here.now().date()
    async with engine.begin() as conn:
        post_id = await labelling.next_due(conn, today)
        if post_id is None:
            return False
        await labelling.turn_the_day(conn, post_id, today)
        await tell_peers(conn, here, post_id)
    return True


async def hold_one(engine: AsyncEngine, here: Here) -> bool:
    """Hold one post for a peer's label that may do so, or let it go again. False: none waits."""
    async with engine.begin() as conn:
        undone = await label_holds.next_undone(conn)
        if undone is None:
            return False
        post = await post_store.get(conn, undone.post_id)
        if undone.held:
            await label_holds.is_done(conn, undone)
            await _let_go(conn, here, post, undone)
            return True
        alone = post.shown or await label_holds.holds_alone(conn, post.id)
        await label_holds.is_done(conn, undone, alone=alone)
        if post.shown:
            await _hold(conn, here, post, undone)
    return True


async def _hold(conn: AsyncConnection, here: Here, post: Post, undone: Undone) -> None:
    await holding.hold(conn, post)
    tombstone_log.note(conn, Act.HELD, post.uri)
    decision = await audit.note(
        conn, here, verb="hold", about=post.uri, role=Role.NODE, basis=[undone.signal],
        rule=_name(undone.label), after={"label": undone.label, "effect": Effect.HOLD.value},
    )  # fmt: skip
    await noticing.decided(conn, here, post, NoticeKind.HELD, decision)
    await explaining.tell(conn, here, await group_store.get(conn, post.group_id), decision)


async def _let_go(conn: AsyncConnection, here: Here, post: Post, undone: Undone) -> None:
    """Show a post again that was held for this label alone; what else holds it does so still.

    So do words that came since, and its author's, whose posts are read first for a while.
    """
    held = post.state is PostState.HELD and post.was_shown and undone.alone
    if not held or await label_holds.wants_hold(conn, post.id):
        return
    group = await group_store.get(conn, post.group_id)
    if holding.is_for_its_words(group, post):
        return
    if await standing.limited_until(conn, here, group.id, post.author_id):
        return
    out = {"state": PostState.SHOWN, "was_shown": False}
    await conn.execute(sa.update(posts).where(posts.c.id == post.id).values(out))
    await count_in(conn, post.thread_id, post.id)
    await outbox.take_up(conn, post.uri)
    tombstone_log.note(conn, Act.SHOWN, post.uri)
    decision = await audit.note(
        conn, here, verb="hold over", about=post.uri, role=Role.NODE, basis=[undone.signal]
    )
    await noticing.decided(conn, here, post, NoticeKind.HOLD_OVER, decision)
