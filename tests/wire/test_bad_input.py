"""What is odd is refused alone, and the next good activity passes (SECURITY 2, 4, 12)."""

import gzip
import json
import zlib
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from groups.groups import Group
from inbox.routes import MAX_BODY
from kernel.schema.tables import received
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer, Person
from tests.wire.world import last_received, post, said


async def _count(node: Node) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(received)) or 0


@pytest.fixture
def ann(good: Peer) -> Person:
    return good.person("ann")


def _like(good: Peer, ann: Person) -> Document:
    return good.activity("Like", ann, "http://alder.test/p/1")


async def test_sec_D1_a_compressed_body_is_not_opened(alder: Node, good: Peer, ann: Person) -> None:
    body = json.dumps(_like(good, ann)).encode()
    for encoding, packed in (
        ("gzip", gzip.compress(body)),
        ("deflate", zlib.compress(body)),
        ("br", body),
        ("zstd", body),
        ("identity", body),
        ("gzip, gzip", gzip.compress(gzip.compress(body))),
    ):
        answer = await post(alder, packed, ann, **{"Content-Encoding": encoding})
        assert answer.status == 415, encoding
    assert await _count(alder) == 0
    assert (await post(alder, body, ann)).status == 202


def _nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def _with(name: bytes, value: bytes) -> bytes:
    """A Like that is good but for one member."""
    body = b'{"id":"http://good.test/1","type":"Like","actor":"http://good.test/u/ann",%s:%s}'
    return body % (name, value)


NOT_JSON = [
    b"",
    b"nothing of the kind",
    b"[]",
    b'"text"',
    b"7",
    b"null",
    b'{"id":',
    b"{}" + b"x",
    _with(b'"x"', _nested(65)),
    _nested(1_000),
    b"[" * 100_000,
    _with(b'"x"', b"1" * 5_000),
    _with(b'"x"', b"-" + b"1" * 21),
    _with(b'"actor"', b'"http://evil.test/u/mallory"'),
    _with(b'"x"', b"NaN"),
    _with(b'"x"', b"Infinity"),
    _with(b'"x"', b"1e999"),
    _with(b'"x"', b'"\\ud800"'),
    _with(b'"x"', b'"\\u0000"'),
    _with(b'"x"', b'"\xff"'),
    b"\xef\xbb\xbf" + _with(b'"x"', b"1"),
    _with(b'"x"', b"1").decode().encode("utf-16"),
    _with(b'"x"', b"{" + b",".join(b'"%d":1' % n for n in range(10_001)) + b"}"),
    _with(b'"x"', b'"' + b"a" * (256 * 1024 + 1) + b'"'),
]


async def test_sec_J5_bodies_that_are_no_sane_json_are_refused_and_the_next_passes(
    alder: Node, good: Peer, ann: Person
) -> None:
    for body in NOT_JSON:
        answer = await post(alder, body, ann)
        assert answer.status == 400, body[:60]
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert b"Traceback" not in answer.body
    assert await _count(alder) == 0
    assert good.fetched == []  # nothing was looked up for them
    deep = _with(b'"x"', _nested(63))
    assert (await post(alder, deep, ann)).status == 202


HALF: list[Document] = [
    {"id": None},
    {"id": 7},
    {"id": ["http://good.test/1"]},
    {"id": "http://good.test/" + "a" * 10_000},
    {"id": "http://evil.test/1"},
    {"id": "not an address"},
    {"type": None},
    {"type": 7},
    {"type": ["Like", "Block"]},
    {"type": {"id": "Like"}},
    {"actor": None},
    {"actor": ["http://good.test/u/ann", "http://good.test/u/bob"]},
    {"to": [f"http://good.test/{n}" for n in range(1_001)]},
]


async def test_sec_J7_an_activity_that_does_not_say_what_it_must_is_refused(
    alder: Node, good: Peer, ann: Person
) -> None:
    for odd in HALF:
        body = json.dumps({**_like(good, ann), **odd}).encode()
        assert (await post(alder, body, ann)).status == 400, str(odd)[:60]
    assert await _count(alder) == 0
    assert await good.send(alder, _like(good, ann), ann) == 202


