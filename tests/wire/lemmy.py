"""What Lemmy 0.19 and 1.0 read, member by member: `check` raises where they drop it, or part (T2).

Lemmy reads into fixed shapes: a member that is missing, or of another kind than it expects, makes
the whole document unreadable. A shape here maps each member to how it is read; a name that ends in
`?` may be missing or null. Members that no shape names are never looked at there.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.peer import Document

Reader = Callable[[Any], None]
Shape = Mapping[str, Reader]

POSTS = frozenset({"Page", "Article", "Note", "Video", "Event"})  # no Question (WIRE 8.2)
PEOPLE = frozenset({"Person", "Service", "Organization"})  # an Application cannot speak there
MEDIA = frozenset({"text/html", "text/markdown"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Unreadable(AssertionError):
    """Lemmy would drop the document."""


def _need(fine: object, what: object) -> None:
    if not fine:
        raise Unreadable(str(what)[:200])


def text(value: Any) -> None:
    _need(isinstance(value, str), value)


def flag(value: Any) -> None:
    _need(isinstance(value, bool), value)


def number(value: Any) -> None:
    _need(isinstance(value, int) and not isinstance(value, bool), value)


def url(value: Any) -> None:
    _need(isinstance(value, str) and re.fullmatch(r"https?://[^/\s]+\S*", value), value)


def time(value: Any) -> None:
    _need(isinstance(value, str) and _TIME.fullmatch(value), value)


def urls(value: Any) -> None:
    """One address or a list of them."""
    for each in value if isinstance(value, list) else [value]:
        url(each)


def one_of(*words: str) -> Reader:
    return lambda value: _need(value in words, value)


def listed(item: Reader) -> Reader:
    """A list, even with one item in it (WIRE-B4)."""

    def read(value: Any) -> None:
        _need(isinstance(value, list), value)
        for each in value:
            item(each)

    return read


def shaped(shape: Shape) -> Reader:
    return lambda value: read(value, shape)


def either(first: Reader, second: Reader) -> Reader:
    """An id, or the thing itself."""

    def read_one(value: Any) -> None:
        (first if isinstance(value, str) else second)(value)

    return read_one


def read(document: Any, shape: Shape) -> None:
    """Raises Unreadable: the document has not this shape."""
    _need(isinstance(document, dict), document)
    for name, reader in shape.items():
        key = name.rstrip("?")
        value = document.get(key)
        if value is None:
            _need(name.endswith("?"), f"{document.get('type')} without {key}")
            continue
        try:
            reader(value)
        except Unreadable as error:
            raise Unreadable(f"{document.get('type')}.{key}: {error}") from None


SOURCE: Shape = {"content": text, "mediaType": one_of("text/markdown")}
LANGUAGE: Shape = {"identifier": text, "name": text}
KEY: Shape = {"id": url, "owner": url, "publicKeyPem": text}
IMAGE: Shape = {"type": one_of("Image"), "url": url}

ACTOR: Shape = {
    "id": url,
    "preferredUsername": text,
    "inbox": url,
    "outbox": url,
    "publicKey": shaped(KEY),
    "name?": text,
    "summary?": text,
    "source?": shaped(SOURCE),
    "icon?": shaped(IMAGE),
    "image?": shaped(IMAGE),
    "endpoints?": shaped({"sharedInbox": url}),
    "published?": time,
    "updated?": time,
}
GROUP: Shape = {
    **ACTOR,
    "type": one_of("Group"),
    "followers?": url,
    "sensitive?": flag,
    "attributedTo?": url,
    "postingRestrictedToMods?": flag,
    "featured?": url,
    "language?": listed(shaped(LANGUAGE)),
    "manuallyApprovesFollowers?": flag,
    "discoverable?": flag,
}
PERSON: Shape = {**ACTOR, "type": one_of(*PEOPLE), "matrixUserId?": text}
SITE: Shape = {**ACTOR, "type": one_of("Application"), "name": text, "published": time}


def attachment(value: Any) -> None:
    """Link, Image or Document with one address; anything else voids the post (WIRE-P11)."""
    _need(isinstance(value, dict), value)
    kind = value.get("type")
    if kind == "Link":
        read(value, {"href": url, "mediaType?": text})
    else:
        _need(kind in ("Image", "Document"), value)
        read(value, {"url": url, "name?": text, "mediaType?": text})


SAID: Shape = {
    "id": url,
    "attributedTo": url,
    "cc?": urls,
    "mediaType?": one_of(*MEDIA),
    "source?": shaped(SOURCE),
    "published?": time,
    "updated?": time,
    "language?": shaped(LANGUAGE),
    "audience?": url,
    "context?": text,
    "attachment?": listed(attachment),
    "tag?": listed(shaped({"type": text})),
}
PAGE: Shape = {
    **SAID,
    "type": one_of(*POSTS),
    "to?": urls,
    "name?": text,
    "content?": text,
    "sensitive?": flag,
    "image?": shaped(IMAGE),
}
COMMENT: Shape = {
    **SAID,
    "type": one_of("Note"),
    "to": urls,
    "content": text,
    "inReplyTo": url,
    "distinguished?": flag,
}


def said(document: Any) -> None:
    """A post or a comment, told apart by `inReplyTo`."""
    _need(isinstance(document, dict), document)
    read(document, PAGE if document.get("inReplyTo") is None else COMMENT)


BARE: Shape = {"id": url, "type": text, "actor": url, "audience?": url}
ADDRESSED: Shape = {**BARE, "to": urls, "cc": urls}
FOLLOW: Shape = {**BARE, "type": one_of("Follow"), "object": url}
VOTE: Shape = {**BARE, "type": one_of("Like", "Dislike"), "object": url}
LOCK: Shape = {**ADDRESSED, "type": one_of("Lock"), "object": url, "summary?": text}
BLOCK: Shape = {
    **ADDRESSED,
    "type": one_of("Block"),
    "object": url,
    "target": url,
    "removeData?": flag,
    "summary?": text,
    "endTime?": time,
}
DELETE: Shape = {
    **BARE,
    "type": one_of("Delete"),
    "to": urls,
    "cc?": urls,
    "object": either(url, shaped({"id": url, "type": one_of("Tombstone")})),
    "summary?": text,
    "removeData?": flag,
    "withReplies?": flag,
}
COLLECTED: Shape = {**ADDRESSED, "object": url, "target": url}
FLAG: Shape = {**BARE, "to": urls, "object": urls, "summary?": text, "content?": text}
ANSWER: Shape = {**BARE, "object": either(url, shaped(FOLLOW))}

_TAKEN_BACK: dict[str, Shape] = {
    "Follow": FOLLOW,
    "Like": VOTE,
    "Dislike": VOTE,
    "Lock": LOCK,
    "Block": BLOCK,
    "Delete": DELETE,
}
_SHAPES: dict[str, Shape] = {
    **_TAKEN_BACK,
    "Accept": ANSWER,
    "Reject": ANSWER,
    "Add": COLLECTED,
    "Remove": COLLECTED,
    "Flag": FLAG,
}


def activity(document: Document) -> None:
    """Raises Unreadable: no shape that Lemmy knows."""
    kind = document.get("type")
    if kind in ("Create", "Update"):
        _created(document)
    elif kind == "Undo":
        _undone(document)
    elif kind == "Announce":
        _announced(document)
    else:
        _need(kind in _SHAPES, kind)
        read(document, _SHAPES[str(kind)])


def _created(document: Document) -> None:
    obj = document.get("object")
    group = isinstance(obj, dict) and obj.get("type") == "Group"
    read(document, {**ADDRESSED, "object": shaped(GROUP) if group else said})


def _undone(document: Document) -> None:
    obj = document.get("object")
    if isinstance(obj, str):
        read(document, {**BARE, "object": url})
        return
    kind = obj.get("type") if isinstance(obj, dict) else None
    _need(kind in _TAKEN_BACK, kind)
    addressed = kind in ("Lock", "Block")
    shape = shaped(_TAKEN_BACK[str(kind)])
    read(document, {**(ADDRESSED if addressed else BARE), "object": shape})


def _announced(document: Document) -> None:
    """A group passes an id on, or an activity; of a boost taken back Lemmy knows nothing."""
    read(document, {**ADDRESSED, "object": either(url, shaped({"id": url, "actor": url}))})
    inner = document["object"]
    if isinstance(inner, dict):
        _need(inner.get("type") not in ("Announce", "Follow", "Accept", "Reject"), inner)
        activity(inner)


def _collection(document: Document) -> None:
    """Followers without names, moderators, an outbox of Announces, featured posts (WIRE-A24)."""
    name = document["id"].rsplit("/", 1)[-1]
    if name == "followers":
        read(document, {"totalItems": number, "items": lambda items: _need(items == [], items)})
    elif name == "outbox":
        read(document, {"totalItems": number, "orderedItems": listed(activity)})
    elif name == "featured":
        read(document, {"totalItems": number, "orderedItems": listed(said)})
    elif name == "moderators":
        read(document, {"orderedItems": listed(url)})


def check(document: Document) -> None:
    """Any document that we serve or send. Raises Unreadable: Lemmy would drop it."""
    kind = document.get("type")
    if kind == "Group":
        read(document, GROUP)
    elif kind in PEOPLE:
        read(document, PERSON)
    elif kind == "Application":
        read(document, SITE)
    elif kind in ("Collection", "OrderedCollection"):
        _collection(document)
    elif kind in (*POSTS, "Question"):
        said(document)
    elif kind == "Tombstone":
        read(document, {"id": url})
    elif kind not in ("CollectionPage", "OrderedCollectionPage"):
        activity(document)
