"""ActivityStreams values, read once at the edge and never half right (WIRE 1, 2, 8).

Nothing here knows HTTP or the database. `parse` takes a document as it came and raises Malformed
where it does not say what it must; past it nobody asks whether a key exists.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from activitypub.jsontext import Json
from kernel.errors import Malformed
from kernel.schema.actors import ActorKind
from kernel.schema.federation import Scheme
from kernel.urls import host_of, same_origin

AS2 = "https://www.w3.org/ns/activitystreams"
PUBLIC = f"{AS2}#Public"
RFC_9421 = "https://datatracker.ietf.org/doc/html/rfc9421"
RFC_9421_ED25519 = f"{RFC_9421}#name-eddsa-using-curve-edwards25"  # as FEP-844e lists them
_YEARS = range(1900, 9000)
_PUBLIC_SPELLINGS = {PUBLIC, "as:Public", "Public"}  # WIRE-B3

MAX_RECIPIENTS = 1000
MAX_ALIASES = 256
MAX_URI = 2048
MAX_NAME = 512
MAX_HANDLE = 128
MAX_SUMMARY = 20 * 1024

Document = dict[str, Json]

_HANDLE = re.compile(r"[\w.~-]+")


class ActivityKind(StrEnum):
    """The activities we read; any other is kept for nobody and answered 202."""

    ACCEPT = "Accept"
    ADD = "Add"
    ANNOUNCE = "Announce"
    BLOCK = "Block"
    CREATE = "Create"
    DELETE = "Delete"
    DISLIKE = "Dislike"
    EMOJI_REACT = "EmojiReact"
    FLAG = "Flag"
    FOLLOW = "Follow"
    FREEZE = "Freeze"
    KEY_CHANGE = "KeyChange"
    LEAVE = "Leave"
    LIKE = "Like"
    LOCK = "Lock"
    MOVE = "Move"
    NUDGE = "Nudge"
    OFFER = "Offer"
    POLL_VOTE = "PollVote"
    QUOTE_REQUEST = "QuoteRequest"
    REJECT = "Reject"
    REMOVE = "Remove"
    TENTATIVE_ACCEPT = "TentativeAccept"
    UNDO = "Undo"
    UPDATE = "Update"


TOMBSTONE = "Tombstone"


def id_of(value: Json) -> str | None:
    """The id of a string or of an embedded object; None where there is none."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and 0 < len(value) <= MAX_URI else None


def uri_of(value: Json, what: str) -> str:
    """One id, exactly. Raises Malformed: it is missing, a list, or too long."""
    if (uri := id_of(value)) is None:
        raise Malformed(f"It names no single {what}.")
    return uri


def uris_of(value: Json) -> tuple[str, ...]:
    """The ids in a string, an object or a list of them, each once, in order; Public spelled out.

    Raises Malformed: more than 1,000 (SECURITY 12).
    """
    values = value if isinstance(value, list) else [] if value is None else [value]
    if len(values) > MAX_RECIPIENTS:
        raise Malformed("It names too many people.")
    found = (id_of(each) for each in values)
    return tuple(dict.fromkeys(PUBLIC if uri in _PUBLIC_SPELLINGS else uri for uri in found if uri))


def text_of(value: Json, limit: int) -> str:
    """A string, cut to `limit` characters; anything else is empty."""
    return value[:limit].replace("\0", "") if isinstance(value, str) else ""


def time_of(value: Json) -> datetime | None:
    """A time stamp in UTC, or None where there is none that can be read (WIRE-B12).

    Nor is one that nobody means: the ends of the calendar come back from a database as something
    that no other time compares with.
    """
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year in _YEARS else None


def kind_of(document: Document) -> str:
    """The type. Raises Malformed: it is missing or not one word."""
    kind = document.get("type")
    if not isinstance(kind, str) or not kind:
        raise Malformed("It does not say what it is.")
    return kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Something an actor did. `object` is its id, `embedded` the object where it came along."""

    id: str
    kind: str
    actor: str
    object: str | None
    embedded: Document | None
    target: str | None
    recipients: tuple[str, ...]  # to, cc and audience together
    summary: str
    document: Document

    @classmethod
    def parse(cls, document: Document) -> Self:
        """Raises Malformed: no id, type or actor, or an id away from its actor's server."""
        kind = kind_of(document)
        actor = uri_of(document.get("actor"), "actor")
        activity_id = uri_of(document.get("id"), "id")
        if not same_origin(activity_id, actor):
            raise Malformed("Its id is not on its actor's server.")
        value = document.get("object")
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        return cls(
            id=activity_id,
            kind=kind,
            actor=actor,
            object=id_of(value),
            embedded=value if isinstance(value, dict) else None,
            target=id_of(document.get("target")),
            recipients=recipients_of(document),
            summary=text_of(document.get("summary"), 5000),
            document=document,
        )

    @property
    def inner_kind(self) -> str:
        """The type of what came along; empty where nothing did, or where that is not one word."""
        return text_of(self.embedded.get("type"), MAX_NAME) if self.embedded is not None else ""

    @property
    def object_uri(self) -> str:
        """Raises Malformed: the activity names no single object."""
        return uri_of(self.object, "object")

    @property
    def public(self) -> bool:
        return PUBLIC in self.recipients

    @property
    def is_attested(self) -> bool:
        """Whether something is on it by which others may check who said it; here it is not."""
        return bool(self.document.keys() & {"proof", "signature"})


def recipients_of(document: Document) -> tuple[str, ...]:
    """Everyone in `to`, `cc` and `audience` (WIRE-Q1)."""
    found: dict[str, None] = {}
    for key in ("to", "cc", "audience"):
        found.update(dict.fromkeys(uris_of(document.get(key))))
    return tuple(found)


