"""What a group's Announce carries: nothing in it is believed yet (WIRE-G14, WIRE-G15)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import proofs
from activitypub.actors import Actor
from activitypub.jsontext import Json
from activitypub.notes import Note
from activitypub.remote import Remote
from activitypub.vocab import (
    TOMBSTONE,
    Activity,
    ActivityKind,
    Document,
    id_of,
    kind_of,
    text_of,
)
from groups import posts as post_store
from kernel.errors import Malformed, NotFound

MAX_BATCH = 100
_VOTES = frozenset({ActivityKind.LIKE, ActivityKind.DISLIKE, ActivityKind.UNDO})
_COLLECTIONS = frozenset({"Collection", "OrderedCollection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """One activity to be dealt with; `note` is its post where that was read from its own server.

    `author` and `body` are set where somebody else forwarded it: the actor, and the text of it that
    is believed.
    """

    activity: Activity
    note: Note | None = None
    author: Actor | None = None
    body: str | None = None


async def unwrap(engine: AsyncEngine, remote: Remote, outer: Activity) -> Sequence[Inner]:
    """The activities inside; of a bare post a Create is made, to be proven like any other.

    More than one comes only from PieFed, which gathers votes (FEP-1a11).
    Raises Malformed: nothing that can be read. Raises: as `Remote.document`.
    """
    value = outer.document.get("object")
    if isinstance(value, dict) and value.get("type") == ActivityKind.ANNOUNCE:
        value = value.get("object")  # NodeBB wraps twice; deeper than that is read by nobody
    if (votes := _batch(value)) is not None:
        return votes
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        kind = kind_of(value)
        if kind in (ActivityKind.ANNOUNCE, TOMBSTONE):
            raise Malformed("There is nothing in it that can be passed on.")
        if kind in set(ActivityKind):
            return [Inner(activity=Activity.parse(value))]
    if (uri := id_of(value)) is None:
        raise Malformed("It names no single thing.")
    if isinstance(value, dict) and proofs.carries_one(value):
        return [Inner(activity=_create(outer, uri, Note.parse(value).author, value))]
    return [await _look_up(engine, remote, outer, uri)]


def _batch(value: Json) -> Sequence[Inner] | None:
    """The votes in a list or a collection; what is none of them is left out."""
    if isinstance(value, dict) and text_of(value.get("type"), 20) in _COLLECTIONS:
        value = value.get("orderedItems") or value.get("items")
    elif not isinstance(value, list) or len(value) < 2:
        return None
    items = value if isinstance(value, list) else []
    if len(items) > MAX_BATCH:
        raise Malformed("That is more at once than we read.")
    found = [_vote(item) for item in items if isinstance(item, dict)]
    return [Inner(activity=each) for each in found if each is not None]


def _vote(item: Document) -> Activity | None:
    try:
        activity = Activity.parse(item)
    except Malformed:
        return None
    return activity if activity.kind in _VOTES else None


async def _look_up(engine: AsyncEngine, remote: Remote, outer: Activity, uri: str) -> Inner:
    """An id alone: of a post that is known, of one to be read, or of an activity to be read."""
    async with engine.connect() as conn:
        known = await post_store.by_uri(conn, uri)
    if known is not None:
        return Inner(activity=_create(outer, uri, known.author_uri))
    if remote.here.is_local(uri):
        raise NotFound
    document = await remote.document(uri)
    if kind_of(document) in set(ActivityKind):
        return Inner(activity=Activity.parse(document))
    note = Note.parse(document)
    if note.id != uri:
        raise Malformed("That address shows another post.")
    return Inner(activity=_create(outer, uri, note.author), note=note)


def _create(outer: Activity, uri: str, author: str, embedded: Document | None = None) -> Activity:
    return Activity(
        id=uri,
        kind=ActivityKind.CREATE,
        actor=author,
        object=uri,
        embedded=embedded,
        target=None,
        recipients=outer.recipients,
        summary="",
        document=outer.document,
    )
