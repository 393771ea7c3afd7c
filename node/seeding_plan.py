"""A made-up community, drawn with dice and kept in memory: `node.seeding` writes it down."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, count
from random import Random
from typing import Final
from uuid import UUID

from activitypub.keys import KeyPair, ed25519_id
from groups.groups import GroupSettings
from kernel import text
from kernel.clock import to_month
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema.actors import ActorKind
from kernel.schema.groups import Joining, Premoderation, Sees
from kernel.schema.posts import PostState
from kernel.sealing import seal
from node import seeding_words as words

SPAN: Final = timedelta(days=730)  # how long the community has been talking
LONGEST: Final = 400  # posts of a usual thread
CHECK_IN: Final = 16  # one post in so many is in the daily thread of the largest group

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An actor as it will be stored."""

    id: UUID
    uri: str
    row: Row
    sealed: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Circle:
    """A group, its founder and its members; `weights` say how much they talk, added up."""

    actor: Made
    desk: Made
    settings: GroupSettings
    founder: Made
    members: list[Made] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Thread:
    """A thread; what counts its posts is right once they are numbered."""

    circle: Circle
    title: str
    locked: bool
    id: int = 0
    latest_id: int = 0
    replies: int = 0


@dataclass(slots=True, kw_only=True)
class Said:
    """One post: its `minute` since 1970, and the post it answers."""

    minute: int
    thread: Thread
    parent: "Said | None"
    author: Made
    state: PostState
    id: int = 0


