"""Pictures on the wire: what we say of ours, and how those of others come here."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.state import HERE, SETTINGS
from groups import groups as group_store
from groups import icons, picture_access, threads
from groups.admission import Draft
from groups.groups import Group
from groups.pictures import Chosen, Shown, pictures_of
from groups.posts import Post
from kernel.clock import iso
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.schema.tables import attachments, copies_wanted, media, posts
from media import copies
from media import pictures as media_store
from media.copies import ATTEMPTS
from media.pictures import Kept
from media.studio import Picture, Studio
from moderation.standing import Speaker
from moderation.visibility import VISITOR, Viewer
from node import pictures as node_pictures
from node import worker
from tests.media import draw
from tests.nodes import Node, block, settle
from tests.peer import PUBLIC, Document, Peer, Person
from tests.wire import strict
from tests.wire.world import Club, Follower, said

MEMBER = Viewer((), signed_in=True)


async def drafted(node: Node) -> Kept:
    """A picture that nothing has taken yet."""
    picture = Picture(b"RIFF0000WEBP", 640, 480, "00TSUA")
    store = node.app[node_pictures.STORE]
    return await media_store.keep(node.engine, node.here, store, picture)


async def with_picture(
    node: Node, speaker: Speaker, group: Group, alt: str = "A cup of tea"
) -> Post:
    """A thread with a picture."""
    kept = await drafted(node)
    async with node.engine.begin() as conn:
        return await threads.start(
            conn,
            node.here,
            speaker,
            group,
            Draft(
                title="Tea", source="Look.", language="en", guidelines=99,
                pictures=(Chosen(kept.id, alt),),
            ),
        )  # fmt: skip


async def test_wire_P11_pictures_of_ours_are_images_with_their_words_twice(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, lemmy: Follower
) -> None:
    post = await with_picture(alder, ana, sleep)
    await settle(alder)
    document: Document = await (await alder.get(f"/p/{post.id}")).json(content_type=None)
    strict.check(document)
    assert strict.unmapped(document) == set()
    (image,) = document["attachment"]
    address = image.pop("url")
    assert image == {
        "type": "Image",
        "mediaType": "image/webp",
        "name": "A cup of tea",
        "summary": "A cup of tea",
        "width": 640,
        "height": 480,
        "blurhash": "00TSUA",  # WIRE-P12
    }
    assert address.startswith("http://alder.test/media/")
    seen = await alder.get(address.removeprefix("http://alder.test"))
    assert seen.status == 200
    assert seen.headers["Content-Type"] == "image/webp"
    assert seen.headers["Access-Control-Allow-Origin"] == "*"  # WIRE-P12
    (create,) = [each for each in lemmy.peer.inbox if each["type"] == "Announce"][-1:]
    assert create["object"]["object"]["attachment"][0]["url"] == address


async def test_wire_P11_a_picture_without_words_has_no_empty_name(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    post = await with_picture(alder, ana, sleep, alt="")
    document: Document = await (await alder.get(f"/p/{post.id}")).json(content_type=None)
    strict.check(document)
    assert not {"name", "summary"} & set(document["attachment"][0])


async def test_a_picture_of_ours_in_a_group_elsewhere_is_told_to_everybody(
    alder: Node, club: Club
) -> None:
    async with alder.engine.connect() as conn:
        actor = await actor_store.by_uri(conn, club.group.uri)
        assert actor is not None
        group = await group_store.get(conn, actor.id)
    post = await with_picture(alder, club.member, group)
    document: Document = await (await alder.get(f"/p/{post.id}")).json(content_type=None)
    address = document["attachment"][0]["url"]
    assert (await alder.get(address.removeprefix(alder.origin))).status == 200
    await alder.delete(club.member, post.uri)
    assert (await alder.get(address.removeprefix(alder.origin))).status == 404


async def test_wire_A18_a_groups_picture_is_told_with_its_words_and_taken_back(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, lemmy: Follower
) -> None:
    """WIRE-A23: each change of it, to everybody who follows the group."""

    async def after(change: Callable[[AsyncConnection, Group], Awaitable[None]]) -> Document:
        mastodon.peer.inbox.clear()
        async with alder.engine.begin() as conn:
            await change(conn, await group_store.get(conn, sleep.id))
        await settle(alder)
        (update,) = mastodon.peer.inbox
        (*_, wrapped) = lemmy.peer.got("Announce", "Update")
        shown: Document = await (await alder.get("/g/sleep")).json(content_type=None)
        for told in (update, wrapped["object"]):
            strict.check(told)
            assert strict.unmapped(told) == set()
            assert told["object"] == {name: shown[name] for name in shown if name != "@context"}
        return shown

    assert "icon" not in await (await alder.get("/g/sleep")).json(content_type=None)
    first, second = await drafted(alder), await drafted(alder)
    shown = await after(
        lambda conn, group: icons.choose(conn, alder.here, group, Chosen(first.id, "A moon"))
    )
    address = alder.here.media_uri(first.id)
    assert shown["icon"] == {
        "type": "Image",
        "mediaType": "image/webp",
        "url": address,
        "name": "A moon",
        "summary": "A moon",
    }
    seen = await alder.get(address.removeprefix(alder.origin))
    assert (seen.status, seen.headers["Access-Control-Allow-Origin"]) == (200, "*")
    shown = await after(lambda conn, group: icons.describe(conn, alder.here, group, "A new moon"))
    assert (shown["icon"]["name"], shown["icon"]["url"]) == ("A new moon", address)
    shown = await after(
        lambda conn, group: icons.choose(conn, alder.here, group, Chosen(second.id, "A sun"))
    )
    assert shown["icon"]["url"] == alder.here.media_uri(second.id)
    assert (await alder.get(address.removeprefix(alder.origin))).status == 404
    shown = await after(lambda conn, group: icons.remove(conn, alder.here, group))
    assert "icon" not in shown
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(media)) == 0


async def test_a_groups_picture_is_a_draft_with_words_that_nobody_else_took(
    alder: Node, ana: Speaker, sleep: Group, club: Club
) -> None:
    draft = await drafted(alder)
    taken = (await drafted(alder)).id
    async with alder.engine.begin() as conn:
        await media_store.take(conn, [taken])
    for chosen, says in (
        (Chosen(draft.id, ""), "what the picture shows"),
        (Chosen(draft.id, "x" * 1_501), "up to 1,500 letters"),
        (Chosen(taken, "A moon"), "not kept any more"),
    ):
        with pytest.raises(Malformed, match=says):
            async with alder.engine.begin() as conn:
                await icons.choose(conn, alder.here, sleep, chosen)
    async with alder.engine.begin() as conn:
        actor = await actor_store.by_uri(conn, club.group.uri)
        assert actor is not None
        elsewhere = await group_store.get(conn, actor.id)
        for change in (
            icons.choose(conn, alder.here, elsewhere, Chosen(draft.id, "A moon")),
            icons.describe(conn, alder.here, elsewhere, "A moon"),
            icons.remove(conn, alder.here, elsewhere),
        ):
            with pytest.raises(NotAllowed):
                await change


async def test_the_media_origin_is_in_the_documents(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    alder.app._state[HERE] = replace(alder.here, media_origin="http://pictures.test")
    post = await with_picture(alder, ana, sleep)
    document: Document = await (await alder.get(f"/p/{post.id}")).json(content_type=None)
    assert document["attachment"][0]["url"].startswith("http://pictures.test/media/")


# Pictures of others


async def arrive(
    node: Node, author: Person, peer: Peer, group: Group, *urls: str, alt: str = "Their cup"
) -> Post:
    """A thread from elsewhere that has these pictures."""
    attached = [{"type": "Document", "mediaType": "image/png", "url": u, "name": alt} for u in urls]
    to = [PUBLIC, group.actor.uri]
    note = peer.note(author, "Look.", to=to, name="Tea", attachment=attached)
    await said(node, peer, author, note)
    found = await node.post(note["id"])
    assert found is not None
    return found


async def copied(node: Node) -> None:
    """Everything that is due now, or soon, is read."""
    node.clock.forward(minutes=2)
    while await node.app[node_pictures.COPIER].copy_one():
        pass


async def shown(node: Node, post: Post) -> list[Shown]:
    async with node.engine.connect() as conn:
        return list((await pictures_of(conn, [post.id])).get(post.id, ()))


@pytest.fixture
async def author(good: Peer) -> Person:
    return good.person("gil")


async def test_sec_R14_a_picture_is_read_once_later_and_as_the_node(
    alder: Node, sleep: Group, good: Peer, author: Person
) -> None:
    good.files["/cup.png"] = draw.png()
    post = await arrive(alder, author, good, sleep, f"{good.origin}/cup.png")
    assert "/cup.png" not in good.fetched, "not when it came"
    for _ in range(3):
        page = await alder.get(f"/t/{post.thread_id}", accept="text/html")
        assert page.status == 200
    assert "/cup.png" not in good.fetched, "not because somebody looked"
    await copied(alder)
    assert good.fetched.count("/cup.png") == 1
    headers = good.heard[good.fetched.index("/cup.png")]
    assert set(headers) <= {"Host", "Accept", "Accept-Encoding", "User-Agent"}
    assert headers["User-Agent"].startswith("Hearthold/")
    (picture,) = await shown(alder, post)
    assert picture.alt == "Their cup"
    page = await alder.get(f"/t/{post.thread_id}", accept="text/html")
    assert good.origin not in (await page.text()).replace("@gil@good.test", "")
    for _ in range(3):
        seen = await alder.get(f"/media/{picture.media_id}.webp")
        assert seen.status == 200
        assert draw.opened(await seen.read()).size == (picture.width, picture.height)
    await copied(alder)
    assert good.fetched.count("/cup.png") == 1


async def test_sec_P10_a_picture_that_cannot_be_had_stays_a_link(
    alder: Node, sleep: Group, good: Peer, author: Person
) -> None:
    good.files["/page"], good.types["/page"] = draw.png(), "text/html"
    good.files["/svg"], good.types["/svg"] = b"<svg/>", "image/svg+xml"
    good.files["/text"], good.types["/text"] = b"words", "image/png"
    good.files["/huge"] = draw.png_header(65_000, 65_000)
    good.files["/long"] = bytes(16 * 1024 * 1024 + 1)
    paths = ["/page", "/svg", "/text", "/huge", "/long", "/missing"]
    post = await arrive(alder, author, good, sleep, *(good.origin + path for path in paths))
    await copied(alder)
    await copied(alder)
    assert [good.fetched.count(path) for path in paths] == [1] * len(paths)
    assert await shown(alder, post) == []
    page = await (await alder.get(f"/t/{post.thread_id}", accept="text/html")).text()
    assert (
        f'<a href="{good.origin}/svg" rel="nofollow noopener noreferrer ugc">Their cup</a>' in page
    )
    assert "<img" not in page
    assert not list(alder.app[SETTINGS].media.glob("*/*"))


async def test_sec_R4_R7_a_picture_is_not_read_from_inside_or_from_ourselves(
    alder: Node, ana: Speaker, sleep: Group, good: Peer, author: Person
) -> None:
    ours = await with_picture(alder, ana, sleep)
    (picture,) = await shown(alder, ours)
    alder.names.elsewhere["inside.test"] = ("10.0.0.1", 80)
    urls = [
        f"http://alder.test/media/{picture.media_id}.webp",
        f"http://ALDER.test/media/{picture.media_id}.webp",
        "http://inside.test/cup.png",
        "http://10.0.0.1/cup.png",
        "http://[::1]/cup.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
    ]
    alder.names.asked.clear()
    post = await arrive(alder, author, good, sleep, *urls)
    for _ in range(ATTEMPTS + 1):
        await copied(alder)
        alder.clock.forward(hours=2)
    assert await shown(alder, post) == []
    assert "alder.test" not in alder.names.asked
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(copies_wanted)) == 0


async def test_a_server_that_is_away_is_asked_again_and_not_for_ever(
    alder: Node, sleep: Group, good: Peer, author: Person
) -> None:
    good.shown["/cup.png"] = 503
    post = await arrive(alder, author, good, sleep, f"{good.origin}/cup.png")
    await copied(alder)
    await copied(alder)
    assert good.fetched.count("/cup.png") == 1
    alder.clock.forward(minutes=15)
    del good.shown["/cup.png"]
    good.files["/cup.png"] = draw.png()
    await copied(alder)
    assert len(await shown(alder, post)) == 1

    good.shown["/other.png"] = 503
    await arrive(alder, author, good, sleep, f"{good.origin}/other.png")
    for _ in range(ATTEMPTS + 3):
        await copied(alder)
        alder.clock.forward(hours=2)
    assert good.fetched.count("/other.png") == ATTEMPTS


async def test_sec_L10_pictures_of_a_blocked_domain_are_neither_read_nor_shown(
    alder: Node, sleep: Group, good: Peer, author: Person
) -> None:
    good.files["/cup.png"] = good.files["/late.png"] = draw.png()
    post = await arrive(alder, author, good, sleep, f"{good.origin}/cup.png")
    await copied(alder)
    (picture,) = await shown(alder, post)
    await arrive(alder, author, good, sleep, f"{good.origin}/late.png")
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "good.test")
    await copied(alder)
    assert "/late.png" not in good.fetched
    assert (await alder.get(f"/media/{picture.media_id}.webp")).status == 404


async def test_sec_L16_a_copy_goes_with_its_post_and_one_under_way_is_dropped(
    alder: Node, sleep: Group, good: Peer, author: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    good.files["/cup.png"] = good.files["/late.png"] = draw.png()
    post = await arrive(alder, author, good, sleep, f"{good.origin}/cup.png")
    await copied(alder)
    folder = alder.app[SETTINGS].media
    assert len(list(folder.glob("*/*"))) == 1
    late = await arrive(alder, author, good, sleep, f"{good.origin}/late.png")

    async def delete(which: Post) -> None:
        document = good.activity("Delete", author, {"id": which.uri, "type": "Tombstone"})
        assert await good.send(alder, document, author) == 202
        while await worker.process(alder.app):
            pass

    await delete(post)
    drawing = Studio.draw

    async def slow(self: Studio, file: object) -> Picture:
        await delete(late)
        return await drawing(self, file)  # type: ignore[arg-type]

    monkeypatch.setattr(Studio, "draw", slow)
    await copied(alder)
    await worker.settle(alder.app)
    assert list(folder.glob("*/*")) == []
    async with alder.engine.connect() as conn:
        for table in (attachments, copies_wanted, media):
            assert await conn.scalar(sa.select(sa.func.count()).select_from(table)) == 0


async def test_copies_that_nobody_looks_at_make_room(
    alder: Node, sleep: Group, good: Peer, author: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [f"{good.origin}/{number}.png" for number in range(3)]
    for number in range(3):
        good.files[f"/{number}.png"] = draw.png()
    post = await arrive(alder, author, good, sleep, *urls)
    await copied(alder)
    alder.clock.forward(days=3)
    first, second, third = await shown(alder, post)
    assert (await alder.get(f"/media/{second.media_id}.webp")).status == 200
    async with alder.engine.connect() as conn:
        sizes = await conn.execute(sa.select(media.c.id, media.c.bytes))
        size = {row.id: row.bytes for row in sizes}
    monkeypatch.setattr(copies, "MAX_COPIES", size[second.media_id])
    await node_pictures.sweep(alder.app)
    await worker.settle(alder.app)
    assert await shown(alder, post) == [second]
    for gone in (first, third):
        assert (await alder.get(f"/media/{gone.media_id}.webp")).status == 404
    await copied(alder)
    assert good.fetched.count("/0.png") == 1, "a reader does not bring it back"


async def change(node: Node, author: Person, peer: Peer, post: Post, *urls: str) -> None:
    """Its author changes the words, and has these pictures now."""
    note = peer.shown[post.uri.removeprefix(peer.origin)]
    assert isinstance(note, dict)
    attached = [
        {"type": "Image", "mediaType": "image/png", "url": url, "name": "Their cup"} for url in urls
    ]
    node.clock.forward(minutes=5)
    changed = {
        **note, "content": f"<p>Look again {node.clock()}</p>", "attachment": attached,
        "updated": iso(node.clock()),
    }  # fmt: skip
    document = peer.activity("Update", author, peer.show(changed))
    assert await peer.send(node, document, author) == 202
    while await worker.process(node.app):
        pass


async def test_other_words_leave_pictures_as_they_are_and_other_pictures_replace_them(
    alder: Node, sleep: Group, good: Peer, author: Person
) -> None:
    urls = [f"{good.origin}/{number}.png" for number in range(3)]
    for number in range(3):
        good.files[f"/{number}.png"] = draw.png()
    post = await arrive(alder, author, good, sleep, *urls[:2])
    await copied(alder)
    before = await shown(alder, post)
    assert len(before) == 2

    await change(alder, author, good, post, *urls[:2])
    await copied(alder)
    assert await shown(alder, post) == before
    assert good.fetched.count("/0.png") == 1

    await change(alder, author, good, post, urls[2])
    assert await shown(alder, post) == []
    await copied(alder)
    await worker.settle(alder.app)
    (after,) = await shown(alder, post)
    assert good.fetched.count("/2.png") == 1
    folder = alder.app[SETTINGS].media
    assert [path.stem for path in folder.glob("*/*")] == [str(after.media_id)]

    await change(alder, author, good, post)
    await worker.settle(alder.app)
    assert list(folder.glob("*/*")) == []


async def test_pictures_of_ours_stay_when_the_words_change(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    post = await with_picture(alder, ana, sleep)
    before = await shown(alder, post)
    changed = await alder.edit(ana, post.uri, "Tea", "Other words.")
    assert changed.attached == 1
    assert await shown(alder, changed) == before
    document: Document = await (await alder.get(f"/p/{post.id}")).json(content_type=None)
    assert "Other words." in document["content"]
    assert len(document["attachment"]) == 1
    await worker.settle(alder.app)
    assert len(list(alder.app[SETTINGS].media.glob("*/*"))) == 1


async def test_sec_I4_a_picture_is_as_visible_as_its_post(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    post = await with_picture(alder, ana, sleep)
    (picture,) = await shown(alder, post)
    async with alder.engine.begin() as conn:
        assert (await picture_access.find(conn, picture.media_id, VISITOR)).public
        for state in ("held", "removed", "deleted"):
            await conn.execute(sa.update(posts).where(posts.c.id == post.id).values(state=state))
            with pytest.raises(NotFound):
                await picture_access.find(conn, picture.media_id, VISITOR)
            with pytest.raises(NotFound):
                await picture_access.find(conn, picture.media_id, MEMBER)
            mine = Viewer((ana.id,), signed_in=True)
            if state != "deleted":
                assert not (await picture_access.find(conn, picture.media_id, mine)).public
        await conn.rollback()
