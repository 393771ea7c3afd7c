"""Once a week a group asks how people are, and each says it in a word (DOM-B15).

The question is a thread that the group itself begins. The words are no poll: no other server is
told one, each is shown to whoever said it and to nobody else, sums are shown once five people have
answered, and after four weeks all of it is gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from groups import groups as group_store
from groups import telling, tending
from groups.admission import Draft
from groups.groups import Group
from groups.posts import Post
from groups.writing import New, insert, written
from kernel import keep_times
from kernel.arrays import any_of
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.ids import first_of
from kernel.rows import at_most, constant
from kernel.said import noted
from kernel.schema.actors import ActorState, FollowState
from kernel.schema.posts import Mood, PostState
from kernel.schema.tables import actors, check_ins, follows, groups, threads
from members import order
from moderation import standing
from moderation.standing import Speaker

KEPT: Final = keep_times.CHECK_IN
ENOUGH: Final = 5  # answers; of fewer no sums are shown

WORDS: Final[Mapping[Mood, str]] = {
    Mood.VERY_HARD: noted("very hard"),
    Mood.HARD: noted("hard"),
    Mood.BETWEEN: noted("in between"),
    Mood.FINE: noted("fine"),
    Mood.GOOD: noted("good"),
}
_TITLE: Final = noted("How are you this week?")
_QUESTION: Final = noted(
    "This is the group's weekly question. If you like, say in a word how your week is: members "
    "with an account on this server find the words to choose from below this post. Nobody else "
    "sees which one you chose. You can also write something here, as in every thread."
)


async def ask_one(engine: AsyncEngine, here: Here) -> bool:
    """Let one group ask whose day it is. False: all of them have asked.

    A group that nobody looks after does not ask.
    """
    today = here.now().date()
    async with engine.begin() as conn:
        values = {"weekday": today.weekday(), "today": today}
        group_id = await conn.scalar(_WHOSE_DAY, values)
        if group_id is None:
            return False
        await conn.execute(
            sa.update(groups).where(groups.c.actor_id == group_id).values(checked_in=today)
        )
        group = await group_store.get(conn, group_id)
        if not tending.rests(here, group):
            await _ask(conn, here, group)
    return True


_WHOSE_DAY: Final = (
    sa.select(groups.c.actor_id)
    .join(actors, actors.c.id == groups.c.actor_id)
    .where(
        actors.c.state == constant(ActorState.ACTIVE),
        actors.c.moved_to.is_(None),
        groups.c.check_in == sa.bindparam("weekday", type_=sa.SmallInteger),
        sa.or_(
            groups.c.checked_in.is_(None),
            groups.c.checked_in < sa.bindparam("today", type_=sa.Date),
        ),
    )
    .order_by(groups.c.actor_id)
    .limit(at_most(1))
    .with_for_update(of=groups, skip_locked=True)
)


async def _ask(conn: AsyncConnection, here: Here, group: Group) -> None:
    languages = group.settings.languages if group.settings is not None else ()
    language = languages[0] if list(languages) == ["en"] else ""
    words, parts = written(here, Draft(title=_TITLE, source=_QUESTION, language=language))
    new = New(
        author=group.actor,
        group=group,
        parent=None,
        words=words,
        state=PostState.SHOWN,
        parts=parts,
    )
    (post,) = await insert(conn, here, [new])
    await conn.execute(sa.update(threads).where(threads.c.id == post.id).values(check_in=True))
    await telling.created(conn, here, group, post)


def read(word: str) -> Mood:
    """The word that was chosen in a form. Raises Malformed: none that there is."""
    try:
        return Mood(word)
    except ValueError as error:
        raise Malformed("Please choose one of the five words.") from error


async def say(conn: AsyncConnection, here: Here, speaker: Speaker, root: Post, mood: Mood) -> None:
    """How a member is this week; a later word replaces it.

    Each member says it once, under whichever name: a sum of one person's words would show the
    next one's. Raises NotFound: the group asks nothing there, or no more. Raises NotAllowed: no
    member, banned, or said under another name.
    """
    await standing.check(conn, here, speaker, root.group_id)
    if not root.shown or not await _is_open(conn, here, root.id):
        raise NotFound
    member = sa.select(follows.c.follower_id).where(
        follows.c.follower_id == speaker.id,
        follows.c.followed_id == root.group_id,
        follows.c.state == FollowState.ACCEPTED,
    )
    if await conn.scalar(member) is None:
        raise NotAllowed("Members of the group say this to themselves. You can join it first.")
    await conn.execute(_ALONE, {"thread_id": root.id})
    said = await conn.execute(_MINE, {"thread_id": root.id, "voices": list(speaker.voices)})
    if any(row.persona_id != speaker.id for row in said):
        raise NotAllowed("You said it under another of your names. You could take that back first.")
    await conn.execute(
        upsert(check_ins)
        .values(thread_id=root.id, persona_id=speaker.id, mood=mood)
        .on_conflict_do_update(index_elements=["thread_id", "persona_id"], set_={"mood": mood})
    )
    await order.call(conn, check_ins)


_ALONE: Final = (  # whoever says something beside this waits: two names may be one member's
    sa.select(threads.c.id)
    .where(threads.c.id == sa.bindparam("thread_id", type_=sa.BigInteger))
    .with_for_update(key_share=True)
)


async def take_back(conn: AsyncConnection, speaker: Speaker, root: Post) -> None:
    """It was not said."""
    await conn.execute(
        sa.delete(check_ins).where(
            check_ins.c.thread_id == root.id, check_ins.c.persona_id == speaker.id
        )
    )


async def _is_open(conn: AsyncConnection, here: Here, thread_id: int) -> bool:
    if thread_id < first_of(here.now() - KEPT):
        return False
    asks = sa.select(threads.c.id).where(threads.c.id == thread_id, threads.c.check_in)
    return await conn.scalar(asks) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The weekly question as one member sees it: what they said, and sums, if there are enough."""

    mine: Sequence[tuple[UUID, Mood]]
    sums: Mapping[Mood, int]


async def seen_by(
    conn: AsyncConnection, here: Here, root: Post, voices: Sequence[UUID]
) -> Asked | None:
    """None: the group asks nothing in this thread, or no more."""
    if not root.by_group or not await _is_open(conn, here, root.id):
        return None
    mine = await conn.execute(_MINE, {"thread_id": root.id, "voices": list(voices)})
    sums = {Mood(row.mood): row.many for row in await conn.execute(_SUMS, {"thread_id": root.id})}
    return Asked(
        mine=[(row.persona_id, Mood(row.mood)) for row in mine],
        sums=sums if sum(sums.values()) >= ENOUGH else {},
    )


_OF_THREAD: Final = check_ins.c.thread_id == sa.bindparam("thread_id", type_=sa.BigInteger)
_MINE: Final = sa.select(check_ins.c.persona_id, check_ins.c.mood).where(
    _OF_THREAD, any_of(check_ins.c.persona_id, "voices")
)
_SUMS: Final = (
    sa.select(check_ins.c.mood, sa.func.count().label("many"))
    .where(_OF_THREAD)
    .group_by(check_ins.c.mood)
)


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """What was said four weeks ago is gone."""
    await conn.execute(
        sa.delete(check_ins).where(check_ins.c.thread_id < first_of(here.now() - KEPT))
    )
