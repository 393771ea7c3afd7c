"""The words of advice between nodes: those of FIRES, and our own beside them (MOD-5.3).

`docs/reference/signals.md` says what each means, for whoever wants to read or write them.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from activitypub.documents import DATA_INTEGRITY
from activitypub.jsontext import Json
from activitypub.vocab import AS2
from kernel.said import noted

FIRES: Final = "https://fires.fedimod.org/context/fires.jsonld"
FILTERS: Final = "https://fires.fedimod.org/filters/"

TERMS: Final[dict[str, Json]] = {
    "hearthold": "urn:hearthold:terms:",
    "seq": "hearthold:seq",
    "head": "hearthold:head",
    "link": "hearthold:link",
    "bodyHash": "hearthold:bodyHash",
    "confidence": "hearthold:confidence",
    "basis": "hearthold:basis",
    "caseCount": "hearthold:caseCount",
    "firstSeen": "hearthold:firstSeen",
    "derivedFrom": {"@id": "hearthold:derivedFrom", "@type": "@id", "@container": "@set"},
    "approvals": "hearthold:approvals",
    "appealTo": {"@id": "hearthold:appealTo", "@type": "@id"},
    "retracts": {"@id": "hearthold:retracts", "@type": "@id"},
    "sources": {"@id": "hearthold:sources", "@type": "@id", "@container": "@set"},
}
"""Defined where they are used, so that nobody has to fetch them from anywhere (WIRE-B11)."""

CONTEXT: Final[list[Json]] = [AS2, FIRES, DATA_INTEGRITY, TERMS]
OUTCOMES_CONTEXT: Final[list[Json]] = [
    AS2,
    {
        "hearthold": TERMS["hearthold"],
        "Outcome": "hearthold:Outcome",
        "outcome": "hearthold:outcome",
    },
]

DOMAIN: Final = "domain"  # kinds of what a change is about
OBJECT: Final = "object"  # a post, by its id
RESOURCE: Final = "resource"  # a page of help, by its address
ACTOR: Final = "actor"  # somebody by their address: never kept, a list is no directory of people
ACTOR_HASH: Final = "actorhash"  # somebody by a hash that one peer can make; `actorHash` outside
LABELLED: Final = frozenset({OBJECT, RESOURCE})


class Change(StrEnum):
    """What a line of a dataset is."""

    ADVISORY = "Advisory"
    RECOMMENDATION = "Recommendation"
    RETRACTION = "Retraction"
    TOMBSTONE = "Tombstone"


SAYS: Final = frozenset({Change.ADVISORY, Change.RECOMMENDATION})
TAKES_BACK: Final = frozenset({Change.RETRACTION, Change.TOMBSTONE})


class Policy(StrEnum):
    """What a recommendation recommends, from the mildest."""

    ACCEPT = "accept"
    FILTER = "filter"
    REJECT = "reject"
    DROP = "drop"


POLICY_WORDS: Final[Mapping[str, str]] = {
    "": noted("only a note"),
    Policy.ACCEPT: noted("talk with it"),
    Policy.FILTER: noted("be careful with it"),
    Policy.REJECT: noted("do not talk with it, and let it know"),
    Policy.DROP: noted("do not talk with it, and say nothing"),
}

FILTERS_OF: Final[Mapping[Policy, tuple[str, ...]]] = {
    Policy.FILTER: (f"{FILTERS}auto-unlisted", f"{FILTERS}require-follow-requests"),
}

LONGEST: Final[Mapping[Change, timedelta]] = {  # that advice may say it holds
    Change.ADVISORY: timedelta(days=90),
    Change.RECOMMENDATION: timedelta(days=180),
}
LABEL: Final = timedelta(days=365)  # that a label of a post may hold
UNSAID: Final = timedelta(days=90)  # that it holds here where it does not say until when
MAX_SUMMARY: Final = 500  # letters
