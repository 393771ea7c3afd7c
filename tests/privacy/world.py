"""A small town on one node: some sixty members over four months, made through the real actions.

What ties people's acts to one another is what does in life: somebody signs up, makes a first name
minutes later, joins a group with it, and often makes the next names in the same sitting. All else
(who posts, likes a group, comes back, and when) is drawn from one seeded source without a look at
the member. The theft falls into an evening on which many sign up.

The worker does here what it does in life: after each act it lays out the tables it is called for,
and its round passes now and then. The theft comes before the last act was attended to.
"""

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import remote
from activitypub.actors import Actor
from activitypub.keys import KeyPair, generate
from activitypub.vocab import ActorDocument
from groups import desk, membership, threads
from groups import groups as group_store
from groups import posts as post_store
from groups.admission import Draft
from groups.groups import GroupSettings
from groups.posts import Post
from kernel.here import Here
from kernel.schema.actors import ActorKind
from kernel.schema.tables import metadata
from members import accounts, follows, order, personas, sessions
from members.accounts import Prepared
from members.handles import suggest_handle
from members.member import Member, Preferences, Theme
from moderation.standing import Speaker
from node.tidy import tidy
from tests.members.people import CHEAP, PASSWORD
from tests.nodes import Wall
from tests.privacy.dump import Dump, steal

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
TALK = datetime(2026, 6, 1, 8, tzinfo=UTC)  # from here on people write
EVENING = datetime(2026, 6, 19, 18, tzinfo=UTC)
ARRIVALS = {3: 10, 4: 24, 5: 14}  # sign-ups by month; then the evening
LATE = 12
GROUPS = 4
REMOTE = 40
NOBODY = -1
ROUNDS = 0.1  # the worker's minutes in which something happens here
KEYS = ("public_key", "ed25519")


@dataclass
class Persona:
    actor: Actor
    member: int
    made: datetime
    groups: list[int] = field(default_factory=list)


@dataclass
class Resident:
    """A member with what the test knows and the thief does not."""

    prepared: Prepared
    signed_up: datetime
    session_until: datetime
    cookies: list[str]

    @property
    def member(self) -> Member:
        return self.prepared.member


@dataclass(frozen=True, slots=True)
class World:
    """The stolen dump and the truth about it, by number of the member and of the persona."""

    dump: Dump
    residents: Sequence[Resident]
    personas: Sequence[Persona]
    sessions: Mapping[bytes, int]  # by row id: whose
    opened: Mapping[bytes, datetime]  # by row id: when

    @property
    def owners(self) -> list[int]:
        return [persona.member for persona in self.personas]


@lru_cache
def key_pool() -> Sequence[KeyPair]:
    """RSA keys are slow to make. These are used by many, so the thief is not shown `KEYS`."""
    return [generate() for _ in range(3)]


