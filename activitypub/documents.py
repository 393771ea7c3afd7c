"""The documents we send and serve: plain data in, AS2 out (WIRE 2, 3, 6, 8).

Lists are always lists and single things always strings (WIRE-B4): stricter servers drop the rest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from activitypub import care
from activitypub.actors import Actor
from activitypub.jsontext import Json
from activitypub.parts import Poll
from activitypub.permissions import Act, request_uri
from activitypub.vocab import AS2, RFC_9421, RFC_9421_ED25519, Document
from kernel import languages as names
from kernel import text
from kernel.clock import iso
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.posts import Wish
from kernel.urls import origin_of, same_origin

SECURITY = "https://w3id.org/security/v1"
DATA_INTEGRITY = "https://w3id.org/security/data-integrity/v1"
FEP_1B12 = "https://w3id.org/fep/1b12"
IMPLEMENTED: list[Json] = [  # FEP-844e; the last two say how we may be written to (WIRE-S32)
    {"name": "FEP-1b12: federated groups", "href": FEP_1B12},
    {"name": "RFC-9421: HTTP Message Signatures", "href": RFC_9421},
    {"name": "RFC-9421 signatures using the Ed25519 algorithm", "href": RFC_9421_ED25519},
]
ACTIVITY_JSON = "application/activity+json"
ONE_LINE = 150  # characters of a group's shortest description; Lemmy takes no more
FIRST_REPLIES = 5  # embedded in a post's document (WIRE-G40)

_LEMMY: dict[str, Json] = {"lemmy": "https://join-lemmy.org/ns#"}
_LANGUAGE: dict[str, Json] = {
    "sc": "http://schema.org/",
    "language": "sc:inLanguage",
    "identifier": "sc:identifier",
}


def _reference(term: str) -> Json:
    return {"@id": term, "@type": "@id"}


_POLICY: dict[str, Json] = {
    "gts": "https://gotosocial.org/ns#",
    "interactionPolicy": _reference("gts:interactionPolicy"),
    "automaticApproval": _reference("gts:automaticApproval"),
    "manualApproval": _reference("gts:manualApproval"),
}

ACTOR_CONTEXT: list[Json] = [
    AS2,
    SECURITY,
    "https://www.w3.org/ns/cid/v1",
    {
        "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
        "alsoKnownAs": _reference("as:alsoKnownAs"),
        "movedTo": _reference("as:movedTo"),
        "sensitive": "as:sensitive",
        "toot": "http://joinmastodon.org/ns#",
        "featured": _reference("toot:featured"),
        "discoverable": "toot:discoverable",
        "indexable": "toot:indexable",
        "suspended": "toot:suspended",
        **_LEMMY,
        "moderators": _reference("lemmy:moderators"),
        "postingRestrictedToMods": "lemmy:postingRestrictedToMods",
        **_LANGUAGE,
        "description": "sc:description",
        **_POLICY,
        "hidesToPublicFromUnauthedWeb": "gts:hidesToPublicFromUnauthedWeb",
        "canFeature": _reference("https://w3id.org/fep/7aa9#canFeature"),
        "webfinger": "https://purl.archive.org/socialweb/webfinger#webfinger",
        "implements": {
            "@id": "https://w3id.org/fep/844e/implements",
            "@type": "@id",
            "@container": "@list",
        },
    },
]
POST_CONTEXT: list[Json] = [
    AS2,
    SECURITY,
    {
        "sensitive": "as:sensitive",
        **_LEMMY,
        "removeData": "lemmy:removeData",
        "Lock": "lemmy:Lock",
        "commentsEnabled": "https://joinpeertube.org/ns#commentsEnabled",
        **_LANGUAGE,
        "Hashtag": "as:Hashtag",
        "toot": "http://joinmastodon.org/ns#",
        "votersCount": "toot:votersCount",
        "blurhash": "toot:blurhash",
        **_POLICY,
        "canQuote": _reference("gts:canQuote"),
    },
]
PROVEN_CONTEXT: list[Json] = [
    *POST_CONTEXT[:2],
    DATA_INTEGRITY,
    *POST_CONTEXT[2:],
    {"RsaSignature2017": "https://w3id.org/security#RsaSignature2017"},
]
"""Of what carries proofs: the terms of proofs come before our own (WIRE-B11, WIRE-S40)."""

APPROVED_CONTEXT: list[Json] = [
    *POST_CONTEXT,
    {
        name: _reference(f"gts:{name}")
        for name in ("approvedBy", "likeAuthorization", "replyAuthorization")
    },
]
"""Of what its author elsewhere had to allow (WIRE 8.7)."""
CARE_CONTEXT: list[Json] = [care.TERMS]
"""Beside the others, of what says what would help, or what a content note is about."""
REQUEST_CONTEXT: list[Json] = [*POST_CONTEXT, {act.request: f"gts:{act.request}" for act in Act}]


QUOTE_CONTEXT: list[Json] = [AS2, {"QuoteRequest": "https://w3id.org/fep/044f#QuoteRequest"}]


def actor(
    subject: Actor,
    *,
    desk_closed_posting: bool = False,
    languages: Sequence[str] = (),
    icon: "Attached | None" = None,
    was: str = "",
) -> Document:
    """The whole document of an actor of ours (WIRE 2.1-2.3).

    A group `was` at that address before it moved here.
    """
    root = subject.uri.rstrip("/")
    found: Document = {
        "@context": ACTOR_CONTEXT,
        "id": subject.uri,
        "type": subject.kind.value,
        "preferredUsername": subject.handle,
        "webfinger": subject.address.removeprefix("@"),
        "name": subject.name,
        "summary": subject.summary,
        "url": subject.url,
        "inbox": subject.inbox,
        "outbox": f"{root}/outbox",
        "followers": subject.followers_uri,
        "endpoints": {"sharedInbox": subject.shared_inbox},
        # WIRE-A11: Lemmy takes a group that says so for a private one
        "manuallyApprovesFollowers": subject.locked and subject.kind is not ActorKind.GROUP,
        # A persona may be listed, and its posts searched, only where it chose so (DOM-A5)
        "discoverable": subject.kind is ActorKind.GROUP or subject.open,
        "indexable": subject.open,
        # No persona says what else it is called; a group says where it was (WIRE-A15)
        "alsoKnownAs": [was] if was else [],
        # WIRE-A16: nobody but itself puts it into a collection that others see
        "interactionPolicy": {
            "canFeature": {"automaticApproval": [subject.uri], "manualApproval": []}
        },
        "publicKey": {
            "id": subject.key_id,
            "owner": subject.uri,
            "publicKeyPem": subject.public_key,
        },
        "generator": {
            "type": "Application",
            "name": "Hearthold",
            "implements": IMPLEMENTED,
        },
    }
    if subject.since:
        found["published"] = f"{subject.since.isoformat()}T00:00:00Z"
    if subject.source:
        found["source"] = {"content": subject.source, "mediaType": "text/markdown"}
    if subject.ed25519 and subject.ed25519_id:
        found["assertionMethod"] = [
            {
                "id": subject.ed25519_id,
                "type": "Multikey",
                "controller": subject.uri,
                "publicKeyMultibase": subject.ed25519,
            }
        ]
    if subject.state is ActorState.SUSPENDED:  # of its page there is nothing, either (MOD-5.12)
        found |= {"suspended": True, "summary": ""}
        found.pop("source", None)
    if subject.kind is ActorKind.PERSON:
        found["hidesToPublicFromUnauthedWeb"] = not subject.open
    if subject.kind is ActorKind.GROUP:
        found["following"] = f"{root}/following"
        found["featured"] = subject.featured_uri
        found["attributedTo"] = found["moderators"] = subject.moderators_uri
        found["postingRestrictedToMods"] = desk_closed_posting
        found["sensitive"] = False
        found["language"] = [_language(tag) for tag in languages]
        if subject.members_only:
            found["audience"] = subject.followers_uri
        if subject.moved_to is not None:
            found["movedTo"] = subject.moved_to
        if about := text.plain(subject.summary, ONE_LINE, first_line=True):
            found["description"] = about
    if subject.kind is ActorKind.PERSON:
        found["icon"] = _attachment(
            Attached(url=f"{root}/icon.png", media_type="image/png", alt="")
        )
    if icon is not None:
        found["icon"] = _attachment(icon)  # its words twice: Mastodon's avatar has some (WIRE-A18)
    return found


_STUB = frozenset(
    {
        "@context", "id", "type", "preferredUsername", "inbox", "endpoints", "publicKey",
        "assertionMethod",
    }
)  # fmt: skip


def proven_context(activity: Document) -> list[Json]:
    """The contexts of an activity of ours that is to carry proofs."""
    contexts = activity["@context"]
    return [*PROVEN_CONTEXT, *contexts[len(POST_CONTEXT) :]] if isinstance(contexts, list) else []


def stub(subject: Document) -> Document:
    """What everybody may read of an actor: enough to check its signatures (WIRE-A21)."""
    return {name: value for name, value in subject.items() if name in _STUB}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A picture of ours; `alt` is plain text and may be empty, sizes are pixels."""

    url: str
    media_type: str
    alt: str
    width: int | None = None
    height: int | None = None
    blurhash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSource:
    """What a post's document is made of. URIs are absolute, times UTC, `content` our own HTML."""

    uri: str
    author: Actor
    group: Actor
    context: str
    parent_uri: str | None
    parent_author: Actor | None
    title: str
    content: str
    source: str
    note: str
    sensitive: bool
    language: str
    published: datetime
    edited: datetime | None
    locked: bool
    attachments: Sequence[Attached] = ()
    replies: Sequence[tuple[int, str]] = ()  # the first of them: (id here, URI)
    replies_total: int | None = 0  # None: nothing is said of them
    mentioned: Sequence[Actor] = ()
    hashtags: Sequence[tuple[str, str]] = ()  # (folded, the address of its page)
    poll: Poll | None = None
    approval: str | None = None  # where the author of what it answers allows it
    labels: Sequence[str] = ()  # of its content note
    wish: Wish | None = None  # of a first post: what would help

    @property
    def people(self) -> list[Actor]:
        """Who is answered and who is mentioned, each once; nobody mentions themselves."""
        named = [*([self.parent_author] if self.parent_author else []), *self.mentioned]
        return list({each.uri: each for each in named if each.uri != self.author.uri}.values())

    @property
    def addressed(self) -> list[str]:
        """Their URIs."""
        return [each.uri for each in self.people]


