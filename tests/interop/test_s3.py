"""Pictures in a bucket: a real S3 over HTTP (moto's), which checks keys and signatures.

SECURITY P1 to P10 hold wherever a picture lies: it goes out through the node's own route alone.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import obstore
import pytest

from activitypub.state import SETTINGS
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.clock import utcnow
from kernel.errors import Misconfigured
from kernel.postgres import Server
from kernel.schema.groups import Sees
from kernel.settings import S3, Settings
from media.bucket import PIECE, Away, Bucket, examine, opened
from media.folder import Folder, name_of
from media.store import PARTS
from node import doctor, worker
from node import pictures as node_pictures
from node.opening import KEY
from node.safekeeping import key_file
from node.safekeeping.backup import backup
from node.safekeeping.move_pictures import move_pictures
from node.safekeeping.restore import restore
from tests.conftest import TEMPLATE
from tests.interop.programs import HERE, free_port, missing, running
from tests.media import draw
from tests.nodes import Node, Nodes
from tests.operations.places import PASSPHRASE, empty_database, new_place, nothing, settings_of
from tests.operations.test_media import files, with_picture
from tests.pages.people import Browser, Person, person
from tests.pages.people import settle as settle_house
from tests.pages.test_pictures import WORDS, again, compose, posted

pytestmark = pytest.mark.slow

PACKAGE = HERE / "s3"


@dataclass
class Store:
    """A program that keeps a bucket, and how to end it before the test does."""

    place: S3
    stack: AsyncExitStack

    async def names(self) -> set[str]:
        """What lies in the bucket."""
        found: set[str] = set()
        async for several in obstore.list(opened(self.place)):
            found |= {each["path"] for each in several}
        return found

    async def end(self) -> None:
        await self.stack.aclose()


@asynccontextmanager
async def keeping(*more: str) -> AsyncIterator[Store]:
    python, port = PACKAGE / ".venv" / "bin" / "python", free_port()
    if not python.exists():
        missing("the environment in tests/interop/s3 was not made")
    async with AsyncExitStack() as stack:
        command = [str(python), "serve.py", str(port), *more]
        program = await stack.enter_async_context(running(command, port, PACKAGE))
        key_id, secret = next(line for line in program.output if line.startswith("AKIA")).split()
        place = S3(
            bucket="pictures",
            endpoint=f"http://127.0.0.1:{port}",
            region="us-east-1",
            key_id=key_id,
            secret=secret,
        )
        yield Store(place, stack)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with keeping() as found:
        yield found


@pytest.fixture
async def node(
    postgres: Server, tmp_path: Path, quick_keys: None, store: Store
) -> AsyncIterator[Node]:
    """A node whose pictures are in the bucket."""
    nodes = Nodes(postgres, TEMPLATE, tmp_path)
    yield await nodes.start("alder.test", s3=store.place)
    await nodes.stop()


@dataclass
class Circle:
    """Ana made an open group and a closed one; each has a thread."""

    ana: Person
    open: Post
    closed: Post

    async def group(self, node: Node) -> Group:
        async with node.engine.connect() as conn:
            return await group_store.get(conn, self.open.group_id)


@pytest.fixture
async def circle(node: Node) -> Circle:
    await settle_house(node)
    ana = await person(node, "ana")
    sleep = await node.group("sleep", ana.speaker)
    ours = await node.group("ours", ana.speaker, settings=GroupSettings(sees=Sees.MEMBERS))
    return Circle(
        ana,
        await node.start(ana.speaker, sleep.actor.uri, "Tea", "Which one?"),
        await node.start(ana.speaker, ours.actor.uri, "Among us", "Only members read this."),
    )


async def test_sec_P5_L11_pictures_in_a_bucket_go_out_by_the_nodes_own_rules(
    node: Node, circle: Circle, store: Store
) -> None:
    public = await posted(circle.ana, circle.open.id, [draw.png()])
    private = await posted(circle.ana, circle.closed.id, [draw.png()])
    ids = [UUID(each[len("/media/") : -len(".webp")]) for each in (public, private)]
    assert await store.names() == {name_of(each) for each in ids}
    assert not node.app[SETTINGS].media.exists()

    visitor = Browser(node)
    seen = await visitor.open(public)
    assert seen.status == 200
    assert draw.opened(seen.body).size[0] > 300
    assert seen.headers["Content-Length"] == str(len(seen.body))
    for name, value in {
        "Content-Type": "image/webp",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "public, max-age=3600, s-maxage=60",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }.items():
        assert seen.headers[name] == value
    head = await visitor.send("HEAD", public)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == seen.headers["Content-Length"]
    assert (await visitor.open(private)).status == 404
    assert (await circle.ana.open(private)).status == 200

    page = await circle.ana.open(f"/t/{circle.open.id}")
    assert store.place.endpoint not in page.html
    async with aiohttp.ClientSession() as session:  # and nobody reads it where it lies
        address = f"{store.place.endpoint}/pictures/{name_of(ids[0])}"
        assert (await session.get(address)).status == 403


async def test_sec_L16_deleted_pictures_are_gone_from_the_bucket(
    node: Node, circle: Circle, store: Store
) -> None:
    group = await circle.group(node)
    post, name = await with_picture(node, circle.ana.speaker, group, b"gone")
    assert len(await store.names()) == 1
    await node.delete(circle.ana.speaker, post.uri)
    await worker.settle(node.app)
    assert await store.names() == set()
    assert (await circle.ana.open(f"/media/{name}")).status == 404


async def test_a_large_picture_comes_in_pieces(store: Store) -> None:
    bucket, media_id = Bucket.of(store.place), uuid4()
    body = bytes(range(256)) * (PIECE // 256 * 2 + 5)
    await bucket.write(media_id, body, utcnow().date())
    found = await bucket.open(media_id)
    pieces = [each async for each in found.body]
    assert found.size == len(body)
    assert b"".join(pieces) == body
    assert [len(each) for each in pieces] == [PIECE, PIECE, 256 * 5]


async def test_while_the_bucket_is_away_words_stay_and_readers_are_told_to_wait(
    node: Node, circle: Circle, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    address = await posted(circle.ana, circle.open.id, [draw.png()])
    asked = await compose(circle.ana, circle.open.id, [draw.png()])
    origin = "http://pictures.test"
    node.app._state[SETTINGS] = replace(node.app[SETTINGS], media_origin=origin)
    await store.end()

    came = await compose(circle.ana, circle.open.id, [draw.png()])
    assert came.status == 503
    assert "The place where pictures are kept does not answer" in came.text
    assert dict(came.page.form("text", action="/reply").fields)["text"] == "Look."
    assert (await again(circle.ana, asked, alt=WORDS)).status == 303  # one that was there already

    for answer in (
        await circle.ana.open(address),
        await Browser(node).send("GET", address, headers={"Host": "pictures.test"}),
    ):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert (await circle.ana.open(f"/t/{circle.open.id}")).status == 200
    await node.delete(circle.ana.speaker, circle.open.uri)  # what was deleted is gone all the same
    assert (await circle.ana.open(address)).status in (404, 503)
    report = await doctor.examine(settings_of(node), clock=node.clock, resolver=node.names)
    (says,) = [each.says for each in report.findings if each.check == "bucket"]
    assert says == (
        f"The bucket at {store.place.endpoint} does not answer: no picture can be added or shown."
    )
    assert store.place.secret not in caplog.text


async def test_what_was_left_behind_in_the_bucket_is_swept_after_a_day(
    node: Node, circle: Circle, store: Store
) -> None:
    _, kept = await with_picture(node, circle.ana.speaker, await circle.group(node), b"kept")
    left, stranger = uuid4(), "ab/not-ours.txt"
    await Bucket.of(store.place).write(left, b"x", utcnow().date())
    await obstore.put_async(opened(store.place), stranger, b"x")

    async def sweep() -> set[str]:
        for _ in PARTS:
            await node.app[node_pictures.SWEEPER].sweep()
        return await store.names()

    known = name_of(UUID(kept.removesuffix(".webp")))
    assert await sweep() == {known, name_of(left), stranger}
    node.clock.forward(days=3)
    assert await sweep() == {known, stranger}


async def test_backups_hold_what_is_in_the_bucket_and_restores_bring_it_back(
    node: Node, circle: Circle, store: Store, postgres: Server, tmp_path: Path
) -> None:
    """Into a folder where the new place names no bucket, else into that."""
    group = await circle.group(node)
    _, kept = await with_picture(node, circle.ana.speaker, group, b"kept")
    gone, _ = await with_picture(node, circle.ana.speaker, group, b"gone")
    file, key = tmp_path / "file", tmp_path / "key"
    await backup(settings_of(node), file, PASSPHRASE, say=nothing, show=nothing)
    key_file.export(key_file.existing(node.app[SETTINGS].data_dir / KEY), key)
    await node.delete(circle.ana.speaker, gone.uri)
    since = node.app[SETTINGS].since

    place = new_place(tmp_path / "folder", await empty_database(postgres), key)
    await restore(place, file, PASSPHRASE, since=since, say=nothing, show=nothing)
    assert files(place.media) == {kept: b"RIFF0000WEBPkept"}

    ids = [UUID(each.split("/")[1].removesuffix(".webp")) for each in await store.names()]
    await Bucket.of(store.place).remove(ids, utcnow().date())
    place = new_place(tmp_path / "bucket", await empty_database(postgres), key)
    place = with_bucket(place, store.place)
    await restore(place, file, PASSPHRASE, since=since, say=nothing, show=nothing)
    assert await store.names() == {name_of(UUID(kept.removesuffix(".webp")))}
    assert files(place.media) == {}

    said: list[str] = []
    place = new_place(tmp_path / "away", await empty_database(postgres), key)
    place = with_bucket(place, replace(store.place, secret="another"))
    await restore(place, file, PASSPHRASE, since=since, say=said.append, show=nothing)
    assert kept in files(place.media)
    assert any("hearthold move-pictures" in line for line in said)


def with_bucket(settings: Settings, place: S3) -> Settings:
    return replace(settings, **{f"s3_{name}": value for name, value in asdict(place).items()})


async def test_a_backup_of_a_bucket_that_is_away_is_none(
    node: Node, circle: Circle, store: Store, tmp_path: Path
) -> None:
    await with_picture(node, circle.ana.speaker, await circle.group(node), b"kept")
    wrong = with_bucket(settings_of(node), replace(store.place, secret="another"))
    with pytest.raises(Away):
        await backup(wrong, tmp_path / "file", PASSPHRASE, say=nothing, show=nothing)
    assert not (tmp_path / "file").exists()


async def test_pictures_move_from_the_folder_into_the_bucket(
    postgres: Server, tmp_path: Path, quick_keys: None, store: Store
) -> None:
    nodes = Nodes(postgres, TEMPLATE, tmp_path)
    alder = await nodes.start("alder.test")
    ana = await alder.persona("ana")
    _, kept = await with_picture(alder, ana, await alder.group("sleep", ana), b"kept")
    folder = Folder(alder.app[SETTINGS].media)
    unknown = uuid4()
    await folder.write(unknown, b"x", utcnow().date())
    settings = settings_of(alder)
    with pytest.raises(Misconfigured, match="s3_bucket"):
        await move_pictures(settings, say=nothing, show=nothing)
    settings = with_bucket(settings, store.place)
    report = await doctor.examine(settings, clock=alder.clock, resolver=alder.names)
    assert [each.says for each in report.findings if each.check == "bucket"] == [
        f"Pictures still lie in {settings.media}: `hearthold move-pictures` carries them over."
    ]
    wrong = with_bucket(settings, replace(store.place, secret="another"))
    with pytest.raises(Away):
        await move_pictures(wrong, say=nothing, show=nothing)
    assert kept in files(settings.media)

    assert await move_pictures(settings, say=nothing, show=nothing) == 1
    assert files(settings.media) == {}
    assert await store.names() == {name_of(UUID(kept.removesuffix(".webp")))}
    assert await move_pictures(settings, say=nothing, show=nothing) == 0
    await nodes.stop()


async def test_the_doctor_says_what_is_wrong_with_a_bucket(store: Store) -> None:
    assert await examine(store.place) is None
    for wrong in (replace(store.place, secret="another"), replace(store.place, key_id="nobody")):
        says = await examine(wrong)
        assert says is not None
        assert says.startswith("The bucket pictures refuses the node: see s3_key_id")
        assert wrong.secret not in says
    assert await examine(replace(store.place, bucket="other")) == (
        f"There is no bucket other at {store.place.endpoint}: make a private one."
    )
    assert await store.names() == set()


async def test_the_doctor_finds_a_bucket_that_everybody_can_read() -> None:
    async with keeping("open") as store:
        assert await examine(store.place) == (
            "Everybody can read the bucket pictures: forbid public access to it."
        )