def single(value: Json) -> Json:
    """What there is one of: PeerTube's and Lemmy's lists of one are read.

    Of more than one it is none: what has two owners is nobody's (SEC-S7).
    """
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return value


def link_of(value: Json) -> str | None:
    """The address in a string, a Link, or the first of a list of them."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("href")
    return value if isinstance(value, str) and len(value) <= MAX_URI else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorDocument:
    """An actor as its server describes it (WIRE 2). All its addresses are on one origin."""

    id: str
    kind: ActorKind
    handle: str
    name: str
    summary: str
    url: str | None
    inbox: str
    shared_inbox: str | None
    followers: str | None
    moderators: str | None
    locked: bool
    key_id: str
    public_key: str
    ed25519: str | None
    ed25519_id: str | None = None
    wrapped: bool  # says that it reads FEP-1b12 Announces (FEP-844e)
    reads: Scheme | None = None  # the best signatures that it says its server reads (WIRE-S32)
    whole: bool = True  # not only what is needed for its key (WIRE-A21)
    featured: str | None = None
    members_only: bool = False  # a group whose posts are for its followers alone
    also_known_as: tuple[str, ...] = ()  # actors that it says it was, or is as well (WIRE-A15)

    @classmethod
    def parse(cls, document: Document) -> Self:
        """Raises Malformed: a part is missing, or the key or an address is elsewhere.

        WIRE-A1, WIRE-A3, WIRE-A5, WIRE-S21, WIRE-S23; SEC-S6, SEC-S16.
        """
        try:
            kind = ActorKind(kind_of(document))
        except ValueError as error:
            raise Malformed("That is not an actor we know.") from error
        actor_id = uri_of(document.get("id"), "id")
        handle = _handle(document.get("preferredUsername")) or host_of(actor_id)
        endpoints = document.get("endpoints")
        shared = id_of(endpoints.get("sharedInbox")) if isinstance(endpoints, dict) else None
        shared = shared or id_of(document.get("sharedInbox"))
        key = single(document.get("publicKey"))
        if not isinstance(key, dict) or id_of(key.get("owner")) != actor_id:
            raise Malformed("The actor shows no key of its own.")
        key_id = uri_of(key.get("id"), "key")
        inbox = uri_of(document.get("inbox"), "inbox")
        for part in (key_id, inbox):
            if not same_origin(part, actor_id):
                raise Malformed("The actor's key and inbox are not on its own server.")
        url = link_of(document.get("url"))
        moderators = id_of(document.get("attributedTo")) or id_of(document.get("moderators"))
        followers = id_of(document.get("followers"))
        ed25519_id, ed25519 = _ed25519(document, actor_id)
        featured = id_of(document.get("featured"))
        return cls(
            id=actor_id,
            kind=kind,
            handle=handle,
            name=" ".join(text_of(document.get("name"), MAX_NAME).split()) or handle,
            summary=text_of(document.get("summary"), MAX_SUMMARY),
            url=url if url and same_origin(url, actor_id) else None,
            inbox=inbox,
            shared_inbox=shared if shared and same_origin(shared, actor_id) else None,
            followers=followers if followers and same_origin(followers, actor_id) else None,
            moderators=moderators
            if kind is ActorKind.GROUP and moderators and same_origin(moderators, actor_id)
            else None,
            locked=document.get("manuallyApprovesFollowers") is True,
            key_id=key_id,
            public_key=text_of(key.get("publicKeyPem"), 16 * 1024),
            ed25519=ed25519,
            ed25519_id=ed25519_id,
            wrapped=_implements(document, "/1b12"),
            reads=_reads(document, has_ed25519=ed25519 is not None),
            whole="outbox" in document,
            featured=featured
            if kind is ActorKind.GROUP and featured and same_origin(featured, actor_id)
            else None,
            members_only=kind is ActorKind.GROUP
            and followers is not None
            and uris_of(document.get("audience")) == (followers,),
            also_known_as=_aliases(document.get("alsoKnownAs")),
        )


def _aliases(value: Json) -> tuple[str, ...]:
    """What an actor is also known as; one of too many names is nobody's (SECURITY 12)."""
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_ALIASES:
        return ()
    return tuple(uri for each in values if (uri := id_of(each)) is not None)


def _handle(value: Json) -> str:
    """A name that stands before an @; one that holds another reads as somebody else's (SEC-S21)."""
    name = text_of(value, MAX_HANDLE + 1)  # a part of it could be another's
    return name if len(name) <= MAX_HANDLE and _HANDLE.fullmatch(name) else ""


def _ed25519(document: Document, actor_id: str) -> tuple[str | None, str | None]:
    """Id and text of the first Ed25519 Multikey that the actor lists as its own (FEP-521a)."""
    methods = document.get("assertionMethod")
    for method in methods if isinstance(methods, list) else [methods]:
        if isinstance(method, dict) and method.get("controller") == actor_id:
            key_id, found = id_of(method), text_of(method.get("publicKeyMultibase"), 200)
            if found.startswith("z6Mk") and key_id and same_origin(key_id, actor_id):
                return key_id, found
    return None, None


def _reads(document: Document, *, has_ed25519: bool) -> Scheme | None:
    if not _implements(document, RFC_9421):
        return None
    if has_ed25519 and _implements(document, RFC_9421_ED25519):
        return Scheme.ED25519
    return Scheme.RFC9421


def _implements(document: Document, end: str) -> bool:
    generator = document.get("generator")
    features = generator.get("implements") if isinstance(generator, dict) else None
    return any(
        isinstance(feature, dict) and text_of(feature.get("href"), MAX_URI).endswith(end)
        for feature in (features if isinstance(features, list) else [])
    )
