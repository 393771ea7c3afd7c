"""Pictures in posts: adding and describing them, who sees them, and how they go."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from activitypub.state import SETTINGS
from groups.pictures import MAX_ALT, MAX_PICTURES
from kernel.schema.tables import attachments, media, posts
from media.folder import Folder
from media.studio import MAX_FILE
from node import pictures as node_pictures
from node import worker
from node.pages import multipart
from node.pages.memory import MEMORY
from tests.media import draw
from tests.nodes import Node
from tests.pages.conftest import House
from tests.pages.people import Answer, Browser, Person

_IMAGE = re.compile(r'<img src="([^"]+)" alt="([^"]*)"')
WORDS = "A cup of tea on a window sill"


def shown(answer: Answer) -> list[tuple[str, str]]:
    """The pictures of a page: their addresses and descriptions."""
    return _IMAGE.findall(answer.html)


async def compose(person: Person, thread_id: int, files: Sequence[bytes], **answers: str) -> Answer:
    """Answer a thread with these files; what comes back."""
    at = await person.open(f"/p/{thread_id}/reply")
    form = at.page.form("text", action="/reply")
    return await person.bring(at, form, files, text="Look.", **answers)


async def again(person: Person, at: Answer, **answers: str) -> Answer:
    """Send the form that came back, with further answers."""
    return await person.bring(at, at.page.form("text", action="/reply"), [], **answers)


async def posted(person: Person, thread_id: int, files: Sequence[bytes], alt: str = WORDS) -> str:
    """Answer a thread with described pictures; the address of the first."""
    asked = await compose(person, thread_id, files)
    answer = await again(person, asked, alt=alt)
    assert answer.status == 303, answer.text
    async with person.node.engine.connect() as conn:
        media_id = await conn.scalar(
            sa.select(attachments.c.media_id).order_by(attachments.c.post_id.desc()).limit(1)
        )
    return f"/media/{media_id}.webp"


def files_of(node: Node) -> list[Path]:
    folder = node.app[SETTINGS].media
    return sorted(path for path in folder.rglob("*") if path.is_file())


def path_of(node: Node, address: str) -> Path:
    return Folder(node.app[SETTINGS].media).path(UUID(address[len("/media/") : -len(".webp")]))


async def test_a_picture_is_added_described_and_seen(house: House) -> None:
    asked = await compose(house.ben, house.thread.id, [draw.png()])
    assert asked.status == 400
    assert "what each picture shows" in asked.text
    assert "Look." in asked.html, "what was typed is kept"
    (draft,) = re.findall(r'src="(/media/drafts/[^"]+)"', asked.html)
    seen = await house.ben.open(draft)
    assert seen.status == 200
    assert draw.opened(seen.body).size[0] > 300
    assert seen.headers["Cache-Control"] == "private, no-store"
    assert (await house.cleo.open(draft)).status == 404
    assert (await house.visitor.open(draft)).status == 404

    sent = await again(house.ben, asked, alt=WORDS)
    page = await house.ben.follow(await house.ben.follow(sent))
    ((address, alt),) = shown(page)
    assert alt == WORDS
    for person in (house.ben, house.cleo, house.visitor):
        seen = await person.open(address)
        assert seen.status == 200
        assert draw.opened(seen.body).format == "WEBP"
    assert (await house.ben.open(draft)).status == 404, "it is no draft any more"


async def test_a_thread_can_begin_with_pictures(house: House) -> None:
    at = await house.ana.open("/g/open/new")
    form = at.page.form("title", "text", action="/new")
    asked = await house.ana.bring(at, form, [draw.png()] * 2, title="Two", text="Look.")
    assert asked.status == 400
    form = asked.page.form("title", "text", action="/new")
    data = [(name, value) for name, value in form.fields if name not in ("alt", "files")]
    answer = await house.ana.send(
        "POST", form.action, [*data, ("alt", "The first"), ("alt", "The second")]
    )
    page = await house.ana.follow(answer)
    assert [alt for _, alt in shown(page)] == ["The first", "The second"]


async def test_pictures_can_be_added_in_steps_and_left_out_again(house: House) -> None:
    at = await compose(house.ben, house.thread.id, [draw.png()], add="yes")
    assert at.status == 200
    assert at.page.form("text", action="/reply").fields.count(("text", "Look.")) == 1
    form = at.page.form("text", action="/reply")
    at = await house.ben.bring(at, form, [draw.png(), draw.png()], add="yes")
    tokens = [value for name, value in at.page.form("picture").fields if name == "picture"]
    assert len(tokens) == len(set(tokens)) == 3
    sent = await again(house.ben, at, without=tokens[1], undescribed="yes")
    page = await house.ben.follow(await house.ben.follow(sent))
    assert [alt for _, alt in shown(page)] == ["A picture that nobody described"] * 2
    assert len(files_of(house.node)) == 3
    await worker.settle(house.node.app)
    assert len(files_of(house.node)) == 2


async def test_nothing_is_lost_when_one_of_them_is_refused(house: House) -> None:
    at = await compose(house.ben, house.thread.id, [draw.png(), b"no picture", draw.png()])
    assert at.status == 415
    assert "no picture we can read" in at.text
    assert "Look." in at.html
    assert at.html.count('name="picture"') == 1
    sent = await again(house.ben, at, alt=WORDS)
    assert sent.status == 303


async def test_what_is_too_much_says_so_and_keeps_the_words(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = await compose(house.ben, house.thread.id, [draw.png()] * (MAX_PICTURES + 1))
    assert at.status == 400
    assert f"up to {MAX_PICTURES}" in at.text
    assert at.html.count('name="picture"') == MAX_PICTURES
    at = await compose(house.ben, house.thread.id, [bytes(MAX_FILE + 1), draw.png()])
    assert at.status == 413
    assert "Look." in at.html
    assert at.html.count('name="picture"') == 1
    at = await again(house.ben, at, alt="x" * (MAX_ALT + 1))
    assert at.status == 400
    assert "description" in at.text
    assert at.html.count('name="picture"') == 1
    monkeypatch.setattr(multipart, "MAX_FORM", 1_000)
    assert (await compose(house.ben, house.thread.id, [draw.png()])).status == 413


async def test_how_many_pictures_somebody_adds_is_counted(house: House) -> None:
    house.node.app[MEMORY].pictures._limit = 1
    at = await compose(house.ben, house.thread.id, [draw.png(), draw.png()])
    assert at.status == 429
    assert at.html.count('name="picture"') == 1
    assert "Look." in at.html


async def test_sec_P5_a_picture_is_served_so_that_nothing_in_it_can_run(house: House) -> None:
    address = await posted(house.ben, house.thread.id, [draw.png() + b"<script>x</script>"])
    answer = await house.visitor.open(address)
    assert b"script" not in answer.body
    for name, value in {
        "Content-Type": "image/webp",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": f'inline; filename="{address.rpartition("/")[2]}"',
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
        "X-Robots-Tag": "noindex",
    }.items():
        assert answer.headers[name] == value
    assert "Set-Cookie" not in answer.headers
    again_ = await house.visitor.open(address, If_None_Match=answer.headers["ETag"])
    assert again_.status == 304


async def test_sec_P6_the_name_and_the_tags_of_a_file_go_nowhere(house: House) -> None:
    address = await posted(house.ben, house.thread.id, [draw.tagged()])
    body = (await house.visitor.open(address)).body
    for secret in (*draw.SECRETS, b"Somebody 0"):
        assert secret not in body
        assert await house.node.mentions(secret.decode()) == []
    assert UUID(path_of(house.node, address).stem).version == 4


async def test_sec_P7_the_same_file_of_two_people_is_two_pictures(house: House) -> None:
    file = draw.png()
    bens = await posted(house.ben, house.thread.id, [file])
    anas = await posted(house.ana, house.thread.id, [file])
    assert bens != anas
    assert path_of(house.node, bens).read_bytes() != path_of(house.node, anas).read_bytes()
    async with house.node.engine.connect() as conn:
        newest = sa.select(posts.c.uri).where(posts.c.author_id == house.ben.actor.id)
        uri = await conn.scalar(newest.order_by(posts.c.id.desc()).limit(1))
    await house.node.delete(house.ben.speaker, str(uri))
    await worker.settle(house.node.app)
    assert not path_of(house.node, bens).exists()
    assert (await house.visitor.open(anas)).status == 200


async def test_sec_P8_nobody_attaches_the_draft_of_somebody_else(house: House) -> None:
    bens = await compose(house.ben, house.thread.id, [draw.png()])
    (token,) = re.findall(r'name="picture" value="([^"]+)"', bens.html)
    at = await house.ana.open(f"/p/{house.thread.id}/reply")
    fields = [f for f in at.page.form("text", action="/reply").fields if f[0] != "text"]
    faces = []
    for stolen in (token, token[:-4] + "AAAA", "x", str(uuid4())):
        answer = await house.ana.send(
            "POST",
            f"/p/{house.thread.id}/reply",
            [*fields, ("text", "Mine now."), ("picture", stolen), ("alt", "words")],
        )
        choices = re.compile(r'name="as" value="[^"]+"')
        faces.append((answer.status, choices.sub("", answer.html)))
    assert faces[0][0] == 400
    assert faces == [faces[0]] * 4
    assert (await again(house.ben, bens, alt=WORDS)).status == 303, "it is still Ben's"


async def test_sec_P8_a_draft_is_for_one_form_and_one_post(house: House) -> None:
    at = await compose(house.ben, house.thread.id, [draw.png()])
    form = at.page.form("picture", action="/reply")
    kept = [field for field in form.filled({"alt": WORDS}) if field[0] != "files"]
    other = await house.ben.open(f"/p/{house.answer.id}/reply")
    voice = [f for f in other.page.form("text", action="/reply").fields if f[0] == "as"]
    elsewhere = [field for field in kept if field[0] != "as"] + voice
    assert (await house.ben.send("POST", f"/p/{house.answer.id}/reply", elsewhere)).status == 400
    assert (await house.ben.send("POST", form.action, kept)).status == 303
    assert (await house.ben.send("POST", form.action, kept)).status == 400


async def test_a_draft_that_no_post_takes_is_gone_after_a_day(house: House) -> None:
    at = await compose(house.ben, house.thread.id, [draw.png()])
    await node_pictures.sweep(house.node.app)
    await worker.settle(house.node.app)
    assert len(files_of(house.node)) == 1
    house.node.clock.forward(days=2)
    await node_pictures.sweep(house.node.app)
    await worker.settle(house.node.app)
    assert files_of(house.node) == []
    late = await again(house.ben, at, alt=WORDS)
    assert late.status == 400
    assert "not kept any more" in late.text
    assert "Look." in late.html


async def test_sec_P9_R6_no_path_leads_past_the_names_of_pictures(house: House) -> None:
    address = await posted(house.ben, house.thread.id, [draw.png()])
    name = address.rpartition("/")[2]
    folder = path_of(house.node, address).parent.name
    unknown = await house.visitor.open(f"/media/{uuid4()}.webp")
    assert unknown.status == 404
    for path in (
        f"/media/{folder}/{name}",
        f"/media/%2e%2e/media/{name}",
        f"/media/..%2fmedia%2f{name}",
        f"/media//{name}",
        f"//media/{name}",
        f"/media/{name};x",
        f"/media/{name}%00",
        f"/media/{name}%2f",
        f"/media/{name}/",
        f"/MEDIA/{name}",
        f"/media/{name.upper()}",
        f"/media/{name.replace('-', '')}",
        f"/media/%7B{name[:-5]}%7D.webp",
        f"/media/%25{name}",
        f"/media/{name[:-5]}",
        f"/media/{name[:-5]}.webp.webp",
        "/media/%2e%2e%2fnode.key",
        "/media/..%252fnode.key",
        "/media/..%5cnode.key",
        "/media/node.key",
        "/media/",
        "/media/drafts/",
        "/media/drafts/..%2f..%2fnode.key",
        # SEC-R6: nothing beside the name is listened to
        f"{address}?url=http://127.0.0.1/",
        f"{address}%3furl=http://127.0.0.1/",
        f"{address}%26url=http://127.0.0.1/",
        "/media/remote?url=http://127.0.0.1/",
        "/media/http://127.0.0.1/",
        "/media/http:%2f%2f127.0.0.1%2f",
    ):
        answer = await house.visitor.open(path)
        assert answer.status == 404, path
        assert b"WEBP" not in answer.body


async def test_sec_L11_pictures_of_a_closed_group_are_for_its_members(house: House) -> None:
    at = await house.ana.open("/g/private/new")
    form = at.page.form("title", "text", action="/new")
    asked = await house.ana.bring(at, form, [draw.png()], title="Among us", text="Look.")
    form = asked.page.form("title", "text", action="/new")
    page = await house.ana.follow(await house.ana.submit(asked, form, alt=WORDS))
    ((address, _),) = shown(page)
    seen = await house.ana.open(address)
    assert seen.status == 200
    assert seen.headers["Cache-Control"] == "private, no-store"
    assert seen.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in seen.headers

    def face(answer: Answer) -> tuple[int, bytes, list[tuple[str, str]]]:
        told = [(k, v) for k, v in answer.headers.items() if k != "Date"]
        return answer.status, answer.body, told

    for browser in (house.visitor, house.ben):
        unknown = face(await browser.open(f"/media/{uuid4()}.webp"))
        assert unknown[0] == 404
        assert face(await browser.open(address)) == unknown


async def test_a_held_post_shows_its_picture_to_its_author_and_the_moderators(
    house: House,
) -> None:
    at = await house.ben.open("/g/careful/new")
    form = at.page.form("title", "text", action="/new")
    asked = await house.ben.bring(at, form, [draw.png()], title="Held", text="Look.")
    form = asked.page.form("title", "text", action="/new")
    page = await house.ben.follow(await house.ben.submit(asked, form, alt=WORDS))
    ((address, _),) = shown(page)
    desk = await house.ana.open("/g/careful/desk")
    assert (address, WORDS) in shown(desk)
    # DOM-H3: neither its words nor its picture are open, and what is opened is grey.
    covers = re.findall(r'<details class="cover shield">.*?</details>', desk.html, re.DOTALL)
    assert any(address in each and "Look." in each for each in covers)
    assert all("waits to be read before others see it" in each for each in covers)
    bare = re.sub(r'<details class="cover.*?</details>', "", desk.html, flags=re.DOTALL)
    assert address not in bare
    assert "Look." not in bare
    assert "Held" not in bare
    assert (await house.ana.open(address)).status == 200
    assert (await house.ben.open(address)).status == 200
    assert (await house.cleo.open(address)).status == 404
    assert (await house.visitor.open(address)).status == 404


async def test_pictures_lie_under_the_content_note(house: House) -> None:
    asked = await compose(house.ben, house.thread.id, [draw.png()], note="food")
    page = await house.ben.follow(await house.ben.follow(await again(house.ben, asked, alt="x y")))
    cover = page.html.index('<details class="cover">')
    assert cover < page.html.index('<img src="/media/') < page.html.index("</details>", cover)


async def test_sec_L16_a_deleted_post_takes_its_pictures_with_it(house: House) -> None:
    address = await posted(house.ben, house.thread.id, [draw.png()], alt="An odd description")
    async with house.node.engine.connect() as conn:
        newest = sa.select(posts.c.id).where(posts.c.author_id == house.ben.actor.id)
        post_id = await conn.scalar(newest.order_by(posts.c.id.desc()).limit(1))
    assert (await house.ben.fill(f"/p/{post_id}/delete", "/delete")).status == 303
    assert (await house.visitor.open(address)).status == 404
    assert (await house.ben.open(address)).status == 404
    assert await house.node.mentions("An odd description") == []
    await worker.settle(house.node.app)
    assert files_of(house.node) == []
    async with house.node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(media)) == 0


async def test_an_author_describes_a_picture_anew_and_takes_one_away(house: House) -> None:
    asked = await compose(house.ben, house.thread.id, [draw.png(), draw.png()])
    sent = await again(house.ben, asked, undescribed="yes")
    page = await house.ben.follow(await house.ben.follow(sent))
    (first, _), (second, _) = shown(page)
    ids = [path_of(house.node, each).stem for each in (first, second)]
    edit = sent.location.partition("#")[0] + "/edit"
    at = await house.ben.open(edit)
    form = at.page.form("own", "without", action="/edit")
    fields = [field for field in form.fields if field[0] not in ("alt", "without")]
    changed = [*fields, ("alt", "Described now"), ("alt", ""), ("without", ids[1])]
    long = [*fields, ("alt", "x" * (MAX_ALT + 1)), ("alt", "")]
    refused = await house.ben.send("POST", edit, long)
    assert refused.status == 400
    assert "x" * (MAX_ALT + 1) in refused.html
    assert (await house.ben.send("POST", edit, changed)).status == 303
    page = await house.ben.open(f"/t/{house.thread.id}")
    assert shown(page) == [(first, "Described now")]
    assert (await house.ben.open(second)).status == 404
    await worker.settle(house.node.app)
    assert [path.stem for path in files_of(house.node)] == [ids[0]]

    others = await posted(house.ana, house.thread.id, [draw.png()])
    stolen = [*fields, ("own", path_of(house.node, others).stem), ("alt", "a"), ("alt", "b"),
              ("alt", "Mine"), ("without", path_of(house.node, others).stem)]  # fmt: skip
    assert (await house.ben.send("POST", edit, stolen)).status == 303
    page = await house.ben.open(f"/t/{house.thread.id}")
    assert (others, WORDS) in shown(page), "the pictures of somebody else are not touched"


async def test_a_removed_post_shows_its_picture_to_its_author_alone(house: House) -> None:
    address = await posted(house.ben, house.thread.id, [draw.png()])
    async with house.node.engine.connect() as conn:
        newest = sa.select(posts.c.id).where(posts.c.author_id == house.ben.actor.id)
        post_id = await conn.scalar(newest.order_by(posts.c.id.desc()).limit(1))
    answer = await house.ana.fill(f"/p/{post_id}/remove", "/remove", reason="Too much.")
    assert answer.status == 303
    assert (await house.ben.open(address)).status == 200
    assert (await house.visitor.open(address)).status == 404
    assert (await house.cleo.open(address)).status == 404
    assert (await house.ana.open(address)).status == 404


async def test_what_was_left_behind_is_swept_after_a_day(house: House) -> None:
    address = await posted(house.ben, house.thread.id, [draw.png()])
    kept = path_of(house.node, address)
    store = Folder(house.node.app[SETTINGS].media)
    today = house.node.clock().date()
    old, new = uuid4(), uuid4()
    await store.write(old, b"x", today - timedelta(days=3))
    await store.write(new, b"x", today)
    (store.path(old).parent / "strange.tmp").write_bytes(b"x")
    stamp = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    os.utime(store.path(old).parent / "strange.tmp", (stamp, stamp))
    for _ in range(256):
        await house.node.app[node_pictures.SWEEPER].sweep()
    assert set(files_of(house.node)) == {kept, store.path(new)}


async def test_sec_P5_the_media_host_shows_public_pictures_and_nothing_else(
    house: House,
) -> None:
    node = house.node
    address = await posted(house.ben, house.thread.id, [draw.png()])
    hidden = await house.ana.open("/g/private/new")
    form = hidden.page.form("title", "text", action="/new")
    asked = await house.ana.bring(hidden, form, [draw.png()], title="Us", text="Look.")
    form = asked.page.form("title", "text", action="/new")
    page = await house.ana.follow(await house.ana.submit(asked, form, alt=WORDS))
    ((private, _),) = shown(page)

    origin = "http://pictures.test"
    node.app._state[SETTINGS] = replace(node.app[SETTINGS], media_origin=origin)
    thread = await house.ben.open(f"/t/{house.thread.id}")
    assert shown(thread) == [(origin + address, WORDS)]
    assert f"img-src 'self' {origin};" in thread.headers["Content-Security-Policy"]
    assert shown(await house.ana.open(page.page.url.path)) == [(private, WORDS)]

    host = {"Host": "pictures.test"}
    seen = await house.visitor.send("GET", address, headers=host)
    assert seen.status == 200
    for path in (
        "/",
        "/groups",
        f"/t/{house.thread.id}",
        "/static/0/site.css",
        "/healthz",
        private,
    ):
        answer = await house.ana.send("GET", path, headers=host)
        assert answer.status == 404, path
        assert answer.body == b"There is no such picture.\n"
        assert "Set-Cookie" not in answer.headers
    assert (await house.ana.send("POST", "/log-out", {}, headers=host)).status == 404
    assert (await house.ana.open(private)).status == 200


async def test_sec_X2_a_description_stays_text(house: House) -> None:
    marker = "\"'><svg/onload=1>{{7*7}}"
    await posted(house.ben, house.thread.id, [draw.png()], alt=marker)
    page = await house.visitor.open(f"/t/{house.thread.id}")
    assert "<svg/onload" not in page.html
    assert "49" not in dict(shown(page)).values()


async def test_who_is_signed_out_loses_no_words(house: House) -> None:
    at = await house.ben.open(f"/p/{house.thread.id}/reply")
    form = at.page.form("text", action="/reply")
    stranger = Person(node=house.node, prepared=house.ben.prepared, actor=house.ben.actor)
    answer = await stranger.bring(at, form, [draw.png()], text="Words that took me long.")
    assert answer.status == 403
    assert "Words that took me long." in answer.html
    assert files_of(house.node) == []


async def test_a_visitor_brings_nothing(house: House) -> None:
    visitor: Browser = house.visitor
    answer = await visitor.send("POST", f"/p/{house.thread.id}/reply", {"text": "x"})
    assert answer.status == 403
