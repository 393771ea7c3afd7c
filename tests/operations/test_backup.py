"""A node is lost and comes back from its backup: as it was, without what was taken back since."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from activitypub.state import SETTINGS
from groups.posts import Post
from kernel.postgres import Server
from kernel.schema.tables import sessions
from moderation.standing import Speaker
from node.opening import KEY
from node.safekeeping import key_file, sent
from node.safekeeping.backup import backup
from node.safekeeping.restore import Restored, restore
from tests.nodes import Node, Nodes, settle, words
from tests.operations.places import PASSPHRASE, empty_database, new_place, nothing, settings_of
from tests.peer import Peer

pytestmark = pytest.mark.slow


class Town:
    """alder hosts a group; birch and cedar take part in it, and so does some other server."""

    def __init__(self, nodes: Nodes, alder: Node, birch: Node, cedar: Node, peer: Peer) -> None:
        self.nodes, self.alder, self.birch, self.cedar, self.peer = nodes, alder, birch, cedar, peer
        self.people: dict[str, Speaker] = {}
        self.posts: list[Post] = []

    @property
    def all(self) -> tuple[Node, Node, Node]:
        return self.alder, self.birch, self.cedar

    @property
    def group(self) -> str:
        return f"{self.alder.origin}/g/sleep"

    async def meet(self) -> None:
        ana, ben = await self.alder.persona("ana"), await self.birch.persona("ben")
        cem, dee = await self.cedar.persona("cem"), await self.alder.persona("dee")
        self.people = {"ana": ana, "ben": ben, "cem": cem, "dee": dee}
        await self.alder.group("sleep", ana)
        for node, name in ((self.alder, "dee"), (self.birch, "ben"), (self.cedar, "cem")):
            await node.join(self.people[name], self.group)
        await self.peer.follow(self.alder, self.peer.person("ola"), self.group)
        await settle(*self.all)
        self.posts.append(await self.alder.start(ana, self.group, "Awake", "It is four."))
        await settle(*self.all)

    async def talk(self, count: int, about: str, *names: str) -> list[Post]:
        """Answers by each of `names`, of which nothing has been told to anybody yet."""
        homes = {"dee": self.alder, "ben": self.birch, "cem": self.cedar}
        return [
            await homes[name].reply(self.people[name], self.posts[0].uri, f"{about} {number}")
            for number in range(count)
            for name in names or homes
        ]

    async def delete(self, posts: Sequence[Post]) -> None:
        """Their authors take them back."""
        for post in posts:
            node = next(each for each in self.all if each.here.is_local(post.uri))
            author = next(p for p in self.people.values() if p.actor.uri == post.author_uri)
            await node.delete(author, post.uri)

    async def see(self) -> list[set[str]]:
        """What each node shows of the thread."""
        return [set(words(await node.thread(self.posts[0].uri))) for node in self.all]

    async def note_what_was_sent(self) -> None:
        """Two rounds of the worker's minute."""
        keeper = sent.Keeper(self.alder.engine, self.alder.app[SETTINGS].since / sent.FILE)
        await keeper.note()
        await keeper.note()

    async def lose_and_restore(
        self, postgres: Server, file: Path, directory: Path, *, keep_since: bool = True
    ) -> Restored:
        """alder's computer is gone; a new one has the backup, the key and the folder `since`."""
        lost = self.alder.app[SETTINGS]
        key_file.export(key_file.existing(lost.data_dir / KEY), directory / "alder.key")
        if keep_since:
            shutil.copytree(lost.since, directory / "since")
        await self.alder.stop()
        shutil.rmtree(lost.data_dir)
        url = await empty_database(postgres)
        place = new_place(directory / "new", url, directory / "alder.key")
        since = directory / "since" if keep_since else None
        restored = await restore(place, file, PASSPHRASE, since=since, say=nothing, show=nothing)
        self.alder = await self.nodes.start(
            "alder.test", database_url=url, data_dir=place.data_dir, port=self.alder.port
        )
        return restored


@pytest.fixture
async def town(nodes: Nodes) -> AsyncIterator[Town]:
    alder, birch, cedar = [
        await nodes.start(f"{name}.test") for name in ("alder", "birch", "cedar")
    ]
    peer = await Peer("lemmy.test", nodes.names, "lemmy").start()
    made = Town(nodes, alder, birch, cedar, peer)
    await made.meet()
    yield made
    await peer.stop()


async def test_sec_L16_a_backup_under_load_comes_back_without_what_was_deleted_since(
    town: Town, postgres: Server, tmp_path: Path
) -> None:
    file = tmp_path / "alder.backup"
    doomed = await town.talk(2, "to be deleted")
    await settle(*town.all)
    known = (await town.see())[0]
    stop = asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            await town.talk(1, "under load")
            await settle(*town.all)

    waiting = await town.talk(8, "waits to be told", "dee")
    loading = asyncio.create_task(load())
    size = await backup(settings_of(town.alder), file, PASSPHRASE, say=nothing, show=nothing)
    stop.set()
    await loading
    assert size == file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600

    await settle(*town.all)
    await town.note_what_was_sent()
    await town.delete(doomed)
    await settle(*town.all)
    _, birch_before, cedar_before = await town.see()
    assert sum("waits to be told" in said for said in birch_before) == len(waiting)

    heard = len(town.peer.raw)
    restored = await town.lose_and_restore(postgres, file, tmp_path)
    assert restored.replayed.posts == len(doomed)
    assert restored.sent is not None
    assert restored.sent >= len(waiting)
    async with town.alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(sessions)) == 0
    await settle(*town.all)

    alder, birch, cedar = await town.see()
    assert alder >= {said for said in known if "to be deleted" not in said}
    assert await town.alder.mentions("to be deleted") == []
    for post in doomed:
        path = post.uri.removeprefix(town.alder.origin)
        if town.alder.here.is_local(post.uri):
            assert (await town.alder.get(path)).status == 410
    assert (birch, cedar) == (birch_before, cedar_before)
    assert alder <= birch
    storm = town.peer.raw[heard:]
    assert len(storm) <= 2 * len(doomed), [raw[:300] for raw in storm]
    assert all(b'"Delete"' in raw for raw in storm)

    after = await town.alder.reply(town.people["dee"], town.posts[0].uri, "And on it goes.")
    await settle(*town.all)
    town.nodes.clock.forward(minutes=10)  # connections to the lost computer ended meanwhile
    await settle(*town.all)
    for node in (town.birch, town.cedar):
        assert await node.post(after.uri) is not None
