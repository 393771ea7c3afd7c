"""What a dataset elsewhere says, a line at a time, and where each line stands.

Plain code: what comes is read once, as our own shape or as any FIRES server writes it (MOD-3.6),
and where a line stands follows from all lines that are there, whatever the order they came in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Self
from uuid import UUID

from activitypub.jsontext import Json
from activitypub.vocab import Document, id_of, text_of, time_of, uri_of
from kernel.errors import Malformed
from kernel.schema.pacts import SignalState
from kernel.urls import same_origin
from moderation.domains import read_domain
from moderation.signals.vocabulary import (
    LABEL,
    LABELLED,
    LONGEST,
    MAX_SUMMARY,
    OBJECT,
    SAYS,
    UNSAID,
    Change,
    Policy,
)

MAX_KEY: Final = 500  # letters of what advice is about
MAX_LABELS: Final = 20
MAX_SOURCES: Final = 5  # of what is said of a post
MAX_URI: Final = 300
GRACE: Final = timedelta(days=1)  # that advice holds longer than it says: clocks differ (MOD-H9)

_KINDS: Final[Mapping[str, Change]] = {kind.value.lower(): kind for kind in Change}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One change, read. `ends` is the first day it does not count on; `place` its order."""

    uri: str
    kind: Change
    entity_kind: str
    entity_key: str
    policy: str
    labels: tuple[str, ...]
    filters: tuple[str, ...]
    summary: str
    basis: str
    confidence: float | None
    case_count: int | None
    approvals: int | None
    first_seen: date | None
    published: date | None
    ends: date
    retracts: str
    place: int
    derived_from: tuple[str, ...] = ()
    updated: datetime | None = None
    sources: tuple[str, ...] = ()

    @classmethod
    def read(cls, document: Document, dataset: str, today: date) -> Self:
        """Raises Malformed: it has its id elsewhere, or says something that we would have to guess.

        Kinds are read in any case; a Retraction may name what it takes back, or what that is
        about, or neither; a Tombstone often names nothing (MOD-3.6).
        """
        uri = uri_of(document.get("id"), "id")
        if len(uri) > MAX_URI or not same_origin(uri, dataset):
            raise Malformed("That change is on another server than its list.")
        kind = _KINDS.get(text_of(document.get("type"), 20).lower())
        if kind is None:
            raise Malformed("That is no change that we know.")
        entity_kind, entity_key = _entity(document, needed=kind in SAYS)
        published = _day(document.get("published"))
        return cls(
            uri=uri,
            kind=kind,
            entity_kind=entity_kind,
            entity_key=entity_key,
            policy=_policy(document, kind),
            labels=_texts(document.get("labels")),
            filters=_texts(document.get("recommendedFilters")),
            summary=_words(document.get("summary")) or _words(document.get("comment")),
            basis=text_of(document.get("basis"), 30),
            confidence=_share(document.get("confidence")),
            case_count=_count(document.get("caseCount")),
            approvals=_count(document.get("approvals")),
            first_seen=_day(document.get("firstSeen")),
            published=published,
            ends=_ends(document, entity_kind, kind, published, today),
            updated=time_of(document.get("updated")) if entity_kind == OBJECT else None,
            sources=_texts(document.get("sources"))[:MAX_SOURCES],
            retracts=(id_of(document.get("retracts")) or "")[:MAX_URI],
            place=_place(document, uri),
            derived_from=_texts(document.get("derivedFrom")),
        )


def _entity(document: Document, *, needed: bool) -> tuple[str, str]:
    kind = text_of(document.get("entityKind"), 20).lower()
    key = text_of(document.get("entityKey"), MAX_KEY + 1).strip()
    if not needed and not key:
        return "", ""
    if not kind or not key or len(key) > MAX_KEY:
        raise Malformed("It does not say what it is about.")
    if kind == "domain":
        if "*" in key:
            raise Malformed("A domain has no * in it.")
        key = read_domain(key.removesuffix("."))
    return kind, key


def _policy(document: Document, kind: Change) -> str:
    """Raises Malformed: it recommends something that we do not know; nothing is guessed."""
    if kind is not Change.RECOMMENDATION:
        return ""
    named = text_of(document.get("recommendedPolicy"), 20).lower()
    if named not in {*Policy}:
        raise Malformed("It recommends something that we do not know.")
    return named


def _ends(
    document: Document, entity_kind: str, kind: Change, published: date | None, today: date
) -> date:
    """No longer than it may hold; where it says nothing, 90 days from today (MOD-5.11)."""
    until = time_of(document.get("endTime"))
    if until is None:
        return today + UNSAID
    ends = until.date() + timedelta(days=until.time() > time())  # a day that has begun still counts
    said = min(published, today) if published else today  # a clock may be ahead
    longest = LABEL if entity_kind in LABELLED else LONGEST.get(kind, UNSAID)
    return min(ends, said + longest)


def _place(document: Document, uri: str) -> int:
    """Its number in a chain; else what its time-ordered id says (UUIDv7)."""
    seq = document.get("seq")
    if isinstance(seq, int) and not isinstance(seq, bool) and 0 < seq < 2**62:
        return seq
    try:
        return UUID(uri.rpartition("/")[2]).int >> 66
    except ValueError:
        when = time_of(document.get("published"))
        return int(when.timestamp() * 1000) << 14 if when else 0


def _day(value: Json) -> date | None:
    when = time_of(value)
    return when.date() if when else None


def _words(value: Json) -> str:
    return " ".join(text_of(value, 4 * MAX_SUMMARY).split())[:MAX_SUMMARY]


def _texts(value: Json) -> tuple[str, ...]:
    named = value if isinstance(value, list) else [value]
    found = (each for each in named[:MAX_LABELS] if isinstance(each, str) and each)
    return tuple(dict.fromkeys(text_of(each, MAX_URI) for each in found))


def _share(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None


def _count(value: Json) -> int | None:
    sound = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000
    return value if sound and isinstance(value, int) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Of a line only what decides where it stands.

    `chosen` is what a person made of it; where nobody did, the rule about its host says `usual`.
    """

    uri: str
    kind: Change
    entity_kind: str
    entity_key: str
    retracts: str
    place: int
    ends: date
    chosen: SignalState | None = None
    usual: SignalState = SignalState.HELD

    @property
    def about(self) -> tuple[str, str]:
        """What it is about; the key is empty where it says nothing of that."""
        return self.entity_kind, self.entity_key


def states(lines: Iterable[Standing], today: date) -> dict[str, SignalState]:
    """Where each line stands, given all lines of its source that are about the same (MOD-5.16).

    What takes lines back does so by their ids, or with all that is older about the same. It depends
    on what is there and not on when it came: any order and any repetition end alike.
    """
    known = {line.uri: line for line in lines}.values()
    says = [line for line in known if line.kind in SAYS]
    backs = [line for line in known if line.kind not in SAYS]
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    for line in says:
        place = (line.place, line.uri)
        newest[line.about] = max(place, newest.get(line.about, place))
    taken: dict[tuple[str, str], int] = {}
    for line in backs:
        if line.entity_key:
            taken[line.about] = max(line.place, taken.get(line.about, 0))
    named = {line.retracts for line in backs}
    found = {line.uri: SignalState.NOTED for line in backs}
    for line in says:
        if line.uri in named or line.place < taken.get(line.about, 0):
            found[line.uri] = SignalState.RETRACTED
        elif (line.place, line.uri) < newest[line.about]:
            found[line.uri] = SignalState.REPLACED
        elif line.ends + GRACE <= today:
            found[line.uri] = SignalState.EXPIRED
        else:
            found[line.uri] = line.chosen or line.usual
    return found
