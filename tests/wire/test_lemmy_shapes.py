"""The reader that stands for Lemmy refuses what Lemmy refuses, and takes what it sends (T2)."""

import json
from typing import Any

import pytest

from tests.peer import AS2, PUBLIC, Document
from tests.wire import lemmy
from tests.wire.lemmy import Unreadable
from tests.wire.test_dialects_we_hear import FOLDER

GROUP, MOD, BO = (
    "https://a.example/g/sleep",
    "https://a.example/desk/sleep",
    "https://b.example/u/bo",
)
POST = "https://b.example/post/5"


def _about(kind: str, obj: Any, **more: Any) -> Document:
    return {
        "@context": [AS2],
        "id": "https://a.example/a/1",
        "type": kind,
        "actor": MOD,
        "to": [PUBLIC],
        "cc": [GROUP],
        "audience": GROUP,
        "object": obj,
        **more,
    }


def _page(**more: Any) -> Document:
    return {
        "id": POST,
        "type": "Note",
        "attributedTo": BO,
        "to": [PUBLIC, GROUP],
        "cc": [],
        "name": "Waking at four",
        "content": "<p>Every night.</p>",
        "mediaType": "text/html",
        "source": {"content": "Every night.", "mediaType": "text/markdown"},
        "language": {"identifier": "en", "name": "English"},
        "attachment": [],
        "tag": [{"type": "Mention", "href": GROUP}],
        "audience": GROUP,
        "published": "2026-01-02T03:04:05Z",
        **more,
    }


LOCK = _about("Lock", POST, summary="a reason")
BLOCK = _about("Block", BO, target=GROUP, removeData=False, endTime="2026-02-01T00:00:00Z")
DELETE = _about("Delete", {"id": POST, "type": "Tombstone"}, summary="a reason")
FOLLOW = {"id": "https://b.example/f/1", "type": "Follow", "actor": BO, "object": GROUP}
LIKE = {"id": "https://b.example/l/1", "type": "Like", "actor": BO, "object": POST}

READ = [
    _about("Create", _page()),
    _about("Update", _page(updated="2026-01-03T00:00:00Z")),
    _about("Create", _page(inReplyTo=POST)),
    LOCK,
    BLOCK,
    DELETE,
    _about("Delete", POST),
    _about("Undo", LOCK),
    _about("Undo", BLOCK),
    _about("Undo", DELETE),
    _about("Add", POST, target=f"{GROUP}/featured"),
    _about("Add", BO, target=f"{GROUP}/moderators"),
    _about("Remove", BO, target=f"{GROUP}/moderators"),
    _about("Undo", FOLLOW),
    _about("Undo", LIKE),
    _about("Accept", FOLLOW),
    _about("Reject", FOLLOW),
    FOLLOW,
    LIKE,
    _about("Flag", [POST, BO], to=[GROUP], content="a reason"),
    _about("Announce", POST),
    _about("Announce", LOCK),
    _about("Announce", _about("Create", _page())),
]

DROPPED = [
    _about("Create", _page(type="Question")),  # WIRE 8.2: another way has to be found for polls
    _about("Announce", _about("Create", _page(type="Question", oneOf=[]))),
    _about("Create", _page(attributedTo=[BO])),
    _about("Create", _page(attributedTo=None)),
    _about("Create", _page(tag={"type": "Mention", "href": GROUP})),
    _about("Create", _page(attachment={"type": "Image", "url": POST})),
    _about("Create", _page(attachment=[{"type": "Video", "url": POST}])),
    _about("Create", _page(attachment=[{"type": "Image", "url": [{"href": POST}]}])),
    _about("Create", _page(language="en")),
    _about("Create", _page(source="Every night.")),
    _about("Create", _page(source={"content": "x", "mediaType": "text/bbcode"})),
    _about("Create", _page(published="yesterday")),
    _about("Create", _page(sensitive=None, mediaType="text/plain")),
    _about("Create", _page(inReplyTo=POST, content=None)),
    _about("Create", _page(), cc=None),
    _about("Announce", POST, cc=None),
    _about("Announce", _about("Announce", POST)),
    _about("Announce", FOLLOW),
    _about("Announce", [LIKE, LIKE]),
    _about("Block", BO),
    _about("Block", BO, target=GROUP, cc=None),
    _about("Lock", POST, cc=None),
    _about("Lock", {"id": POST}),
    _about("Add", POST),
    _about("Undo", _about("Add", POST, target=f"{GROUP}/featured")),
    _about("Undo", {**LIKE, "object": None}),
    _about("EmojiReact", POST),
    _about("Update", {"id": GROUP, "type": "Group"}),
    _about("Accept", {"id": POST}),
]


@pytest.mark.parametrize("document", READ, ids=lambda each: each["type"])
def test_wire_T2_what_lemmy_reads_is_read(document: Document) -> None:
    lemmy.check(document)


@pytest.mark.parametrize("document", DROPPED, ids=lambda each: each["type"])
def test_wire_T2_what_lemmy_drops_is_dropped(document: Document) -> None:
    with pytest.raises(Unreadable):
        lemmy.check(document)


def test_wire_T2_what_lemmy_sends_it_reads_itself() -> None:
    files = sorted((FOLDER / "lemmy").glob("*.json"))
    assert len(files) > 10
    for file in files:
        text = file.read_text().replace("{ROOT}", POST).replace("{FOLLOW}", FOLLOW["id"])
        lemmy.check(json.loads(text))
