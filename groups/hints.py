"""Small hints for whoever writes: never a rule, never kept (DOM-A10, DOM-A15, DOM-H4).

Four families. Some words hurt people who have been through it, and there are plainer ones. Some
details can lead a reader into danger. Some advice is for people who know somebody's health; what
one did oneself is not that. Some answers, however kind, close a door. The patterns look
for how something is said and name no means of harm, so that this file teaches none. They are
English; text in other languages gets no hint.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kernel.said import noted
from moderation.labels import MEDICAL


class Family(StrEnum):
    """What a hint is about."""

    WORDS = "words"
    LEAVE_OUT = "leave out"
    MEDICINE = "medicine"  # it tells others what to take, or what heals
    ANSWERS = "answers"
    NAMES = "names"  # it repeats what another name of the same member wrote (`groups/repeats.py`)


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint: the words it is about, what its author could do, and a label that would fit."""

    family: Family
    words: str
    say: str

    @property
    def label(self) -> str:
        """The id of a label that its author could choose, if there is one."""
        return MEDICAL if self.family is Family.MEDICINE else ""


MAX_HINTS: Final = 5  # that are shown at once


def find(text: str, *, answering: bool = False) -> list[Hint]:
    """Hints for a text, at most five, each once; hints about answers only for an answer."""
    found: dict[Hint, None] = {}
    for hint in _all(" ".join(text.split()).replace("’", "'"), answering=answering):
        found[hint] = None
        if len(found) == MAX_HINTS:
            break
    return list(found)


def _all(text: str, *, answering: bool) -> Iterator[Hint]:
    families = [
        Family.LEAVE_OUT,
        Family.MEDICINE,
        Family.WORDS,
        *([Family.ANSWERS] if answering else []),
    ]
    for family in families:
        for say, patterns in _PATTERNS[family]:
            for pattern in patterns:
                for match in pattern.finditer(text):
                    yield Hint(family, match[0], say)


def _any(*patterns: str) -> Sequence[re.Pattern[str]]:
    return tuple(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE) for pattern in patterns)


_HARM: Final = (
    r"(?:(?:kill|hurt|harm|cut)(?:ing|ed|s)?\s(?:myself|yourself|himself|herself|themselves)"
    r"|(?:end|ended|ending|take|took|taking)\s(?:my|his|her|their|your)\s(?:own\s)?life"
    r"|suicide|self[- ]?harm\w*|overdos\w+|attempt(?:ed|s)?)"
)
_AMOUNT: Final = (
    r"\d{1,4}(?:[.,]\d{1,2})?\s?(?:x\s)?(?:mg|milligrams?|grams?|pills?|tablets?|capsules?|ml|units"
    r"|drinks|shots|bottles?)"
)
_BODY: Final = r"\d{1,4}(?:[.,]\d)?\s?(?:kg|kilos?|lbs?|pounds?|stone|kcal|cal(?:orie)?s?)"
_EASY: Final = (
    r"(?:try|think|get|stop|relax|ignore|forget|go|be|don't|do|breathe|let\sgo|focus|move\son"
    r"|cheer)\b"
)
_NO_WISH: Final = r"(?<!hope\s)(?<!wish\s)(?<!until\s)(?<!when\s)(?<!if\s)"
_NEAR: Final = r"[^.!?\n]{0,60}"
_MEDICINE: Final = r"(?:\w+\s){0,2}(?:medicines?|medications?|meds|tablets?|pills|antidepressants?)"
_STOP: Final = r"(?:stop|quit|drop|skip|leave|come\soff|get\soff|throw\saway)\s(?:taking\s)?"
_BEGIN: Final = r"(?:^|[.!?:]\s)(?:(?:just|please|simply)\s)?"
_YOU: Final = r"you\s(?:should|could|can|must|need\sto|have\sto|ought\sto)\s(?:just\s)?"
_ILLNESS: Final = (
    r"(?:depression|anxiety|bipolar|schizophrenia|ptsd|trauma|addiction|illness(?:es)?|diseases?)"
)

