"""Pictures in backups and restores, and what the doctor says of their folder."""

import stat
from pathlib import Path

import pytest

from activitypub.state import SETTINGS
from groups import threads
from groups.admission import Draft
from groups.groups import Group
from groups.pictures import Chosen, pictures_of
from groups.posts import Post
from kernel.postgres import Server
from media import pictures as media_store
from media import studio
from media.studio import Picture
from moderation.standing import Speaker
from node import doctor
from node import pictures as node_pictures
from node.opening import KEY
from node.safekeeping import key_file
from node.safekeeping.backup import backup
from node.safekeeping.restore import restore
from tests.nodes import Node, Nodes
from tests.operations.places import PASSPHRASE, empty_database, new_place, nothing, settings_of


async def with_picture(node: Node, speaker: Speaker, group: Group, body: bytes) -> tuple[Post, str]:
    """A thread with a picture, and the name of its file."""
    picture = Picture(b"RIFF0000WEBP" + body, 640, 480)
    store = node.app[node_pictures.STORE]
    kept = await media_store.keep(node.engine, node.here, store, picture)
    async with node.engine.begin() as conn:
        draft = Draft(title="Tea", source="Look.", pictures=(Chosen(kept.id, "A cup of tea"),))
        post = await threads.start(conn, node.here, speaker, group, draft)
        (shown,) = (await pictures_of(conn, [post.id]))[post.id]
    assert shown.media_id == kept.id
    return post, f"{kept.id}.webp"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_sec_L16_pictures_come_back_and_those_of_deleted_posts_stay_gone(
    nodes: Nodes, postgres: Server, tmp_path: Path
) -> None:
    alder = await nodes.start("alder.test")
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana)
    _, kept = await with_picture(alder, ana, group, b"kept")
    gone, gone_name = await with_picture(alder, ana, group, b"gone")
    before = files(alder.app[SETTINGS].media)
    assert set(before) == {kept, gone_name}
    file = tmp_path / "file"
    await backup(settings_of(alder), file, PASSPHRASE, say=nothing, show=nothing)
    await alder.delete(ana, gone.uri)

    key = tmp_path / "key"
    key_file.export(key_file.existing(alder.app[SETTINGS].data_dir / KEY), key)
    place = new_place(tmp_path / "new", await empty_database(postgres), key)
    since = alder.app[SETTINGS].since
    await restore(place, file, PASSPHRASE, since=since, say=nothing, show=nothing)
    assert files(place.media) == {kept: before[kept]}
    for path in (place.media, *place.media.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_the_doctor_says_when_no_picture_can_be_decoded(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alder = await nodes.start("alder.test")
    settings = settings_of(alder)

    async def checks() -> list[str]:
        report = await doctor.examine(settings, clock=alder.clock, resolver=alder.names)
        return [finding.check for finding in report.findings]

    assert "pictures" not in await checks()
    monkeypatch.setattr(studio, "PROGRAM", tmp_path / "missing.py")
    assert "pictures" in await checks()


async def test_the_doctor_looks_at_the_folder_of_pictures(nodes: Nodes) -> None:
    alder = await nodes.start("alder.test")
    ana = await alder.persona("ana")
    await with_picture(alder, ana, await alder.group("sleep", ana), b"x")
    settings = settings_of(alder)

    async def says() -> list[str]:
        report = await doctor.examine(settings, clock=alder.clock, resolver=alder.names)
        return [finding.says for finding in report.findings if "media" in finding.says]

    assert await says() == []
    settings.media.chmod(0o750)
    assert await says() == [
        f"Others can look into {settings.media}: `chmod 700 '{settings.media}'`."
    ]