def note(post: NoteSource) -> Document:
    """A thread's root, a reply or a poll (WIRE 8.1, WIRE-G40, WIRE-G41, WIRE-P4, WIRE-P7 to P9)."""
    content = heading(post.title) + post.content + care.closing(post.wish, post.language)
    source = post.source
    name = post.title
    if post.note:
        source = f"::: spoiler {post.note}\n{post.source}\n:::"  # WIRE-P4
        name = f"[CW: {post.note}] {post.title}"[:200] if post.title else ""
    if post.wish:
        source = f"{source}\n\n{care.line(post.wish)}"
    cc = [] if post.group.members_only else [post.group.followers_uri, *post.addressed]
    cares = care.said(post.wish, post.labels)
    context = APPROVED_CONTEXT if post.approval else POST_CONTEXT
    group = [post.group] if post.group.uri != post.author.uri else []  # nobody mentions themselves
    return {
        "@context": [*context, *CARE_CONTEXT] if cares else context,
        "id": post.uri,
        "type": "Question" if post.poll else "Note",
        **({"name": name} if name and post.parent_uri is None else {}),
        "attributedTo": post.author.uri,
        "to": [post.group.everybody, *(each.uri for each in group)],
        "cc": [uri for uri in cc if uri],
        "audience": post.group.uri,
        "context": post.context,
        "inReplyTo": post.parent_uri,
        **({"summary": post.note} if post.note else {}),
        "sensitive": post.sensitive or bool(post.note),
        **cares,
        "content": content,
        "mediaType": "text/html",
        **({"contentMap": {post.language: content}} if post.language else {}),
        **({"language": _language(post.language)} if post.language else {}),
        **({"source": {"content": source, "mediaType": "text/markdown"}} if post.source else {}),
        "published": iso(post.published),
        **({"updated": iso(post.edited)} if post.edited else {}),
        "url": post.uri,
        "attachment": [_attachment(each) for each in post.attachments],
        "tag": [
            *_tags(post, [*group, *post.people]),
            *care.tags(origin_of(post.uri), post.labels),
        ],
        **(_choices(post.poll) if post.poll else {}),
        **_replies(post),
        "commentsEnabled": not post.locked,
        "interactionPolicy": {
            "canQuote": _only(post.author),
            **({"canReply": _only(post.author)} if post.wish is Wish.NO_REPLIES else {}),
        },
        **(approved(Act.REPLY, post.approval) if post.approval else {}),
    }