_PATTERNS: Final = {
    Family.LEAVE_OUT: (
        (
            noted(
                "Please leave out how much. A number can be read as advice by somebody in a bad "
                "place."
            ),
            _any(
                rf"(?:took|take|taken|taking|swallow\w*){_NEAR}?{_AMOUNT}",
                rf"{_HARM}{_NEAR}{_AMOUNT}",
                rf"{_AMOUNT}{_NEAR}{_HARM}",
            ),
        ),
        (
            noted(
                "Please leave out weights and amounts of food. Others measure themselves by them."
            ),
            _any(
                r"(?:weigh\w*|eat|ate|eating|lost|losing|lose|gained|down to|under|restrict\w*"
                rf"|burn\w*)\s{_NEAR}?{_BODY}",
                r"bmi\s(?:(?:is|was|of|under|below)\s){1,2}\d{1,2}",
            ),
        ),
        (
            noted("Please leave out where. Knowing a place has brought others to it."),
            _any(
                rf"(?:at|from|off|to)\sthe\s(?:\w+\s){{0,3}}(?:bridge|cliffs?|station|tracks|roof"
                rf"|tower|car park){_NEAR}{_HARM}",
                rf"{_HARM}{_NEAR}\s(?:at|from|off|on)\sthe\s(?:\w+\s){{0,3}}(?:bridge|cliffs?|station"
                rf"|tracks|roof|tower|car park)",
            ),
        ),
        (
            noted(
                "Please leave out how it was done. That you were there, and how you feel, is "
                "enough."
            ),
            _any(
                rf"(?:this is|here is|here's)\s(?:exactly\s)?how\s(?:i|he|she|they|you|to)\s"
                rf"(?:can\s)?{_HARM}",
                rf"(?:died|{_HARM})\sby\s(?!suicide|himself|herself|accident|surprise|the\stime|now)"
                r"\w+ing",
                r"(?:easiest|best|quickest|painless|surest)\sway\sto\s(?:die|kill\s\w+self"
                r"|end\s(?:it|my\slife))",
            ),
        ),
        (
            noted("Please leave out what the note said. Goodbye words stay with people for long."),
            _any(
                r"(?:suicide|goodbye)\s(?:note|letter)\s(?:said|says|read|reads|went)",
                r"(?:wrote|left)\s(?:in\s)?(?:a|his|her|their|my)\s(?:suicide|goodbye)\s"
                r"(?:note|letter)\s(?:that\ssaid|saying|that\sread)",
            ),
        ),
    ),
    Family.MEDICINE: (
        (
            noted(
                "Please leave medicine to people who know the person. You can tell what you did "
                "yourself: “I …”. If you keep it, the label below lets readers know."
            ),
            _any(
                rf"(?:{_YOU}|{_BEGIN}){_STOP}(?:your|the|these|those|all)\s{_MEDICINE}",
                rf"you\s(?:do\snot|don't)\sneed\s(?:your|any|those|these|the)\s{_MEDICINE}",
                rf"(?:{_YOU}|{_BEGIN})(?:take|try)\s{_NEAR}?{_AMOUNT}",
                r"(?:double|raise|increase|halve|lower)\syour\s(?:dose|dosage|tablets|medicine)",
            ),
        ),
        (
            noted(
                "Nobody can promise that something heals. You can tell what helped you: “I …”. If "
                "you keep it, the label below lets readers know."
            ),
            _any(
                rf"(?:cures?|heals?)\s(?:(?:your|all|every|any|most)\s)?{_ILLNESS}",
                r"(?:guaranteed|natural|secret|sure|complete|miracle)\scure",
                rf"(?:healer|guru|shaman|energy\scoach)\b{_NEAR}\b(?:book|pay|paid|euros?|dollars?"
                r"|pounds|price|discount)",
            ),
        ),
    ),
    Family.WORDS: (
        (
            noted("You could say “died by suicide”. “Commit” sounds like a crime."),
            _any(r"commit(?:s|ted|ting)?\ssuicide"),
        ),
        (
            noted("You could say “an attempt”. Nobody fails or succeeds at it."),
            _any(
                r"(?:failed|unsuccessful|successful|botched)\s(?:suicide(?:\sattempt)?|attempts?)",
                r"(?:failed|succeeded)\sat\ssuicide",
            ),
        ),
        (
            noted(
                "You could say “more people die by suicide”. “Epidemic” makes it sound catching."
            ),
            _any(r"suicide\sepidemic"),
        ),
        (
            noted("You could say “has a mental health condition”."),
            _any(
                r"(?:the\s)?mentally\sill(?:\speople)?",
                r"suffer(?:s|ing|ed)?\sfrom\s(?:depression|anxiety|bipolar|schizophrenia|ptsd"
                r"|a\smental\s\w+)",
                r"the\s(?:depressed|bipolars|schizophrenics|mentally\sdisturbed)",
            ),
        ),
        (
            noted(
                "You could say “a person who uses drugs”, or “who drinks”. People are more than "
                "that."
            ),
            _any(
                r"(?:a|an|the|some|these|those)\s(?:\w+\s)?(?:junk(?:ie|y|ies)|drug\saddicts?|addicts?)"
            ),
        ),
        (
            noted(
                "You could say “asking for support”. Nobody hurts for the sake of being looked at."
            ),
            _any(r"attention[-\s]seek(?:ing|ers?)", r"cry\sfor\sattention"),
        ),
        (
            noted("You could name what you saw. “Crazy” and such words stay with people."),
            _any(
                r"(?:he|she|they|you|people)(?:'s|'re|\sis|\sare|\swas|\swere)\s(?:all\s|totally\s|just\s)?"
                r"(?:crazy|psycho|nuts|insane|a\snutter|mental)",
            ),
        ),
    ),
    Family.ANSWERS: (
        (
            noted(
                "You could say “That sounds hard. Do you want to say more?” “At least” can feel "
                "like "
                "it should hurt less."
            ),
            _any(r"(?:well,?\s)?at\sleast\s(?:you|it|it's|he|she|they|your|there|nobody|that)"),
        ),
        (
            noted("You could ask “What have you tried?” “Just” makes it sound easy."),
            _any(
                rf"(?:you\s(?:could|can|should|need\sto|have\sto)|why\s(?:don't\syou|not))\sjust"
                rf"\s{_EASY}",
                rf"(?:^|[.!?,:]\s)(?:please\s)?just\s{_EASY}",
            ),
        ),
        (
            noted(
                "You could say “I hope it gets lighter. I am here now.” Nobody can know that it "
                "will."
            ),
            _any(
                rf"{_NO_WISH}it(?:'ll|\swill|\salways)?\s(?:all\s)?(?:gets?|be)\s"
                r"(?:better|okay|fine|easier)",
                r"time\sheals",
                r"this\stoo\sshall\spass",
            ),
        ),
        (
            noted("You could stay with what they said, before you show another side of it."),
            _any(
                r"look\s(?:on|at)\sthe\s(?:bright|positive)\sside",
                r"every\scloud\shas",
                r"(?:everything|it(?:\sall)?)\shappens\sfor\sa\sreason",
                r"stay\spositive",
                r"(?:others|other\speople|some\speople|many\speople)\s(?:have|had|are)\s(?:it\s)?"
                r"(?:far\s|much\s|even\s)?worse",
            ),
        ),
        (
            noted("You could ask first: “Would ideas help, or shall I just listen?”"),
            _any(
                r"you\s(?:should|must|need\sto|have\sto|ought\sto)\s"
                r"(?!not\b|never\b|be\sproud|know\b|hear\b|feel\b)\w+",
            ),
        ),
    ),
}
