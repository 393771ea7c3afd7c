"""What was taken in is shown, however odd it is: a page never breaks over one post (SEC-J8)."""

import json
from typing import Any

import sqlalchemy as sa

from groups.groups import Group
from kernel.schema.actors import ActorState
from kernel.schema.tables import actors
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer
from tests.wire.world import Club, said

LONG = "w" * 100_000

POSTS: list[Document] = [
    {"content": ""},
    {"content": None},
    {"content": "<p></p>"},
    {"content": "\u202e\u2066 \u200b"},
    {"content": LONG},
    {"content": "<a href>x</a><a href=''>y</a><a href='http://['>z</a><img>"},
    {"content": "&#0;&#x110000;&#55296;&nosuch;<"},
    {"content": "<p>" * 5_000 + "deep"},
    {"content": "{{ 7 * 7 }} {% raw %} ${x} #{y}"},
    {"name": "", "summary": ""},
    {"name": "\u202e" * 200, "summary": "\u0007"},
    {"name": LONG, "summary": LONG, "sensitive": True},
    {"attachment": []},
    {"attachment": [{}]},
    {"attachment": [{"type": "Image", "mediaType": "x/unknown", "url": []}]},
    {"attachment": [{"type": "Document", "mediaType": "", "url": f"{'a' * 3_000}"}]},
    {"attachment": {"type": "Link", "href": None}},
    {"type": "Question", "oneOf": [], "anyOf": [], "closed": True, "endTime": "never"},
    {"type": "Question", "oneOf": [{"name": None, "replies": {"totalItems": -1}}]},
    {"type": "Event", "startTime": "", "location": {}},
    {"type": "Video", "duration": "P", "url": [], "icon": []},
    {"type": "Article", "preview": {}, "image": {}},
    {"type": "Page", "attachment": [{"type": "Link", "href": "javascript:alert(1)"}]},
    {"tag": []},
    {"tag": [{"type": "Emoji", "name": ":x:", "icon": {}}, {"type": "Hashtag", "name": ""}]},
    {"contentMap": {}, "language": ""},
    {"contentMap": {"x" * 100: "hello"}, "content": "hello"},
    {"contentMap": {"zz-Zzzz-ZZ-" + "x" * 50: ""}},
    {"language": {"identifier": '"><script>'}},
    {"url": []},
    {"url": "http://good.test/\u202egnp.exe"},
    {"published": "1970-01-01T00:00:00Z"},
    {"published": "2026-02-30T00:00:00Z"},
    {"updated": "1970-01-01T00:00:00Z"},
]

AUTHORS: list[Document] = [
    {"name": ""},
    {"name": " \u202e\u200b"},
    {"name": None, "summary": None, "url": None},
    {"name": "n" * 100_000, "summary": "<p>" * 20_000},
    {"preferredUsername": ""},
    {"preferredUsername": "a@b c/<x>"},
    {"icon": {}, "image": []},
    {"url": "javascript:alert(1)"},
]


async def pages(node: Node, uri: str) -> list[str]:
    """Every page on which the post, its author or its thread is shown, and their documents."""
    post = await node.post(uri)
    assert post is not None, uri
    found = []
    for accept in ("text/html", "application/activity+json"):
        for path in (f"/t/{post.thread_id}", "/g/sleep", "/groups"):
            answer = await node.get(path, accept=accept)
            assert answer.status == 200 or accept != "text/html", path
            assert answer.status < 500, path
            found.append(await answer.text())
    return found


async def test_sec_J8_a_page_shows_whatever_was_taken_in(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    uris = []
    for odd in POSTS:
        note: Document = {**good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri]), **odd}
        await said(alder, good, ann, note)
        uris.append(note["id"])
    posts = [await alder.post(uri) for uri in uris]
    kept = [post.uri for post in posts if post is not None and post.shown]  # endless ones wait
    assert len(kept) >= len(POSTS) - 5  # most of it is odd and no more
    for uri in kept:
        for page in await pages(alder, uri):
            assert page.count("<script") == page.startswith("<!doctype")  # our own file
            assert "javascript:" not in page
            assert "\0" not in page


async def test_sec_J8_a_page_shows_whoever_wrote_it(alder: Node, sleep: Group, good: Peer) -> None:
    written = []
    for number, odd in enumerate(AUTHORS):
        person = good.person(f"ann{number}")
        good.show({**person.document(), **odd})
        note = good.note(person, "hello", to=[PUBLIC, sleep.actor.uri])
        await said(alder, good, person, note)
        written.append(note["id"])
    for uri in written:
        assert "javascript:" not in "".join(await pages(alder, uri))


async def test_sec_J8_an_author_who_is_gone_leaves_a_page_that_works(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    root = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    answer = good.note(ann, "and more", to=[PUBLIC, sleep.actor.uri], inReplyTo=root["id"])
    for note in (root, answer):
        await said(alder, good, ann, note)
    for state in (ActorState.CLOSED, ActorState.SUSPENDED):
        async with alder.engine.begin() as conn:
            await conn.execute(
                sa.update(actors).where(actors.c.uri == ann.uri).values(state=state, name="")
            )
        await pages(alder, answer["id"])
    gone = good.activity("Delete", ann, root["id"])
    assert await good.send(alder, gone, ann) in (202, 403)
    await settle(alder)
    thread = await alder.post(root["id"])
    assert thread is not None
    page = await alder.get(f"/t/{thread.thread_id}", accept="text/html")
    assert page.status in (200, 404)


async def test_sec_J8_what_a_group_passes_on_is_shown_as_well(
    alder: Node, good: Peer, club: Club
) -> None:
    ann = good.person("ann")
    for odd in POSTS:
        note = good.show({**good.note(ann, "hello", to=[PUBLIC, club.group.uri]), **odd})
        await club.announce(alder, good.create(ann, note))
        if await alder.post(note["id"]) is not None:
            shown = await alder.thread(note["id"])  # as members read it
            assert [post.uri for post in shown.posts] == [note["id"]], str(odd)[:60]


async def test_sec_J8_a_followed_groups_odd_names_break_no_list(
    alder: Node, club: Club, good: Peer
) -> None:
    for odd in AUTHORS:
        renamed: dict[str, Any] = {**club.group.document(), **odd}
        club.peer.show(json.loads(json.dumps(renamed)))
        update = club.peer.activity("Update", club.group, renamed)
        assert await club.peer.send(alder, update, club.group) in (202, 400)
        await settle(alder)
        for path in ("/groups", "/", "/g/club@club.test"):
            answer = await alder.get(path, accept="text/html")
            assert answer.status in (200, 303, 404), path
