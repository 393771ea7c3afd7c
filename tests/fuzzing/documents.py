"""Documents that nobody sends, and some that somebody might.

Half are made from nothing, half are documents of the conformance kit with something changed.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from activitypub.notes import NOTE_TYPES
from activitypub.vocab import PUBLIC, ActivityKind
from kernel.schema.actors import ActorKind

DIALECTS = Path(__file__).parent.parent / "wire" / "dialects"
ALDER, GOOD = "http://alder.test", "http://good.test"
ANN, CLUB = f"{GOOD}/u/ann", f"{GOOD}/c/club"
GROUP, ROOT = f"{ALDER}/g/sleep", f"{GOOD}/notes/root"
SHOWN = [f"{GOOD}/f/{n}" for n in range(3)]
"""Addresses at which the good server shows what a trial says."""

IDS = [
    *SHOWN, ANN, CLUB, GROUP, ROOT, f"{GROUP}/followers", f"{ALDER}/u/kay", f"{ALDER}/desk/sleep",
    f"{ALDER}/", f"{ALDER}/p/1", f"{ALDER}/a/1", f"{CLUB}/moderators", f"{GOOD}/nothing",
    PUBLIC, "as:Public", "Public", "", "http://[", "http://good.test:0/", "https://good.test/u/ann",
    "http://GOOD.test/u/ann", "acct:ann@good.test", "http://evil.test/1", "data:,x", "x" * 3000,
]  # fmt: skip
TYPES = [*ActivityKind, *NOTE_TYPES, *ActorKind, "Tombstone", "Collection", "OrderedCollection",
         "Link", "Mention", "Hashtag", "Flag", "Move", "Arrive", "", "like"]  # fmt: skip
TIMES = ["2026-01-02T03:04:05Z", "2026-02-30T00:00:00Z", "0000-00-00", "99999-01-01T00:00:00Z",
         "1969-12-31T23:59:59.999999999+14:00", "now", "2026-01-02T03:04:05"]  # fmt: skip
WORDS = ["", "<p>Hello.</p>", "<p>" * 50, "&#0;&lt;script>", "@sleep@alder.test", "\u202e", "'; --",
         "{{7*7}}", "%s", "w" * 70_000]  # fmt: skip

ABOUT_ACTORS = (
    "name", "summary", "url", "endpoints", "sharedInbox", "followers", "icon", "attributedTo",
    "moderators", "assertionMethod", "generator", "alsoKnownAs", "movedTo", "published",
    "attachment",
)  # fmt: skip

Json = Any


def _scalars() -> st.SearchStrategy[Json]:
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=40),
        st.sampled_from(IDS),
        st.sampled_from(TYPES).map(str),
        st.sampled_from(TIMES),
        st.sampled_from(WORDS),
    )


ids = st.sampled_from(IDS)
audiences = st.one_of(
    st.just([PUBLIC]), st.just([PUBLIC, GROUP]), ids, st.lists(ids, max_size=4)
)  # fmt: skip
anything: st.SearchStrategy[Json] = st.recursive(
    _scalars(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(["id", "type", "object"]), st.text(max_size=8)),
                        inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip


def _or_anything(likely: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Mostly what it should be."""
    return st.one_of(likely, likely, likely, anything)


words, times = st.sampled_from(WORDS), st.sampled_from(TIMES)
tags = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["Mention", "Hashtag", "Emoji", "Link"])},
        optional={"href": _or_anything(ids), "name": _or_anything(words), "icon": anything},
    ),
    max_size=4,
)
posts: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "@context": st.just(["https://www.w3.org/ns/activitystreams"]),
        "id": _or_anything(ids),
        "type": _or_anything(st.sampled_from(sorted(NOTE_TYPES))),
        "attributedTo": _or_anything(st.sampled_from([ANN, CLUB])),
        "to": _or_anything(audiences),
        "content": _or_anything(words),
    },
    optional={
        "cc": audiences,
        "audience": _or_anything(ids),
        "name": _or_anything(words),
        "summary": _or_anything(words),
        "inReplyTo": _or_anything(ids),
        "context": _or_anything(ids),
        "published": _or_anything(times),
        "updated": _or_anything(times),
        "sensitive": anything,
        "contentMap": _or_anything(st.dictionaries(st.text(max_size=5), words, max_size=2)),
        "language": anything,
        "source": anything,
        "url": _or_anything(ids),
        "tag": _or_anything(tags),
        "attachment": _or_anything(st.lists(anything, max_size=3)),
        "oneOf": anything,
        "endTime": _or_anything(times),
        "startTime": _or_anything(times),
        "location": anything,
        "replies": anything,
        "interactionPolicy": anything,
    },
)
actors: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "@context": st.just(["https://www.w3.org/ns/activitystreams"]),
        "id": _or_anything(st.sampled_from(SHOWN)),
        "type": _or_anything(st.sampled_from(sorted(map(str, ActorKind)))),
        "preferredUsername": _or_anything(st.sampled_from(["ann", "x" * 600, "a@b"])),
        "inbox": _or_anything(ids),
        "publicKey": _or_anything(
            st.fixed_dictionaries({"id": ids, "owner": ids, "publicKeyPem": anything})
        ),
    },
    optional=dict.fromkeys(ABOUT_ACTORS, anything),
)  # fmt: skip
pages: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "@context": st.just(["https://www.w3.org/ns/activitystreams"]),
        "id": _or_anything(st.sampled_from(SHOWN)),
        "type": st.sampled_from(["Collection", "OrderedCollection", "OrderedCollectionPage"]),
    },
    optional={
        "orderedItems": _or_anything(st.lists(ids, max_size=4)),
        "items": _or_anything(st.lists(ids, max_size=4)),
        "first": _or_anything(ids),
        "next": _or_anything(ids),
        "partOf": _or_anything(ids),
    },
)