class Maker:
    """Draws people, groups and what they say, all with the same dice."""

    def __init__(
        self, here: Here, dice: Random, pairs: Sequence[KeyPair], taken: Iterable[str]
    ) -> None:
        self.here, self.dice = here, dice
        self._taken = set(taken)
        self._pairs = [(pair.public_pem, pair.ed25519_multibase, pair.to_bytes()) for pair in pairs]
        self._sealing = here.node_key.derive("actor keys")
        today = here.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._first, self._last = minute_of(today - SPAN), minute_of(today) - 1

    def activity_uri(self) -> str:
        """As `Here.new_activity_uri`, by the dice."""
        return f"{self.here.origin}/a/{self._uuid()}"

    def _uuid(self) -> UUID:
        return random_uuid(self.dice.randbytes(16))

    def people(self, size: int) -> list[Made]:
        """Personas."""
        return [self._persona() for _ in range(size)]

    def _persona(self) -> Made:
        handle = self._free(words.handle(self.dice) for _ in count())
        name = " ".join(handle.split("_")[:2]).title()
        return self._actor(ActorKind.PERSON, handle, name, f"u/{handle}")

    def circles(self, size: int, people: Sequence[Made]) -> list[Circle]:
        """Groups and their members, the most popular group first."""
        circles = [self._circle(number, people) for number in range(size)]
        belong = [{circle.founder.uri: circle.founder} for circle in circles]
        popularity = _popularity(size)
        for person in people:
            wanted = 1 + min(int(self.dice.expovariate(0.4)), 12)
            for number in self.dice.choices(range(size), cum_weights=popularity, k=wanted):
                belong[number][person.uri] = person
        talks = {person.uri: self.dice.paretovariate(1.1) for person in people}
        for circle, members in zip(circles, belong, strict=True):
            circle.members = list(members.values())
            circle.weights = list(accumulate(talks[uri] for uri in members))
        return circles

    def _circle(self, number: int, people: Sequence[Made]) -> Circle:
        topic, title, about = words.TOPICS[number % len(words.TOPICS)]
        if again := number // len(words.TOPICS):
            place = words.PLACES[(again - 1) % len(words.PLACES)]
            topic, title = f"{topic}_{place}", f"{title} ({place.title()})"
        handle = self._free(chain([topic], (f"{topic[:15]}_{again}" for again in count(2))))
        settings = self._settings() if number else GroupSettings()
        return Circle(
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
            settings=settings,
            founder=self.dice.choice(people),
        )

    def _settings(self) -> GroupSettings:
        chance = self.dice.random
        return GroupSettings(
            sees=self.dice.choices((Sees.EVERYONE, Sees.MEMBERS, Sees.NODE), (17, 2, 1))[0],
            joining=Joining.APPROVAL if chance() < 0.2 else Joining.OPEN,
            premoderation=Premoderation.FIRST if chance() < 0.15 else Premoderation.NONE,
            one_time=chance() < 0.8,
        )

    def _free(self, handles: Iterable[str]) -> str:
        """The first of `handles` that nobody has, nor the desk of a group called so."""
        for handle in handles:
            both = {handle, f"{handle}_desk"}
            if self._taken.isdisjoint(both):
                self._taken |= both
                return handle
        raise ValueError("no handle is free")

    def _actor(self, kind: ActorKind, handle: str, name: str, path: str, **more: object) -> Made:
        """As `activitypub.actors.create_local` writes it."""
        origin, actor_id = self.here.origin, self._uuid()
        uri = f"{origin}/{path}"
        public_key, ed25519, private = self.dice.choice(self._pairs)
        joined = self.dice.randint(self._first, self._last)
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
            "featured_uri": f"{uri}/featured" if kind is ActorKind.GROUP else None,
            "locked": False,
            "key_id": f"{uri}#main-key",
            "public_key": public_key,
            "ed25519": ed25519,
            "ed25519_id": ed25519_id(uri),
            "since": to_month(moment_of(joined)),
            **more,
        }
        sealed = seal(self._sealing, private, f"actor key {actor_id}")
        return Made(id=actor_id, uri=uri, row=row, sealed=sealed)

    def conversations(self, size: int, circles: Sequence[Circle]) -> list[Said]:
        """`size` posts in order of time: short threads, some long ones, and a daily one."""
        popularity = _popularity(len(circles))
        said = self._thread(circles[0], max(1, size // CHECK_IN), daily=True)
        while len(said) < size:
            length = min(int(self.dice.paretovariate(1.2) * 1.5), LONGEST, size - len(said))
            circle = self.dice.choices(circles, cum_weights=popularity)[0]
            said += self._thread(circle, length, daily=False)
        return sorted(said, key=lambda post: post.minute)  # stable: answers stay behind

    def _thread(self, circle: Circle, length: int, *, daily: bool) -> list[Said]:
        dice, span = self.dice, self._last - self._first
        thread = Thread(
            circle=circle,
            title=words.CHECK_IN if daily else words.title(dice),
            locked=not daily and dice.random() < 0.02,
        )
        minute = self._first if daily else self._last - int(span * dice.random() ** 1.5)
        pause = span / length if daily else dice.choice((20, 120, 600, 2000))
        posts: list[Said] = []
        for author in dice.choices(circle.members, cum_weights=circle.weights, k=length):
            parent = self._parent(posts)
            if parent is not None:
                minute = min(minute + int(dice.expovariate(1 / pause)), self._last)
            posts.append(
                Said(
                    minute=minute,
                    thread=thread,
                    parent=parent,
                    author=author,
                    state=self._state(circle) if parent else PostState.SHOWN,
                )
            )
        return posts

    def _parent(self, posts: Sequence[Said]) -> Said | None:
        """Most people answer the first post, others one of the newest."""
        if not posts:
            return None
        chosen = posts[0] if self.dice.random() < 0.6 else self.dice.choice(posts[-10:])
        return chosen if chosen.state is PostState.SHOWN else posts[0]

    def _state(self, circle: Circle) -> PostState:
        if self.dice.random() < 0.01:
            return PostState.DELETED
        careful = circle.settings.premoderation is not Premoderation.NONE
        return PostState.HELD if careful and self.dice.random() < 0.02 else PostState.SHOWN


def _popularity(size: int) -> list[float]:
    """How often people turn to each group, added up: half as often to the second as the first."""
    return list(accumulate(1 / (rank + 1) for rank in range(size)))


def minute_of(moment: datetime) -> int:
    """Whole minutes since 1970."""
    return int(moment.timestamp()) // 60


def moment_of(minute: int) -> datetime:
    """The beginning of a minute, in UTC."""
    return datetime.fromtimestamp(minute * 60, UTC)


def number(said: Sequence[Said], newest: dict[int, int], dice: Random) -> None:
    """Give posts in order of time their ids, as `kernel.ids` does, and count them in.

    `newest` is the newest position that each minute has given away already.
    """
    for post in said:
        position = max(newest.get(post.minute, -1) + 1, post.minute * 60_000)
        newest[post.minute] = position
        post.id = position << 16 | dice.getrandbits(16)
        if post.parent is None:
            post.thread.id = post.thread.latest_id = post.id
        elif post.state is PostState.SHOWN:
            post.thread.latest_id = post.id
            post.thread.replies += 1