def letter(uri: str, author: Actor, reader: Actor, content: str, *, published: str) -> Document:
    """A note from one actor to another, for nobody else to see: a direct message elsewhere."""
    return {
        "@context": POST_CONTEXT,
        "id": uri,
        "type": "Note",
        "attributedTo": author.uri,
        "to": [reader.uri],
        "cc": [],
        "content": content,
        "mediaType": "text/html",
        "published": published,
        "tag": [{"type": "Mention", "href": reader.uri, "name": reader.address}],
    }


def _only(author: Actor) -> Document:
    """Nobody else, and nobody need ask."""
    return {"automaticApproval": [author.uri], "manualApproval": []}


def approved(act: Act, approval: str) -> Document:
    """Where it says that an answer or a Like may be, under both names for that (WIRE 8.7)."""
    return {"approvedBy": approval, f"{act.lower()}Authorization": approval}


def request(
    act: Act, item: Document, actor_uri: str, object_uri: str, *, to: Iterable[str]
) -> Document:
    """An answer or a Like, and the question whether it may be (GoToSocial 0.20 and later)."""
    return {
        "@context": REQUEST_CONTEXT,
        "id": request_uri(str(item["id"]), act),
        "type": act.request,
        "actor": actor_uri,
        "to": list(to),
        "cc": [],
        "object": object_uri,
        "instrument": embed(item),
    }


