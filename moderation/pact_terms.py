"""What two nodes agree on: a pact's document, made, read and compared out of band (MOD-5.6).

A pact has two parties, and each states its own terms: what it sends, what it takes, who answers
there and when. What flows is what one sends and the other takes. Nothing here knows a database.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from hashlib import sha256
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activitypub import jsontext, keys, proofs
from activitypub.documents import DATA_INTEGRITY
from activitypub.jsontext import Json
from activitypub.vocab import AS2, Document, text_of, uri_of
from kernel.errors import Malformed
from kernel.said import noted, said
from kernel.urls import parse_id, same_origin

MAX_WORDS: Final = 500  # letters of a contact, of hours, of a retention
MAX_LANGUAGES: Final = 50
MAX_DOCUMENT: Final = 32 * 1024  # bytes of a pact
WAITS: Final = 60  # days that an offer stands

TERMS: Final[dict[str, Json]] = {
    "hearthold": "urn:hearthold:terms:",
    **{
        name: f"hearthold:{name}"
        for name in (
            "Pact", "Freeze", "KeyChange", "Nudge", "parties", "sends", "takes", "languages",
            "dutyHours", "contact", "careContact", "retention", "guidelinesHash", "offered",
            "accepted", "from", "keyAgreement",
        )
    },
    "desk": {"@id": "hearthold:desk", "@type": "@id"},
    "guidelines": {"@id": "hearthold:guidelines", "@type": "@id"},
    "dataset": {"@id": "hearthold:dataset", "@type": "@id"},
    "peopleDataset": {"@id": "hearthold:peopleDataset", "@type": "@id"},
}  # fmt: skip
CONTEXT: Final[list[Json]] = [
    AS2, DATA_INTEGRITY, "https://w3id.org/security/multikey/v1", TERMS,
]  # fmt: skip


class Flow(StrEnum):
    """What may pass between two nodes that have a pact (MOD-5.2)."""

    ADVICE = "advice"
    LABELS = "labels"
    REPORTS = "reports"
    TAKEDOWNS = "takedowns"
    CARE = "care"
    APPEALS = "appeals"
    PEOPLE = "people"


READ: Final = frozenset({Flow.ADVICE, Flow.LABELS})
"""What stands in the dataset: who takes one of them reads it, and leaves the other."""

FLOW_WORDS: Final[Mapping[Flow, str]] = {
    Flow.ADVICE: noted("advice about other servers"),
    Flow.LABELS: noted("labels on posts"),
    Flow.REPORTS: noted("reports"),
    Flow.TAKEDOWNS: noted("requests to take something down"),
    Flow.CARE: noted("requests to look after somebody"),
    Flow.APPEALS: noted("appeals"),
    Flow.PEOPLE: noted("advice about people, by codes that only you two can read"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What an administrator decides of a pact; the rest is known of the node."""

    sends: frozenset[Flow]
    takes: frozenset[Flow]
    care: str = ""
    retention: str = ""

    def check(self) -> None:
        """Raises Malformed: words that are too long, or care with nobody to answer for it."""
        for words in (self.care, self.retention):
            if len(words) > MAX_WORDS:
                raise Malformed(said("That can have up to {limit} letters.", limit=MAX_WORDS))
        if Flow.CARE in self.takes and not self.care.strip():
            raise Malformed("Please say who here answers when somebody needs looking after.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side: its desk and that desk's Ed25519 key, and its terms once it has stated them."""

    desk: str
    key: str = field(repr=False)  # public
    sends: frozenset[Flow] = frozenset()
    takes: frozenset[Flow] = frozenset()
    name: str = ""
    contact: str = ""
    care: str = ""
    languages: tuple[str, ...] = ()
    hours: str = ""
    retention: str = ""
    guidelines: str = ""
    guidelines_hash: str = ""
    dataset: str = ""
    people: str = ""  # the dataset about people, for the other side alone
    agreement: str = ""  # its half of the key of that one (`signals.hashing`); public

    @classmethod
    def read(cls, value: Json) -> Self:
        """Raises Malformed: it names no desk, or no key that can be believed."""
        if not isinstance(value, dict):
            raise Malformed("A pact names two desks.")
        desk, key = uri_of(value.get("desk"), "desk"), text_of(value.get("publicKeyMultibase"), 64)
        parse_id(desk)
        keys.load_multibase(key)
        guidelines, dataset, people = (
            text_of(value.get(it), 2048) for it in ("guidelines", "dataset", "peopleDataset")
        )
        return cls(
            desk=desk,
            key=key,
            sends=_flows(value.get("sends")),
            takes=_flows(value.get("takes")),
            name=_words(value.get("name")),
            contact=_words(value.get("contact")),
            care=_words(value.get("careContact")),
            languages=_languages(value.get("languages")),
            hours=_words(value.get("dutyHours")),
            retention=_words(value.get("retention")),
            guidelines=guidelines if guidelines and same_origin(guidelines, desk) else "",
            guidelines_hash=text_of(value.get("guidelinesHash"), 100),
            dataset=dataset if dataset and same_origin(dataset, desk) else "",
            people=people if people and same_origin(people, desk) else "",
            agreement=text_of(value.get("keyAgreement"), 64),
        )

    def is_of(self, desk: str, key: str | None) -> bool:
        """Whether it is this desk with this key."""
        return (self.desk, self.key) == (desk, key)

    def document(self) -> Document:
        """As the pact carries it."""
        found: Document = {
            "desk": self.desk,
            "publicKeyMultibase": self.key,
            "sends": _sorted(self.sends),
            "takes": _sorted(self.takes),
            "name": self.name,
            "contact": self.contact,
            "careContact": self.care,
            "languages": list[Json](self.languages),
            "dutyHours": self.hours,
            "retention": self.retention,
            "guidelines": self.guidelines,
            "guidelinesHash": self.guidelines_hash,
            "dataset": self.dataset,
            "peopleDataset": self.people,
            "keyAgreement": self.agreement,
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A pact's document: `parties` are who offered it and who was asked, in this order."""

    uri: str
    nonce: str
    parties: tuple[Party, Party]
    offered: date
    accepted: date | None = None

    @classmethod
    def read(cls, document: Document) -> Self:
        """Raises Malformed: a part is missing, or it is on the server of neither party."""
        if document.get("type") != "Pact" or len(jsontext.dump(document)) > MAX_DOCUMENT:
            raise Malformed("That is no pact.")
        uri, parties = uri_of(document.get("id"), "id"), document.get("parties")
        if not isinstance(parties, list) or len(parties) != 2:
            raise Malformed("A pact has two parties.")
        first, second = map(Party.read, parties)
        if not same_origin(uri, first.desk) or same_origin(first.desk, second.desk):
            raise Malformed("A pact is between two servers, and on the one that offered it.")
        nonce, offered = text_of(document.get("nonce"), 64), _day(document.get("offered"))
        if len(nonce) < 16 or offered is None:
            raise Malformed("A pact has a nonce and a day.")
        return cls(
            uri=uri,
            nonce=nonce,
            parties=(first, second),
            offered=offered,
            accepted=_day(document.get("accepted")),
        )

    @classmethod
    def kept(cls, text: str) -> Self:
        """One that was kept as text."""
        return cls.read(jsontext.read(text.encode()))

    def signed(self, key: Ed25519PrivateKey, method: str, by: str, today: date) -> Document:
        """Its document, with the proof of the party `by` (FEP-8b32)."""
        said: Document = {
            "@context": CONTEXT,
            "id": self.uri,
            "type": "Pact",
            "attributedTo": by,
            "nonce": self.nonce,
            "offered": self.offered.isoformat(),
            **({"accepted": self.accepted.isoformat()} if self.accepted else {}),
            "parties": [party.document() for party in self.parties],
        }
        return proofs.add(said, key, method, midnight(today))

    def of(self, desk: str) -> Party:
        """The party of this desk. Raises Malformed: it is none."""
        for party in self.parties:
            if party.desk == desk:
                return party
        raise Malformed("That pact is between others.")

    def other(self, desk: str) -> Party:
        """The other party. Raises Malformed: `desk` is none."""
        self.of(desk)
        first, second = self.parties
        return second if first.desk == desk else first

    def with_party(self, party: Party) -> "Paper":
        """The same with the terms of one party in the place of what it says of it now."""
        first, second = self.parties
        parties = (party, second) if first.desk == party.desk else (first, party)
        return replace(self, parties=parties)

    def flows(self, sender: str) -> frozenset[Flow]:
        """What passes from the desk `sender` to the other one."""
        return self.of(sender).sends & self.other(sender).takes

    def agrees_with(self, offer: "Paper", ours: str) -> bool:
        """Whether it is the answer to `offer`: all that our side said stands, for these keys."""
        mine, theirs = self.of(ours), self.other(ours)
        asked = offer.other(ours)
        return (
            (self.uri, self.nonce, self.offered) == (offer.uri, offer.nonce, offer.offered)
            and mine == offer.of(ours)
            and theirs.is_of(asked.desk, asked.key)
            and self.accepted is not None
        )


def midnight(day: date) -> datetime:
    """The time that stands in proofs: a day is as fine as anybody needs to know."""
    return datetime.combine(day, time(), UTC)


_CONSONANTS: Final = "bdfghjklmnprstvz"
_VOWELS: Final = "aiou"
_FINGERPRINT_WORDS: Final = 5


def fingerprint(*multibases: str) -> str:
    """Five words that two people can read to each other: the same keys, the same words.

    80 bits of a hash over the keys in alphabetical order; each word is a syllable and a half.
    """
    number = int.from_bytes(sha256("\n".join(sorted(multibases)).encode()).digest()[:10], "big")
    words = []
    for _ in range(_FINGERPRINT_WORDS):
        number, word = number >> 16, _word(number & 0xFFFF)
        words.append(word)
    return " ".join(words)


def _word(bits: int) -> str:
    letters = ""
    for place in range(5):
        alphabet = _VOWELS if place % 2 else _CONSONANTS
        bits, rest = divmod(bits, len(alphabet))
        letters += alphabet[rest]
    return letters


def _sorted(flows: frozenset[Flow]) -> list[Json]:
    return [flow.value for flow in Flow if flow in flows]


def _flows(value: Json) -> frozenset[Flow]:
    """Kinds that we do not know are left out: nothing of them is sent or taken here."""
    named = value if isinstance(value, list) else []
    return frozenset(flow for flow in Flow if flow.value in named)


def _words(value: Json) -> str:
    return " ".join(text_of(value, MAX_WORDS).split())


_TAG: Final = re.compile(r"[A-Za-z0-9-]{2,20}")


def _languages(value: Json) -> tuple[str, ...]:
    named: Sequence[Json] = value if isinstance(value, list) else []
    found = [it for it in named[:MAX_LANGUAGES] if isinstance(it, str) and _TAG.fullmatch(it)]
    return tuple(dict.fromkeys(found))


def _day(value: Json) -> date | None:
    try:
        return date.fromisoformat(text_of(value, 10)) if value else None
    except ValueError:
        return None
