"""Something said, as another server tells it (WIRE 8)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from activitypub import care, parts
from activitypub.jsontext import Json
from activitypub.parts import Attachment, Event, Poll
from activitypub.permissions import Act, Permission
from activitypub.vocab import (
    MAX_SUMMARY,
    PUBLIC,
    Document,
    id_of,
    kind_of,
    link_of,
    recipients_of,
    single,
    text_of,
    time_of,
    uri_of,
)
from kernel.errors import Malformed
from kernel.schema.posts import Wish
from kernel.urls import same_origin

MAX_HTML = 100 * 1024
MAX_TITLE = 200

NOTE_TYPES = frozenset({"Note", "Page", "Article", "Question", "Event", "Video", "Audio", "Image"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something said: a Note, or any other type that is shown like one (WIRE 3.8, 8).

    `content` is the sender's HTML, untouched: show `text.clean(content)`; what is in `source` is
    never read (WIRE-P3). Times are UTC.
    """

    id: str
    kind: str
    author: str
    recipients: tuple[str, ...]
    title: str
    content: str
    summary: str  # the content note
    teaser: str  # what the summary of an article is (WIRE 8.2)
    sensitive: bool
    parent: str | None
    context: str | None
    language: str
    published: datetime | None
    updated: datetime | None
    url: str | None
    mentions: tuple[str, ...]
    hashtags: tuple[str, ...]
    attachments: tuple[Attachment, ...]
    poll: Poll | None
    event: Event | None
    quoted: str | None
    answers: Permission | None  # None: everybody may answer at once
    likes: Permission | None
    wish: Wish | None = None  # what would help whoever began the thread
    labels: tuple[str, ...] = ()  # of the content note
    replies: str | None = None  # the collection of its answers, on its own server

    @classmethod
    def parse(cls, document: Document) -> Self:
        """Raises Malformed: a part is missing, or it is not on its author's server (SEC-S7)."""
        if (kind := kind_of(document)) not in NOTE_TYPES:
            raise Malformed("That is not a post.")
        note_id = uri_of(document.get("id"), "id")
        author = uri_of(single(document.get("attributedTo")), "author")
        if not same_origin(note_id, author):
            raise Malformed("A post's id is not on its author's server.")
        url = link_of(document.get("url"))
        parent = document.get("inReplyTo")
        summary = text_of(document.get("summary"), MAX_SUMMARY)
        is_warning = kind in ("Note", "Question")  # WIRE-P4
        tags = parts.tags_of(document)
        replies = id_of(document.get("replies"))
        return cls(
            id=note_id,
            kind=kind,
            author=author,
            recipients=recipients_of(document),
            title=" ".join(text_of(document.get("name"), MAX_TITLE).split()),
            content=_content(document),
            summary=summary if is_warning else "",
            teaser="" if is_warning else summary,
            sensitive=document.get("sensitive") is True,
            parent=None if parent is None else uri_of(parent, "parent"),
            context=id_of(document.get("context")),
            language=_language(document),
            published=time_of(document.get("published")),
            updated=time_of(document.get("updated")),
            url=url if url and same_origin(url, note_id) else None,  # SEC-S10
            mentions=parts.mentions_in(tags),
            hashtags=parts.hashtags_in(tags),
            attachments=parts.attachments_of(document),
            poll=Poll.parse(document),
            event=Event.parse(document),
            quoted=parts.quoted_in(document, tags),
            answers=Permission.parse(document, Act.REPLY),
            likes=Permission.parse(document, Act.LIKE),
            wish=care.wish_in(document),
            labels=care.labels_in(document),
            replies=replies if replies and same_origin(replies, note_id) else None,
        )

    @property
    def public(self) -> bool:
        return PUBLIC in self.recipients

    @property
    def may_be_vote(self) -> bool:
        """An answer that says nothing but the name of an option, to nobody else (WIRE 8.4)."""
        named = self.kind == "Note" and self.parent is not None and bool(self.title)
        return named and not self.content and not self.public


def _content(document: Document) -> str:
    """The HTML; of somebody who writes it by language only, the first (WIRE-P6)."""
    content = document.get("content")
    if content is None:
        content = next(iter(_by_language(document).values()), None)
    return text_of(content, MAX_HTML)


def _language(document: Document) -> str:
    language = document.get("language")
    if isinstance(language, dict):
        return text_of(language.get("identifier"), 35)
    return next(iter(_by_language(document)), "")[:35]


def _by_language(document: Document) -> dict[str, Json]:
    found = document.get("contentMap")
    return found if isinstance(found, dict) else {}
