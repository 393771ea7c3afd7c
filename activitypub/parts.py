"""What a post brings along beside its words, read once at the edge (WIRE 8).

As in `activitypub.vocab`: no HTTP, no database. Lists have an end; what stands in them and cannot
be read is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from activitypub import blurhash
from activitypub.jsontext import Json
from activitypub.vocab import AS2, MAX_NAME, Document, id_of, link_of, text_of, time_of
from kernel import hashtags
from kernel.errors import Malformed
from kernel.schema.posts import AttachmentKind

MAX_TAGS = 100
MAX_ATTACHMENTS = 16
MAX_ALT = 1500
MAX_OPTIONS = 500
MAX_OPTIONS_SHOWN = 10
MAX_OPTION = 200
MAX_PLACES = 5
_MOST = 2**31 - 1

_KINDS = {
    "Image": AttachmentKind.IMAGE,
    "Video": AttachmentKind.VIDEO,
    "Audio": AttachmentKind.AUDIO,
}
_QUOTE_TYPES = frozenset({
    "application/activity+json",
    f'application/ld+json; profile="{AS2}"',
})  # fmt: skip


def each(value: Json) -> Sequence[Json]:
    """A list as it is, one thing as a list of it, nothing as an empty one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def number(value: Json) -> int | None:
    """A count, never below nothing and small enough to be kept; None where it is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return min(max(value, 0), _MOST)


def web_address(value: Json) -> str | None:
    """An http(s) address in a string or a Link."""
    found = link_of(value)
    return found if found and found.startswith(("https://", "http://")) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A picture, sound, film or link that a post shows on its own server; `alt` is plain text."""

    kind: AttachmentKind
    url: str
    alt: str = ""
    media_type: str = ""
    width: int | None = None
    height: int | None = None
    blurhash: str = ""

    @classmethod
    def parse(cls, value: Json) -> Self | None:
        """None: there is nothing in it that could be shown (WIRE-P11)."""
        if not isinstance(value, dict):
            return None
        url = web_address(value.get("url")) or web_address(value.get("href"))
        if url is None:
            return None
        media_type = text_of(value.get("mediaType"), 100).lower()
        kind = _KINDS.get(text_of(value.get("type"), 20))
        for named in AttachmentKind:
            if kind is None and media_type.startswith(f"{named.value}/"):
                kind = named
        return cls(
            kind=kind or AttachmentKind.LINK,
            url=url,
            alt=_line(value.get("summary"), MAX_ALT) or _line(value.get("name"), MAX_ALT),
            media_type=media_type,
            width=number(value.get("width")),
            height=number(value.get("height")),
            blurhash=blurhash.read(text_of(value.get("blurhash"), 167)),
        )


def attachments_of(document: Document) -> tuple[Attachment, ...]:
    """The first 16, each address once (SECURITY 12); of a film also its picture."""
    found: dict[str, Attachment] = {}
    for value in _attached(document):
        if (read := Attachment.parse(value)) is not None:
            found.setdefault(read.url, read)
        if len(found) == MAX_ATTACHMENTS:
            break
    return tuple(found.values())


def _attached(document: Document) -> Iterator[Json]:
    if document.get("type") == "Image":
        yield document
    for name in ("attachment", "image"):
        for value in each(document.get(name)):
            yield {"type": "Image", "url": value} if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An answer to choose, and how many chose it."""

    name: str
    votes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A question with answers to choose from (WIRE 8.4); with `several` more than one may be."""

    options: tuple[Option, ...]
    several: bool
    ends: datetime | None
    closed: bool = False
    voters: int | None = None

    @classmethod
    def parse(cls, document: Document) -> Self | None:
        """None: it is no poll. Raises Malformed: more than 500 options (SECURITY 12)."""
        if document.get("type") != "Question":
            return None
        several = document.get("anyOf") is not None
        listed = each(document.get("anyOf" if several else "oneOf"))
        if len(listed) > MAX_OPTIONS:
            raise Malformed("It has too many answers to choose from.")
        options = [option for value in listed if (option := _option(value)) is not None]
        closed = document.get("closed")
        return cls(
            options=tuple({option.name: option for option in options}.values())[:MAX_OPTIONS_SHOWN],
            several=several,
            ends=time_of(document.get("endTime")) or time_of(closed),
            closed=closed is True or time_of(closed) is not None,
            voters=number(document.get("votersCount")),
        )