def _activities(obj: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {
            "@context": st.just(["https://www.w3.org/ns/activitystreams"]),
            "id": _or_anything(st.integers(0, 10**9).map(lambda n: f"{GOOD}/fuzz/{n}")),
            "type": _or_anything(st.sampled_from(sorted(map(str, ActivityKind)))),
            "actor": _or_anything(st.sampled_from([ANN, CLUB])),
            "object": obj,
        },
        optional={
            "to": _or_anything(audiences),
            "cc": _or_anything(audiences),
            "audience": _or_anything(ids),
            "target": _or_anything(ids),
            "context": _or_anything(ids),
            "summary": _or_anything(words),
            "content": anything,
            "published": _or_anything(times),
            "endTime": _or_anything(times),
            "proof": anything,
            "signature": anything,
        },
    )


_inner = _activities(st.one_of(ids, posts, anything))
activities = _activities(st.one_of(ids, posts, actors, _inner, st.lists(_inner, max_size=3)))


@cache
def dialects() -> Sequence[Json]:
    """Every document of the conformance kit, as if Ann or her club had sent it."""
    found = []
    for folder in sorted(DIALECTS.iterdir()):
        texts = {file.stem: file.read_text() for file in sorted(folder.glob("*.json"))}
        names = {json.loads(texts["actor"])["id"]: ANN}
        if "group" in texts:
            names[json.loads(texts["group"])["id"]] = CLUB
        for stem, text in texts.items():
            if stem not in ("actor", "group"):
                for theirs, ours in names.items():
                    text = text.replace(json.dumps(theirs), json.dumps(ours))
                text = text.replace(
                    f"http://{'gts' if folder.name == 'gotosocial' else folder.name}.test", GOOD
                )
                found.append(json.loads(text.replace("{ROOT}", ROOT).replace("{FOLLOW}", SHOWN[0])))
    return found


def _places(value: Json) -> list[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    here: list[tuple[Any, Any]]
    if isinstance(value, dict):
        here = [(value, key) for key in value]
    elif isinstance(value, list):
        here = [(value, key) for key in range(len(value))]
    else:
        return []
    return here + [place for container, key in here for place in _places(container[key])]


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    """A document of the kit with up to four changes."""
    document = copy.deepcopy(
        draw(st.sampled_from(range(len(dialects()))).map(dialects().__getitem__))
    )
    for _ in range(draw(st.integers(0, 4))):
        places = _places(document)
        if not places:
            break
        container, key = places[draw(st.integers(0, len(places) - 1))]
        how = draw(st.sampled_from(["anything", "list", "twice", "drop", "id"]))
        if how == "drop" and isinstance(container, dict):
            del container[key]
        elif how == "list":
            container[key] = [container[key]]
        elif how == "twice":
            container[key] = [container[key], container[key]]
        elif how == "id":
            container[key] = draw(ids)
        else:
            container[key] = draw(anything)
    return document


broken = st.one_of(
    st.text(max_size=200),
    st.tuples(mutated(), st.integers(1, 300)).map(lambda found: json.dumps(found[0])[: -found[1]]),
)
"""Bodies that are no document, or only half of one."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is sent, text as it is, and what the good server shows meanwhile."""

    sent: Json
    shown: Sequence[Json]


def _named(shown: list[Json]) -> list[Json]:
    """Most of them say the id at which they stand."""
    return [
        {**each, "id": SHOWN[n]} if isinstance(each, dict) and "content" in each else each
        for n, each in enumerate(shown)
    ]


trials = st.builds(
    Trial,
    st.one_of(activities, mutated(), activities, mutated(), broken),
    st.lists(st.one_of(posts, actors, pages, activities, anything), max_size=3).map(_named),
)
