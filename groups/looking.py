"""What nobody has answered yet in the groups of a moderator, in the order to read it (DOM-D11)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import text
from kernel.arrays import any_of
from kernel.here import Here
from kernel.ids import first_of, released
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.actors import ActorKind
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, groups, moderators, posts, threads
from moderation.care import looks, objections, sooner
from moderation.care.sooner import Look, Weights
from moderation.visibility import host_is_welcome

WITHIN: Final = timedelta(days=7)
MOST: Final = 100  # threads that are looked through, newest first


_DESKS: Final = 100  # groups that one member may look after


async def tended_by(conn: AsyncConnection, voices: Collection[UUID]) -> tuple[UUID, ...]:
    """The groups of ours that one of the `voices` looks after."""
    if not voices:
        return ()
    return tuple(await conn.scalars(_TENDED, {"voices": list(voices)}))


_TENDED: Final = (
    sa.select(moderators.c.group_id)
    .join(groups, groups.c.actor_id == moderators.c.group_id)
    .where(any_of(moderators.c.actor_id, "voices"), groups.c.desk_id.is_not(None))
    .distinct()
    .order_by(moderators.c.group_id)
    .limit(at_most(_DESKS))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """The last word of whoever began a thread, which nobody has answered, and how it sounds."""

    post_id: int
    thread_id: int
    group_name: str
    author_id: UUID
    language: str
    look: Look

    @property
    def since(self) -> datetime:
        """To the minute, UTC."""
        return released(self.post_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`first`: to be read sooner, with reasons; `sample`: others, drawn by chance."""

    first: Sequence[Unanswered]
    sample: Sequence[Unanswered]
    unscreened: int  # in languages that nobody tried the list in
    left: int  # of today's number


_root: Final = posts.alias("root")
_said: Final = posts.alias("said")
_sayer: Final = actors.alias("sayer")
_place: Final = actors.alias("place")


def _unanswered() -> AnySelect:
    last = (
        sa.select(_said.c.id, _said.c.author_id, _said.c.content, _said.c.language)
        .join(_sayer, _sayer.c.id == _said.c.author_id)
        .where(
            _said.c.thread_id == threads.c.id,
            _said.c.state == constant(PostState.SHOWN),
            _sayer.c.kind == constant(ActorKind.PERSON),
            host_is_welcome(_sayer),
        )
        .order_by(_said.c.id.desc())
        .limit(at_most(1))
        .correlate(threads)
        .lateral("last")
    )
    newest = (
        sa.select(threads.c.id)
        .where(
            threads.c.group_id == groups.c.actor_id,
            threads.c.shown,
            threads.c.latest_id > sa.bindparam("since", type_=sa.BigInteger),
        )
        .order_by(threads.c.latest_id.desc())
        .limit(at_most(MOST))
        .correlate(groups)
        .lateral("newest")
    )
    return (
        sa.select(
            last.c.id.label("post_id"),
            threads.c.id.label("thread_id"),
            _place.c.name.label("group_name"),
            last.c.author_id,
            last.c.language,
            last.c.content,
            sa.case((last.c.id == threads.c.id, _root.c.title), else_="").label("title"),
        )
        .select_from(
            groups.join(newest, sa.true())
            .join(threads, threads.c.id == newest.c.id)
            .join(_root, _root.c.id == threads.c.id)
            .join(last, sa.true())
            .join(_place, _place.c.id == groups.c.actor_id)
        )
        .where(any_of(groups.c.actor_id, "groups"), last.c.author_id == _root.c.author_id)
        .order_by(last.c.id.desc())
        .limit(at_most(MOST))
    )


_UNANSWERED: Final = _unanswered()


async def order(
    conn: AsyncConnection,
    here: Here,
    group_ids: Collection[UUID],
    weights: Weights,
) -> Order:
    """Worked out anew each time, and stored nowhere; what somebody looked at is left out.

    So is what is by somebody who does not want to be looked through (DOM 5.5, rule 9).
    As many come first as still fit into today's number, whatever else there is.
    """
    values = {"groups": list(group_ids), "since": first_of(here.now() - WITHIN)}
    rows = (await conn.execute(_UNANSWERED, values)).all() if group_ids else []
    known = await looks.looked_at(conn, here, [row.post_id for row in rows])
    unwilling = await objections.among(conn, here, {row.author_id for row in rows})
    left = await looks.left_today(conn, here)
    drawn = await looks.left_of_sample(conn, here) if await looks.a_day(conn) else 0
    found = [
        Unanswered(
            post_id=row.post_id,
            thread_id=row.thread_id,
            group_name=row.group_name,
            author_id=row.author_id,
            language=row.language.partition("-")[0] or "en",
            look=_look(row.title, row.content, row.language, weights),
        )
        for row in rows
        if row.post_id not in known and row.author_id not in unwilling
    ]
    first = sorted(
        (each for each in found if each.look.sooner),
        key=lambda it: (-it.look.points, it.post_id),
    )[:left]
    others = [each for each in found if each.look.screened and not each.look.sooner]
    sample = sorted(others, key=lambda it: looks.draw_of(here, it.post_id))[:drawn]
    unscreened = sum(not each.look.screened for each in found)
    return Order(first=first, sample=sample, unscreened=unscreened, left=left)


def _look(title: str, content: str, language: str, weights: Weights) -> Look:
    words = f"{title}\n{text.words_of(text.clean(content))}"
    return sooner.look(words, language, weights=weights)