def _replies(post: NoteSource) -> Document:
    """The replies inside their post: in the first page those on its own server (WIRE-G40).

    Mastodon takes such ids from it without asking. Where that leaves some out, the page is one
    that has no address, and all replies are behind its `next`.
    """
    if post.replies_total is None:
        return {}
    uri = f"{post.uri}/replies"
    near = [each for each in post.replies if same_origin(each[1], post.uri)]
    found = replies(uri, post.replies_total, near, page=FIRST_REPLIES)
    if len(near) < len(post.replies):
        found["first"] = {
            "type": "CollectionPage",
            "partOf": uri,
            "next": f"{uri}?after=0",
            "items": [reply for _, reply in near],
        }
    return {"replies": found}


def _tags(post: NoteSource, named: Sequence[Actor]) -> list[Json]:
    """The group, whoever is named, and hashtags (WIRE-P7 to WIRE-P9)."""
    mentions: list[Json] = [
        {"type": "Mention", "href": each.uri, "name": each.address}
        for each in {each.uri: each for each in named}.values()
    ]
    return mentions + [
        {"type": "Hashtag", "href": href, "name": f"#{tag}"} for tag, href in post.hashtags
    ]


def _choices(poll: Poll) -> Document:
    """The answers of a poll and how many chose each; nobody is named (WIRE 8.4)."""
    ends = iso(poll.ends) if poll.ends else None
    return {
        "anyOf" if poll.several else "oneOf": [
            {
                "type": "Note",
                "name": option.name,
                "replies": {"type": "Collection", "totalItems": option.votes},
            }
            for option in poll.options
        ],
        **({"endTime": ends} if ends else {}),
        **({"closed": ends} if ends and poll.closed else {}),
        "votersCount": poll.voters or 0,
    }


