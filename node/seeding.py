"""Made-up communities of any size, to try a node out or to measure it (`hearthold seed`).

Everything lands in the tables as the actions would have written it, in batches. Two things are
cheaper than real: a few key pairs serve all the actors, each sealed for every one of them, and
nobody was told: there are no activities, so nothing leaves the node. No account owns a seeded
persona, so nobody can log in as one.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, islice
from random import Random
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import keys
from activitypub.keys import KeyPair
from groups import posts as post_store
from groups.groups import GroupSettings
from kernel import text
from kernel.clock import to_month
from kernel.errors import Conflict, Malformed
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema import tables
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.groups import Joining, Premoderation, Sees
from kernel.schema.posts import PostState, ReactionKind
from kernel.sealing import seal
from node import seeding_words as words

KEYS: Final = 4
BATCH: Final = 2_000  # rows in one round trip
YEARS: Final = timedelta(days=730)
LONGEST: Final = 400  # posts of a usual thread
CHECK_IN: Final = 16  # one post in so many is in the daily thread of the largest group

Row = dict[str, object]
Progress = Callable[[str, int, int], None]
"""Is told what is being written, how many rows of it are, and how many there will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much to make."""

    posts: int
    personas: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """An actor as it will be stored."""

    row: Row
    sealed: bytes

    @property
    def id(self) -> UUID:
        found = self.row["id"]
        assert isinstance(found, UUID)
        return found


@dataclass(slots=True, kw_only=True)
class _Circle:
    """A group and who is in it; `weights` say how much each of them talks, added up."""

    actor: _Made
    desk: _Made
    founder: int
    settings: GroupSettings
    members: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Thread:
    circle: _Circle
    title: str
    locked: bool
    id: int = 0
    latest_id: int = 0
    replies: int = 0


@dataclass(slots=True, kw_only=True)
class _Said:
    """One post: `minute` since 1970, and its parent, where it answers one."""

    minute: int
    thread: _Thread
    parent: "_Said | None"
    author: int
    state: PostState
    id: int = 0


async def seed(
    engine: AsyncEngine,
    here: Here,
    size: Size,
    *,
    seed: int = 0,
    more: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> None:
    """Fill a node in one transaction. The same seed on the same day says the same (keys differ).

    Raises Conflict: there are posts already, and `more` was not asked for. Raises Malformed: one of
    the numbers is below 1.
    """
    if min(size.posts, size.personas, size.groups) < 1:
        raise Malformed("There has to be one of each at least.")
    pairs = await asyncio.gather(*(asyncio.to_thread(keys.generate) for _ in range(KEYS)))
    async with engine.begin() as conn:
        if not more and await conn.scalar(sa.select(tables.posts.c.id).limit(1)) is not None:
            raise Conflict("This node has posts already. To put made-up ones beside them: --more.")
        taken = set(await conn.scalars(sa.select(tables.actors.c.handle).where(_local())))
        maker = _Maker(here, Random(seed), pairs, taken)  # noqa: S311  (nothing is secret here)
        people = [maker.persona() for _ in range(size.personas)]
        circles = maker.circles(size.groups, len(people))
        said = maker.conversations(size.posts, circles)
        _number(said, await _positions(conn), maker.dice)
        await _write_people(conn, people, circles, progress)
        await _write_groups(conn, maker, people, circles, progress)
        await _write_posts(conn, maker, people, said, progress)
        await conn.execute(sa.text("ANALYZE"))


def _local() -> sa.ColumnElement[bool]:
    return sa.and_(tables.actors.c.local)


class _Maker:
    """Draws a community with one set of dice."""

    def __init__(self, here: Here, dice: Random, pairs: Sequence[KeyPair], taken: set[str]) -> None:
        self.here, self.dice, self._taken = here, dice, taken
        self._pairs = [(pair, pair.to_bytes()) for pair in pairs]
        self._sealing = here.node_key.derive("actor keys")
        today = here.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.first, self.last = _minute(today - YEARS), _minute(today) - 1

    def uuid(self) -> UUID:
        return random_uuid(self.dice.randbytes(16))

    def activity_uri(self) -> str:
        return f"{self.here.origin}/a/{self.uuid()}"

    def persona(self) -> _Made:
        handle = self._free(lambda: words.handle(self.dice))
        name = " ".join(handle.split("_")[:2]).title()
        return self._actor(ActorKind.PERSON, handle, name, f"u/{handle}")

    def circles(self, count: int, people: int) -> list[_Circle]:
        """Groups, the most popular first, with their members."""
        circles = [self._circle(number, people) for number in range(count)]
        popularity = list(accumulate(1 / (rank + 1) for rank in range(count)))
        talks = [self.dice.paretovariate(1.1) for _ in range(people)]
        belong = [{circle.founder} for circle in circles]
        for person in range(people):
            wanted = 1 + min(int(self.dice.expovariate(0.4)), 12)
            for circle in self.dice.choices(range(count), cum_weights=popularity, k=wanted):
                belong[circle].add(person)
        for circle, members in zip(circles, belong, strict=True):
            circle.members = sorted(members)
            circle.weights = list(accumulate(talks[person] for person in circle.members))
        return circles

    def _circle(self, number: int, people: int) -> _Circle:
        topic, title, about = words.TOPICS[number % len(words.TOPICS)]
        again = number // len(words.TOPICS)
        if again:
            place = words.PLACES[(again - 1) % len(words.PLACES)]
            topic, title = f"{topic}_{place}", f"{title} ({place.title()})"
        handle = self._free(lambda: topic, f"{topic[:15]}_{number + 1}")
        settings = self._settings() if number else GroupSettings()
        return _Circle(
            actor=self._actor(
                ActorKind.GROUP,
                handle,
                title,
                f"g/{handle}",
                source=about,
                summary=text.render(about),
                locked=settings.joining is not Joining.OPEN,
            ),
            desk=self._actor(
                ActorKind.SERVICE, f"{handle}_desk", f"{title}: moderators", f"desk/{handle}"
            ),
            founder=self.dice.randrange(people),
            settings=settings,
        )

    def _settings(self) -> GroupSettings:
        pick = self.dice.random
        return GroupSettings(
            sees=Sees.MEMBERS if pick() < 0.1 else Sees.NODE if pick() < 0.05 else Sees.EVERYONE,
            joining=Joining.APPROVAL if pick() < 0.2 else Joining.OPEN,
            premoderation=Premoderation.FIRST if pick() < 0.15 else Premoderation.NONE,
            one_time=pick() < 0.8,
        )

    def _free(self, draw: Callable[[], str], otherwise: str = "") -> str:
        """A handle that is free, for a group with its desk's."""
        handle, tries = draw(), 0
        while not self._taken.isdisjoint({handle, f"{handle}_desk"}):
            tries += 1
            handle = f"{otherwise}_{tries}" if otherwise else draw()
            if tries > 50 and not otherwise:
                handle = f"{handle}_{self.dice.randrange(10**6)}"
        self._taken |= {handle, f"{handle}_desk"}
        return handle

    def _actor(self, kind: ActorKind, handle: str, name: str, path: str, **more: object) -> _Made:
        """As `activitypub.actors.create_local` writes it."""
        origin, actor_id = self.here.origin, self.uuid()
        uri = f"{origin}/{path}"
        pair, private = self.dice.choice(self._pairs)
        joined = datetime.fromtimestamp(self.dice.randint(self.first, self.last) * 60, UTC)
        row = {
            "id": actor_id,
            "uri": uri,
            "kind": kind,
            "local": True,
            "handle": handle,
            "host": self.here.host,
            "name": name,
            "summary": "",
            "source": "",
            "url": uri,
            "inbox": f"{uri}/inbox",
            "shared_inbox": f"{origin}/inbox",
            "followers_uri": f"{uri}/followers",
            "moderators_uri": f"{uri}/moderators" if kind is ActorKind.GROUP else None,
            "locked": False,
            "key_id": f"{uri}#main-key",
            "public_key": pair.public_pem,
            "ed25519": pair.ed25519_multibase,
            "since": to_month(joined),
            **more,
        }
        return _Made(row=row, sealed=seal(self._sealing, private, f"actor key {actor_id}"))

    def conversations(self, count: int, circles: Sequence[_Circle]) -> list[_Said]:
        """`count` posts in order of time: short threads, some long ones, and a daily one."""
        popularity = list(accumulate(1 / (rank + 1) for rank in range(len(circles))))
        said: list[_Said] = []
        said += self._thread(circles[0], max(1, count // CHECK_IN), daily=True)
        while len(said) < count:
            length = min(LONGEST, int(self.dice.paretovariate(1.0) * 2), count - len(said))
            circle = self.dice.choices(circles, cum_weights=popularity)[0]
            said += self._thread(circle, length, daily=False)
        return sorted(said, key=lambda post: post.minute)  # stable: answers stay behind

    def _thread(self, circle: _Circle, length: int, *, daily: bool) -> list[_Said]:
        dice, span = self.dice, self.last - self.first
        thread = _Thread(
            circle=circle,
            title=words.CHECK_IN if daily else words.title(dice),
            locked=not daily and dice.random() < 0.02,
        )
        minute = self.first if daily else self.last - int(span * dice.random() ** 1.5)
        pause = span / length if daily else dice.choice((20, 120, 600, 2000))
        posts: list[_Said] = []
        for author in dice.choices(circle.members, cum_weights=circle.weights, k=length):
            parent = None
            if posts:
                minute = min(minute + int(dice.expovariate(1 / pause)), self.last)
                parent = posts[0] if dice.random() < 0.6 else dice.choice(posts[-10:])
            post = _Said(
                minute=minute,
                thread=thread,
                parent=parent,
                author=author,
                state=self._state(circle, root=parent is None),
            )
            posts.append(post)
        return posts

    def _state(self, circle: _Circle, *, root: bool) -> PostState:
        if root:
            return PostState.SHOWN
        if self.dice.random() < 0.01:
            return PostState.DELETED
        held = circle.settings.premoderation is not Premoderation.NONE
        return PostState.HELD if held and self.dice.random() < 0.02 else PostState.SHOWN


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


async def _positions(conn: AsyncConnection) -> dict[int, int]:
    """The newest position that each minute has given away (`kernel.ids`)."""
    position = tables.posts.c.id.bitwise_rshift(16)
    minute = position / sa.literal(60_000, sa.BigInteger)
    rows = await conn.execute(
        sa.select(sa.func.floor(minute), sa.func.max(position)).group_by(sa.func.floor(minute))
    )
    return {int(at): newest for at, newest in rows}


def _number(said: Sequence[_Said], newest: dict[int, int], dice: Random) -> None:
    """Give posts their ids in order of time, as `kernel.ids` does, and count them in."""
    for post in said:
        position = max(newest.get(post.minute, -1) + 1, post.minute * 60_000)
        newest[post.minute] = position
        post.id = position << 16 | dice.getrandbits(16)
        thread = post.thread
        if post.parent is None:
            thread.id = thread.latest_id = post.id
        elif post.state is PostState.SHOWN:
            thread.latest_id = post.id
            thread.replies += 1


async def _write_people(
    conn: AsyncConnection, people: Sequence[_Made], circles: Sequence[_Circle], progress: Progress
) -> None:
    actors = [*people, *(c.actor for c in circles), *(c.desk for c in circles)]
    actors.sort(key=lambda made: made.id)
    rows = (made.row for made in actors)
    await _write(conn, tables.actors, rows, len(actors), "personas", progress)
    sealed = ({"actor_id": made.id, "sealed": made.sealed} for made in actors)
    await _write(conn, tables.actor_keys, sealed, len(actors), "keys", progress)


async def _write_groups(
    conn: AsyncConnection,
    maker: _Maker,
    people: Sequence[_Made],
    circles: Sequence[_Circle],
    progress: Progress,
) -> None:
    groups: list[Row] = []
    rules: list[Row] = []
    desks: list[Row] = []
    members: list[Row] = []
    for circle in circles:
        settings = asdict(circle.settings)
        groups.append(
            {
                "actor_id": circle.actor.id,
                "desk_id": circle.desk.id,
                "guidelines": 1,
                "accept_from": 1,
                **settings,
                "languages": list(circle.settings.languages),
            }
        )
        rules.append({"group_id": circle.actor.id, "version": 1, "source": words.GUIDELINES})
        for moderator in (circle.desk.id, people[circle.founder].id):
            desks.append({"group_id": circle.actor.id, "actor_id": moderator})
        members += (
            {
                "follower_id": people[person].id,
                "followed_id": circle.actor.id,
                "state": FollowState.ACCEPTED,
                "uri": maker.activity_uri(),
                "guidelines": 1,
                "approved": person == circle.founder,
            }
            for person in circle.members
        )
    members.sort(key=lambda row: str(row["follower_id"]))
    await _write(conn, tables.groups, groups, len(groups), "groups", progress)
    await _write(conn, tables.guidelines, rules, len(rules), "guidelines", progress)
    await _write(conn, tables.moderators, desks, len(desks), "moderators", progress)
    await _write(conn, tables.follows, members, len(members), "memberships", progress)


async def _write_posts(
    conn: AsyncConnection,
    maker: _Maker,
    people: Sequence[_Made],
    said: Sequence[_Said],
    progress: Progress,
) -> None:
    roots = [post for post in said if post.parent is None]
    threads = (_thread_row(maker.here, post.thread) for post in roots)
    await _write(conn, tables.threads, threads, len(roots), "threads", progress)
    posts = (_post_row(maker, people, post) for post in said)
    await _write(conn, tables.posts, posts, len(said), "posts", progress)
    likes = [like for post in said for like in _likes(maker, people, post)]
    await _write(conn, tables.reactions, likes, len(likes), "likes", progress)


def _thread_row(here: Here, thread: _Thread) -> Row:
    return {
        "id": thread.id,
        "uri": f"{here.origin}/t/{thread.id}",
        "group_id": thread.circle.actor.id,
        "locked": thread.locked,
        "shown": True,
        "latest_id": thread.latest_id,
        "replies": thread.replies,
    }


def _post_row(maker: _Maker, people: Sequence[_Made], post: _Said) -> Row:
    dice, root = maker.dice, post.parent is None
    paragraphs = words.opening(dice) if root else words.answer(dice)
    note = dice.choice(words.NOTES) if dice.random() < 0.08 else ""
    if post.state is PostState.DELETED:
        paragraphs, note = (), ""
    return {
        "id": post.id,
        "uri": post_store.local_uri(maker.here, post.id),
        "author_id": people[post.author].id,
        "thread_id": post.thread.id,
        "group_id": post.thread.circle.actor.id,
        "parent_id": post.parent.id if post.parent else None,
        "title": post.thread.title if root else "",
        "source": "\n\n".join(paragraphs),
        "content": "\n".join(map(_rendered, paragraphs)),
        "note": note,
        "sensitive": bool(note),
        "language": "en" if paragraphs else "",
        "published": datetime.fromtimestamp(post.minute * 60, UTC),
        "state": post.state,
    }


@lru_cache(maxsize=50_000)
def _rendered(paragraph: str) -> str:
    """The HTML of one paragraph: of several it is that of each, a line apart."""
    return text.render(paragraph)


def _likes(maker: _Maker, people: Sequence[_Made], post: _Said) -> Iterator[Row]:
    dice = maker.dice
    if post.state is not PostState.SHOWN or dice.random() < 0.6:
        return
    members = post.thread.circle.members
    for person in dice.sample(members, min(len(members), dice.choice((1, 1, 2, 3)))):
        yield {
            "post_id": post.id,
            "kind": ReactionKind.LIKE,
            "actor_uri": people[person].row["uri"],
            "uri": maker.activity_uri(),
        }


async def _write(
    conn: AsyncConnection,
    table: sa.Table,
    rows: Iterable[Row],
    total: int,
    what: str,
    progress: Progress,
) -> None:
    done, left = 0, iter(rows)
    while batch := list(islice(left, BATCH)):
        await conn.execute(table.insert(), batch)
        done += len(batch)
        progress(what, done, total)