@dataclass
class Town:
    """Lets things happen, one after the other."""

    engine: AsyncEngine
    here: Here
    wall: Wall
    dice: random.Random
    called_for: set[str] = field(default_factory=set)
    residents: list[Resident] = field(default_factory=list)
    personas: list[Persona] = field(default_factory=list)
    sessions: dict[bytes, int] = field(default_factory=dict)
    opened: dict[bytes, datetime] = field(default_factory=dict)
    group_ids: list[UUID] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    left: set[int] = field(default_factory=set)

    async def lay_out(self) -> None:
        """What the worker does when it is called: no table needs the rest that real time brings."""
        async with self.engine.connect() as conn:
            await conn.execute(sa.select(1))  # whatever was notified is heard by now
        called = [metadata.tables[name] for name in sorted(self.called_for)]
        self.called_for.clear()
        await order.Keeper(self.engine).restore(called)

    def keys(self) -> KeyPair:
        return self.dice.choice(key_pool())

    async def found(self) -> None:
        for number in range(GROUPS):
            async with self.engine.begin() as conn:
                group = await group_store.create(
                    conn,
                    self.here,
                    handle=f"group_{number}",
                    name=f"Group {number}",
                    about="For all who want to talk.",
                    rules="Be kind.",
                    settings=GroupSettings(),
                    founder=None,
                    keys=self.keys(),
                    desk_keys=self.keys(),
                )
            self.group_ids.append(group.id)

    async def sign_up(self, number: int) -> None:
        prepared = await accounts.prepare(
            self.here, login=f"login-{number:03}", password=PASSWORD, cost=CHEAP
        )
        async with self.engine.begin() as conn:
            await accounts.insert(conn, self.here, prepared)
        self.residents.append(Resident(prepared, self.wall.now, self.wall.now, []))
        assert len(self.residents) == number + 1
        await self.log_in(number)

    async def log_in(self, number: int) -> None:
        resident = self.residents[number]
        cookie = await sessions.open(self.engine, self.here, resident.member)
        session = await sessions.read(self.engine, self.here, cookie)
        assert session is not None
        self.sessions[session.id], self.opened[session.id] = number, self.wall.now
        resident.session_until = self.wall.now + sessions.LASTS
        resident.cookies.append(cookie)

    async def make_persona(self, number: int) -> None:
        resident = self.residents[number]
        if resident.session_until < self.wall.now:
            await self.log_in(number)
        handle = suggest_handle()
        await accounts.handle_is_login(self.engine, self.here, resident.member, handle)
        async with self.engine.begin() as conn:
            actor = await personas.create(
                conn, self.here, resident.member, handle=handle, name="", keys=self.keys()
            )
        self.personas.append(Persona(actor, number, self.wall.now))

    async def speaker(self, conn: AsyncConnection, persona: Persona) -> Speaker:
        return await personas.speaker(conn, self.residents[persona.member].member, persona.actor.id)

    async def join(self, persona: Persona) -> None:
        number = self.dice.randrange(GROUPS)
        async with self.engine.begin() as conn:
            group = await group_store.get(conn, self.group_ids[number])
            speaker = await self.speaker(conn, persona)
            await membership.join(
                conn, self.here, speaker, group, guidelines=group.guidelines_version
            )
        persona.groups.append(number)

    async def write(self, persona: Persona) -> None:
        number = self.dice.choice(persona.groups)
        words = " ".join(suggest_handle() for _ in range(self.dice.randint(3, 40)))
        async with self.engine.begin() as conn:
            group = await group_store.get(conn, self.group_ids[number])
            speaker = await self.speaker(conn, persona)
            there = [post for post in self.posts if post.group_id == group.id]
            parent = await post_store.get(conn, self.dice.choice(there).id) if there else None
            if parent is not None and parent.shown and self.dice.random() < 0.6:
                draft = Draft(source=words, language="en")
                self.posts.append(await threads.reply(conn, self.here, speaker, parent, draft))
            else:
                draft = Draft(title=words[:40], source=words, language="en")
                self.posts.append(await threads.start(conn, self.here, speaker, group, draft))

    async def like_dark(self, number: int) -> None:
        async with self.engine.begin() as conn:
            member = self.residents[number].member
            await accounts.save_preferences(
                conn, self.here, member, Preferences(theme=self.dice.choice(list(Theme)))
            )

    async def change_password(self, number: int) -> None:
        member = self.residents[number].member
        await accounts.change_password(
            self.engine, self.here, member, PASSWORD, PASSWORD, cost=CHEAP
        )
        await self.log_in(number)

    async def leave(self, number: int) -> None:
        self.left.add(number)
        member = self.residents[number].member
        await accounts.close(self.engine, self.here, member, PASSWORD, cost=CHEAP)

    async def ban(self, persona: Persona) -> None:
        async with self.engine.begin() as conn:
            group = await group_store.get(conn, self.group_ids[persona.groups[0]])
            await desk.ban(conn, self.here, group, group.actor, persona.actor, "Enough for now.")

    async def meet(self, number: int) -> None:
        """Somebody elsewhere becomes known here; some follow a group."""
        base = f"https://peer{number % 7}.example/u/{suggest_handle()}"
        keys = self.keys()
        async with self.engine.begin() as conn:
            stranger = await remote.store(
                conn,
                self.here,
                ActorDocument(
                    id=base,
                    kind=ActorKind.PERSON,
                    handle=base.rpartition("/")[2],
                    name="Somebody",
                    summary="",
                    url=base,
                    inbox=f"{base}/inbox",
                    shared_inbox=None,
                    followers=None,
                    moderators=None,
                    locked=False,
                    key_id=f"{base}#main-key",
                    public_key=keys.public_pem,
                    ed25519=None,
                    wrapped=False,
                ),
            )
            if number % 3 == 0:
                group = await group_store.get(conn, self.dice.choice(self.group_ids))
                await follows.receive(
                    conn, self.here, stranger, group.actor, f"{base}/follows/{number}"
                )


Act = Callable[[], Awaitable[None]]