def _option(value: Json) -> Option | None:
    if not isinstance(value, dict) or not (name := _line(value.get("name"), MAX_OPTION)):
        return None
    replies = value.get("replies")
    votes = number(replies.get("totalItems")) if isinstance(replies, dict) else None
    return Option(name=name, votes=votes or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """When and where something takes place; times in UTC, `timezone` the name of one or empty."""

    starts: datetime | None
    ends: datetime | None
    timezone: str
    places: tuple[str, ...]
    called_off: bool

    @classmethod
    def parse(cls, document: Document) -> Self | None:
        """None: it is no event."""
        if document.get("type") != "Event":
            return None
        places = (_place(value) for value in each(document.get("location"))[:MAX_PLACES])
        status = text_of(document.get("eventStatus"), 100) or text_of(
            document.get("ical:status"), 100
        )
        return cls(
            starts=time_of(document.get("startTime")),
            ends=time_of(document.get("endTime")),
            timezone=text_of(document.get("timezone"), 60),
            places=tuple(place for place in places if place),
            called_off=status.upper().removeprefix("EVENT") == "CANCELLED",
        )


def _place(value: Json) -> str:
    """A place in words: its name, its address, or where it is on the web."""
    if isinstance(value, str):
        return _line(value, MAX_NAME)
    if not isinstance(value, dict):
        return ""
    address = value.get("address")
    parts = (
        [part for name, part in address.items() if name not in ("id", "type", "@type")]
        if isinstance(address, dict)
        else [address]
    )
    lines = [_line(value.get("name"), MAX_NAME), *(_line(part, MAX_NAME) for part in parts)]
    if value.get("type") == "VirtualLocation":
        lines.append(web_address(value.get("url")) or "")
    words = ", ".join(dict.fromkeys(line for line in lines if line))
    return words[:MAX_NAME]


def tags_of(document: Document) -> list[Document]:
    """The members of `tag`. Raises Malformed: more than 100 (SECURITY 12)."""
    listed = each(document.get("tag"))
    if len(listed) > MAX_TAGS:
        raise Malformed("It has too many tags.")
    return [tag for tag in listed if isinstance(tag, dict)]


def mentions_in(tags: Sequence[Document]) -> tuple[str, ...]:
    """Who is mentioned, by `href`: what the link says does not matter (WIRE-P8)."""
    found = (id_of(tag.get("href")) for tag in tags if tag.get("type") == "Mention")
    return tuple(dict.fromkeys(uri for uri in found if uri))


def hashtags_in(tags: Sequence[Document]) -> tuple[str, ...]:
    """The first 30 hashtags, folded (WIRE-P7)."""
    found = (
        hashtags.fold(text_of(tag.get("name"), 2 * hashtags.MAX_TAG))
        for tag in tags
        if tag.get("type") == "Hashtag"
    )
    return tuple(dict.fromkeys(name for name in found if name))[: hashtags.MAX_TAGS]


def quoted_in(document: Document, tags: Sequence[Document]) -> str | None:
    """The address of the post it quotes, under any of the names for that (WIRE 8.6, FEP-e232)."""
    for name in ("quote", "quoteUri", "quoteUrl", "_misskey_quote"):
        value = document.get(name)
        if found := web_address(value if isinstance(value, str) else id_of(value)):
            return found
    for tag in tags:
        if tag.get("type") == "Link" and text_of(tag.get("mediaType"), 100) in _QUOTE_TYPES:
            return web_address(tag)
    return None


def _line(value: Json, limit: int) -> str:
    """Plain words on one line."""
    return " ".join(text_of(value, limit).split())
