"""The words that posts are labelled with: one flat list, the same on every node.

Its ids travel, its words are shown. An author picks from some of them; the others are for
moderators and for other nodes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kernel.said import noted


class Effect(StrEnum):
    """What a label does to a post where nobody chose anything else."""

    NONE = "none"
    WARN = "warn"
    FOLD = "fold"
    HOLD = "hold"  # a person looks first


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One label. `name` is how a content note says it, `about` what it means.

    `by_author`: authors may pick it. `blames` whoever wrote the post; the others say nothing bad.
    """

    id: str
    name: str
    about: str
    effect: Effect
    by_author: bool = False
    blames: bool = False


VOCABULARY: Final[Sequence[Label]] = (
    Label(
        id="self-harm-discussion",
        name=noted("self-harm"),
        about="Somebody speaks of hurting themselves, now or earlier.",
        effect=Effect.FOLD,
        by_author=True,
    ),
    Label(
        id="suicide-discussion",
        name=noted("suicide"),
        about="Somebody speaks of suicide: thoughts of their own, or somebody who died.",
        effect=Effect.FOLD,
        by_author=True,
    ),
    Label(
        id="method-detail",
        name="how harm is done",
        about="It says how, where or with how much somebody can be harmed.",
        effect=Effect.HOLD,
    ),
    Label(
        id="encouragement-of-harm",
        name="encouraging harm",
        about="It tells somebody to harm themselves or another person.",
        effect=Effect.HOLD,
    ),
    Label(
        id="eating-disorder-numbers",
        name=noted("numbers about food or weight"),
        about="It has weights, sizes, calories or amounts of food in it.",
        effect=Effect.FOLD,
        by_author=True,
    ),
    Label(
        id="trauma-detail",
        name=noted("details of violence or trauma"),
        about="It tells closely what was done to somebody.",
        effect=Effect.FOLD,
        by_author=True,
    ),
    Label(
        id="grief",
        name=noted("grief"),
        about="Somebody has lost a person, or is about to.",
        effect=Effect.FOLD,
        by_author=True,
    ),
    Label(
        id="substance-use",
        name=noted("alcohol or drugs"),
        about="Somebody speaks of drinking or taking drugs.",
        effect=Effect.FOLD,
        by_author=True,
    ),
    Label(
        id="medical-claim-unreviewed",
        name="a medical claim nobody checked",
        about="It says that something heals or harms, and nobody who knows has looked at it.",
        effect=Effect.WARN,
    ),
    Label(
        id="outdated-helpline",
        name="an old helpline",
        about="It names a helpline that may not answer any more.",
        effect=Effect.WARN,
    ),
    Label(
        id="clinically-reviewed",
        name="checked by a clinician",
        about="Somebody trained in this field has read it.",
        effect=Effect.NONE,
    ),
    Label(
        id="lived-experience",
        name="lived experience",
        about="Its author has been through it.",
        effect=Effect.NONE,
    ),
    Label(
        id="spam",
        name="spam",
        about="It sells or advertises something, or comes again and again.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="harassment",
        name="harassment",
        about="It goes at a person who did not ask for it.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="predatory-contact",
        name="unsafe contact",
        about="It tries to get somebody alone who is easy to hurt.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="impersonation",
        name="a false name",
        about="It pretends to come from another person or organisation.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="doxxing",
        name="private details of a person",
        about="It gives away who or where somebody is.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="hate-speech",
        name="hate",
        about="It puts people down for what they are.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="csam",
        name="abuse of a child",
        about="It shows the abuse of a child. It is never displayed, and goes the legal way only.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="slow-replies",
        name="answers come slowly",
        about="Answers may take a while here.",
        effect=Effect.NONE,
    ),
    Label(
        id="canary",
        name="a test",
        about="A label that tests whether labels arrive. It means nothing.",
        effect=Effect.NONE,
    ),
)
BY_ID: Final[Mapping[str, Label]] = {label.id: label for label in VOCABULARY}
FOR_AUTHORS: Final[Mapping[str, Label]] = {
    label.id: label for label in VOCABULARY if label.by_author
}


def picked(ids: Iterable[str]) -> tuple[str, ...]:
    """Those of `ids` that an author may pick, in the order of the list, each once."""
    wanted = {*ids}
    return tuple(label for label in FOR_AUTHORS if label in wanted)


def note_of(ids: Sequence[str], words: str) -> str:
    """A content note: the names of labels, then the author's own words."""
    names = [FOR_AUTHORS[label].name for label in ids if label in FOR_AUTHORS]
    return ", ".join([*names, *([own] if (own := " ".join(words.split())) else [])])


def own_words(ids: Sequence[str], note: str) -> str:
    """What a content note says beside the names of its labels."""
    names = note_of(ids, "")
    if not note.startswith(names):
        return note
    return note.removeprefix(names).removeprefix(", ")
