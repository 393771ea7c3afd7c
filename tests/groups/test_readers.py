"""The sentence about readers says what is then sent (DOM-A6): 200 worlds drawn at random."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.keys import KeyPair
from groups import groups as group_store
from groups import readers, threads
from groups.admission import Draft
from groups.groups import Group, GroupSettings
from groups.posts import Post
from groups.readers import Readers
from groups.writing import New, Words, insert
from kernel.clock import to_minute
from kernel.here import Here
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.groups import Posts, Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import (
    actors,
    blocks,
    deliveries,
    domain_blocks,
    follows,
    groups,
    moderators,
    moved_threads,
    peers,
)
from moderation.standing import Speaker
from moderation.visibility import Viewer, is_member
from node.pages import group_words

WORLDS = 200
_MAY = sa.select(is_member(sa.bindparam("group", type_=sa.Uuid)))


@dataclass
class World:
    """A small world of one group, drawn by `dice`."""

    conn: AsyncConnection
    here: Here
    dice: random.Random
    keys: Sequence[KeyPair]
    people: list[Actor] = field(default_factory=list)  # who live elsewhere
    ours: list[Actor] = field(default_factory=list)

    def chance(self, of_ten: int) -> bool:
        return self.dice.randrange(10) < of_ten

    async def persona(self) -> Actor:
        made = await actor_store.create_local(
            self.conn,
            self.here,
            kind=ActorKind.PERSON,
            handle=f"p{self.dice.randrange(10**9)}",
            name="Somebody",
            keys=self.dice.choice(self.keys),
        )
        self.ours.append(made)
        return made

    async def elsewhere(self, host: str, kind: ActorKind = ActorKind.PERSON) -> Actor:
        name = f"r{self.dice.randrange(10**9)}"
        uri = f"https://{host}/{name}"
        await self.conn.execute(
            actors.insert().values(
                id=uuid.uuid4(),
                uri=uri,
                kind=kind,
                local=False,
                handle=name,
                host=host,
                name=name,
                inbox=f"{uri}/inbox",
                shared_inbox=f"https://{host}/inbox" if self.chance(7) else None,
                key_id=f"{uri}#main-key",
                public_key="",
                state=ActorState.CLOSED if self.chance(1) else ActorState.ACTIVE,
            )
        )
        found = await actor_store.by_uri(self.conn, uri)
        assert found is not None
        if kind is ActorKind.PERSON:
            self.people.append(found)
        return found

    async def server(self, host: str) -> None:
        await self.conn.execute(
            peers.insert().values(
                host=host,
                software=self.dice.choice(["mastodon", "lemmy", "hearthold", ""]),
                wrapped=self.dice.choice([True, False, None]),
                next_attempt=self.here.now(),
            )
        )
        if self.chance(2):
            await self.conn.execute(domain_blocks.insert().values(domain=host))
        for _ in range(self.dice.randrange(1, 3)):
            await self.elsewhere(host)

    async def follow(self, who: Actor, group_id: uuid.UUID, state: FollowState) -> None:
        row = {"follower_id": who.id, "followed_id": group_id, "state": state}
        await self.conn.execute(follows.insert().values(uri=f"urn:{uuid.uuid4()}", **row))

    async def group(self, speaker: Actor) -> Group:
        keys = self.dice.choice(self.keys)
        group = await group_store.create(
            self.conn,
            self.here,
            handle=f"g{self.dice.randrange(10**9)}",
            name="A group",
            about="",
            rules="",
            settings=GroupSettings(
                sees=self.dice.choice([Sees.EVERYONE, Sees.EVERYONE, *Sees]),
                posts=Posts.ANYONE,
                proofs=self.chance(4),
            ),
            founder=None,
            keys=keys,
            desk_keys=keys,
        )
        for who in self.ours:
            if self.chance(6):
                await self.follow(who, group.id, self._state())
        for who in self.people:
            if self.chance(5):
                await self.follow(who, group.id, self._state())
        if self.chance(3):
            row = {"group_id": group.id, "actor_id": speaker.id}
            await self.conn.execute(moderators.insert().values(**row))
        if self.chance(3):  # a member who left for good
            gone = await self.persona()
            await self.follow(gone, group.id, FollowState.ACCEPTED)
            where = actors.c.id == gone.id
            await self.conn.execute(sa.update(actors).where(where).values(state=ActorState.CLOSED))
        return group

    def _state(self) -> FollowState:
        return FollowState.ACCEPTED if self.chance(8) else FollowState.PENDING

    async def group_elsewhere(self) -> Group:
        host = self.dice.choice(self.people).host if self.people else "club.example"
        actor = await self.elsewhere(host, ActorKind.GROUP)
        state = {"state": ActorState.ACTIVE}
        await self.conn.execute(sa.update(actors).where(actors.c.id == actor.id).values(**state))
        for who in self.ours:
            if self.chance(6):
                await self.follow(who, actor.id, FollowState.ACCEPTED)
        return await group_store.get(self.conn, actor.id)

    async def said(self, author: Actor, group: Group, parent: Post | None) -> Post:
        """A post of somebody elsewhere that came earlier."""
        words = Words(
            title="" if parent else "Earlier",
            source="",
            content="<p>Hello</p>",
            note="",
            sensitive=False,
            language="en",
            published=to_minute(self.here.now()),
        )
        uri = f"{author.uri}/{uuid.uuid4()}"
        new = New(
            author=author,
            group=group,
            parent=parent,
            words=words,
            state=PostState.SHOWN,
            uri=uri,
        )
        (post,) = await insert(self.conn, self.here, [new])
        return post

    async def blocked_by(self, speaker: Actor) -> None:
        for who in self.people:
            if self.chance(2):
                row = {"blocker_id": who.id, "persona_id": speaker.id}
                await self.conn.execute(blocks.insert().values(**row))

    async def forget_deliveries(self) -> None:
        await self.conn.execute(sa.delete(deliveries))

    async def told(self) -> set[str]:
        return set(await self.conn.scalars(sa.select(deliveries.c.host).distinct()))

    async def belong(self, group: Group) -> int:
        """How many of ours read what only members of the group read."""
        closed = sa.select(actors.c.id).where(actors.c.local, actors.c.state == ActorState.CLOSED)
        gone = set(await self.conn.scalars(closed))
        found = 0
        for who in self.ours:
            if who.id not in gone:
                viewer = Viewer((who.id,), signed_in=True)
                found += bool(await self.conn.scalar(_MAY, {"group": group.id, **viewer.values}))
        return found


@dataclass
class Counted:
    """What the sentence is made of, and who was told in the end."""

    readers: Readers
    told: set[str]
    silent: set[str]  # servers where somebody is addressed who wants nothing from the speaker
    members: int
    group: Group


async def play(world: World) -> Counted:
    """Somebody looks at the sentence, and sends."""
    dice, conn, here = world.dice, world.conn, world.here
    for number in range(dice.randrange(0, 5)):
        await world.server(f"s{number}.example")
    for _ in range(dice.randrange(1, 5)):
        await world.persona()
    speaker = Speaker.alone(dice.choice(world.ours))
    living = [each for each in world.people if each.state is ActorState.ACTIVE]
    group = await world.group_elsewhere() if world.chance(2) else await world.group(speaker.actor)
    await world.blocked_by(speaker.actor)
    named = {
        f"{each.handle}@{each.host}": each.uri
        for each in dice.sample(living, min(len(living), dice.randrange(3)))
    }
    words = " ".join(["Hello", *(f"@{name}" for name in named)])
    draft = Draft(title="A thread", source=words, people=named, language="en")
    parent: Post | None = None
    if world.chance(6):
        author = dice.choice([*world.ours, *living])
        parent = await world.said(author, group, None) if not author.local else None
        parent = parent or await threads.start(
            conn, here, Speaker.alone(author), group, replace(draft, source="Earlier.", people={})
        )
    edited: Post | None = None
    if world.chance(3):
        plain = replace(draft, source="Before.", people={})
        if parent is not None:
            edited = await threads.reply(conn, here, speaker, parent, plain)
        else:
            edited = await threads.start(conn, here, speaker, group, plain)
        if group.settings is not None and group.federates and world.chance(8):
            await world.server("was.example")
            was = await world.group(speaker.actor)  # the thread came from there
            row = {"thread_id": edited.thread_id, "group_id": was.id, "last_id": edited.id}
            await conn.execute(moved_threads.insert().values(**row))
            open_to_all = sa.update(groups).where(groups.c.actor_id == was.id)
            await conn.execute(open_to_all.values(sees=Sees.EVERYONE))
    await world.forget_deliveries()
    found = await readers.of(
        conn, here, group, parent=parent, edited=edited, named=list(named.values())
    )
    if edited is not None:
        await threads.edit(conn, here, speaker, edited, draft)
    elif parent is not None:
        await threads.reply(conn, here, speaker, parent, draft)
    else:
        await threads.start(conn, here, speaker, group, draft)
    addressed = {*named.values(), *([parent.author_uri] if parent else [])}
    silent = await conn.scalars(
        sa.select(actors.c.host)
        .join(blocks, blocks.c.blocker_id == actors.c.id)
        .where(
            blocks.c.persona_id == speaker.id,
            actors.c.uri.in_(addressed if group.federates else []),
            actors.c.host.not_in(sa.select(domain_blocks.c.domain)),
        )
    )
    return Counted(
        readers=found,
        told=await world.told(),
        silent=set(silent),
        members=await world.belong(group),
        group=group,
    )


@pytest.mark.slow
async def test_dom_A6_the_sentence_counts_who_is_told_in_200_worlds(
    engine: AsyncEngine, here: Here, key_pairs: list[KeyPair]
) -> None:
    told = silent = elsewhere = 0
    for seed in range(WORLDS):
        async with engine.connect() as conn:
            dice = random.Random(f"readers {seed}")
            counted = await play(World(conn, here, dice, key_pairs))
            await conn.rollback()
        found, group = counted.readers, counted.group
        heard = counted.told | counted.silent  # a block does not show
        home = {group.actor.host} if group.settings is None else set[str]()
        assert found.servers == len(heard - home), seed
        assert found.home == bool(heard & home), seed
        assert found.members == counted.members, seed
        sentence = group_words.who_reads(group, found)
        if group.settings is not None:
            assert f"{found.members} member" in sentence
            assert ("not public" in sentence) == (group.settings.sees is not Sees.EVERYONE)
            if group.settings.sees is not Sees.EVERYONE:
                assert counted.told == set(), seed
                assert "no other server" in sentence
        elif found.home:
            assert f"goes to {group.actor.host}, which decides" in sentence
        told += bool(counted.told)
        silent += bool(counted.silent - counted.told)
        elsewhere += bool(home)
    assert min(told - 80, silent - 5, elsewhere - 20) > 0  # the dice left nothing out