async def test_sec_J7_odd_objects_are_taken_and_left_and_the_next_passes(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    objects: list[Any] = [
        None, 7, True, "", "not an address", [], [[]], [7, 8], {}, {"id": 7}, {"type": ["Note"]},
        {"id": f"{good.origin}/1", "type": None}, {"id": f"{good.origin}/1", "type": "Note"},
        {"type": "Undo", "object": {"type": "Undo"}}, "http://evil.test/1",
    ]  # fmt: skip
    for kind in ("Create", "Update", "Follow", "Undo", "Announce", "Block"):
        for obj in objects:
            assert await good.send(alder, good.activity(kind, ann, obj), ann) == 202
    await settle(alder)
    async with alder.engine.connect() as conn:
        states = set((await conn.execute(sa.select(received.c.state))).scalars())
    assert states <= {"refused", "done", "new"}  # none broke a handler
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    assert await alder.post(note["id"]) is not None


ODD_NOTES: list[Document] = [
    {"published": "0000-01-01T00:00:00Z"},
    {"published": "999999-01-01T00:00:00Z"},
    {"published": "-1"},
    {"published": "2026-01-02"},
    {"published": "2026-01-02T03:04:05"},
    {"published": "0001-01-01T00:00:00+14:00"},
    {"published": 7},
    {"updated": "9999-12-31T23:59:59-14:00"},
    {"cc": [[["nested"]], {"a": 1}, 7, None]},
    {"summary": {"en": "a"}, "sensitive": "yes"},
    {"name": ["a"], "content": 7},
    {"contentMap": [], "language": []},
    {"contentMap": {"": 7}, "language": {"identifier": 7}},
    {"tag": "text", "attachment": 7},
    {"tag": [{"type": "Mention"}, {"type": "Mention", "href": 7}, 7]},
    {"url": [{"href": 7}], "context": 7},
    {"replies": "x", "likes": 7, "source": 7},
    {"language": {"identifier": "%' OR 1=1;--\\"}},
    {"__proto__": {"x": 1}, "constructor": 1, "__class__": "x", "$where": "1"},
    {"__proto__": None, "prototype": {"isAdmin": True}, "__init__": 7, "__dict__": {"a": 1}},
    {"hasOwnProperty": 1, "toString": 1, "$ne": None, "self": 1, "cls": 1, "k" * 200_000: 1},
    {"content": "<p>" * 20_000},
]


async def test_sec_J7_J9_J10_odd_members_of_a_post_do_no_harm(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    for odd in ODD_NOTES:
        note: Document = {**good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri]), **odd}
        await said(alder, good, ann, note)
        assert await last_received(alder) == ("done", ""), str(odd)[:60]
        kept = await alder.post(note["id"])
        assert kept is not None, str(odd)[:60]
        assert kept.published <= alder.clock()
        if odd is ODD_NOTES[-1]:  # so long that a person reads it first
            assert not kept.shown
            continue
        page = await alder.thread(note["id"])
        assert len(page.posts) == 1
    too_many: Document = {
        "tag": [{"type": "Mention", "href": f"{good.origin}/{n}"} for n in range(101)]
    }
    await said(alder, good, ann, {**good.note(ann, "hello", to=[PUBLIC]), **too_many})
    assert await last_received(alder) == ("refused", "Malformed")


SIGNS = "x'\"%\\;-- $1 {0} \u2028"


async def test_sec_J10_signs_of_sql_are_words(alder: Node, sleep: Group, good: Peer) -> None:
    """In a name, a handle, an inbox, a tag, a title, a language and in addresses of ours."""
    odd = good.person("odd", name=SIGNS, summary=SIGNS, inbox=f"{good.origin}/in'--;%25s")
    like = good.activity("Follow", odd, sleep.actor.uri)
    assert await good.send(alder, like, odd) == 202
    await settle(alder)
    assert (await alder.meet(odd.uri)).name == SIGNS.strip()
    bob = good.person("bob", preferredUsername=SIGNS)
    assert await good.send(alder, _like(good, bob), bob) in (202, 400, 401)
    note = good.note(
        odd,
        SIGNS,
        to=[PUBLIC, sleep.actor.uri],
        name=SIGNS,
        language={"identifier": SIGNS, "name": SIGNS},
        contentMap={SIGNS: SIGNS},
        tag=[{"type": "Hashtag", "name": f"#{SIGNS}"}, {"type": "Hashtag", "name": "#fine"}],
    )
    await said(alder, good, odd, note)
    kept = await alder.post(note["id"])
    assert kept is not None
    assert kept.title == " ".join(SIGNS.split())
    signs = quote(SIGNS, safe="")
    for path in (
        f"/tags/{signs}",
        f"/u/{signs}",
        f"/g/{signs}",
        f"/g/sleep?before={signs}",
        f"/t/{kept.thread_id}?after={signs}",
        f"/.well-known/webfinger?resource=acct:{signs}@alder.test",
        f"/g/sleep/followers?is_follower={signs}",
        f"/p/{kept.id}/replies?after={signs}",
    ):
        for accept in ("text/html", "application/activity+json"):
            assert (await alder.get(path, accept=accept)).status < 500, path
    assert (await alder.get("/tags/fine", accept="text/html")).status == 200
    nul = json.dumps({**_like(good, odd), "summary": "\0"}).encode()
    assert (await post(alder, nul, odd)).status == 400
    assert await good.send(alder, _like(good, odd), odd) == 202


