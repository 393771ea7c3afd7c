"""A town on one node: everything people and the worker do there, through the real actions.

Nothing here decides who does what when; `story` does. The worker does what it does in life: it
lays out the tables it is called for after each act, and its round passes every minute.
"""

import itertools
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import remote
from activitypub.actors import Actor
from activitypub.keys import KeyPair, generate
from activitypub.vocab import ActorDocument
from groups import (
    check_ins,
    desk,
    membership,
    memorials,
    polls,
    reactions,
    threads,
    waiting,
)
from groups import groups as group_store
from groups import posts as post_store
from groups.admission import Draft
from groups.groups import Group, GroupSettings
from groups.posts import Post
from inbox.intake import Intake, Row, Stale
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.release import AT_ONCE, Timing
from kernel.schema import tables
from kernel.schema.actors import ActorKind
from kernel.schema.federation import ReceivedState
from kernel.schema.groups import Sees
from kernel.schema.posts import Mood
from kernel.schema.tables import deliveries, metadata, received
from kernel.schema.tables import threads as thread_table
from members import (
    accounts,
    correspondents,
    drawers,
    factors,
    follows,
    messages,
    order,
    personas,
    sessions,
    totp,
    veil,
)
from members.accounts import Prepared
from members.factors import Factors
from members.handles import suggest_handle
from members.member import MAX_LABEL, Member, Preferences, Theme
from moderation.standing import Speaker
from node.tidy import tidy
from tests.members.people import CHEAP, PASSWORD
from tests.privacy.dump import Dump, Value
from tests.privacy.stage import Stage

GROUPS = 4  # that live here; the last is closed to visitors
REMOTE_GROUPS = 6
PEERS = 7
CAREFUL = 3  # every so many members are asked for a second step
KEYS = ("public_key", "ed25519")


@dataclass
class Persona:
    actor: Actor
    member: int
    made: datetime
    groups: list[int] = field(default_factory=list)
    moderates: bool = False  # a group, as everybody can read


@dataclass
class Resident:
    """A member with what the test knows and the thief does not."""

    prepared: Prepared
    login: str
    signed_up: datetime
    session_until: datetime
    cookies: list[str]

    @property
    def member(self) -> Member:
        return self.prepared.member


@dataclass(frozen=True, slots=True)
class Place:
    """Whose a row of the account side is, and its key of every day."""

    member: int
    key: bytes


@dataclass(frozen=True, slots=True)
class World:
    """A stolen dump and the truth about it, by number of the member and of the persona."""

    name: str
    moment: datetime
    dump: Dump
    residents: Sequence[Resident]
    personas: Sequence[Persona]
    sessions: Mapping[bytes, int]  # by row id: whose
    opened: Mapping[bytes, datetime]  # by row id: when
    log: Sequence[str]
    places: Mapping[bytes, Place]  # by what it is looked up by in the dump of that day
    deeds: Mapping[Value, int] = field(default_factory=dict)  # whose work a row is: `desks.MARKS`

    @property
    def owners(self) -> list[int]:
        return [persona.member for persona in self.personas]


@lru_cache
def key_pool() -> Sequence[KeyPair]:
    """RSA keys are slow to make. These are used by many, so the thief is not shown `KEYS`."""
    return [generate() for _ in range(3)]


