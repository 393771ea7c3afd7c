"""Made-up communities of any size, to try a node out or to measure it (`hearthold seed`).

Everything lands in the tables as the actions would have written it, in batches. Three things are
less than real: a few key pairs serve all the actors, each sealed for every one of them; nobody was
told, so there are no activities and nothing leaves the node; and no account owns a persona, so
nobody can log in as one.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from random import Random
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import keys
from groups import posts as post_store
from kernel import text
from kernel.errors import Conflict, Malformed
from kernel.here import Here
from kernel.schema import tables
from kernel.schema.actors import FollowState
from kernel.schema.posts import PostState, ReactionKind
from node import seeding_words as words
from node.seeding_plan import Circle, Made, Maker, Row, Said, Thread, moment_of, number

KEYS: Final = 4
BATCH: Final = 2_000  # rows in one round trip

Progress = Callable[[str, int, int], None]
"""Hears what is being written, how many rows of it are there, and how many there will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much to make."""

    posts: int
    personas: int
    groups: int


async def seed(
    engine: AsyncEngine,
    here: Here,
    size: Size,
    *,
    seed: int = 0,
    more: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> None:
    """Fill a node in one transaction; the same seed on the same day draws the same, but for keys.

    Raises Conflict: there are posts already, and `more` was not asked for. Raises Malformed: one of
    the numbers is below 1.
    """
    if min(size.posts, size.personas, size.groups) < 1:
        raise Malformed("A community has at least one post, one persona and one group.")
    pairs = await asyncio.gather(*(asyncio.to_thread(keys.generate) for _ in range(KEYS)))
    async with engine.begin() as conn:
        if not more and await conn.scalar(sa.select(tables.posts.c.id).limit(1)) is not None:
            raise Conflict("This node has posts already. To put made-up ones beside them: --more.")
        handles = sa.select(sa.func.lower(tables.actors.c.handle)).where(tables.actors.c.local)
        taken = (await conn.scalars(handles)).all()
        dice = Random(f"{seed}, beside {len(taken)}")  # noqa: S311  (nothing drawn is secret)
        maker = Maker(here, dice, pairs, taken)
        people = maker.people(size.personas)
        circles = maker.circles(size.groups, people)
        said = maker.conversations(size.posts, circles)
        number(said, await _newest_positions(conn), maker.dice)
        write = _Writer(conn, maker, progress)
        await write.actors([*people, *(c.actor for c in circles), *(c.desk for c in circles)])
        await write.groups(circles)
        await write.posts(said)
        await conn.execute(sa.text("ANALYZE"))  # else the planner takes the tables for empty


async def _newest_positions(conn: AsyncConnection) -> dict[int, int]:
    """The newest position that each minute has given away (`kernel.ids`)."""
    minute = tables.posts.c.id // sa.literal_column(str(60_000 << 16), sa.BigInteger)
    newest = await conn.scalars(sa.select(sa.func.max(tables.posts.c.id)).group_by(minute))
    return {(post_id >> 16) // 60_000: post_id >> 16 for post_id in newest}


class _Writer:
    """Writes what was drawn, a batch of rows at a time."""

    def __init__(self, conn: AsyncConnection, maker: Maker, progress: Progress) -> None:
        self._conn, self._maker, self._progress = conn, maker, progress

    async def _write(self, table: sa.Table, rows: Iterable[Row], total: int) -> None:
        done, left = 0, iter(rows)
        while batch := list(islice(left, BATCH)):
            await self._conn.execute(table.insert(), batch)
            done += len(batch)
            self._progress(table.name, done, total)

    async def actors(self, made: Sequence[Made]) -> None:
        """In the order of their random keys, so that row order says nothing (DESIGN-V1)."""
        ordered = sorted(made, key=lambda actor: actor.id)
        await self._write(tables.actors, (actor.row for actor in ordered), len(ordered))
        keys = ({"actor_id": actor.id, "sealed": actor.sealed} for actor in ordered)
        await self._write(tables.actor_keys, keys, len(ordered))

    async def groups(self, circles: Sequence[Circle]) -> None:
        await self._write(tables.groups, map(_group_row, circles), len(circles))
        rules = (
            {"group_id": circle.actor.id, "version": 1, "source": words.GUIDELINES}
            for circle in circles
        )
        await self._write(tables.guidelines, rules, len(circles))
        moderators = (
            {
                "group_id": circle.actor.id,
                "actor_id": moderator.id,
                "founder": moderator is circle.founder,
            }
            for circle in circles
            for moderator in (circle.desk, circle.founder)
        )
        await self._write(tables.moderators, moderators, 2 * len(circles))
        follows = [
            {
                "follower_id": member.id,
                "followed_id": circle.actor.id,
                "state": FollowState.ACCEPTED,
                "uri": self._maker.activity_uri(),
                "guidelines": 1,
                "approved": member is circle.founder,
            }
            for circle in circles
            for member in circle.members
        ]
        follows.sort(key=lambda row: str(row["follower_id"]))
        await self._write(tables.follows, follows, len(follows))

    async def posts(self, said: Sequence[Said]) -> None:
        threads = [post.thread for post in said if post.parent is None]
        rows = (self._thread_row(thread) for thread in threads)
        await self._write(tables.threads, rows, len(threads))
        await self._write(tables.posts, (self._post_row(post) for post in said), len(said))
        likes = [like for post in said for like in self._likes(post)]
        await self._write(tables.reactions, likes, len(likes))

    def _thread_row(self, thread: Thread) -> Row:
        return {
            "id": thread.id,
            "uri": f"{self._maker.here.origin}/t/{thread.id}",
            "group_id": thread.circle.actor.id,
            "locked": thread.locked,
            "shown": True,
            "latest_id": thread.latest_id,
            "replies": thread.replies,
        }

    def _post_row(self, post: Said) -> Row:
        dice = self._maker.dice
        paragraphs = words.answer(dice) if post.parent else words.opening(dice)
        note = dice.choice(words.NOTES) if dice.random() < 0.08 else ""
        if post.state is PostState.DELETED:
            paragraphs, note = (), ""
        return {
            "id": post.id,
            "uri": post_store.local_uri(self._maker.here, post.id),
            "author_id": post.author.id,
            "thread_id": post.thread.id,
            "group_id": post.thread.circle.actor.id,
            "parent_id": post.parent.id if post.parent else None,
            "title": "" if post.parent else post.thread.title,
            "source": "\n\n".join(paragraphs),
            "content": "\n".join(map(_rendered, paragraphs)),
            "note": note,
            "sensitive": bool(note),
            "language": "en",
            "published": moment_of(post.minute),
            "state": post.state,
        }

    def _likes(self, post: Said) -> Iterator[Row]:
        dice, members = self._maker.dice, post.thread.circle.members
        if post.state is not PostState.SHOWN or dice.random() < 0.6:
            return
        for member in dice.sample(members, min(len(members), dice.choice((1, 1, 2, 3)))):
            yield {
                "post_id": post.id,
                "kind": ReactionKind.LIKE,
                "actor_uri": member.uri,
                "uri": self._maker.activity_uri(),
            }


def _group_row(circle: Circle) -> Row:
    return {
        "actor_id": circle.actor.id,
        "desk_id": circle.desk.id,
        "guidelines": 1,
        "accept_from": 1,
        **asdict(circle.settings),
        "languages": list(circle.settings.languages),
    }


@lru_cache(maxsize=50_000)
def _rendered(paragraph: str) -> str:
    """The HTML of one paragraph; that of several is each one's, a line apart."""
    return text.render(paragraph)
