"""A reader as strict as the strictest servers: what it takes, everybody takes (WIRE 1, 2; T2)."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from activitypub import jsonld
from activitypub.jsontext import Json
from tests.peer import AS2, Document

LISTS = {"to", "cc", "tag", "attachment", "orderedItems", "items"}
STRINGS = {"id", "type", "attributedTo", "context", "audience", "actor", "preferredUsername"}
STRINGS |= {"inbox", "outbox", "followers", "following", "featured", "moderators", "url", "href"}
STRINGS |= {
    "name",
    "content",
    "summary",
    "mediaType",
    "origin",
    "target",
    "partOf",
    "next",
    "publicKeyPem",
}
TIMES = {"published", "updated", "endTime", "deleted"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def check(document: Document) -> None:
    """Raises AssertionError: some server would drop it."""
    context = document["@context"]
    assert isinstance(context, list), "WIRE-B1"
    assert context[0] == AS2, "WIRE-B1"
    for part in parts(document):
        for name, value in part.items():
            _check_member(part, name, value)
        if part.get("type") == "Move" and "origin" in part:  # of a thread: else NodeBB drops it
            hosts = {urlsplit(part[name]).netloc for name in ("actor", "origin", "target")}
            assert len(hosts) == 1, "WIRE-G36"
    if "object" in document or document["type"] in ("Create", "Announce"):
        assert {"id", "type", "actor", "object", "to", "cc"} <= set(document)


def _check_member(part: Document, name: str, value: Any) -> None:
    what = f"{part.get('type')}.{name} is {value!r}"
    if name in LISTS:
        assert isinstance(value, list), what
    elif name in STRINGS:
        assert isinstance(value, str), what
        assert value or name == "summary", what
    elif name in TIMES:
        assert _TIME.fullmatch(value), what
    elif name == "inReplyTo":
        assert value is None or isinstance(value, str), what
    elif name == "source":
        assert set(value) == {"content", "mediaType"}, what  # WIRE-P3
    elif name == "language":
        languages = value if part["type"] == "Group" else [value]
        assert isinstance(languages, list), what  # WIRE-A19
        assert all(set(each) == {"identifier", "name"} for each in languages), what  # WIRE-P6
    elif name == "contentMap":
        assert list(value.values()) == [part["content"]], what
    elif name == "publicKey":
        assert isinstance(value, dict), what  # WIRE-A3
        assert value["id"] == f"{part['id']}#main-key", what
        assert value["owner"] == part["id"], what
    if name in ("to", "cc"):
        assert not {"as:Public", "Public"} & set(value), what  # WIRE-B3
        assert all(isinstance(each, str) for each in value), what


def parts(value: Any) -> Iterator[Document]:
    """Every object in a document, itself first."""
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name != "@context":
                yield from parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from parts(inner)


def kind_of_object(document: Document) -> str:
    """The type of what an activity is about; empty where it is an id."""
    obj = document.get("object")
    return str(obj.get("type", "")) if isinstance(obj, dict) else ""


def unmapped(document: Document) -> set[str]:
    """The terms that stand for nothing under the document's contexts (T13)."""
    return set(_blank(jsonld.expand(document)))


def _blank(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _blank(each)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name.startswith("_:"):
                yield name
            if name in ("@type", "@id"):
                names = inner if isinstance(inner, list) else [inner]
                yield from (str(each) for each in names if str(each).startswith("_:"))
            yield from _blank(inner)
