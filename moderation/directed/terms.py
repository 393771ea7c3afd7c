"""The words of what one desk asks another: one Flag, and terms of ours beside it (MOD-5.4).

A server that reads no more than ActivityPub understands the report and ignores the rest; a request
to look after somebody would be an accusation there, so it goes to nobody but pact peers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final, Self

from activitypub.documents import DATA_INTEGRITY
from activitypub.jsontext import Json
from activitypub.vocab import AS2, Document, id_of, text_of
from kernel.clock import iso
from kernel.errors import Malformed, NotAllowed
from kernel.said import noted
from kernel.schema.directed import AskState, Category, Urgency
from moderation.pact_terms import Flow, midnight

MAX_WORDS: Final = 1_000
MAX_RULE: Final = 500
MAX_OBJECTS: Final = 10  # of one request

TERMS: Final[dict[str, Json]] = {
    "hearthold": "urn:hearthold:terms:",
    **{
        name: f"hearthold:{name}"
        for name in (
            "category", "reporterToken", "requestedAction", "urgency", "language", "version",
            "reason", "outcome",
        )
    },
    "evidence": {"@id": "hearthold:evidence", "@type": "@id", "@container": "@set"},
    "rule": "hearthold:rule",
}  # fmt: skip
CONTEXT: Final[list[Json]] = [AS2, DATA_INTEGRITY, TERMS]

FLOWS: Final[Mapping[Category, Flow]] = {
    Category.REPORT: Flow.REPORTS,
    Category.TAKEDOWN: Flow.TAKEDOWNS,
    Category.CARE: Flow.CARE,
    Category.APPEAL: Flow.APPEALS,
}


class Action(StrEnum):
    """What the other desk is asked to do."""

    REVIEW = "review"
    LIMIT = "limit"
    REMOVE = "remove"
    CONTACT = "contact-author"


class Answer(StrEnum):
    """What a desk says of a request. `SEEN` and `CLOSED` are all that is said of care."""

    SEEN = "seen"
    HELD = "held"
    REFUSED = "refused"
    CLOSED = "closed"


class Reason(StrEnum):
    """Why a desk does not take a request."""

    NOT_OURS = "not-ours"
    DUPLICATE = "duplicate"
    INSUFFICIENT = "insufficient"
    POLICY = "policy"


class Result(StrEnum):
    """What came of a request."""

    NO_ACTION = "no-action"
    LIMITED = "limited"
    REMOVED = "removed"
    SUPPORTED = "author-supported"
    WITHHELD = "withheld"
    CLOSED = "closed"  # of care: nothing else is said


KINDS: Final[Mapping[Answer, str]] = {
    Answer.SEEN: "Accept",
    Answer.HELD: "TentativeAccept",
    Answer.REFUSED: "Reject",
    Answer.CLOSED: "Update",
}
STATES: Final[Mapping[Answer, AskState]] = {
    Answer.SEEN: AskState.SEEN,
    Answer.HELD: AskState.HELD,
    Answer.REFUSED: AskState.REFUSED,
    Answer.CLOSED: AskState.CLOSED,
}
ORDER: Final = tuple(AskState)

CATEGORY_WORDS: Final[Mapping[Category, str]] = {
    Category.REPORT: noted("Please have a look at this"),
    Category.TAKEDOWN: noted("Please take this down, or limit it"),
    Category.CARE: noted("Please look after this person"),
    Category.APPEAL: noted("Please look at your advice again"),
}
ACTION_WORDS: Final[Mapping[Action, str]] = {
    Action.REVIEW: noted("look at it"),
    Action.LIMIT: noted("show it to fewer people"),
    Action.REMOVE: noted("take it down"),
    Action.CONTACT: noted("talk with whoever wrote it"),
}
URGENCY_WORDS: Final[Mapping[Urgency, str]] = {
    Urgency.NOW: noted("now"),
    Urgency.TODAY: noted("today"),
    Urgency.ROUTINE: noted("when there is time"),
}
STATE_WORDS: Final[Mapping[AskState, str]] = {
    AskState.WAITING: noted("goes out within the hour"),
    AskState.SENT: noted("sent, no answer yet"),
    AskState.UNSEEN: noted("nobody there has looked yet"),
    AskState.HELD: noted("waits there for a person"),
    AskState.SEEN: noted("they look at it"),
    AskState.REFUSED: noted("they did not take it"),
    AskState.CLOSED: noted("done"),
    AskState.TAKEN_BACK: noted("taken back"),
}
CAME_WORDS: Final[Mapping[AskState, str]] = {
    AskState.SENT: noted("waits for somebody to look"),
    AskState.HELD: noted("waits for somebody to look"),
    AskState.SEEN: noted("somebody looks at it"),
    AskState.REFUSED: noted("not taken"),
    AskState.CLOSED: noted("done"),
    AskState.TAKEN_BACK: noted("taken back by them"),
}
RESULT_WORDS: Final[Mapping[str, str]] = {
    Result.NO_ACTION: noted("nothing was needed"),
    Result.LIMITED: noted("fewer people see it"),
    Result.REMOVED: noted("it was taken down"),
    Result.SUPPORTED: noted("whoever wrote it was helped"),
    Result.WITHHELD: noted("nothing is said about what came of it"),
    Result.CLOSED: noted("what could be done is done"),
}
REASON_WORDS: Final[Mapping[str, str]] = {
    Reason.NOT_OURS: noted("it is not at that place"),
    Reason.DUPLICATE: noted("it was asked before"),
    Reason.INSUFFICIENT: noted("more has to be said about it"),
    Reason.POLICY: noted("such things are not taken now"),
    "no-route": noted("there was no safe way to send it any more"),
    "gone": noted("its author took it back before it was sent"),
}


class Refused(NotAllowed):
    """There is no safe way to ask that desk for this; the detail says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. `objects`: the post first and the person last; of care the post alone."""

    category: Category
    objects: tuple[str, ...]
    urgency: Urgency = Urgency.ROUTINE
    action: Action = Action.REVIEW
    rule: str = ""
    language: str = ""
    until: date | None = None
    words: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def document(self, uri: str, desk: str, to: str, *, version: int = 0) -> Document:
        """The Flag without its proof: the same bytes whoever reported (MOD-5.13, MOD-5.14)."""
        objects = list[Json](self.objects)
        made: Document = {
            "@context": CONTEXT,
            "id": uri,
            "type": "Flag",
            "actor": desk,
            "to": [to],
            "object": objects if self.category is not Category.CARE else objects[0],
            "category": self.category.value,
            "urgency": self.urgency.value,
        }
        if self.category is not Category.CARE:
            made |= {
                "evidence": objects[:1],
                "requestedAction": self.action.value,
                "summary": self.words,
                "content": self.words,
            }
        extra: Document = {"rule": self.rule, "reporterToken": self.token}
        if self.category is Category.CARE:
            extra = {"language": self.language}
        extra["version"] = version
        made |= {name: value for name, value in extra.items() if value}
        if self.until is not None:
            made["endTime"] = iso(midnight(self.until))
        return made

    @classmethod
    def read(cls, document: Document) -> Self:
        """Raises Malformed: it names nothing, or asks for nothing that there is.

        Of care nothing is read but the one post, the urgency and the language, whatever else came.
        """
        try:
            category = Category(text_of(document.get("category"), 20))
        except ValueError as error:
            raise Malformed("It asks for nothing that we know.") from error
        value = document.get("object")
        several: Sequence[Json] = value if isinstance(value, list) else [value]
        objects = tuple(uri for it in several[:MAX_OBJECTS] if (uri := id_of(it)) is not None)
        if not objects:
            raise Malformed("It does not say what it is about.")
        urgency = _urgency(document.get("urgency"))
        if category is Category.CARE:
            if len(objects) != 1:
                raise Malformed("A request for care names one post, and nobody.")
            language = text_of(document.get("language"), 20)
            return cls(category=category, objects=objects, urgency=urgency, language=language)
        return cls(
            category=category,
            objects=objects,
            urgency=urgency,
            action=_action(document.get("requestedAction")),
            rule=" ".join(text_of(document.get("rule"), MAX_RULE).split()),
            words=text_of(document.get("content") or document.get("summary"), MAX_WORDS).strip(),
            token=text_of(document.get("reporterToken"), 64),
        )


def _urgency(value: Json) -> Urgency:
    """What we do not know is no hurry."""
    found = text_of(value, 20)
    return Urgency(found) if found in {*Urgency} else Urgency.ROUTINE


def _action(value: Json) -> Action:
    found = text_of(value, 20)
    return Action(found) if found in {*Action} else Action.REVIEW