async def test_sec_J9_special_keys_reach_no_object_of_ours(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    keys = ("__proto__", "constructor", "__class__", "__init__", "$where", "id_", "actor\u200b")
    for key in keys:
        body = json.dumps({**_like(good, ann), key: {"actor": "http://evil.test/u/x"}}).encode()
        assert (await post(alder, body, ann)).status == 202, key
    endless = {**_like(good, ann), "k" * (1024 * 1024 - 1024): 1}
    assert (await post(alder, json.dumps(endless).encode(), ann)).status == 400
    await settle(alder)
    async with alder.engine.connect() as conn:
        owners = set((await conn.execute(sa.select(received.c.signer_uri))).scalars())
    assert owners == {ann.uri}


IDS: list[Any] = [
    "http://good.test/" + "a" * 10_240, "http://good.test/\u0000", "http://good.test/a b",
    "HTTP://good.test/1", "http://good.test:80/1", "http://good.test./1", "//good.test/1", "/1",
    "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", "", [], {}, 0, True, "http://good.test/\u202e",
]  # fmt: skip
TYPES: list[Any] = [
    None, 7, True, [], {}, ["Create"], [["Create"]], {"@value": "Create"}, "", "create",
    "as:Create", "https://www.w3.org/ns/activitystreams#Create", "Create\u0000", "C" * 10_000,
]  # fmt: skip


async def test_sec_J7_no_odd_id_or_type_stops_the_next_one(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    for member, values in (("id", IDS), ("type", TYPES)):
        for value in values:
            for where in ("activity", "object"):
                note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
                inner = {**note, member: value} if where == "object" else note
                create = good.create(ann, inner)
                if where == "activity":
                    create[member] = value
                status = (await post(alder, json.dumps(create).encode(), ann)).status
                assert status in (202, 400), (where, value)
    await settle(alder)
    async with alder.engine.connect() as conn:
        rows = await conn.execute(sa.select(received.c.state, received.c.reason))
        assert {state for state, _ in rows} <= {"refused", "done"}
    note = good.note(ann, "the next one", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    assert await alder.post(note["id"]) is not None


async def test_sec_D2_a_body_that_is_too_long_is_not_read_to_its_end(
    alder: Node, good: Peer, ann: Person
) -> None:
    body = json.dumps(_like(good, ann)).encode()
    length = MAX_BODY - len(body)
    assert (await post(alder, body + b" " * length, ann)).status == 202
    assert (await post(alder, body + b" " * (length + 1), ann)).status == 413
    assert await _count(alder) == 1


async def test_wire_B6_other_kinds_of_content_are_415(alder: Node, good: Peer, ann: Person) -> None:
    body = json.dumps(_like(good, ann)).encode()
    for kind, status in (
        ("application/json", 415),
        ("text/plain", 415),
        ("text/html", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/activity+json; charset=utf-8", 202),
        ('application/ld+json; profile="https://www.w3.org/ns/activitystreams"', 202),
    ):
        assert (await post(alder, body, ann, content_type=kind)).status == status, kind


CONTEXTS: list[Any] = [
    "http://evil.test/context",
    "http://127.0.0.1/context",
    "data:application/json,{}",
    ["https://www.w3.org/ns/activitystreams", *(f"http://evil.test/{n}" for n in range(10))],
    {"@import": "http://evil.test/context"},
    {"@vocab": "http://evil.test/", "actor": "http://evil.test/actor"},
    None,
    [],
]


async def test_sec_J3_no_context_is_ever_fetched(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    await good.follow(alder, ann, sleep.actor.uri)
    await settle(alder)
    good.fetched.clear()
    alder.names.asked.clear()
    for context in CONTEXTS:
        note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri]) | {"@context": context}
        await said(alder, good, ann, note, **{"@context": context})
        kept = await alder.post(note["id"])
        assert kept is not None
        assert kept.author_uri == ann.uri  # read by name: no context gives `actor` another sense
    assert good.fetched == []
    assert "evil.test" not in alder.names.asked


async def test_sec_J1_nothing_hides_in_a_graph(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    """WIRE-B9."""
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    create = good.create(ann, note)
    for member in ("@graph", "@included", "@reverse", "g"):
        bare = {"@context": [create["@context"], {"g": "@graph"}], member: [create]}
        assert (await post(alder, json.dumps(bare).encode(), ann)).status == 400
        carrier = {**_like(good, ann), member: create}
        assert await good.send(alder, carrier, ann) == 202
    await settle(alder)
    assert await alder.post(note["id"]) is None