@dataclass
class Town:
    """Lets things happen, one after the other.

    Passwords are stretched cheaply: it is what takes longest, and leaves bytes of the same kind.
    """

    stage: Stage
    dice: random.Random
    called_for: set[str] = field(default_factory=set)
    residents: list[Resident] = field(default_factory=list)
    personas: list[Persona] = field(default_factory=list)
    sessions: dict[bytes, int] = field(default_factory=dict)
    opened: dict[bytes, datetime] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    elsewhere: list[Group] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    boxes: list[Persona] = field(default_factory=list)  # who takes messages
    left: set[int] = field(default_factory=set)
    down: set[str] = field(default_factory=set)  # peers that take nothing just now
    _looked: date = date.min
    _strangers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def engine(self) -> AsyncEngine:
        return self.stage.engine

    @property
    def here(self) -> Here:
        return self.stage.here

    @property
    def now(self) -> datetime:
        return self.stage.wall.now

    async def places(self) -> dict[bytes, Place]:
        """Where accounts, sessions and drafts lie today."""
        async with self.engine.connect() as conn:
            today = await veil.epochs(conn, self.here)
        keys: list[tuple[int, sa.Column[Any], UUID | bytes]] = []
        for number, resident in enumerate(self.residents):
            keys.append((number, tables.accounts.c.id, resident.member.account_id))
            ids = drawers.ids(resident.member.root)
            keys += [(number, tables.drawers.c.id, each) for each in ids]
        keys += [(number, tables.sessions.c.id, each) for each, number in self.sessions.items()]
        return {
            _bytes(veil.hide(self.here, epoch, column, key)): Place(number, _bytes(key))
            for number, column, key in keys
            for epoch in today
        }

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Note which tables the worker is called for."""
        connection = await asyncpg.connect(self.stage.url.replace("+asyncpg", ""))

        def heard(_: object, __: int, ___: str, payload: str) -> None:
            self.called_for.add(payload)

        await connection.add_listener(order.CHANNEL, heard)
        try:
            yield
        finally:
            await connection.close()

    async def work(self) -> None:
        """What the worker does when it is called: peers that are up take what waits for them.

        A new keeper each time: no table needs the rest that real time brings.
        """
        async with self.engine.begin() as conn:
            taken = deliveries.c.host.like("peer%.example") & deliveries.c.host.not_in(self.down)
            await conn.execute(sa.delete(deliveries).where(taken))
        called = [metadata.tables[name] for name in sorted(self.called_for)]
        self.called_for.clear()
        await self.lay_out(called)

    async def lay_out(self, tables: Sequence[sa.Table]) -> None:
        await order.Keeper(self.engine).restore(tables)

    async def round(self) -> None:
        """What passes every minute. It looks at every table then; here once a day is enough."""
        await tidy(self.engine, self.here)
        if self.now.date() != self._looked:
            self._looked = self.now.date()
            await self.lay_out(order.SENSITIVE)

    def keys(self) -> KeyPair:
        return self.dice.choice(key_pool())

    async def found(self) -> None:
        """The groups that live here, and those that are known elsewhere."""
        for number in range(GROUPS):
            closed = number == GROUPS - 1
            async with self.engine.begin() as conn:
                group = await group_store.create(
                    conn,
                    self.here,
                    handle=f"group_{number}",
                    name=f"Group {number}",
                    about="For all who want to talk.",
                    rules="Be kind.",
                    settings=GroupSettings(
                        sees=Sees.NODE if closed else Sees.EVERYONE,
                        check_in=number if number < 2 else None,
                    ),
                    founder=None,
                    keys=self.keys(),
                    desk_keys=self.keys(),
                )
            self.groups.append(group)
        for number in range(REMOTE_GROUPS):
            async with self.engine.begin() as conn:
                actor = await self._meet(conn, number, ActorKind.GROUP)
                self.elsewhere.append(await group_store.get(conn, actor.id))

    async def found_group(self, persona: Persona) -> None:
        """Somebody begins a group of their own."""
        async with self.engine.begin() as conn:
            await group_store.create(
                conn,
                self.here,
                handle=suggest_handle(),
                name="A small group",
                about="For a few.",
                rules="",
                settings=GroupSettings(),
                founder=persona.actor,
                keys=self.keys(),
                desk_keys=self.keys(),
            )

    async def sign_up(self, number: int, *, roles: frozenset[str] = frozenset()) -> None:
        login = f"login-{number:03}"
        prepared = await accounts.prepare(
            self.here, login=login, password=PASSWORD, roles=roles, cost=CHEAP
        )
        async with self.engine.begin() as conn:
            await accounts.insert(conn, self.here, prepared)
        self.residents.append(Resident(prepared, login, self.now, self.now, []))
        assert len(self.residents) == number + 1
        await self.log_in(number)

    async def log_in(self, number: int) -> None:
        resident = self.residents[number]
        if number % CAREFUL == 0:
            await self.second_step(resident.member)
        cookie = await sessions.open(self.engine, self.here, resident.member)
        session = await sessions.read(self.engine, self.here, cookie)
        assert session is not None
        self.sessions[session.id], self.opened[session.id] = number, self.now
        resident.session_until = self.now + sessions.LASTS
        resident.cookies.append(cookie)
        await self.stage.visit("/", cookie)

    async def second_step(self, member: Member) -> None:
        """A code of an app, after the password; set up when it is asked for the first time."""
        token = await sessions.open_half(self.engine, self.here, member)
        half = await sessions.read_half(self.engine, self.here, token)
        assert half is not None
        set_up = await factors.read(self.engine, self.here, member)
        async with self.engine.begin() as conn:
            if set_up.totp is None:
                set_up = Factors(totp=totp.new_secret())
                await factors.set_totp(conn, self.here, member, set_up.totp)
            assert set_up.totp is not None
            code = totp.code(set_up.totp, int(self.now.timestamp()) // totp.STEP)
            with suppress(NotAllowed):  # twice in one half minute: the town is hasty
                await factors.check_code(conn, self.here, member, set_up, code)
            await sessions.end_half(conn, self.here, half)

    async def make_persona(self, number: int) -> Persona:
        resident = self.residents[number]
        if resident.session_until < self.now:
            await self.log_in(number)
        handle = suggest_handle()
        await accounts.handle_is_login(self.engine, self.here, resident.member, handle)
        async with self.engine.begin() as conn:
            actor = await personas.create(
                conn, self.here, resident.member, handle=handle, name="", keys=self.keys()
            )
        persona = Persona(actor, number, self.now)
        self.personas.append(persona)
        return persona

    async def speaker(self, conn: AsyncConnection, persona: Persona) -> Speaker:
        return await personas.speaker(conn, self.residents[persona.member].member, persona.actor.id)

    async def join(self, persona: Persona) -> None:
        """A group here."""
        number = self.dice.randrange(GROUPS)
        async with self.engine.begin() as conn:
            group = await group_store.get(conn, self.groups[number].id)
            speaker = await self.speaker(conn, persona)
            await membership.join(
                conn, self.here, speaker, group, guidelines=group.guidelines_version
            )
        persona.groups.append(number)

    async def join_elsewhere(self, persona: Persona) -> None:
        """A group on another server, which says yes at once if it is up."""
        group = self.dice.choice(self.elsewhere)
        async with self.engine.begin() as conn:
            await membership.join(conn, self.here, await self.speaker(conn, persona), group)
        if group.actor.host not in self.down and await self._arrive(group.actor):
            async with self.engine.begin() as conn:
                await follows.accepted(conn, self.here, persona.actor, group.actor)

    async def leave_group(self, persona: Persona) -> None:
        """Stop following one elsewhere, if any."""
        async with self.engine.begin() as conn:
            for group in self.elsewhere:
                await follows.end(conn, self.here, persona.actor, group.actor)

    async def write(self, persona: Persona, *, asks: bool = False) -> None:
        """Start a thread, or answer in one, now and then with a poll; always if it `asks`."""
        number = self.dice.choice(persona.groups)
        words = " ".join(suggest_handle() for _ in range(self.dice.randint(3, 40)))
        async with self.engine.begin() as conn:
            group = await group_store.get(conn, self.groups[number].id)
            speaker = await self.speaker(conn, persona)
            parent = await self._some_post(conn, group)
            if parent is not None and (asks or self.dice.random() < 0.6):
                poll = None
                if asks or self.dice.random() < 0.2:
                    poll = polls.draft(self.here, ["one", "two"], several=False, days=7)
                draft = Draft(source=f"{words} #word", language="en", poll=poll)
                post = await threads.reply(conn, self.here, speaker, parent, draft)
            else:
                draft = Draft(title=words[:40], source=words, language="en")
                post = await threads.start(conn, self.here, speaker, group, draft)
        self.posts.append(post)

    async def hesitate(self, persona: Persona) -> None:
        """Write something that waits for the morning: where its writer is, it is night."""
        words, offset = suggest_handle(), 24 * 60 - self.now.hour * 60
        async with self.engine.begin() as conn:
            group = await group_store.get(conn, self.groups[self.dice.choice(persona.groups)].id)
            draft = Draft(title=words, source=words, language="en")
            speaker = await self.speaker(conn, persona)
            night = Timing(night=offset)
            await waiting.send(conn, self.here, speaker, group, None, draft, night)

    async def keep_draft(self, number: int) -> None:
        member, words = self.residents[number].member, "word " * self.dice.randint(3, 400)
        async with self.engine.begin() as conn:
            await drawers.keep(conn, self.here, member, "/g/group_0/new", {"text": [words]})

    async def like(self, persona: Persona) -> None:
        async with self.engine.begin() as conn:
            post = await self._some_post(conn, self.groups[self.dice.choice(persona.groups)])
            if post is not None:
                await reactions.like(conn, self.here, await self.speaker(conn, persona), post)
        await self.vote(persona)

    async def open_box(self, persona: Persona) -> None:
        """Take messages from now on; a name that never said anything cannot."""
        async with self.engine.begin() as conn:
            with suppress(NotAllowed):
                speaker = await self.speaker(conn, persona)
                await correspondents.turn_on(conn, self.here, speaker)
                self.boxes.append(persona)

    async def write_to(self, persona: Persona) -> None:
        """A message to somebody; they say yes to one another, the first time before it."""
        there = [each for each in self.boxes if each.member not in self.left]
        if persona not in there or len(there) < 2:
            return
        other = self.dice.choice([each for each in there if each is not persona])
        for owner, writer in ((persona, other), (other, persona)):
            async with self.engine.begin() as conn:
                await correspondents.accept(conn, self.here, owner.actor.id, writer.actor.id)
        words = " ".join(suggest_handle() for _ in range(self.dice.randint(3, 40)))
        async with self.engine.begin() as conn:
            with suppress(NotAllowed):  # one of them is banned somewhere
                await messages.send(
                    conn, self.here, await self.speaker(conn, persona), other.actor, words,
                    language="en", help_lines=(), timing=AT_ONCE,
                )  # fmt: skip

    async def check_in(self, persona: Persona) -> None:
        """Say in a word how the week is, where the group asks."""
        asked = sa.select(sa.func.max(thread_table.c.id)).where(
            thread_table.c.check_in, thread_table.c.group_id.in_(self._groups_of(persona))
        )
        async with self.engine.begin() as conn:
            if (newest := await conn.scalar(asked)) is not None:
                root = await post_store.get(conn, newest)
                speaker = await self.speaker(conn, persona)
                mood = self.dice.choice(list(Mood))
                with suppress(NotAllowed, NotFound):  # said under another name, or too late
                    await check_ins.say(conn, self.here, speaker, root, mood)

    def _groups_of(self, persona: Persona) -> list[UUID]:
        return [self.groups[number].id for number in persona.groups]

    async def remember(self) -> None:
        """A thread is in memory of somebody."""
        roots = [post for post in self.posts if post.is_root]
        async with self.engine.begin() as conn:
            root = await post_store.get(conn, self.dice.choice(roots).id)
            group = await group_store.get(conn, root.group_id)
            if root.shown:
                day = self.now.date() + memorials.LOOK_BACK
                await memorials.begin(conn, self.here, group, group.actor, root, day)

    async def vote(self, persona: Persona) -> None:
        """Answer one of the newest polls, if it is open and was not answered."""
        asked = [post for post in self.posts if post.poll][-2:]
        if asked:
            post = self.dice.choice(asked)
            async with self.engine.begin() as conn:
                with suppress(NotAllowed, NotFound):
                    post = await post_store.get(conn, post.id)
                    speaker = await self.speaker(conn, persona)
                    await polls.vote(conn, self.here, speaker, post, [self.dice.randrange(2)])

    async def edit(self, persona: Persona) -> None:
        """Write the newest own words anew; or take them back."""
        mine = [post for post in self.posts if post.author_id == persona.actor.id]
        async with self.engine.begin() as conn:
            post = await post_store.get(conn, mine[-1].id) if mine else None
            if post is None or not post.shown:
                return
            speaker = await self.speaker(conn, persona)
            if self.dice.random() < 0.5:
                await threads.delete(conn, self.here, speaker, post)
            else:
                draft = Draft(title=post.title, source=suggest_handle(), language="en")
                await threads.edit(conn, self.here, speaker, post, draft)

    async def _some_post(self, conn: AsyncConnection, group: Group) -> Post | None:
        there = [post for post in self.posts if post.group_id == group.id]
        found = await post_store.get(conn, self.dice.choice(there).id) if there else None
        return found if found is not None and found.shown else None

    async def like_dark(self, number: int) -> None:
        """Choose a theme, and what to call each name for oneself."""
        mine = [each.actor for each in self.personas if each.member == number]
        labels = {actor.id: f"for {actor.handle}"[:MAX_LABEL] for actor in mine}
        liked = Preferences(theme=self.dice.choice(list(Theme)), labels=labels)
        async with self.engine.begin() as conn:
            member = self.residents[number].member
            await accounts.save_preferences(conn, self.here, member, lambda _: liked)

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
            group = await group_store.get(conn, self.groups[self.dice.choice(persona.groups)].id)
            await desk.ban(conn, self.here, group, group.actor, persona.actor, "Enough for now.")

    async def meet(self) -> None:
        """Somebody elsewhere becomes known here; some follow a group."""
        number = next(self._strangers)
        async with self.engine.begin() as conn:
            stranger = await self._meet(conn, number, ActorKind.PERSON)
            if number % 3 == 0:
                group = self.dice.choice(self.groups[:-1]).actor
                uri = f"{stranger.uri}/follows/{number}"
                await follows.receive(conn, self.here, stranger, group, uri)
        await self._arrive(stranger)

    async def _meet(self, conn: AsyncConnection, number: int, kind: ActorKind) -> Actor:
        uri = f"https://peer{number % PEERS}.example/{kind.lower()}/{suggest_handle()}"
        return await meet(conn, self.here, uri, kind, self.keys())

    async def _arrive(self, sender: Actor) -> bool:
        """Something came from elsewhere and was dealt with. False: nobody listens there."""
        uri = f"https://{sender.host}/activities/{self.dice.getrandbits(64):x}"
        row = Row(activity_uri=uri, signer=sender, body=b"{}", at=self.now)
        try:
            await Intake(self.engine).keep(row)
        except Stale:
            return False
        async with self.engine.begin() as conn:
            await conn.execute(
                sa.update(received)
                .where(received.c.activity_uri == uri)
                .values(state=ReceivedState.DONE, body=None)
            )
        return True


def _bytes(key: UUID | bytes) -> bytes:
    return key.bytes if isinstance(key, UUID) else key


async def meet(
    conn: AsyncConnection, here: Here, uri: str, kind: ActorKind, keys: KeyPair
) -> Actor:
    """Somebody elsewhere, as their server's document would make them known."""
    document = ActorDocument(
        id=uri,
        kind=kind,
        handle=uri.rpartition("/")[2],
        name="Somebody",
        summary="",
        url=uri,
        inbox=f"{uri}/inbox",
        shared_inbox=None,
        followers=None,
        moderators=None,
        locked=False,
        key_id=f"{uri}#main-key",
        public_key=keys.public_pem,
        ed25519=None,
        wrapped=False,
    )
    return await remote.store(conn, here, document)