class Story:
    """What happens when, drawn before anything happens; later acts may be added on the way."""

    def __init__(self, town: Town) -> None:
        self.town, self.dice = town, town.dice
        self.acts: list[tuple[datetime, int, int, Act]] = []
        self._count = itertools.count()

    def at(self, moment: datetime, number: int, act: Act) -> None:
        """Let member `number` do something at that time, unless they have left by then."""
        self.acts.append((moment, next(self._count), number, act))

    def between(self, first: datetime, last: datetime) -> datetime:
        return first + self.dice.random() * (last - first)

    def sign_up(self, number: int, moment: datetime) -> None:
        """Sign up, make one to four names, join a group with each soon after."""
        self.at(moment, number, lambda: self.town.sign_up(number))
        when = moment
        for nth in range(self.dice.choices((1, 2, 3, 4), (20, 20, 12, 8))[0]):
            soon = nth == 0 or self.dice.random() < 0.75
            step = timedelta(minutes=self.dice.uniform(1, 5))
            made = when + step if soon else self.between(moment, EVENING + timedelta(hours=3))
            when = made if soon else when
            self.at(made, number, partial(self._make, number, made))

    async def _make(self, number: int, made: datetime) -> None:
        town = self.town
        await town.make_persona(number)
        persona = town.personas[-1]
        self.at(
            made + timedelta(minutes=self.dice.uniform(0.2, 2)), number, lambda: town.join(persona)
        )
        if made < TALK:
            for _ in range(self.dice.choice((0, 0, 1, 2))):
                self.at(self.between(TALK, EVENING), number, lambda: town.join(persona))
            for _ in range(min(4, int(self.dice.expovariate(1 / 2)))):
                self.at(self.between(TALK, EVENING), number, lambda: town.write(persona))

    async def play(self, end: datetime) -> None:
        """Everything up to `end`; the worker has not come yet for the last act."""
        town = self.town
        while True:
            self.acts.sort()
            if not self.acts or self.acts[0][0] > end:
                return
            await town.lay_out()
            moment, _, number, act = self.acts.pop(0)
            if number in town.left:
                continue
            if moment - town.wall.now > timedelta(minutes=1) and self.dice.random() < ROUNDS:
                await tidy(town.engine, town.here)
            town.wall.now = max(moment, town.wall.now)
            await act()


async def build(engine: AsyncEngine, here: Here, wall: Wall, url: str, *, seed: int) -> World:
    """Let four months pass, then steal the database at a random moment of the evening."""
    dice = random.Random(seed)
    wall.now = START
    town = Town(engine, here, wall, dice)
    async with _listening(url, town.called_for):
        return await _live(town, url)


@asynccontextmanager
async def _listening(url: str, called_for: set[str]) -> AsyncIterator[None]:
    """Note which tables the worker is called for."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))

    def heard(_: object, __: int, ___: str, payload: str) -> None:
        called_for.add(payload)

    await connection.add_listener(order.CHANNEL, heard)
    try:
        yield
    finally:
        await connection.close()


async def _live(town: Town, url: str) -> World:
    dice = town.dice
    await town.found()
    story = Story(town)
    arrivals = sorted(
        datetime(
            2026, month, dice.randint(2, 28), dice.randint(9, 22), dice.randint(0, 59), tzinfo=UTC
        )
        for month, count in ARRIVALS.items()
        for _ in range(count)
    )
    arrivals += sorted(story.between(EVENING, EVENING + timedelta(hours=1)) for _ in range(LATE))
    for number, moment in enumerate(arrivals):
        story.sign_up(number, moment)
    early = [number for number, moment in enumerate(arrivals) if moment < TALK]
    leaving = dice.sample(early, 2)
    for number in leaving:
        story.at(story.between(TALK, TALK + timedelta(days=9)), number, partial(town.leave, number))
    staying = [number for number in early if number not in leaving]
    for number in dice.sample(staying, 35):
        story.at(story.between(TALK, EVENING), number, partial(town.log_in, number))
    for number in dice.sample(staying, 10):
        story.at(story.between(TALK, EVENING), number, partial(town.like_dark, number))
    for number in dice.sample(staying, 3):
        story.at(story.between(TALK, EVENING), number, partial(town.change_password, number))
    for number in range(REMOTE):
        story.at(
            story.between(START, EVENING + timedelta(hours=1)),
            NOBODY,
            partial(town.meet, number),
        )
    story.at(EVENING, NOBODY, lambda: town.ban(town.personas[7]))
    await story.play(
        story.between(EVENING + timedelta(minutes=40), EVENING + timedelta(minutes=70))
    )
    dump = await steal(url)
    actors = dump.tables["actors"].without(*KEYS)
    return World(
        dump.replace(actors=actors), town.residents, town.personas, town.sessions, town.opened
    )