def vote(uri: str, voter: str, question: str, name: str, *, to: str) -> Document:
    """An answer to somebody's poll: the option's name and nothing else (WIRE 8.4)."""
    return {
        "id": uri,
        "type": "Note",
        "name": name,
        "attributedTo": voter,
        "to": [to],
        "inReplyTo": question,
    }


def _attachment(picture: Attached) -> Document:
    """Always an `Image`: Lemmy refuses posts with other kinds (WIRE-P11).

    Mastodon reads what it shows from `summary` before `name`, others from `name` alone.
    """
    found: Document = {"type": "Image", "mediaType": picture.media_type, "url": picture.url}
    if picture.alt:
        found |= {"name": picture.alt, "summary": picture.alt}
    if picture.width and picture.height:
        found |= {"width": picture.width, "height": picture.height}
    if picture.blurhash:
        found["blurhash"] = picture.blurhash
    return found


def _language(tag: str) -> Document:
    """Both members, or Lemmy cannot read the post (WIRE-P6)."""
    return {"identifier": tag, "name": names.name_of(tag)}


def heading(title: str) -> str:
    """A thread's title as its content's first paragraph: Mastodon shows no `name` (WIRE 8.2)."""
    return f"<p><strong>{escape(title)}</strong></p>" if title else ""


def replies(uri: str, total: int, first: Sequence[tuple[int, str]], *, page: int) -> Document:
    """A post's replies with their first page (WIRE-G40); a full one has `page` items."""
    return {
        "id": uri,
        "type": "Collection",
        "totalItems": total,
        "first": replies_page(uri, 0, first, page=page),
    }


def replies_page(uri: str, after: int, items: Sequence[tuple[int, str]], *, page: int) -> Document:
    """The replies that come after the post `after`; where the page is full, there may be more."""
    more = {"next": f"{uri}?after={items[-1][0]}"} if len(items) == page else {}
    return {
        "id": f"{uri}?after={after}",
        "type": "CollectionPage",
        "partOf": uri,
        **more,
        "items": [reply for _, reply in items],
    }


def tombstone(uri: str, former: str = "Note") -> Document:
    """What is gone answers with, beside 410 (WIRE-Q12): nothing about whose it was."""
    return {"@context": [AS2], "id": uri, "type": "Tombstone", "formerType": former}


def activity(
    activity_id: str,
    kind: str,
    actor_uri: str,
    obj: Json,
    *,
    to: Iterable[str],
    cc: Iterable[str] = (),
    **extra: Json,
) -> Document:
    """An activity; `extra` members (audience, target, summary, published) come along as given.

    The context is that of an embedded object, where it brings one.
    """
    return {
        "@context": obj.get("@context", POST_CONTEXT) if isinstance(obj, dict) else POST_CONTEXT,
        "id": activity_id,
        "type": kind,
        "actor": actor_uri,
        "to": list(to),
        "cc": list(cc),
        **{name: value for name, value in extra.items() if value is not None},
        "object": embed(obj),
    }


def embed(obj: Json) -> Json:
    """An object inside an activity: the outer `@context` serves for both."""
    if isinstance(obj, dict):
        return {name: value for name, value in obj.items() if name != "@context"}
    return obj


def collection(uri: str, items: Sequence[Json], *, total: int | None = None) -> Document:
    """An un-paged OrderedCollection (WIRE-A24)."""
    return {
        "@context": POST_CONTEXT,
        "id": uri,
        "type": "OrderedCollection",
        "totalItems": len(items) if total is None else total,
        "orderedItems": list(items),
    }


def hidden_collection(uri: str, total: int) -> Document:
    """Followers: a rounded count and nobody's name (WIRE-A6, WIRE-A24)."""
    return {
        "@context": [AS2],
        "id": uri,
        "type": "Collection",
        "totalItems": total,
        "items": [],
    }


def page(uri: str, part_of: str, items: Sequence[Json], *, next_uri: str | None) -> Document:
    """One page of an OrderedCollection."""
    return {
        "@context": [AS2],
        "id": uri,
        "type": "OrderedCollectionPage",
        "partOf": part_of,
        **({"next": next_uri} if next_uri else {}),
        "orderedItems": list(items),
    }
