"""The words that posts are labelled with: one flat list, the same on every node.

Its ids travel, its words are shown. An author picks from some of them, as a content note; the
others are for moderators and for other nodes (`moderation.labelling`). `docs/reference/labels.md`
is this list as a page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kernel.errors import Malformed
from kernel.said import noted
from kernel.schema.labels import Effect, Giver

LONGEST: Final = 365  # days that a label may hold (MOD-5.11)
EVERYBODY: Final = frozenset(Giver)
CANARY: Final = "canary"
CSAM: Final = "csam"
MEDICAL: Final = "medical-claim-unreviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One label. `name` is how a content note says it, `about` what it means.

    `by_author`: authors may pick it; `by` are the others who may give it. `blames` whoever wrote
    the post: such a label is shown to no reader. The others say nothing bad of anybody.
    `days`: as long as it holds here unless somebody says it again.
    """

    id: str
    name: str
    about: str
    effect: Effect
    by_author: bool = False
    by: frozenset[Giver] = EVERYBODY
    blames: bool = False
    days: int = LONGEST

    @property
    def for_readers(self) -> bool:
        """Whether readers see that somebody gave it."""
        return not self.blames and self.id != CANARY


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
        name=noted("how harm is done"),
        about="It says how, where or with how much somebody can be harmed.",
        effect=Effect.HOLD,
    ),
    Label(
        id="encouragement-of-harm",
        name=noted("encouraging harm"),
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
        id=MEDICAL,
        name=noted("a medical claim nobody checked"),
        about="It says that something heals or harms, and nobody who knows has looked at it.",
        effect=Effect.WARN,
        by_author=True,
        days=180,
    ),
    Label(
        id="outdated-helpline",
        name=noted("an old helpline"),
        about="It names a helpline that may not answer any more.",
        effect=Effect.WARN,
        days=180,
    ),
    Label(
        id="clinically-reviewed",
        name=noted("checked by a clinician"),
        about="Somebody trained in this field has read it.",
        effect=Effect.NONE,
        by=frozenset({Giver.NODE, Giver.PEER}),
    ),
    Label(
        id="lived-experience",
        name=noted("lived experience"),
        about="Its author has been through it.",
        effect=Effect.NONE,
        by=frozenset({Giver.GROUP}),
    ),
    Label(
        id="spam",
        name=noted("spam"),
        about="It sells or advertises something, or comes again and again.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="harassment",
        name=noted("harassment"),
        about="It goes at a person who did not ask for it.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="predatory-contact",
        name=noted("unsafe contact"),
        about="It tries to get somebody alone who is easy to hurt.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="impersonation",
        name=noted("a false name"),
        about="It pretends to come from another person or organisation.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="doxxing",
        name=noted("private details of a person"),
        about="It gives away who or where somebody is.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id="hate-speech",
        name=noted("hate"),
        about="It puts people down for what they are.",
        effect=Effect.HOLD,
        blames=True,
    ),
    Label(
        id=CSAM,
        name=noted("abuse of a child"),
        about="It shows the abuse of a child. It is never displayed, and goes the legal way only.",
        effect=Effect.HOLD,
        by=frozenset({Giver.PEER}),
        blames=True,
    ),
    Label(
        id="slow-replies",
        name=noted("answers come slowly"),
        about="Answers may take a while here.",
        effect=Effect.NONE,
        days=30,
    ),
    Label(
        id=CANARY,
        name=noted("a test"),
        about="A label that tests whether labels arrive. It means nothing.",
        effect=Effect.NONE,
        by=frozenset({Giver.PEER}),
    ),
)
BY_ID: Final[Mapping[str, Label]] = {label.id: label for label in VOCABULARY}
ALIASES: Final[Mapping[str, str]] = {
    "self-harm": "self-harm-discussion",  # atproto's list of label values
    "intolerant": "hate-speech",  # atproto
    "doxing": "doxxing",  # spelt so by many
    "child-sexual-abuse-material": CSAM,  # the glossary of DTSP, which IFTAS's vocabulary takes up
}
"""Words of other lists that mean the same as one of ours; what only comes near stays as it is."""

FOR_AUTHORS: Final[Mapping[str, Label]] = {
    label.id: label for label in VOCABULARY if label.by_author
}
FOR_READERS: Final[Mapping[str, Label]] = {
    label.id: label
    for label in VOCABULARY
    if label.for_readers and label.effect in (Effect.WARN, Effect.FOLD)
}
"""Those that somebody may want to see more, or less, of than others do.

A group may choose for the same ones what they do in it (MOD-5.18). What holds a post, blames
somebody or is never displayed is in no choice: a group cannot show what nobody read first.
"""
IN_GROUPS: Final = (Effect.WARN, Effect.FOLD)
"""What a group may choose: never that a label is not shown at all."""


def chosen_effects(chosen: Mapping[str, str]) -> dict[str, Effect]:
    """What labels do in a group, of a choice for each; what is usual for a label is left out.

    Raises Malformed: a choice that there is not.
    """
    found = {label: chosen[label] for label in FOR_READERS if chosen.get(label)}
    if not set(found.values()) <= {*IN_GROUPS}:
        raise Malformed("Please choose what the label does.")
    return {
        label: Effect(effect)
        for label, effect in found.items()
        if effect != FOR_READERS[label].effect
    }


def may_give(giver: Giver) -> Mapping[str, Label]:
    """The labels that such people may give a post, in the order of the list."""
    return {label.id: label for label in VOCABULARY if giver in label.by}


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
